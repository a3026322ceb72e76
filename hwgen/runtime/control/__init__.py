"""Around the driver, on a robot that moves: loop, watchdog, chunks, hot swap, health."""

from hwgen.runtime.control.chunks import ExecuteChunk, TemporalEnsemble
from hwgen.runtime.control.health import health_line, read_health
from hwgen.runtime.control.loop import ControlLoop
from hwgen.runtime.control.swap import Swap
from hwgen.runtime.control.watchdog import Watchdog, hold

__all__ = [
    "ControlLoop",
    "ExecuteChunk",
    "Swap",
    "TemporalEnsemble",
    "Watchdog",
    "health_line",
    "hold",
    "read_health",
]
