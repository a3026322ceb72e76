"""Where the clocks of each unit went: at work, or lost, and to what. Those of a unit add up to the latency."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

START = "START"
"""Before the unit's first instruction is there."""
END = "END"
"""Behind the last thing that the unit does."""
DDR = "DDR"
"""Memory: the first data of a burst, the answer to the last."""


@dataclass
class Account:
    """The clocks of one unit, billed in order.

    busy: with work. lost: the others, by what the unit waited for: another unit, one of the causes above, or its own
    name, which is the time that its pipeline takes. until: the first clock that is not billed yet.
    """

    busy: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    until: int = 0

    @property
    def idle(self) -> int:
        """All clocks lost."""
        return sum(self.lost.values())

    def wait(self, cause: str, clock: int) -> None:
        """It waited for `cause` until this clock, which comes next; nothing, if that is past."""
        self._lose(cause, clock - self.until)
        self.until = max(self.until, clock)

    def work(self, clocks: np.ndarray, cause: str) -> None:
        """It worked in these clocks, which rise, and waited for `cause` in those before and between."""
        if len(clocks):
            self._lose(cause, int(clocks[-1]) + 1 - self.until - len(clocks))
            self.busy += len(clocks)
            self.until = int(clocks[-1]) + 1

    def as_dict(self) -> dict[str, object]:
        """As report.json has it."""
        return {"busy": self.busy, "idle": self.idle, "lost": self.lost}

    def _lose(self, cause: str, clocks: int) -> None:
        if clocks > 0:
            self.lost[cause] = self.lost.get(cause, 0) + clocks
