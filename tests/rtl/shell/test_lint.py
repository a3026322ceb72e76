"""The shell's modules are clean in Verilator's lint at any size, refuse illegal parameters, and yosys reads a shell."""

import pytest

from hwgen.backends.shell.write import ENGINE_MODULES
from hwgen.build import toolchain, verilate
from tests.rtl.runner import LINT, RTL, engine_sources
from tests.rtl.shell import cores
from tests.support import ROOT

pytestmark = pytest.mark.rtl
SHELL = ROOT / "hls_templates" / "shell" / "rtl"
ENGINE = engine_sources(*ENGINE_MODULES[1:])  # the package is always there


def elaborate(module: str, *parameters: str) -> None:
    """Raise ToolError with what Verilator says about a module."""
    words = ["verilator", "--lint-only", *LINT, "-y", SHELL, "-y", RTL, engine_sources()[0], SHELL / f"{module}.sv"]
    toolchain.run([*words, "--top-module", module, *parameters], timeout=120)


@pytest.mark.parametrize("elements, bytes_, lane, bits, beats", [
    (1, 1, 1, 1, 1), (1059, 1, 8, 8, 1), (3, 1, 8, 5, 9), (24, 4, 32, 19, 3), (16, 1, 8, 8, 4), (7, 4, 16, 13, 1),
])  # fmt: skip
def test_converters_lint_at_any_size(elements, bytes_, lane, bits, beats):
    sizes = {"ELEMENTS": elements, "BYTES": bytes_, "LANE": lane, "BEATS": beats}
    elaborate("stream_unpack", *(f"-G{name}={value}" for name, value in sizes.items()))
    elaborate("stream_pack", *(f"-G{name}={value}" for name, value in (sizes | {"BITS": bits}).items()))


@pytest.mark.parametrize("module, parameter", [
    ("stream_unpack", "-GBYTES=2"), ("stream_unpack", "-GLANE=9"), ("stream_unpack", "-GBEATS=0"),
    ("stream_pack", "-GBYTES=3"), ("stream_pack", "-GBITS=17"), ("stream_pack", "-GELEMENTS=0"),
    ("beat_fifo", "-GDEPTH=0"), ("core_start", "-GRESET_CLOCKS=0"), ("port_capture", "-GN=0"),
    ("tensor_read", "-GBEATS=32'd0"), ("tensor_read", "-GOFFSET=32'd8"),
    ("tensor_write", "-GBEATS=32'd0"), ("tensor_write", "-GOFFSET=32'd4"),
])  # fmt: skip
def test_illegal_parameters_fail_at_elaboration(module, parameter):
    with pytest.raises(toolchain.ToolError, match=f"{module}: "):
        elaborate(module, parameter, "-Wno-lint")


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_a_whole_shell_is_clean(tmp_path, rng, io):
    cores.make(tmp_path, cores.random_core(rng, io, 2, 2), rng)
    words = ["verilator", "--lint-only", *LINT, "--top-module", "hwgen_top", *verilate.sources(tmp_path)]
    toolchain.run(words, timeout=120)


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_yosys_reads_it(tmp_path, rng, io):
    ys = pytest.importorskip("pyosys.libyosys")
    core = cores.random_core(rng, io, 2, 2)
    cores.make(tmp_path, core, rng)
    stand_in = (tmp_path / "sim" / "rtl" / f"{core.top}.sv").read_text()
    ports = stand_in[stand_in.index(f"module {core.top}") : stand_in.index(");") + 3].replace("logic", "wire")
    (tmp_path / "box.sv").write_text(f"(* blackbox *)\n{ports}endmodule\n")
    files = " ".join(str(f) for f in [*verilate.sources(tmp_path), tmp_path / "box.sv"] if "sim" not in f.parts)
    design = ys.Design()
    ys.run_pass(f"tee -q read_slang --top hwgen_top {files}", design)
    ys.run_pass("tee -q hierarchy -check -top hwgen_top", design)
    assert design.top_module() is not None
