"""A module through yosys and the passes behind it, and the netlist beside the RTL in simulation."""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from hwgen.build import ecp5, ecp5_tools, toolchain, yosys
from tests.rtl.runner import RANDOM_STATE, RTL
from tests.support import ROOT

HERE = Path(__file__).resolve().parent
NETLIST = "netlist"


def synthesize(work: Path, top: str, *modules: str) -> tuple[Path, list[str]]:
    """(NAME.json, what the flow said) of the module `top` of this folder over modules of the engine's library."""
    rtl, out = work / "rtl", work / "ecp5"
    for folder in (rtl, out):
        folder.mkdir(parents=True)
    for file in (RTL / "hwgen_pkg.sv", *(RTL / f"{name}.sv" for name in modules), HERE / f"{top}.sv"):
        (rtl / file.name).write_text(file.read_text())
    said: list[str] = []
    ecp5.synthesize(rtl, out, top, NETLIST, said.append)
    return out / f"{NETLIST}.json", said


def changed(json_file: Path, top: str, change: Callable[[dict[str, dict]], None], to: Path) -> Path:
    """A copy of the netlist, `to`, with `change` made to its cells."""
    design = json.loads(json_file.read_text())
    change(design["modules"][top]["cells"])
    to.write_text(json.dumps(design))
    return to


def verilog(netlist: Path, top: str, name: str) -> Path:
    """The netlist as Verilog beside it, its module called `name`: what yosys writes, over yosys' own cells."""

    def contents(cells: dict[str, dict]) -> None:
        """A block's 64 words of first contents become one."""
        for parameters in (cell["parameters"] for cell in cells.values() if cell["type"] == "DP16KD"):
            words = [parameters.pop(f"INITVAL_{i:02X}").replace("x", "0") for i in range(64)]
            parameters["INIT"] = "".join(reversed(words))

    plain = changed(netlist, top, contents, netlist.with_name(f"{name}.plain.json"))
    file = netlist.with_name(f"{name}.v")
    commands = [
        f"read_json {plain.name}", "delete t:$scopeinfo", f"rename {top} {name}", f"write_verilog -noattr {file.name}"
    ]  # fmt: skip
    yosys.run(commands, cwd=netlist.parent, log=netlist.with_suffix(".log"), limit_hours=0.1)
    return file


def cells() -> list[Path]:
    """Models of the ECP5's cells: yosys' own, and of the blocks that it has none of, ours."""
    shipped = ecp5_tools.primitives().with_name("common_sim.vh")
    return [shipped, shipped.with_name("ccu2c_sim.vh"), HERE / "cells.sv"]


def differing(
    work: Path, netlists: Sequence[Path], top: str, modules: Sequence[str], width: int, seed: int, clocks: int
) -> list[int]:
    """Simulate netlists of `top` beside the RTL on random inputs; returns in how many of the clocks each differs."""
    work.mkdir(parents=True, exist_ok=True)
    made = [verilog(netlist, top, f"netlist{i}") for i, netlist in enumerate(netlists)]
    instances = (f"netlist{i} u_{i} (.clk_i, .in_i, .out_o(out_o[{i}]));" for i in range(len(made)))
    ports = (
        f"input logic clk_i, input logic [{width - 1}:0] in_i, output logic [{len(made) - 1}:0][{width - 1}:0] out_o"
    )
    (work / "netlists.sv").write_text(f"module netlists ({ports});\n" + "\n".join(instances) + "\nendmodule\n")
    rtl = [RTL / "hwgen_pkg.sv", *(RTL / f"{name}.sv" for name in modules), HERE / f"{top}.sv", HERE / "tb_same.sv"]
    env = toolchain.unoptimized(toolchain.environment())
    env["OBJCACHE"] = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.rtl.objcache"
    words = [
        "verilator", "--binary", "--top-module", "tb_same", "-Mdir", "build", "-Wno-fatal", "-Wno-lint", "-Wno-style",
        *RANDOM_STATE, "+1800-2023ext+vh", "+define+NO_INCLUDES", f"+define+DESIGN={top}", f"-GWIDTH={width}",
        f"-GCOUNT={len(made)}", f"-GCLOCKS={clocks}", *rtl, *cells(), *made, "netlists.sv",
    ]  # fmt: skip
    toolchain.run(words, cwd=work, env=env, log=work / "build.log")
    random = ["+verilator+rand+reset+2", f"+verilator+seed+{seed % (2**31 - 1) + 1}"]
    told = toolchain.run([work / "build" / "Vtb_same", *random], cwd=work, log=work / "run.log", timeout=600)
    moved, *differ = map(int, re.search(r"^moved and differ in ([ \d]+)$", told, re.MULTILINE)[1].split())
    assert len(differ) == len(made) and moved > clocks // 10, "the outputs hardly move: the inputs are no test"
    return differ
