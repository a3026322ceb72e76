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
from hwgen.graph import GraphBuilder, golden, qonnx_out
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


def test_a_folder_holds_one_design(graph_file, tmp_path):
    """Several, then one: nothing of the several is left; what is not theirs stays. `--like` names one of them."""
    generate(graph_file, tmp_path, engines="2", multipliers=128)
    (tmp_path / "stages.txt").write_text("mine")
    (tmp_path / "stage1").mkdir()
    with pytest.raises(InputError, match="is a design of several engines: --like takes one of them, such as .*stage0"):
        generate(graph_file, tmp_path / "new", like=tmp_path)
    generate(graph_file, tmp_path / "new", like=tmp_path / "stage0")
    generate(graph_file, tmp_path, engines="auto", multipliers=128)
    assert not (tmp_path / "stage0").exists() and (tmp_path / "stages.txt").read_text() == "mine"
    assert (tmp_path / "stage1").is_dir() and not package_engines.is_one(tmp_path)


def test_the_report_keeps_its_contract(graph_file, tmp_path):
    _, report = generate(graph_file, tmp_path, engines="2", multipliers=128)
    stage = json.loads((tmp_path / "stage0" / "report.json").read_text())
    manifest = json.loads((tmp_path / "stage0" / "manifest.json").read_text())
    assert set(report) > {"latency_cycles", "compute_cycles", "bit_exact", "vectors", "ddr_ports", "design_hash"}
    assert report["utilization"] == report["macs"] / report["multipliers"] / report["predicted_cycles"]
    assert report["multipliers"] == 2 * stage["multipliers"] and report["compute_cycles"] == stage["compute_cycles"]
    assert report["ddr_bytes"] == manifest["in_bytes"] + manifest["out_bytes"]
    assert report["ddr_bytes_a_second"] == report["ddr_bytes"] * 250e6 / report["interval_cycles"]


def test_a_board_whose_memory_is_too_small_is_named(tmp_path):
    """Where `auto` has one engine only, that is checked as any is."""
    b = GraphBuilder("wide")
    x = b.input("x", (16,), bits=8, signed=True, scale=2**-4)
    acc = b.linear(x, np.ones((16, 7_200), int), 2**-5, weight_bits=4)
    b.output(b.requantize(acc, bits=8, signed=True, scale=2**-3), "y")
    qonnx_out.save(b.build(), tmp_path / "wide.onnx")
    for many in ("1", "auto"):
        with pytest.raises(FitError, match="ulx3s has no DDR"):
            backends.generate(tmp_path / "wide.onnx", "ulx3s", "engine", Options(engines=many), tmp_path / "out")


@pytest.mark.parametrize(
    "options, told",
    [
        *(({"engines": bad}, f"--engines '{bad}' is unknown: choose 1, 2, 3, 4, auto") for bad in ("5", "0", "foo")),
        ({"engines": "2", "array": (8, 8)}, "--engines without --array and --like"),
    ],
)
def test_options_that_mean_nothing_are_refused(graph_file, tmp_path, options, told):
    with pytest.raises(InputError, match=told):
        generate(graph_file, tmp_path, **options)


def test_a_board_without_memory_ports_is_named(graph_file, tmp_path):
    with pytest.raises(FitError, match="ulx3s has no memory ports"):
        backends.generate(graph_file, "ulx3s", "engine", Options(engines="2"), tmp_path)
    assert boards.load("ulx3s").memory.ports == {}


def test_policies_are_for_replicas(graph_file, tmp_path):
    manifest, _ = generate(graph_file, tmp_path, engines="2", multipliers=128)
    assert [s["copies"] for s in manifest["stages"]] == [2]  # without a target replicas answer soonest
    manifest["stages"] = [{"folder": "stage0", "copies": 1}, {"folder": "stage1", "copies": 1}]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="a pipeline of 2 stages, which are packaged as accelerators alone"):
        package_engines.package(tmp_path, tmp_path / "net.hwpkg", policy="demo")


def test_inspect_tells_of_each_engine(graph_file, tmp_path):
    from tests.build.test_package import invoke

    generate(graph_file, tmp_path / "two", engines="2", multipliers=128, rate_hz=1e6)
    generate(graph_file, tmp_path / "one", multipliers=128)
    two, one = tmp_path / "two.hwpkg", tmp_path / "one" / "policy.hwpkg"
    package_engines.package(tmp_path / "two", two)
    shown = " ".join(invoke("inspect", str(two)).stdout.split())
    for word in ("an accelerator alone, on 2 engines", "8x8 array", "stage 0", "a second", "hwgen.runtime.Engines"):
        assert word in shown
    facts = json.loads(invoke("inspect", str(two), "--json").stdout)
    assert sum(facts["copies"]) == 2 and len(facts["stages"]) == len(facts["copies"]) and facts["backend"] == "engines"
    assert [m["name"] for m in facts["members"]][0] == "engines.json"
    same = invoke("inspect", str(two), str(two))
    assert same.exit_code == 0 and "both are of design" in same.stdout
    for pair in ((two, one), (one, two)):
        differ = invoke("inspect", *map(str, pair))
        assert differ.exit_code == 1 and "engines of the stages are [" in differ.stdout
