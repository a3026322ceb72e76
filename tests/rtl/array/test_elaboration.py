"""Illegal parameters stop elaboration and say what is legal; yosys reads the templates and maps the multiplier."""

import subprocess
import sys

import pytest

from hwgen.build import toolchain
from tests.rtl.array.support import ARRAY, MEMORIES, UNIT
from tests.rtl.runner import LINT, engine_sources

pytestmark = pytest.mark.rtl

ILLEGAL = [
    ("ram_1r1w", ["ram_1r1w"], {"D": 1}, "D=1: at least 1 bit and 2 words"),
    ("ram_1r1w", ["ram_1r1w"], {"D": 9, "SPLIT": 4}, "SPLIT=4 a power of two that leaves no single word"),
    ("wide_mem", MEMORIES, {"KEEP": 129}, "KEEP=129 1..128"),
    ("delay", MEMORIES, {"L": -1}, "L=-1"),
    ("delay_valid", MEMORIES, {"L": 0}, "L=0 must be at least 1"),
    ("prog_queue", [*MEMORIES, "prog_queue"], {"W": 1000}, "W=1000 does not fit 7 beats"),
    ("prog_queue", [*MEMORIES, "prog_queue"], {"D": 48}, "D=48 must be a power of two"),
    ("act_mem", [*MEMORIES, "act_mem"], {"V": 24}, "V=24 must be a multiple of 16"),
    ("act_mem", [*MEMORIES, "act_mem"], {"BANKS": 9}, "BANKS=9 2..8"),
    ("adder_tree", ["adder_tree"], {"N": 12}, "N=12 must be a power of two"),
    ("mac_array", ARRAY, {"N": 24}, "N=24 .* must be 8..64"),
    ("mac_array", ARRAY, {"WW": 9}, "WW=9 2..8"),
    ("mac_pair", ["mac_pair"], {"WW": 9}, "WW=9 must be 2..8"),
    ("mac_pair", ["mac_pair"], {"DSP_BITS": 17}, "DSP_BITS=17 at least 18"),
    ("mm_writeback", ["mm_writeback"], {"M": 24, "V": 32}, "V=32 must be a multiple of M=24"),
    ("lookup_lane", ["lookup_lane"], {"SLOTS": 17}, "SLOTS=17 must be 1..16"),
]


@pytest.mark.parametrize("top, modules, parameters, message", ILLEGAL, ids=[f"{i[0]}-{list(i[2])[0]}" for i in ILLEGAL])
def test_illegal_parameters_stop_elaboration(top, modules, parameters, message):
    values = [f"-G{name}={value}" for name, value in parameters.items()]
    command = ["verilator", "--lint-only", *LINT, *values, "--top-module", top, *engine_sources(*modules)]
    with pytest.raises(toolchain.ToolError, match=message):
        toolchain.run(command)


_SYNTH = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.argv[1:]:
    ys.run_pass(command, design)
"""


def synthesize(*commands: str) -> None:
    done = subprocess.run([sys.executable, "-c", _SYNTH, *commands], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_two_products_take_one_multiplier():
    """yosys (UltraScale+): both products of mac_pair map to one DSP48E2."""
    read = "read_slang --top mac_pair " + " ".join(map(str, engine_sources("mac_pair")))
    check = "select -assert-count 1 t:DSP48E2"
    synthesize(read, "synth_xilinx -family xcup -flatten -top mac_pair", check)


@pytest.mark.parametrize("parameters, multipliers", [("-G DSP_BITS=18", 2), ("-G WW=4 -G IN_LUTS=1", 0)])
def test_two_products_on_the_ecp5(parameters, multipliers):
    read = f"read_slang {parameters} --top mac_pair " + " ".join(map(str, engine_sources("mac_pair")))
    synthesize(read, "synth_ecp5 -top mac_pair", f"select -assert-count {multipliers} t:MULT18X18D")


SMALL = {
    "mm_unit": "-G N=8 -G M=16 -G V=16 -G WEIGHT_DEPTH=16 -G PROG_DEPTH=4 -G KV_DEPTH=4",
    "act_mem": "-G N=8 -G M=8 -G V=16",
    "vec_unit": "-G V=16 -G PROG_DEPTH=4 -G PARAM_DEPTH=4",
}


@pytest.mark.parametrize(
    "top, modules",
    [
        ("mm_unit", UNIT),
        ("act_mem", [*MEMORIES, "act_mem"]),
        ("vec_unit", [*MEMORIES, "prog_queue", "need_wait", "mm_sequencer", "requantize", "vec_lane", "vec_unit"]),
    ],
)
def test_yosys_reads_it(top, modules):
    files = " ".join(map(str, engine_sources(*modules)))
    synthesize(f"read_slang {SMALL[top]} --top {top} {files}", f"hierarchy -check -top {top}", "proc", "check -assert")
