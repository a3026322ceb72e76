"""`hwgen simulate` of several engines: the chain is judged by golden, and the RTL of a pipeline is right."""

import json
import shutil

import numpy as np
import pytest

from hwgen import boards
from hwgen.build import package_engines
from hwgen.build.verilate import build
from hwgen.codesign.engines import handover
from hwgen.errors import HwgenError, InputError
from hwgen.evaluate import design_files, simulate, simulate_engine
from hwgen.evaluate.design_sim import SimResult
from hwgen.evaluate.vectors import load_graph
from hwgen.graph import golden
from hwgen.graph.split import cuts
from hwgen.runtime import Engines
from hwgen.runtime.sim_engines import simulated
from tests.codesign.test_search import mlp
from tests.codesign.ways import written

CLOCK = boards.load("zcu104").clock_mhz


@pytest.fixture
def pipeline(tmp_path):
    graph = mlp((16, 16, 16, 8))
    written(tmp_path, graph, boards.load("zcu104"), (2, 1), [cuts(graph)[0].at])
    return tmp_path


def computed(offset=0):
    """In the place of the RTL: golden's outputs, off by so much in the last frame of the second stage."""

    def run(folder, ints, console, waves=None):
        out = golden.run(load_graph(folder), ints)
        if folder.name == "stage1":
            for values in out.values():
                values[-1, 0] ^= offset
        clocks = json.loads((folder / "report.json").read_text())["predicted_cycles"]
        count = len(next(iter(ints.values())))
        names = ("latency", "issued", "wait_din", "wait_mm", "wait_row", "tail", "compute", "runs")
        return SimResult(out, np.full(count, clocks, np.uint32), dict.fromkeys(names, 1))

    return run


def test_the_report_adds_up(pipeline, monkeypatch):
    monkeypatch.setattr(simulate_engine, "run_with_progress", computed())
    report = simulate.simulate(pipeline, outputs=pipeline / "out.npz")
    first, second = report["stage_latency_cycles"]
    assert report["bit_exact"] and report["vectors"] == 32 and report["wrong_frames"] == {"y": 0}
    assert report["latency_cycles"] == report["predicted_cycles"] == first + second + handover(CLOCK)
    assert report["interval_cycles"] == max(-(-first // 2), second)
    assert json.loads((pipeline / "stage1" / "report.json").read_text())["latency_cycles"] == second
    with np.load(pipeline / "out.npz") as out:
        assert out["y"].shape == (32, 8)


def test_a_wrong_bit_of_a_stage_is_an_error(pipeline, monkeypatch):
    monkeypatch.setattr(simulate_engine, "run_with_progress", computed(offset=1))
    with pytest.raises(HwgenError, match="differs from golden in {'y': 1} frames of 32"):
        simulate.simulate(pipeline)


@pytest.mark.parametrize(
    "stages, told",
    [
        (None, "stages is None, not a list"),
        ([{"folder": "../stage0", "copies": 1}], r"stages\[0\] is .* not a folder stage0"),
        ([{"folder": "stage0", "copies": 0}], "1 to 4 copies"),
        ([{"folder": "stage0", "copies": True}], "1 to 4 copies"),
        ([{}] * 5, "not a list of 1 to 4"),
    ],
)
def test_a_damaged_manifest_is_named(pipeline, stages, told):
    manifest = json.loads((pipeline / "manifest.json").read_text())
    (pipeline / "manifest.json").write_text(json.dumps(manifest | {"stages": stages}))
    with pytest.raises(InputError, match=told):
        simulate.simulate(pipeline)


@pytest.mark.parametrize(
    "of, to, told",
    [
        (0, 1, "no stage makes the output 'y' of graph.onnx"),
        (1, 0, "stage0/graph.onnx reads 'requantize', which neither"),
    ],
)
def test_stages_that_do_not_join_are_named(pipeline, of, to, told):
    shutil.rmtree(pipeline / f"stage{to}")
    shutil.copytree(pipeline / f"stage{of}", pipeline / f"stage{to}")
    with pytest.raises(InputError, match=told):
        simulate.simulate(pipeline)


@pytest.mark.parametrize("key", ["multipliers", "clock_mhz_assumed", "ddr_bytes"])
def test_a_damaged_report_is_named(pipeline, monkeypatch, key):
    monkeypatch.setattr(simulate_engine, "run_with_progress", computed())
    report = json.loads((pipeline / "report.json").read_text())
    (pipeline / "report.json").write_text(json.dumps(report | {key: 0 if key != "ddr_bytes" else "x"}))
    with pytest.raises(InputError, match=key):
        simulate.simulate(pipeline)


def test_waves_are_of_one_engine(pipeline):
    with pytest.raises(InputError, match="--waves"):
        simulate.simulate(pipeline, waves=True)


@pytest.mark.rtl
def test_the_rtl_of_a_pipeline_is_golden_and_in_time(pipeline):
    """Through `hwgen simulate`, then by the driver, with the engines in one DDR."""
    report = simulate.simulate(pipeline)
    assert report["bit_exact"] and report["latency_cycles"] == report["predicted_cycles"]
    assert design_files.read_stages(pipeline)[0]["copies"] == 2
    made = package_engines.package(pipeline, pipeline / "net.hwpkg")
    for stage in ("stage0", "stage1"):
        build(pipeline / stage)
    with simulated(made, pipeline) as devices, Engines(made, devices=devices) as engines:
        told = engines.selftest()
        runs = [one["runs"] for one in engines.health()["engines"]]
        assert told["latency_cycles"] == told["predicted_cycles"] == sum(report["stage_latency_cycles"])
        assert told["vectors"] == 32 and all(many >= 16 for many in runs)
