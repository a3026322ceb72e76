"""`hwgen simulate DIR` of an hls4ml design: the C simulation against golden."""

import json
import shutil

import numpy as np
import pytest

from hwgen import backends
from hwgen.backends.hls4ml import csim, layers
from hwgen.backends.hls4ml.types import HlsType
from hwgen.backends.options import Options
from hwgen.errors import HwgenError, InputError
from hwgen.evaluate import simulate, simulate_hls4ml
from hwgen.graph import dequantize_outputs, golden, qonnx_out, quantize_inputs
from hwgen.policies.demo import load_demo
from tests.backends.hls4ml.graphs import mlp

GRAPH = mlp((6, 5, 4))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hls4ml")
    qonnx_out.save(GRAPH, folder / "net.onnx")
    backends.generate(folder / "net.onnx", "zcu104", "hls4ml", Options(), folder / "net")
    csim.library(folder / "net")
    return folder / "net"


@pytest.fixture
def design(made, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(made, tmp_path / "net")


def test_a_thousand_vectors_equal_golden(design, capsys):
    report = simulate.simulate(design)
    assert report["bit_exact"] is True and report["vectors"] == 1000 and report["wrong_frames"] == {"y": 0}
    assert report == json.loads((design / "report.json").read_text())
    assert f"seed {report['seed']}" in capsys.readouterr().err


def test_frames_of_a_user(design, tmp_path, rng):
    real = rng.uniform(-20, 20, (7, 6)).astype(np.float32)
    np.savez(tmp_path / "in.npz", x=real)
    report = simulate.simulate(design, tmp_path / "in.npz", tmp_path / "out.npz")
    assert report["vectors"] == 7 and report["seed"] is None
    want = dequantize_outputs(GRAPH, golden.run(GRAPH, quantize_inputs(GRAPH, {"x": real})))
    with np.load(tmp_path / "out.npz") as data:
        assert (data["y"] == want["y"].astype(np.float32)).all()


def test_bad_inputs_are_named(design, tmp_path):
    np.savez(tmp_path / "in.npz", x=np.zeros((1, 7)))
    with pytest.raises(InputError, match="expected .batch, 6"):
        simulate.simulate(design, tmp_path / "in.npz")


def test_weights_changed_by_hand_are_found(design):
    file = next((design / "firmware" / "weights").glob("w2.txt"))
    first, *rest = file.read_text().split(",")
    file.write_text(",".join([str(float(first) + 0.125), *rest]))
    with pytest.raises(HwgenError, match="differs from golden in .*'y'.*by hand"):
        simulate.simulate(design)
    assert json.loads((design / "report.json").read_text())["bit_exact"] is False


def test_the_first_layer_that_differs_is_named(tmp_path, monkeypatch):
    real = layers.weight_type

    def narrow(node, x, acc):
        t = real(node, x, acc)
        return HlsType(2, True, t.fraction) if node.name == "fc1" else t

    monkeypatch.setattr(layers, "weight_type", narrow)
    qonnx_out.save(GRAPH, tmp_path / "net.onnx")
    folder = backends.generate(tmp_path / "net.onnx", "zcu104", "hls4ml", Options(), tmp_path / "net")
    with pytest.raises(HwgenError, match="first layer that differs is node 'fc1' .Linear"):
        simulate.simulate(folder)


def test_a_difference_is_told_also_when_the_layers_cannot_be_searched(design):
    file = next((design / "firmware" / "weights").glob("w2.txt"))
    file.write_text(",".join("0.125" for _ in file.read_text().split(",")))
    report = json.loads((design / "report.json").read_text())
    (design / "report.json").write_text(json.dumps(report | {"layers": [{"reuse_factor": 1}]}))
    with pytest.raises(HwgenError, match="differs from golden.*could not be found"):
        simulate.simulate(design)


@pytest.mark.parametrize("name", ["report.json", "manifest.json"])
@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_damaged_files_are_named(design, name, text):
    (design / name).write_text(text)
    with pytest.raises(InputError, match=name):
        simulate_hls4ml.simulate(design)


def test_a_manifest_without_a_core_is_named(design):
    (design / "manifest.json").write_text('{"backend": "hls4ml"}')
    with pytest.raises(InputError, match="no core"):
        simulate.simulate(design)


def test_a_report_without_its_figures_is_named(design):
    (design / "report.json").write_text('{"name": "mlp"}')
    with pytest.raises(InputError, match="report.json: board is None.*generate"):
        simulate.simulate(design)


@pytest.mark.full
@pytest.mark.parametrize(
    ("part", "options"),
    [
        ("head", Options()),
        ("head", Options(multipliers=512)),
        ("head", Options(io="stream")),
        ("encoder", Options(io="stream")),
        ("encoder", Options(io="stream", multipliers=1024)),
    ],
    ids=str,
)
def test_the_demo_equals_golden(tmp_path, part, options):
    qonnx_out.save(getattr(load_demo(), part), tmp_path / "part.onnx")
    report = simulate.simulate(backends.generate(tmp_path / "part.onnx", "zcu104", "hls4ml", options, tmp_path / "out"))
    assert report["bit_exact"] and report["vectors"] >= 1000
