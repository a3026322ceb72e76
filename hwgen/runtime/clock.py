"""Time as the runtime sees it, so that a test can hand in its own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`now()` in seconds from any origin, never going back; `sleep(seconds)` returns no earlier."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's monotonic clock."""

    now = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)


SYSTEM = SystemClock()
