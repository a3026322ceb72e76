"""From a graph to a bitstream, with and without the vendor's tools."""

import json
import shutil

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.options import Options
from hwgen.build import bitstream as flow
from hwgen.build import finn_docker, synth_xilinx, toolchain, vitis, vivado
from hwgen.cli.common import graph_file
from hwgen.errors import FitError, InputError, ToolError
from hwgen.graph import qonnx_out
from hwgen.graph.random_graphs import Limits, random_graph
from tests.build import test_finn_docker, test_vitis
from tests.build.support import engine_design, finn_design, hls4ml_design, needs_tclsh, only, tool
from tests.build.test_finn_docker import machine  # noqa: F401
from tests.build.test_vivado_run import AS_MODEL

TOP = vivado.TOP


@pytest.fixture
def generated(monkeypatch):
    """`backends.generate` copies a design that is there: what it makes is tested with the backends."""
    makers = {"engine": engine_design, "hls4ml": hls4ml_design, "finn": lambda out, board: finn_design(out)}
    monkeypatch.setattr(backends, "generate", lambda graph, board, backend, options, out: makers[backend](out, board))


def make(tmp_path, backend, board="zcu104", synthesis=True):
    return flow.bitstream(tmp_path / "graph.onnx", board, backend, Options(), tmp_path / "design", None, synthesis)


@pytest.fixture
def counted(monkeypatch):
    """Synthesis finds these cells at once: tests/build/test_synth_xilinx.py lets yosys run."""
    cells = {"LUT6": 4000, "FDRE": 5000, "DSP48E2": 60, "RAMB36E2": 7}
    monkeypatch.setattr(synth_xilinx, "_synthesize", lambda *arguments: cells)
    return cells


@needs_tclsh
@pytest.mark.parametrize(
    "backend, told",
    [
        (
            "engine",
            "no bitstream was made: Vivado is not on PATH.* is generated and checked .*model of Vivado.*yosys .* 4,000 "
            "of 230,400 lut.*vivado -mode",
        ),
        ("hls4ml", "Vitis HLS and Vivado are not on PATH.*checked.*vitis_hls -f build_prj.tcl.*vivado -mode batch"),
    ],
)
def test_without_tools_the_message_says_what_is_checked_and_what_to_do(
    tmp_path, monkeypatch, generated, counted, backend, told
):
    only(monkeypatch, tmp_path, "tclsh")
    with pytest.raises(ToolError, match=told) as caught:
        make(tmp_path, backend)
    assert "built" not in str(caught.value)
    checked = json.loads((tmp_path / "design" / "report.json").read_text())["checked"]
    assert len(checked) == (2 if backend == "engine" else 1) and all(line in str(caught.value) for line in checked)
    assert (tmp_path / "design" / "vivado" / "build.tcl").is_file()


def test_without_tclsh_the_scripts_are_not_called_checked(tmp_path, monkeypatch, generated, counted):
    only(monkeypatch, tmp_path)
    with pytest.raises(
        ToolError, match=r"generated and checked \(yosys .*\); its scripts are not, for there is no tclsh"
    ):
        make(tmp_path, "engine")


def test_without_tclsh_and_synthesis_nothing_is_called_checked(tmp_path, monkeypatch, generated):
    only(monkeypatch, tmp_path)
    with pytest.raises(ToolError, match="is generated and not checked; its scripts are not, for there is no tclsh"):
        make(tmp_path, "engine", synthesis=False)
    assert json.loads((tmp_path / "design" / "report.json").read_text())["checked"] == []


@needs_tclsh
def test_a_design_that_does_not_fit_is_no_message_but_an_error(tmp_path, monkeypatch, generated, counted):
    only(monkeypatch, tmp_path, "tclsh")
    counted["DSP48E1"] = 200
    with pytest.raises(FitError, match="yosys counts 260 dsp of 220 on pynq-z2"):
        make(tmp_path, "engine", "pynq-z2")


@needs_tclsh
def test_with_vivado_alone_an_hls4ml_design_names_vitis(tmp_path, monkeypatch, generated):
    only(monkeypatch, tmp_path, "tclsh")
    tool(tmp_path / "bin", "vivado", AS_MODEL, monkeypatch)
    with pytest.raises(ToolError, match="no bitstream was made: Vitis HLS is not on PATH"):
        make(tmp_path, "hls4ml")


@needs_tclsh
def test_with_the_tools_there_is_a_bitstream(tmp_path, monkeypatch, generated):
    tool(tmp_path / "bin", "vivado", AS_MODEL, monkeypatch)
    assert make(tmp_path, "engine").is_file()
    tool(tmp_path / "bin", "vitis_hls", test_vitis.leaves(tmp_path))
    bit = make(tmp_path, "hls4ml")
    report = json.loads((tmp_path / "design" / "report.json").read_text())
    assert bit.is_file() and report["hls"]["latency_cycles_max"] == 59 and report["resources"]["source"] == "vivado"


