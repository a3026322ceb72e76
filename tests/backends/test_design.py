"""What every backend writes: a folder that stands on its own."""

import numpy as np
import onnx
import pytest

from hwgen.backends.design import write_common
from hwgen.graph import qonnx_in, qonnx_out, run
from hwgen.graph.random_graphs import Limits, random_graph


@pytest.mark.parametrize("beside", [False, True])
def test_the_copied_model_needs_no_other_file(beside, tmp_path, rng):
    """Exporters put large weights into a file beside the model; DIR must hold them too."""
    graph = random_graph(rng, Limits(max_width=20))
    given, out = tmp_path / "given" / "model.onnx", tmp_path / "out"
    given.parent.mkdir()
    stored = {"save_as_external_data": True, "location": "model.data", "size_threshold": 0} if beside else {}
    onnx.save(qonnx_out.to_model(graph), str(given), **stored)
    assert (given.parent / "model.data").exists() == beside
    vectors = write_common(out, graph, given, {}, {})
    copy = qonnx_in.load(out / "graph.onnx")
    got = run(copy, {name: vectors[name] for name in graph.inputs})
    assert all(np.array_equal(got[name], vectors[name]) for name in graph.outputs)
