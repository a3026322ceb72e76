"""What `hwgen simulate` refuses before anything is built, and how it judges a run."""

import json

import numpy as np
import pytest

from hwgen.backends.engine.generate import generate
from hwgen.backends.options import Options
from hwgen.errors import HwgenError, InputError
from hwgen.evaluate import simulate, simulate_engine
from hwgen.evaluate.design_sim import SimResult
from hwgen.graph import GraphBuilder, qonnx_out


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design")
    b = GraphBuilder("net")
    x = b.input("x", (6,), bits=8, signed=True, scale=0.5)
    b.output(b.requantize(b.linear(x, np.eye(6, 4, dtype=int), 1.0, weight_bits=2), bits=8, scale=0.5), "y")
    qonnx_out.save(b.build(), folder / "net.onnx")
    return generate(folder / "net.onnx", "zcu104", Options(array=(8, 8)), folder / "net")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"z": np.zeros((1, 6))}, "'x' is missing"),
        ({"x": np.zeros((1, 6)), "z": np.zeros((1, 6))}, "is no input"),
        ({"x": np.zeros((1, 7))}, "expected (batch, 6)"),
        ({"x": np.zeros((0, 6))}, "no frame"),
        ({"x": np.full((1, 6), np.nan)}, "NaN"),
        ({"x": np.array([["a"] * 6])}, "real numbers"),
    ],
)
def test_bad_inputs_are_named(design, tmp_path, arrays, says):
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(InputError) as error:
        simulate.simulate(design, tmp_path / "in.npz")
    assert says in str(error.value)


def test_a_file_that_is_no_npz_is_named(design, tmp_path):
    (tmp_path / "in.npz").write_text("hello")
    with pytest.raises(InputError, match="not an .npz"):
        simulate.simulate(design, tmp_path / "in.npz")


def test_a_folder_that_holds_no_design_is_named(tmp_path):
    with pytest.raises(InputError, match="generate"):
        simulate.simulate(tmp_path)


def _result(outputs, latency):
    names = ("latency", "issued", "wait_din", "wait_mm", "wait_row", "tail", "compute", "runs")
    return SimResult(outputs, np.array(latency, np.uint32), dict.fromkeys(names, 1))


def test_a_wrong_bit_or_clock_is_an_error(design):
    predicted = json.loads((design / "report.json").read_text())["predicted_cycles"]
    want = {"y": np.zeros((2, 4), np.int64)}
    report = simulate_engine.complete_report(design, want, _result(want, [predicted] * 2))
    simulate_engine.judge(report)
    assert report["bit_exact"] and report["vectors"] == 2 and report["latency_cycles"] == predicted

    wrong = {"y": want["y"] + np.array([[0, 0, 0, 1], [0, 0, 0, 0]])}
    with pytest.raises(HwgenError, match="differs from golden"):
        simulate_engine.judge(simulate_engine.complete_report(design, want, _result(wrong, [predicted] * 2)))
    with pytest.raises(HwgenError, match="predicted"):
        simulate_engine.judge(simulate_engine.complete_report(design, want, _result(want, [predicted, predicted + 1])))


def test_a_damaged_report_is_named(design, tmp_path):
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(InputError, match="generate the design again"):
        simulate_engine.complete_report(tmp_path, {}, _result({}, [1]))
