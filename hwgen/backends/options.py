"""What a user may ask of a backend beside the graph and the board."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from hwgen.errors import InputError

IO_TYPES = ("parallel", "stream")
WEIGHTS = ("auto", "chip", "ddr")
ENGINES = {"1": (1,), "2": (2,), "3": (3,), "4": (4,), "auto": (1, 2, 3, 4)}
"""Numbers of engines to try, by what the user asks for."""
TAKES = {
    "engine": {"array", "like", "weights", "stream_ports", "multipliers", "deadline_us", "rate_hz", "engines"},
    "hls4ml": {"io", "multipliers", "deadline_us"},
    "finn": {"multipliers", "deadline_us", "rate_hz"},
}
"""The options that mean something to a backend."""


@dataclass(frozen=True)
class Options:
    """array: (N, M) of the engine, None for the fastest that fits. like: a package or folder whose engine is taken, so
    that its bitstream serves. weights: where the engine's lie; "auto": in DDR what the chip cannot hold. stream_ports:
    memory ports that bring those in DDR, None for all that the board has left. io: hls4ml's io_parallel or io_stream.
    multipliers: at most this many. deadline_us: the cheapest that answers within it; rate_hz: the cheapest that takes
    this many frames a second. Without either: the lowest latency within the board's budget. engines: how many, a key of
    ENGINES (docs/engines.md)."""

    array: tuple[int, int] | None = None
    io: str = "parallel"
    multipliers: int | None = None
    deadline_us: float | None = None
    rate_hz: float | None = None
    like: Path | None = None
    weights: str = "auto"
    stream_ports: int | None = None
    engines: str = "1"

    def check(self, backend: str) -> None:
        """Raise InputError for an option that the backend does not take, or a value out of range."""
        if self.io not in IO_TYPES:
            raise InputError(f"io type {self.io!r} is unknown: choose {' or '.join(IO_TYPES)}")
        if self.weights not in WEIGHTS:
            raise InputError(f"--weights {self.weights!r} is unknown: choose {', '.join(WEIGHTS)}")
        if self.engines not in ENGINES:
            raise InputError(f"--engines {self.engines!r} is unknown: choose {', '.join(ENGINES)}")
        if self.engines != "1" and (self.array, self.like) != (None, None):
            raise InputError("give --engines without --array and --like: each engine is searched for")
        if self.like is not None and (self.weights, self.stream_ports) != ("auto", None):
            raise InputError("give --weights and --stream-ports without --like: the engine that exists has memories")
        if self.weights == "chip" and self.stream_ports is not None:
            raise InputError("give --stream-ports without --weights chip: no port brings weights that lie on the chip")
        for name in ("multipliers", "deadline_us", "rate_hz", "stream_ports"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{option(name)} must be positive, not {value}")
        if self.deadline_us is not None and self.rate_hz is not None:
            raise InputError("give a deadline or a rate, not both: a rate says nothing of one frame's latency")
        if self.array is not None and self.like is not None:
            raise InputError("give --array or --like, not both: the engine that exists has its array")
        if self.multipliers is not None and (self.array, self.like) != (None, None):
            raise InputError("give --multipliers without --array and --like: those say how many there are")
        for field in fields(self):
            if getattr(self, field.name) != field.default and field.name not in TAKES[backend]:
                takers = ", ".join(b for b, names in TAKES.items() if field.name in names)
                raise InputError(f"{option(field.name)} means nothing to the backend {backend}; it is for {takers}")

    def limit(self, clock_mhz: float) -> int | None:
        """The clocks that an answer may take: of the deadline, or of one after the other at the rate; None without."""
        if self.deadline_us is not None:
            return int(clock_mhz * self.deadline_us)
        return None if self.rate_hz is None else int(clock_mhz * 1e6 / self.rate_hz)


def option(name: str) -> str:
    """The command line's spelling of a field."""
    return "--" + name.replace("_", "-")
