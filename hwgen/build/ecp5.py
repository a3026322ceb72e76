"""DIR -> DIR/ecp5/NAME.bit with open tools: yosys, nextpnr-ecp5, ecppack; the figures go to DIR/report.json.

`python -m hwgen.build.ecp5 DIR` builds a folder that `hwgen generate` wrote for a board of the family.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path

from hwgen import boards
from hwgen.backends.engine import board_top
from hwgen.backends.engine.ecp5_pll import pll
from hwgen.build import (
    ecp5_fanout,
    ecp5_place,
    ecp5_registers,
    ecp5_report,
    ecp5_tools,
    process,
    reports,
    vivado,
    yosys,
)
from hwgen.errors import InputError, ToolError

SEEDS = (1, 2, 3)  # placed, and routed one after the other until one meets the clock
# The heap placer spreads an engine over twice the wire length; router2 never parts the last wires.
PLACE_AND_ROUTE = ("--placer", "static", "--router", "router1")
ASKED = 97 / 90  # times the clock: the router stops near what it is asked for, below it more often than above
WIRE_PS = 800  # between two gates: what yosys weighs against their delay
FOLDER, CLOCK = "ecp5", "clk"  # CLOCK: the net behind the PLL, in every board's top
_MILESTONE = re.compile(r"Promoting|Placer Time|SA placement time|Max frequency|Routing \d|Router2 time|ERROR")


def run(folder: Path, progress: process.Progress = None, seeds: tuple[int, ...] = SEEDS) -> Path:
    """Make the bitstream of a generated folder; returns the .bit, report.json is updated. Takes minutes.

    Raises ToolError: a tool is missing, failed (the message is its own) or did not end in time, or no seed meets the
    clock (the message names the modules of the slowest path); InputError: the folder is for no board of the family.
    """
    manifest = vivado.read_manifest(folder)
    board = boards.load(manifest["board"])
    top = board_top.name(board)
    if board.ecp5 is None or top is None:
        raise InputError(f"{folder} is for {board.name}, which has no ECP5: `hwgen bitstream` builds it otherwise")
    tell = progress or (lambda line: None)
    name = vivado.design_name(manifest)
    work = folder / FOLDER
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    tools = ecp5_tools.versions()
    began = time.monotonic()
    synthesize(folder / "rtl", work, top, name, tell)
    _constrain(board, work / f"{name}.lpf")
    found = _route(work, name, board, seeds, tell)
    ecp5_tools.must([ecp5_tools.find("ecppack"), "--compress", f"{name}.config", f"{name}.bit"], work, "pack.log")
    bit = work / f"{name}.bit"
    if not bit.is_file() or not bit.stat().st_size:
        raise ToolError(f"{bit} is missing or empty though ecppack ended well: make the bitstream again")
    resources = found.pop("resources")
    facts = {"design_hash": manifest["design_hash"], **found}
    facts |= {"tool": f"nextpnr-ecp5 {tools['nextpnr-ecp5']}", "tools": tools}
    facts["seconds"] = round(time.monotonic() - began)
    reports.update(folder, {"ecp5": facts, "resources": resources})
    tell(f"{bit}: {facts['fmax_mhz']:g} MHz routed, runs at {facts['clock_mhz']:g} MHz")
    return bit


def _constrain(board: boards.Board, file: Path) -> None:
    """The board's pins, and a clock that is faster than the PLL's."""
    pins = (board.folder / board.ecp5.constraints).read_text()
    file.write_text(pins + f'FREQUENCY NET "{CLOCK}" {pll(board.clock_mhz).mhz * ASKED:.3f} MHZ;\n')


def synthesize(rtl: Path, work: Path, top: str, name: str, tell: process.Progress) -> None:
    """NAME.json and scopes.il from DIR/rtl."""
    files = sorted(file.name for file in rtl.glob("*.sv"))
    if f"{top}.sv" not in files:
        raise InputError(f"{rtl} lacks {top}.sv, the whole of the board: generate the design again")
    tell(f"synthesis of {len(files)} files (log: {work / 'synth.log'})")
    shutil.copyfile(ecp5_tools.primitives(), work / "primitives.v")
    commands = [
        yosys.read_slang(top, [*(f"../rtl/{file}" for file in files), "primitives.v"], "--keep-hierarchy"),
        f"synth_ecp5 -top {top} -run begin:map_luts",
        f"techmap -map +/lattice/latches_map.v; abc9 -W {WIRE_PS}; clean",  # as it does, but for the 300 ps
        f"synth_ecp5 -top {top} -run map_cells: -json {name}.json",
        "tee -q -o scopes.il dump t:$scopeinfo",
    ]
    yosys.run(commands, cwd=work, log=work / "synth.log", limit_hours=process.hours(ecp5_tools.HOURS), progress=tell)
    for file in (f"{name}.json", "scopes.il"):
        if not (work / file).is_file():
            raise ToolError(f"{work / file} is missing though yosys ended well: make the bitstream again")
    packed = ecp5_registers.pack(work / f"{name}.json", top)
    copies = ecp5_fanout.spread(work / f"{name}.json", top)
    tell(f"{copies} copies of registers and gates that go to many places")
    tell(f"{packed.registers} registers moved into {packed.memories} memories and {packed.multipliers} multipliers")


def _route(work: Path, name: str, board: boards.Board, seeds: tuple[int, ...], tell: process.Progress) -> dict:
    """Place and route until a seed meets the clock; returns its figures. Raises ToolError when none does."""
    tool, part = ecp5_tools.find("nextpnr-ecp5"), board.ecp5
    words = [
        tool, f"--{part.device}", "--package", part.package, "--speed", str(part.speed), "--json", f"{name}.json",
        "--lpf", f"{name}.lpf", "--timing-allow-fail", *PLACE_AND_ROUTE,
    ]  # fmt: skip
    results = ["--textcfg", f"{name}.config", "--report", f"{name}.timing.json"]
    best: dict = {}
    for tried, seed in enumerate(ecp5_place.shortest_first(words, work, seeds, tell), 1):
        tell(f"place and route, seed {seed}, {tried} of at most {len(seeds)} (log: {work / 'route.log'})")
        full = [*words, "--seed", str(seed), *results]
        ecp5_tools.must(full, work, "route.log", lambda line: tell(line) if _MILESTONE.search(line) else None)
        found = ecp5_report.read(work / f"{name}.timing.json", work / "scopes.il", CLOCK) | {"seed": seed}
        found["clock_mhz"] = round(found["constraint_mhz"] / ASKED, 2)
        found["timing_met"] = found["fmax_mhz"] >= found["clock_mhz"]
        if found["timing_met"]:
            return found
        tell(f"seed {seed} reaches {found['fmax_mhz']:g} of {found['clock_mhz']:g} MHz")
        best = max(best, found, key=lambda f: f.get("fmax_mhz", 0))
    path = best["critical_path"]
    modules = " -> ".join(share["module"] for share in path["by_module"])
    raise ToolError(
        f"timing is not met at {best['clock_mhz']:g} MHz with {len(seeds)} seeds: the best, {best['seed']}, "
        f"reaches {best['fmax_mhz']:g} MHz; its slowest path takes {path['ns']:g} ns through {modules} "
        f"({path['from']['cell']} to {path['to']['cell']}). Lower clock.assumed_mhz of the board, or choose a smaller "
        "design"
    )


if __name__ == "__main__":
    sys.exit(reports.command_line(lambda folder: run(folder, print)))
