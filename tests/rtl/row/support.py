"""Build one module of the engine with Verilator and run its cocotb bench; shared by the tests of the row unit."""

import os
from pathlib import Path
from xml.etree import ElementTree

from hwgen.build import toolchain
from tests.support import ROOT

RTL = ROOT / "hls_templates" / "engine" / "rtl"
LINT = ("-Wall", "-Wno-UNUSEDPARAM")  # the package's constants are for everyone, no module uses them all


def run_bench(
    tmp_path: Path, top: str, files: list[str], bench: str, env: dict[str, object] | None = None, **parameters: int
) -> None:
    """Run the cocotb tests of module ``bench`` (in this folder) on ``top``; fail with what they printed.

    ``files`` are names in the engine's rtl folder, packages first; ``env`` reaches the bench as environment variables.
    HWGEN_WAVES=1 writes a waveform beside the build.
    """
    from cocotb_tools.runner import get_runner

    waves = os.environ.get("HWGEN_WAVES", "") not in ("", "0")
    log = tmp_path / "bench.log"
    saved = dict(os.environ)
    os.environ.update(toolchain.environment())
    try:
        runner = get_runner("verilator")
        runner.build(
            sources=[RTL / "hwgen_pkg.sv", *(RTL / name for name in files)],
            hdl_toplevel=top,
            parameters=parameters,
            build_dir=tmp_path / "build",
            build_args=[*LINT, "-O3", "--x-assign", "fast", "--x-initial", "unique"],
            waves=waves,
            log_file=tmp_path / "build.log",
        )
        results = runner.test(
            hdl_toplevel=top,
            test_module=f"tests.rtl.row.{bench}",
            test_dir=tmp_path,
            build_dir=tmp_path / "build",
            waves=waves,
            log_file=log,
            extra_env={"PYTHONPATH": str(ROOT), **{k: str(v) for k, v in (env or {}).items()}},
        )
    except SystemExit:  # how cocotb's runner reports a failure
        raise AssertionError(log.read_text()[-4000:] if log.exists() else f"no simulation: {tmp_path}") from None
    finally:
        os.environ.clear()
        os.environ.update(saved)
    tree = ElementTree.parse(results)
    assert tree.findall(".//testcase"), f"no cocotb test ran: {log}"
    assert not tree.findall(".//failure") and not tree.findall(".//error"), log.read_text()[-4000:]
