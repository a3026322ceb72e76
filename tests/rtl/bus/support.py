"""Build a module of the bus side with Verilator and run one of this folder's cocotb benches on it."""

import os
from pathlib import Path
from xml.etree import ElementTree

from hwgen.build import toolchain
from tests.support import ROOT, cases

RTL = ROOT / "hls_templates" / "engine" / "rtl"
HERE = Path(__file__).resolve().parent
ALL = (
    "bus_fifo axi_burst axi_rd axi_wr loader din_unit dout_unit axil_regs control engine_bus".split()
)  # each before its users
LINT = ("-Wall", "-Wno-DECLFILENAME")


def run_bench(
    tmp_path: Path,
    top: str,
    bench: str,
    env: dict[str, object] | None = None,
    extra: tuple[Path, ...] = (),
    **parameters,
) -> None:
    """Run the cocotb tests of module ``bench`` (in this folder) on ``top``; fail with what they printed.

    ``env`` reaches the bench as environment variables, with SCALE, by which a bench multiplies its random cases.
    ``extra`` are sources beside the bus side's, not linted. HWGEN_WAVES=1 writes a waveform beside the build.
    """
    from cocotb_tools.runner import get_runner

    waves = os.environ.get("HWGEN_WAVES", "") not in ("", "0")
    log = tmp_path / "bench.log"
    saved = dict(os.environ)
    os.environ.update(toolchain.environment())
    try:
        runner = get_runner("verilator")
        runner.build(
            sources=[RTL / "hwgen_pkg.sv", *(RTL / f"{name}.sv" for name in ALL), *extra],
            hdl_toplevel=top,
            parameters=parameters,
            build_dir=tmp_path / "build",
            build_args=[
                *(LINT if not extra else ["-Wno-fatal"]),
                "-O3",
                "--x-assign",
                "unique",
                "--x-initial",
                "unique",
            ],
            waves=waves,
            log_file=tmp_path / "build.log",
        )
        results = runner.test(
            hdl_toplevel=top,
            test_module=f"tests.rtl.bus.{bench}",
            test_dir=tmp_path,
            build_dir=tmp_path / "build",
            waves=waves,
            log_file=log,
            extra_env={
                "PYTHONPATH": str(ROOT),
                "SCALE": str(cases(1, 10)),
                **{k: str(v) for k, v in (env or {}).items()},
            },
        )
    except (SystemExit, RuntimeError):  # how cocotb's runner reports a failed test, and a failed build
        made = log if log.exists() else tmp_path / "build.log"
        raise AssertionError(made.read_text()[-6000:] if made.exists() else f"no simulation: {tmp_path}") from None
    finally:
        os.environ.clear()
        os.environ.update(saved)
    tree = ElementTree.parse(results)
    assert tree.findall(".//testcase"), f"no cocotb test ran: {log}"
    assert not tree.findall(".//failure") and not tree.findall(".//error"), log.read_text()[-6000:]
