"""QONNX -> DIR: every file of the contract, consistent with one another; and bad input told in one line."""

import hashlib
import json

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.design import GOLDEN_VECTORS
from hwgen.backends.engine import generate
from hwgen.backends.options import Options
from hwgen.errors import FitError, HwgenError, InputError, UnsupportedError
from hwgen.graph import GraphBuilder, golden, qonnx_in, qonnx_out
from hwgen.runtime.package import read_package

REPORT = {
    "latency_cycles", "predicted_cycles", "compute_cycles", "macs", "multipliers", "utilization", "bit_exact",
    "vectors", "clock_mhz_assumed", "resources", "ddr_ports", "streamed_bytes", "board", "backend", "design_hash",
}  # fmt: skip


def mlp(rng, widths=(20, 24, 6), last=lambda b, x: x):
    b = GraphBuilder("mlp")
    x = b.input("x", (widths[0],), bits=8, signed=True, scale=2**-6)
    for i, (n, m) in enumerate(zip(widths, widths[1:], strict=False)):
        acc = b.linear(x, rng.integers(-8, 8, (n, m)), 2**-4, rng.normal(0, 1, m), weight_bits=4)
        x = b.requantize(acc, bits=8, signed=True, scale=2**-3, relu=i < len(widths) - 2)
    b.output(last(b, x), "y")
    return b.build()


@pytest.fixture
def onnx(rng, tmp_path):
    file = tmp_path / "net.onnx"
    qonnx_out.save(mlp(rng), file)
    return file


def test_every_file_of_the_contract(onnx, tmp_path):
    out = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / "net")
    assert {f.name for f in out.iterdir()} == {
        "rtl", "graph.onnx", "golden.npz", "manifest.json", "report.json", generate.PACKAGE,
    }  # fmt: skip
    report, manifest = (json.loads((out / f"{name}.json").read_text()) for name in ("report", "manifest"))
    assert set(report) >= REPORT
    assert set(report["resources"]) == {"lut", "ff", "dsp", "bram36", "uram", "source"}
    assert report["macs"] == 20 * 24 + 24 * 6 and report["multipliers"] == 64
    assert report["latency_cycles"] is None and report["bit_exact"] is None  # nothing has been simulated
    assert report["predicted_cycles"] == manifest["predicted_cycles"]
    assert sum(report["cycles"].values()) + 1 == report["predicted_cycles"]
    assert {unit["busy"] + unit["idle"] for unit in report["units"].values()} == {report["predicted_cycles"]}
    assert report["design_hash"] == manifest["design_hash"]
    assert (out / "graph.onnx").read_bytes() == onnx.read_bytes()


def test_the_golden_vectors_are_goldens(onnx, tmp_path):
    out = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / "net")
    graph, vectors = qonnx_in.load(out / "graph.onnx"), np.load(out / "golden.npz")
    want = golden.run(graph, {name: vectors[name] for name in graph.inputs})
    for name, y in want.items():
        np.testing.assert_array_equal(vectors[name], y)
    x = vectors["x"]
    assert len(x) == GOLDEN_VECTORS and x[0].max() == -128 and x[1].min() == 127


def test_the_package_is_for_the_design(onnx, tmp_path):
    out = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / "net")
    package = read_package(out / generate.PACKAGE)
    manifest = json.loads((out / "manifest.json").read_text())
    assert package.manifest["design_hash"] == manifest["design_hash"]
    assert int.from_bytes(package.image[8:16], "little") == int(manifest["design_hash"], 16)


def test_other_weights_take_the_same_design(tmp_path):
    hashes, images = set(), set()
    for seed in (1, 2):
        qonnx_out.save(mlp(np.random.default_rng(seed)), tmp_path / "net.onnx")
        out = backends.generate(
            tmp_path / "net.onnx", "zcu104", "engine", Options(array=(8, 8)), tmp_path / f"net{seed}"
        )
        hashes.add(json.loads((out / "manifest.json").read_text())["design_hash"])
        images.add(read_package(out / generate.PACKAGE).image)
    assert len(hashes) == 1 and len(images) == 2


def test_the_same_input_gives_the_same_files(onnx, tmp_path):
    def digests(name):
        out = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / name)
        files = sorted(f for f in out.rglob("*") if f.is_file() and f.suffix not in (".npz", ".hwpkg"))  # hold dates
        return {f.relative_to(out): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    assert digests("one") == digests("two")


def test_the_fastest_array_that_fits_is_taken(onnx, tmp_path):
    out = backends.generate(onnx, "zcu104", "engine", Options(), tmp_path / "net")
    chosen = json.loads((out / "report.json").read_text())
    small = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / "small")
    assert chosen["predicted_cycles"] <= json.loads((small / "report.json").read_text())["predicted_cycles"]


