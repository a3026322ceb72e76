"""The row unit's modules, one at a time, under this folder's cocotb benches."""

from pathlib import Path

from tests.rtl.runner import RTL, engine_sources
from tests.rtl.runner import run_bench as run

LINT = ("-Wall", "-Wno-UNUSEDPARAM")  # the package's constants are for everyone, no module uses them all
__all__ = ["LINT", "RTL", "run_bench"]


def run_bench(
    tmp_path: Path, top: str, files: list[str], bench: str, env: dict[str, object] | None = None, **parameters: int
) -> None:
    """Run the cocotb tests of module ``bench`` (in this folder) on ``top``; ``files`` are its modules' file names."""
    sources = engine_sources(*(name.removesuffix(".sv") for name in files))
    run(tmp_path, sources, top, f"tests.rtl.row.{bench}", env, **parameters)
