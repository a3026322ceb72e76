"""Percentiles out of bounded memory are never too low and at most 4.5 % too high."""

import numpy as np
import pytest

from hwgen.runtime.control.histogram import Histogram
from tests.support import cases


def test_against_sorted_durations(rng):
    for _ in range(cases(20, 300)):
        times = np.exp(rng.uniform(np.log(1e-6), np.log(100), int(rng.integers(1, 300))))
        histogram = Histogram()
        for t in times:
            histogram.add(float(t))
        got, ordered = histogram.summary(), np.sort(times)
        for percent in (50, 95, 99):
            want = ordered[int(np.ceil(len(times) * percent / 100)) - 1]
            assert want * 0.999999 <= got[f"p{percent}"] <= want * 1.045
        assert got["max"] == times.max() and got["mean"] == pytest.approx(times.mean())


def test_the_ends():
    histogram = Histogram()
    assert histogram.summary() == {"mean": 0.0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}
    for seconds in (-1.0, 0.0, 1e-9, 1e6, 1e9):
        histogram.add(seconds)
    assert (histogram.count, histogram.largest, histogram.percentile(99)) == (5, 1e9, 1e9)
    assert str(Histogram()) == "mean 0.000 p50 0.000 p95 0.000 p99 0.000 max 0.000 ms"
