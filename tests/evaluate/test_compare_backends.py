"""The comparison of the backends: what a row says, what is recommended, and what is refused."""

import json

import numpy as np
import pytest
from rich.console import Console

from hwgen import backends
from hwgen.backends.options import Options
from hwgen.errors import FitError, InputError, ToolError, UnsupportedError
from hwgen.evaluate import compare_backends, simulate_engine
from hwgen.evaluate.compare_backends import Row, compare, recommend
from hwgen.evaluate.design_sim import SimResult
from hwgen.graph import GraphBuilder, qonnx_in, qonnx_out
from hwgen.schedule import compile_graph
from tests.support import FULL


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory):
    rng = np.random.default_rng(1)
    b = GraphBuilder("net")
    x = b.input("x", (16,), bits=8, signed=True, scale=0.5)
    x = b.requantize(b.linear(x, rng.integers(-7, 8, (16, 16)), 1.0, weight_bits=4), bits=8, scale=0.5)
    b.output(b.requantize(b.linear(x, rng.integers(-7, 8, (16, 8)), 1.0, weight_bits=4), bits=8, scale=0.5), "y")
    file = tmp_path_factory.mktemp("graph") / "net.onnx"
    qonnx_out.save(b.build(), file)
    return file


@pytest.fixture
def no_verilator(monkeypatch):
    """The engine's simulation stands still: golden's outputs, the predicted clocks."""

    def run(folder, ints, *_):
        report = json.loads((folder / "report.json").read_text())
        golden = np.load(folder / "golden.npz")
        count = len(next(iter(ints.values())))
        names = ("latency", "issued", "wait_din", "wait_mm", "wait_row", "tail", "compute", "runs")
        outputs = {name: golden[name][:count] for name in golden.files if name not in ints}
        return SimResult(outputs, np.full(count, report["predicted_cycles"]), dict.fromkeys(names, 1))

    monkeypatch.setattr(simulate_engine, "run_with_progress", run)


def rows(*figures):
    return [Row(name, latency, latency, interval, how) for name, latency, interval, how in figures]


def test_the_lowest_latency_is_recommended():
    answer = recommend(
        rows(("engine", 100, 100, "simulated"), ("hls4ml", 300, 90, "formula"), ("finn", 250, 50, "formula"))
    )
    assert answer["recommended"] == "engine"
    assert "one frame in 100 clocks (simulated)" in answer["reason"]
    assert "3.00 times lower than hls4ml (formula)" in answer["reason"]
    assert "finn takes 2.00 times more" in answer["reason"]
    assert recommend(rows(("engine", 100, 100, "simulated"), ("hls4ml", 12, 1, "formula")))["recommended"] == "hls4ml"


def test_a_formula_within_a_tenth_does_not_beat_a_simulation():
    assert recommend(rows(("engine", 109, 9, "simulated"), ("finn", 100, 9, "formula")))["recommended"] == "engine"
    assert recommend(rows(("engine", 111, 9, "simulated"), ("finn", 100, 9, "formula")))["recommended"] == "finn"


def test_who_cannot_is_never_recommended():
    able = Row("hls4ml", 5, 5, 5, "formula")
    answer = recommend([Row("engine", refused="no"), able, Row("finn", refused="no")])
    assert answer["recommended"] == "hls4ml"
    assert "engine cannot" in answer["reason"]
    assert recommend([Row("engine", refused="no")])["recommended"] is None


def test_one_table_of_all_three(graph_file, tmp_path, no_verilator, capsys):
    result = compare(graph_file, "zcu104", Options(array=(8, 8), multipliers=64), tmp_path)
    assert json.loads((tmp_path / "comparison.json").read_text()) == result
    engine, hls4ml, finn = result["backends"]
    design = compile_graph(qonnx_in.load(graph_file), 8, 8)
    assert engine["latency_cycles"] == design.timing.latency
    assert engine["known_by"] == "simulated"
    assert engine["multipliers"] == 64
    for row in (hls4ml, finn):
        assert row["refused"] is None
        assert row["known_by"] == "formula"
        assert 0 < row["multipliers"] <= 64
        report = json.loads((tmp_path / row["backend"] / "report.json").read_text())
        assert row["core_cycles"] == report.get("core_cycles", report["predicted_cycles"])
        assert row["latency_us"] == row["latency_cycles"] / report["clock_mhz_assumed"]
        assert row["latency_cycles"] > row["core_cycles"]
    assert finn["core_cycles"] == report["predicted_cycles"]  # FINN's own statement, as it is
    text = " ".join(capsys.readouterr().out.split())
    for word in ("engine", "8x8", "hls4ml", "io_", "finn", "simulated", "formula", f"take {result['recommended']}"):
        assert word in text


