"""The health of an accelerator at a glance: what the engine, the bus, the driver and the board tell.

{"cycles": {"last", "predicted", "compute"},       clocks of the last run
 "stalls": {"input", "results", "rows", "tail"},   clocks of it in which the array waited for DDR, for its own
                                                   results, for the row unit, or had nothing left to do
 "runs", "infers", "errors", "loads", "resets", "timeouts", "bus_errors", "engine_errors", "swaps",
 "deadlines": {"ticks", "misses"} or None,         of a control loop
 "temperature": {sensor: degrees Celsius}}         empty where the board tells none
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hwgen.runtime.control.temperature import read_temperatures

if TYPE_CHECKING:
    from hwgen.runtime.driver import Accelerator

_STALLS = {"input": "wait_din", "results": "wait_mm", "rows": "wait_row", "tail": "tail"}
_COUNTS = ("runs", "infers", "errors", "loads", "resets", "timeouts", "bus_errors", "engine_errors", "swaps")


def read_health(accelerator: Accelerator, loop: object = None, root: str | Path = "/sys") -> dict[str, object]:
    """The dict above. loop: a ControlLoop whose deadlines count; root: where Linux keeps /sys. Raises UsageError once
    the accelerator is closed."""
    stats = accelerator.stats
    deadlines = None if loop is None else {"ticks": loop.stats.ticks, "misses": loop.stats.misses}
    return {
        "cycles": {"last": stats["latency"], "predicted": stats["predicted_cycles"], "compute": stats["compute"]},
        "stalls": {name: stats[counter] for name, counter in _STALLS.items()},
        **{name: stats[name] for name in _COUNTS},
        "deadlines": deadlines,
        "temperature": read_temperatures(root),
    }


def health_line(health: dict[str, object]) -> str:
    """The same as one line to print."""
    cycles, stalls = health["cycles"], health["stalls"]
    words = [f"{cycles['last']} cycles ({cycles['predicted']} predicted)"]
    words.append("stalls " + " ".join(f"{name} {count}" for name, count in stalls.items()))
    words += [f"{name.replace('_', ' ')} {health[name]}" for name in _COUNTS]
    if health["deadlines"] is not None:
        words.append("deadline misses {misses} of {ticks}".format(**health["deadlines"]))
    temperatures = health["temperature"]
    words.append(
        f"{max(temperatures.values()):.1f} C ({max(temperatures, key=temperatures.get)})"
        if temperatures
        else "no temperature"
    )
    return ", ".join(words)
