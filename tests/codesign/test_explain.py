"""What explain tells adds up, names the layers, and comes from the report alone."""

import json

import pytest
from rich.console import Console

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.backends.options import Options
from hwgen.cli.common import graph_file
from hwgen.codesign import causes
from hwgen.codesign.explain import explain
from hwgen.errors import InputError
from hwgen.graph import qonnx_in


@pytest.fixture(scope="module")
def designs(tmp_path_factory):
    """A design that was searched for, and one whose weights come from DDR."""
    board, out = boards.load("zcu104"), {}
    for name, graph, options in (
        ("demo", "demo", Options()),
        ("streamed", "zoo:mlperf-tiny-kws", Options(array=(8, 8), weights="ddr")),
    ):
        folder = tmp_path_factory.mktemp(name)
        with graph_file(graph) as file:
            generate.generate(file, board.name, options, folder)
        out[name] = folder
    return out


@pytest.mark.parametrize("name", ["demo", "streamed"])
def test_the_clocks_add_up(designs, name):
    told = explain(designs[name], Console(quiet=True))
    report = json.loads((designs[name] / "report.json").read_text())
    assert sum(told["causes"].values()) == pytest.approx(report["predicted_cycles"], abs=1)
    assert set(told["causes"]) == set(causes.WORDS) and min(told["causes"].values()) >= 0
    for layer, row in zip(told["layers"], report["layers"], strict=True):
        assert layer["clocks"] == row["busy"] + row["idle"]
        assert layer["causes"][layer["binds"]] == max(layer["causes"].values())
        assert row["streamed_bytes"] >= 0 and min(layer["causes"].values()) >= 0
    assert sum(row["streamed_bytes"] for row in report["layers"]) == report["streamed_bytes"]
    assert (told["causes"]["weight_bandwidth"] > 0) == (name == "streamed")
    for file in ("roofline.png", "timeline.png"):
        assert (designs[name] / file).read_bytes().startswith(b"\x89PNG")
    assert json.loads((designs[name] / "explain.json").read_text()) == told


def test_every_multiplication_has_its_layer(designs):
    for folder in designs.values():
        graph = qonnx_in.load(folder / "graph.onnx")
        report = json.loads((folder / "report.json").read_text())
        products = sum(node.macs(graph.in_shapes(node)) for node in graph.nodes if node.op == "Mul")
        assert sum(row["macs"] for row in report["layers"]) == report["macs"] - products


def test_the_tables(designs):
    console = Console(width=140, record=True, quiet=False, file=open("/dev/null", "w"))
    told = explain(designs["demo"], console)
    text = console.export_text()
    assert "encoder.conv1_q" in text and "refused" in text and "chosen" in text
    assert "faster: " in text and any("multipliers: 32x64 would take" in sentence for sentence in told["faster"])
    console = Console(width=140, record=True, file=open("/dev/null", "w"))
    explain(designs["streamed"], console)
    text = console.export_text()
    assert "was asked for" in text and "weight_bandwidth" in text


def test_other_folders_are_refused(designs, tmp_path):
    with pytest.raises(InputError, match="holds no report.json: give a folder that `hwgen generate` wrote"):
        explain(tmp_path)
    for name in ("report.json", "manifest.json"):
        (tmp_path / name).write_text((designs["demo"] / name).read_text())
    report = json.loads((tmp_path / "report.json").read_text())
    for change, message in [
        ({"backend": "finn"}, "of the backend finn"),
        ({"layers": [{}]}, "cannot be explained .*generate the design again"),
        ({"layers": None}, "cannot be explained"),
        ({"spans": 3}, "cannot be explained"),
        ({"search": []}, "cannot be explained"),
    ]:
        (tmp_path / "report.json").write_text(json.dumps(report | change))
        with pytest.raises(InputError, match=message) as told:
            explain(tmp_path, Console(quiet=True))
        assert "\n" not in str(told.value)
    (tmp_path / "report.json").write_text("[1]")
    with pytest.raises(InputError, match="report.json cannot be used"):
        explain(tmp_path)