@pytest.mark.rtl
@pytest.mark.skipif(not FULL, reason="builds a simulator")
def test_the_engine_is_really_simulated(graph_file, tmp_path):
    engine = compare(graph_file, "zcu104", Options(array=(8, 8)), tmp_path)["backends"][0]
    assert engine["known_by"] == "simulated"
    assert json.loads((tmp_path / "engine" / "report.json").read_text())["bit_exact"] is True


def test_a_refusal_stands_in_its_row(graph_file, tmp_path, no_verilator, monkeypatch, capsys):
    real = backends.generate

    def generate(file, board, backend, options, out):
        if backend == "finn":
            raise UnsupportedError("node 'ln' (LayerNorm) has no FINN layer [on this board]; use the backend engine")
        return real(file, board, backend, options, out)

    monkeypatch.setattr(backends, "generate", generate)
    result = compare(graph_file, "zcu104", Options(multipliers=64), tmp_path)
    assert "node 'ln' (LayerNorm)" in result["backends"][2]["refused"]
    assert "LayerNorm) has no FINN layer [on this board]" in " ".join(capsys.readouterr().out.split())


def test_a_report_of_vitis_hls_is_used_while_the_design_stays(graph_file, tmp_path, no_verilator):
    compare(graph_file, "zcu104", Options(multipliers=64), tmp_path)
    file = tmp_path / "hls4ml" / "report.json"
    report = json.loads(file.read_text())
    area = {"lut": 11, "ff": 1, "dsp": 22, "bram36": 1.5, "uram": 0}
    found = {"latency_cycles_max": 33, "interval_max": 8, "resources": area, "cosim": None}
    file.write_text(json.dumps(report | {"hls": found}))
    row = compare(graph_file, "zcu104", Options(multipliers=64), tmp_path)["backends"][1]
    assert row["known_by"] == "synthesis report"
    assert row["latency_cycles"] == 33 + report["predicted_cycles"] - report["core_cycles"]
    assert (row["interval_cycles"], row["lut"], row["dsp"], row["bram36"]) == (8, 11, 22, 1.5)
    found["cosim"] = {"latency_cycles_max": 44}
    file.write_text(json.dumps(report | {"hls": found}))
    row = compare(graph_file, "zcu104", Options(multipliers=64), tmp_path)["backends"][1]
    assert row["known_by"] == "measured"
    assert row["latency_cycles"] == 44 + report["predicted_cycles"] - report["core_cycles"]
    row = compare(graph_file, "zcu104", Options(multipliers=128), tmp_path)["backends"][1]
    assert row["known_by"] == "formula"  # another design


@pytest.mark.parametrize(
    "spoilt", [[1], {"latency_cycles_max": 33}, {"latency_cycles_max": 33, "resources": 7}, {"cosim": "x"}]
)
def test_a_spoilt_report_of_a_vendor_is_named(spoilt, tmp_path):
    with pytest.raises(ToolError, match=r"report\.json holds figures of a vendor's tool that cannot be used"):
        compare_backends._read(compare_backends._vitis, Row("hls4ml"), {"hls": spoilt}, tmp_path)
    with pytest.raises(ToolError, match="cannot be used"):
        compare_backends._read(compare_backends._rtlsim, Row("finn"), {"finn": {"rtlsim": [1]}}, tmp_path)


def test_bad_options_are_named(graph_file, tmp_path):
    with pytest.raises(InputError, match="--array 16x32 has 512 multipliers, --multipliers allows 64"):
        compare(graph_file, "zcu104", Options(array=(16, 32), multipliers=64), tmp_path)
    with pytest.raises(InputError, match="unknown board"):
        compare(graph_file, "zcu105", Options(), tmp_path)
    with pytest.raises(InputError, match="no-such"):
        compare(tmp_path / "no-such.onnx", "zcu104", Options(), tmp_path)


def test_too_few_multipliers_for_any_array(graph_file):
    with pytest.raises(FitError, match="the smallest is 8x8"):
        compare_backends._fastest_array(graph_file, "zcu104", [])


def test_the_table_of_refusals_is_printed():
    entry = compare_backends._entry(Row("finn", refused="no [red] way"), 250.0)
    console = Console(record=True, width=100)
    result = {"graph": "g", "board": "b", "clock_mhz_assumed": 250.0, "multipliers": None, "backends": [entry]}
    compare_backends.show(result | {"recommended": None, "reason": "none"}, console)
    assert "finn: cannot: no [red] way" in console.export_text()
