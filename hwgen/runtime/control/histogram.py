"""Percentiles of durations in bounded memory: a histogram with bins that widen by a sixteenth of an octave."""

from __future__ import annotations

import math

_PER_OCTAVE = 16
_LOWEST = 1e-7  # seconds
_BINS = 34 * _PER_OCTAVE  # up to 1700 s


class Histogram:
    """Durations in seconds. Percentiles are the upper end of a bin, so at most 4.5 % too high, never too low; the
    largest is exact. `count`, `total`, `largest`."""

    def __init__(self) -> None:
        self.count, self.total, self.largest = 0, 0.0, 0.0
        self._bins = [0] * (_BINS + 1)

    def add(self, seconds: float) -> None:
        """Count one duration; less than nothing counts as nothing."""
        seconds = max(seconds, 0.0)
        at = 0 if seconds <= _LOWEST else min(math.ceil(math.log2(seconds / _LOWEST) * _PER_OCTAVE), _BINS)
        self._bins[at] += 1
        self.count += 1
        self.total += seconds
        self.largest = max(self.largest, seconds)

    def percentile(self, percent: float) -> float:
        """The duration that so many percent do not exceed; 0.0 of none."""
        need, seen = math.ceil(self.count * percent / 100), 0
        for at, number in enumerate(self._bins):
            seen += number
            if number and seen >= need:
                return self.largest if at == _BINS else min(_LOWEST * 2 ** (at / _PER_OCTAVE), self.largest)
        return 0.0

    def summary(self) -> dict[str, float]:
        """{"mean", "p50", "p95", "p99", "max"} in seconds."""
        mean = self.total / self.count if self.count else 0.0
        return {"mean": mean, **{f"p{p}": self.percentile(p) for p in (50, 95, 99)}, "max": self.largest}

    def __str__(self) -> str:
        return " ".join(f"{name} {seconds * 1e3:.3f}" for name, seconds in self.summary().items()) + " ms"