BAD = [
    ({"board": "zcu105"}, InputError, r"unknown board 'zcu105' \(did you mean .*\?\): known are"),
    ({"backend": "vhdl"}, InputError, "unknown backend 'vhdl': known are engine, hls4ml, finn"),
    ({"array": (12, 8)}, InputError, "array 12x8 cannot be built: N and M must each be one of 8, 16, 32, 64"),
    (
        {"array": (64, 64), "board": "pynq-z2"},
        FitError,
        r"array 64x64 .* does not fit pynq-z2: .* of .*smaller --array",
    ),
]


@pytest.mark.parametrize("change, error, message", BAD, ids=["board", "backend", "array", "fit"])
def test_bad_requests_are_told(onnx, tmp_path, change, error, message):
    request = {"board": "zcu104", "backend": "engine", "array": (8, 8)} | change
    with pytest.raises(error, match=message) as told:
        backends.generate(onnx, request["board"], request["backend"], Options(array=request["array"]), tmp_path / "net")
    assert isinstance(told.value, HwgenError) and "\n" not in str(told.value)
    assert not (tmp_path / "net").exists()  # nothing half made


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(HwgenError, match="nothing.onnx"):
        backends.generate(tmp_path / "nothing.onnx", "zcu104", "engine", Options(array=(8, 8)), tmp_path / "net")


def test_weights_beyond_the_chip_are_told(tmp_path):
    qonnx_out.save(mlp(np.random.default_rng(1), (2048, 2048, 2048, 2048)), tmp_path / "net.onnx")
    with pytest.raises(FitError, match="pynq-z2 has .* MB on the chip.*fewer bits, a smaller graph or a larger board"):
        backends.generate(tmp_path / "net.onnx", "pynq-z2", "engine", Options(), tmp_path / "net")


def test_weights_beyond_the_chip_come_from_ddr_where_ports_are_to_spare():
    """8 MB of weights, each for one clock: the ports are the limit."""
    graph = mlp(np.random.default_rng(1), (2048, 4096, 2048))
    one, three = (generate.choose(graph, boards.load("zcu104"), (32, 32), stream_ports=ports) for ports in (1, 3))
    assert three.config.stream_ports == 3 and three.timing.latency < one.timing.latency
    assert three.streamed_bytes > 4e6 and 0.9 < three.stream_share < one.stream_share <= 1
    found = generate.report(three, boards.load("zcu104"), 0)
    assert (found["ddr_ports"], found["streamed_bytes"]) == (4, three.streamed_bytes)
    assert sum(layer["lost"].get("STREAM", 0) for layer in found["layers"]) > 0
    with pytest.raises(FitError, match="32x32 .* does not fit zcu104|on the chip"):
        generate.choose(graph, boards.load("zcu104"), (32, 32), weights="chip")


def test_weights_can_be_asked_for_from_ddr():
    graph = mlp(np.random.default_rng(1), (64, 64, 64, 64, 64))
    design = generate.choose(graph, boards.load("zcu104"), (8, 8), weights="ddr")
    assert design.config.stream_ports == 2 and 0 < design.config.weight_depth < 256 and design.streamed_bytes
    assert not generate.choose(graph, boards.load("zcu104"), (8, 8)).config.stream_ports
    for board, more, message in [
        ("pynq-z2", {"weights": "ddr"}, "pynq-z2 has 0 memory ports for weights.*leave --weights ddr"),
        ("zcu104", {"stream_ports": 4}, "zcu104 has 3 memory ports for weights.*--stream-ports 3 or fewer"),
    ]:
        with pytest.raises(InputError, match=message):
            generate.choose(graph, boards.load(board), (8, 8), **more)


def test_an_unsupported_operator_names_node_reason_and_way_out(tmp_path):
    b = GraphBuilder("product")
    x = b.input("x", (1, 4, 8), bits=8, signed=True, scale=2**-6)
    y = b.input("y", (1, 8, 4), bits=8, signed=False, scale=2**-6)
    b.output(b.requantize(b.matmul(x, y, name="scores"), bits=8, scale=2**-3), "z")
    qonnx_out.save(b.build(), tmp_path / "net.onnx")
    with pytest.raises(
        UnsupportedError, match=r"node '.*scores.*' \(MatMul\): its second operand .* is unsigned.*int8"
    ):
        backends.generate(tmp_path / "net.onnx", "zcu104", "engine", Options(array=(8, 8)), tmp_path / "net")
