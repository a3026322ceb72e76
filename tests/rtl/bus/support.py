"""The bus side's modules, one at a time or together, under this folder's cocotb benches."""

from pathlib import Path

from tests.rtl.runner import LINT, RTL, engine_sources
from tests.rtl.runner import run_bench as run

HERE = Path(__file__).resolve().parent
ALL = (
    "bus_fifo axi_burst axi_rd axi_wr loader need_wait din_unit dout_unit axil_regs control engine_bus".split()
)  # each before its users
__all__ = ["ALL", "HERE", "RTL", "run_bench"]


def run_bench(
    tmp_path: Path,
    top: str,
    bench: str,
    env: dict[str, object] | None = None,
    extra: tuple[Path, ...] = (),
    **parameters,
) -> None:
    """Run the cocotb tests of module ``bench`` (in this folder; several are separated by commas) on ``top``.

    ``extra`` are sources beside the bus side's; a build with such is not linted.
    """
    sources = [*engine_sources(*ALL), *extra]
    args = ("-Wno-fatal",) if extra else LINT
    benches = ",".join(f"tests.rtl.bus.{name}" for name in bench.split(","))
    run(tmp_path, sources, top, benches, env, build_args=args, **parameters)
