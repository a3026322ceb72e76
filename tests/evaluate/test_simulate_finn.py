"""`hwgen simulate` of a FINN folder: real units in and out, and errors for damaged folders."""

import json

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.finn import generate
from hwgen.backends.options import Options
from hwgen.errors import InputError
from hwgen.evaluate.simulate_finn import simulate
from hwgen.graph import dequantize_outputs, golden, quantize_inputs
from tests.backends.finn.nets import cnn, line


@pytest.fixture
def folder(tmp_path):
    generate.write(generate.plan(cnn(2), boards.load("zcu104"), Options(multipliers=64)), tmp_path / "d")
    return tmp_path / "d"


def test_frames_of_a_user(folder, tmp_path):
    graph = cnn(2)
    name = graph.inputs[0]
    real = {name: np.random.default_rng(0).normal(size=(5, *graph.tensors[name].shape)).astype(np.float32)}
    np.savez(tmp_path / "in.npz", **real)
    report = simulate(folder, tmp_path / "in.npz", tmp_path / "out.npz")
    want = dequantize_outputs(graph, golden.run(graph, quantize_inputs(graph, real)))
    got = np.load(tmp_path / "out.npz")
    assert report["vectors"] == 5 and report["bit_exact"]
    for output in graph.outputs:
        np.testing.assert_array_equal(got[output], want[output].astype(np.float32))


def test_a_signal_keeps_its_axes(tmp_path):
    generate.write(generate.plan(line(0), boards.load("zcu104"), Options(multipliers=64)), tmp_path)
    assert simulate(tmp_path)["bit_exact"]


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("model.onnx", b"not onnx", r"model\.onnx cannot be read as ONNX"),
        ("manifest.json", b"[]", r"manifest\.json cannot be used"),
        ("manifest.json", b'{"backend": "finn"}', r"manifest\.json does not describe"),
        ("report.json", b"{", r"report\.json cannot be used"),
    ],
)
def test_a_damaged_file_is_named(folder, file, content, match):
    (folder / file).write_bytes(content)
    with pytest.raises(InputError, match=match):
        simulate(folder)


def test_ports_of_another_graph(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["ports"][0]["name"] = "other"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="does not describe graph"):
        simulate(folder)
