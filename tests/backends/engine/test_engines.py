"""DIR of several engines, and of one that `auto` chose; options that do not go together."""

import json

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.engine import rtl
from hwgen.backends.options import Options
from hwgen.build import package_engines
from hwgen.codesign.engines import handover
from hwgen.errors import FitError, InputError
from hwgen.evaluate.vectors import load_graph, read_golden
from hwgen.graph import golden, qonnx_out
from hwgen.graph.split import chain
from hwgen.runtime import read_package
from tests.codesign.test_search import mlp


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("graph") / "mlp.onnx"
    qonnx_out.save(mlp((32, 32, 32, 8)), file)
    return file


def generate(graph_file, out, **options):
    backends.generate(graph_file, "zcu104", "engine", Options(**options), out)
    return json.loads((out / "manifest.json").read_text()), json.loads((out / "report.json").read_text())


def test_each_stage_is_a_design_of_its_own(graph_file, tmp_path):
    """With so few multipliers each of two engines is 8x8, and a pipeline has the shorter interval."""
    manifest, report = generate(graph_file, tmp_path, engines="2", multipliers=128, rate_hz=1e6)
    assert manifest["backend"] == report["backend"] == "engines" and report["engines"] == 2
    stages = [json.loads((tmp_path / s["folder"] / "manifest.json").read_text()) for s in manifest["stages"]]
    assert [s["design_hash"] for s in manifest["stages"]] == [s["design_hash"] for s in stages]
    clocks = [one["predicted_cycles"] for one in stages]
    assert manifest["predicted_cycles"] == sum(clocks) + handover(250, len(stages)) == report["predicted_cycles"]
    copies = [s["copies"] for s in manifest["stages"]]
    assert manifest["interval_cycles"] == max(-(-c // many) for c, many in zip(clocks, copies, strict=True))
    for stage, entry in zip(stages, manifest["stages"], strict=True):
        assert read_package(tmp_path / entry["folder"] / "policy.hwpkg").manifest["design_hash"] == stage["design_hash"]
        assert {f.name for f in (tmp_path / entry["folder"] / "rtl").glob("*.sv")} > {f.name for f in rtl.library()}
    ints, want = read_golden(tmp_path, load_graph(tmp_path))
    got = chain([load_graph(tmp_path / s["folder"]) for s in manifest["stages"]], ints, golden.run)
    assert all(np.array_equal(got[name], value) for name, value in want.items())
    made = package_engines.package(tmp_path, tmp_path / "net.hwpkg")
    assert list(made.copies) == copies and "2 engines on zcu104" in package_engines.summary(made, 1000)


def test_one_engine_that_auto_chose_is_written_as_ever(graph_file, tmp_path):
    alone, _ = generate(graph_file, tmp_path / "alone", multipliers=256)
    chosen, report = generate(graph_file, tmp_path / "auto", multipliers=256, engines="auto")
    assert chosen == alone and report["search_engines"]["ways"][0]["verdict"] == "chosen"
    assert (tmp_path / "auto" / "policy.hwpkg").read_bytes() == (tmp_path / "alone" / "policy.hwpkg").read_bytes()
    assert not package_engines.is_one(tmp_path / "auto") and not list((tmp_path / "auto").glob("stage*"))


@pytest.mark.parametrize(
    "options, told",
    [
        ({"engines": "5"}, "--engines '5' is unknown: choose 1, 2, 3, 4, auto"),
        ({"engines": "2", "array": (8, 8)}, "--engines without --array and --like"),
    ],
)
def test_options_that_mean_nothing_are_refused(graph_file, tmp_path, options, told):
    with pytest.raises(InputError, match=told):
        generate(graph_file, tmp_path, **options)


def test_a_board_without_memory_ports_is_named(graph_file, tmp_path):
    with pytest.raises(FitError, match="ulx3s has 1 memory ports"):
        backends.generate(graph_file, "ulx3s", "engine", Options(engines="2"), tmp_path)
    assert boards.load("ulx3s").memory.ports == {}


def test_policies_are_for_replicas(graph_file, tmp_path):
    manifest, _ = generate(graph_file, tmp_path, engines="2", multipliers=128)
    assert [s["copies"] for s in manifest["stages"]] == [2]  # without a target replicas answer soonest
    manifest["stages"] = [{"folder": "stage0", "copies": 1}, {"folder": "stage1", "copies": 1}]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="a pipeline of 2 stages, which are packaged as accelerators alone"):
        package_engines.package(tmp_path, tmp_path / "net.hwpkg", policy="demo")
