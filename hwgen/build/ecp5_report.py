"""What nextpnr-ecp5 reports of a routed design, as numbers, with the slowest path told in our modules."""

from __future__ import annotations

import re
from pathlib import Path

from hwgen.build.reports import read_json, read_text
from hwgen.errors import ToolError

CELLS = {"lut": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "ebr": "DP16KD"}
_SCOPE = re.compile(r'attribute \\module "([^"$]+)[^"]*"\n(?:\s*attribute .*\n)*\s*cell \$scopeinfo \\(\S+)')
LOGIC = ("clk-to-q", "logic", "setup")  # what a delay is of; the rest is the way between cells


def read(report: Path, scopes: Path, clock: str) -> dict:
    """The figures of a routed design: {`fmax_mhz`, `constraint_mhz`, `critical_path`, `resources`}.

    report: nextpnr's --report. scopes: yosys' RTLIL of the $scopeinfo cells, which says what module an instance is of.
    clock: the clock's net, which nextpnr calls $glbnet$clock. Raises ToolError naming the file that is wrong.
    """
    again = "the build did not get that far; make the bitstream again"
    found, modules = read_json(report, again), _modules(scopes, again)
    try:
        net = next((name for name in found["fmax"] if name.rpartition("$")[2] == clock), None)
        if net is None:
            raise ToolError(f"{report} times no clock {clock!r}: {again}")
        fmax = found["fmax"][net]
        paths = [path for path in found["critical_paths"] if path["from"] == path["to"] and net in path["from"]]
        if not paths:
            raise ToolError(f"{report} holds no path of the clock {net!r}: {again}")
        return {
            "fmax_mhz": round(float(fmax["achieved"]), 2),
            "constraint_mhz": round(float(fmax["constraint"]), 2),
            "critical_path": _path(paths[0]["path"], modules),
            "resources": _resources(found["utilization"]),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ToolError(f"{report} is no report of nextpnr-ecp5 ({error!r}): {again}") from error


def _modules(scopes: Path, again: str) -> dict[str, str]:
    """Module by instance path, `u_top.u_engine` for instance."""
    found = {path: module for module, path in _SCOPE.findall(read_text(scopes, again))}
    if not found:
        raise ToolError(f"{scopes} names no module: {again}")
    return found


def module_of(cell: str, modules: dict[str, str]) -> str:
    """The module that a cell of the flat netlist comes from: that of the longest instance path before its name."""
    parts = cell.split(".")
    for length in range(len(parts) - 1, 0, -1):
        if (module := modules.get(".".join(parts[:length]))) is not None:
            return module
    return "top"


def _path(steps: list[dict], modules: dict[str, str]) -> dict:
    """Where the slowest path begins and ends, and the nanoseconds that each module has of it, in its order."""
    shares: dict[str, dict] = {}
    for step in steps:
        module = module_of(step["from"]["cell"], modules)
        share = shares.setdefault(module, {"module": module, "logic_ns": 0.0, "route_ns": 0.0})
        share["logic_ns" if step["type"] in LOGIC else "route_ns"] += float(step["delay"])
    by_module = [
        {"module": s["module"], "logic_ns": round(s["logic_ns"], 2), "route_ns": round(s["route_ns"], 2)}
        for s in shares.values()
    ]
    logic, route = (
        sum(float(s["delay"]) for s in steps if (s["type"] in LOGIC) == is_logic) for is_logic in (True, False)
    )
    ends = {}
    for name, end in (("from", steps[0]["from"]["cell"]), ("to", steps[-1]["to"]["cell"])):
        ends[name] = {"cell": end, "module": module_of(end, modules)}
    return {
        "ns": round(logic + route, 2), "logic_ns": round(logic, 2), "route_ns": round(route, 2),
        "levels": sum(step["type"] == "logic" for step in steps), **ends, "by_module": by_module,
    }  # fmt: skip


def _resources(utilization: dict) -> dict:
    used = {name: int(utilization[cell]["used"]) for name, cell in CELLS.items()}
    ebr = used.pop("ebr")
    return used | {"bram36": -(-ebr // 2), "uram": 0, "source": "nextpnr"}
