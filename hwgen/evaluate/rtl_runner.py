"""Build an exported core with Verilator and run its cocotb bench: `python -m hwgen.evaluate.rtl_runner JOB`.

A process of its own, because cocotb's runner ends the process when a build fails. JOB: see rtl_bench.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

TOP, BENCH = "hwgen_core", "hwgen.evaluate.rtl_bench"
ARGUMENTS = ("--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--x-assign", "unique", "--x-initial", "unique")


def main(job: Path) -> None:
    """Build in JOB/build, run in JOB."""
    waves = os.environ.get("HWGEN_WAVES", "") not in ("", "0")
    runner, build = get_runner("verilator"), job / "build"
    files = json.loads((job / "job.json").read_text())["files"]
    runner.build(
        sources=files, hdl_toplevel=TOP, build_dir=build, build_args=list(ARGUMENTS), waves=waves,
        log_file=job / "build.log",
    )  # fmt: skip
    runner.test(hdl_toplevel=TOP, test_module=BENCH, test_dir=job, build_dir=build, waves=waves)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
