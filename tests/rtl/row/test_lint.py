"""Lint of the row unit's modules, and what yosys makes of the requantize lane."""

import subprocess
import sys

import pytest

from hwgen.build import toolchain
from tests.rtl.row.support import LINT, RTL
from tests.rtl.row.test_row_unit import FILES

_COUNT = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""


def _sources(files):
    return [str(RTL / name) for name in ("hwgen_pkg.sv", *files)]


@pytest.mark.rtl
@pytest.mark.parametrize(
    "top, parameters",
    [
        ("row_unit", ["V=16"]),
        ("row_unit", ["V=32", "SOFTMAX_SLOTS=2", "GROUP_WORDS=3"]),
        ("row_unit", ["V=64", "SOFTMAX_SLOTS=1", "PARAM_DEPTH=0", "ROW_WORDS=1024"]),
        ("requantize", ["RESIDUAL=1"]),
    ],
)
def test_lint_clean(top, parameters):
    files = FILES if top == "row_unit" else [f"{top}.sv"]
    command = [
        "verilator",
        "--lint-only",
        *LINT,
        *(f"-G{p}" for p in parameters),
        "--top-module",
        top,
        *_sources(files),
    ]
    assert "Warning" not in toolchain.run(command)


@pytest.mark.rtl
def test_yosys_reads_every_part():
    sources = " ".join(_sources(FILES))
    read = f"read_slang -G V=16 -G SOFTMAX_SLOTS=2 -G GROUP_WORDS=3 --top row_unit {sources}"
    done = subprocess.run([sys.executable, "-c", _COUNT, read], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.rtl
def test_illegal_parameter_stops_elaboration():
    command = ["verilator", "--lint-only", *LINT, "-GV=24", "--top-module", "row_unit", *_sources(FILES)]
    with pytest.raises(toolchain.ToolError, match="V=24 must be 16, 32 or 64"):
        toolchain.run(command)


@pytest.mark.rtl
@pytest.mark.parametrize("residual, dsps", [(0, 2), (1, 3)])
def test_lane_takes_few_multipliers(residual, dsps):
    """yosys (UltraScale+): the lane's products map to DSP48E2, and to no more than its number."""
    read = f"read_slang -G RESIDUAL={residual} --top requantize " + " ".join(_sources(["requantize.sv"]))
    check = f"select -assert-count {dsps} t:DSP48E2"
    done = subprocess.run(
        [sys.executable, "-c", _COUNT, read, "synth_xilinx -family xcup -flatten -top requantize", check],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
