import numpy as np

from hwgen.backends.hls4ml import testbench
from hwgen.backends.hls4ml.layers import map_graph
from hwgen.backends.hls4ml.layout import Layout
from hwgen.backends.hls4ml.mapped import Place
from tests.backends.hls4ml.graphs import mlp


def test_elements_are_stored_in_the_order_of_the_core():
    values = np.arange(24).reshape(2, 3, 4)
    stored = testbench.stored(values, Place("x", Layout((3, 4), (1, 0))))
    assert stored.tolist() == [values[0].T.reshape(-1).tolist(), values[1].T.reshape(-1).tolist()]


def test_a_line_is_a_frame_in_real_numbers_exactly(tmp_path):
    mapped = map_graph(mlp((6, 5, 4), scale=2.0**-3), "io_parallel")
    x = np.random.default_rng(0).integers(-128, 128, (20, 6))
    testbench.write(tmp_path, mapped, {"x": x, "y": np.zeros((20, 4), int)})
    rows = np.loadtxt(tmp_path / "tb_data" / "tb_input_features.dat")
    assert len(rows) == testbench.FRAMES and (rows == x[: len(rows)] / 8).all()