def test_finn_brings_its_own_bitstream(tmp_path, machine, generated):  # noqa: F811
    machine(test_finn_docker.leaves(tmp_path))
    assert make(tmp_path, "finn").read_text() == "bits"


def test_what_the_finn_backend_generates_goes_through(tmp_path, machine):  # noqa: F811
    with graph_file("demo-nonorm:head") as graph:
        design = backends.generate(graph, "zcu104", "finn", Options(), tmp_path / "design")
    expected = np.load(design / "expected_output.npy")
    products = {"stitched_ip/finn.v": "module finn; endmodule"}
    machine(test_finn_docker.leaves(tmp_path, products, output="output"))
    results = tmp_path / "products" / "verification_output"
    results.mkdir()
    for i, frame in enumerate(expected):
        np.save(results / f"verify_stitched_ip_rtlsim_{i}_SUCCESS.npy", frame[None])
    report = finn_docker.run(design)
    assert report["finn"]["verified"] == {"stitched_ip_rtlsim": {"vectors": len(expected), "exact": len(expected)}}
    np.save(results / "verify_stitched_ip_rtlsim_0_SUCCESS.npy", expected[:1] + 1)
    with pytest.raises(ToolError, match="differs from golden by 1 in vector 0"):
        finn_docker.run(design)


def test_boards_that_vivado_does_not_build_for(tmp_path, monkeypatch, generated):
    with pytest.raises(InputError, match="backend hls4ml makes no bitstream for ulx3s"):
        make(tmp_path, "hls4ml", "ulx3s")
    with pytest.raises(InputError, match="unknown board"):
        make(tmp_path, "engine", "zcu999")


@pytest.fixture(scope="module")
def hls4ml(tmp_path_factory):
    """A design that the hls4ml backend really makes."""
    folder = tmp_path_factory.mktemp("hls4ml")
    qonnx_out.save(random_graph(2, Limits()), folder / "graph.onnx")
    return backends.generate(folder / "graph.onnx", "zcu104", "hls4ml", Options(), folder / "design")


@needs_tclsh
def test_what_hls4ml_generates_passes_the_check(hls4ml, tmp_path):
    design = shutil.copytree(hls4ml, tmp_path / "design")
    vivado.write_vivado(design, boards.load("zcu104"), "hls4ml")
    assert vivado.check(design)


def test_its_top_is_plain_verilog_for_the_packager(hls4ml):
    target = vivado.write_vivado(hls4ml, boards.load("zcu104"), "hls4ml") / "src"
    words = [
        "verilator",
        "--lint-only",
        "-Wno-lint",
        "-Wno-style",
        "--no-timing",
        "+1364-2005ext+v",
        "--top-module",
        TOP,
    ]
    stand_in = hls4ml / "sim" / "rtl" / f"{vivado.project_name(hls4ml)}.sv"
    words += ["-y", target, "+libext+.sv", target / "hwgen_pkg.sv", target / f"{TOP}.v", stand_in]
    toolchain.run(words)


def exported(hls4ml, tmp_path, change=lambda text: text):
    """A copy of the design with the stand-in of its core in place of the Verilog of Vitis HLS."""
    design = shutil.copytree(hls4ml, tmp_path / "design")
    top = vivado.project_name(design)
    verilog = design / vivado.hls_verilog(design)
    verilog.mkdir(parents=True)
    (verilog / f"{top}.v").write_text(change((design / "sim" / "rtl" / f"{top}.sv").read_text()))
    report = verilog.parent / "report" / f"{top}_csynth.xml"
    report.parent.mkdir()
    report.write_text(test_vitis.CSYNTH)
    return design


def test_a_core_that_fits_the_shell_is_accepted(hls4ml, tmp_path):
    assert vitis.read_back(exported(hls4ml, tmp_path))["hls"]["cosim"] is None


@pytest.mark.parametrize(
    "change, told",
    [
        (lambda text: text.replace("ap_rst", "ap_reset"), "does not fit .*hwgen_core.sv: .*Pin not found: 'ap_rst'"),
        (lambda text: text.replace("ap_clk,", "ap_clk,\n    input wire ap_ce,", 1), "does not fit .*PINMISSING.*ap_ce"),
    ],
)
def test_a_core_with_other_ports_is_named_before_vivado_starts(hls4ml, tmp_path, change, told):
    with pytest.raises(ToolError, match=told):
        vitis.read_back(exported(hls4ml, tmp_path, change))
