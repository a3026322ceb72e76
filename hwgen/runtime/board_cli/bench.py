"""`hwgen-board bench`: latency of an inference, and where the time goes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from hwgen.runtime.board_cli import samples
from hwgen.runtime.board_cli.devices import open_accelerator
from hwgen.runtime.board_cli.packages import name_of, open_package
from hwgen.runtime.control.histogram import Histogram
from hwgen.runtime.errors import UsageError
from hwgen.runtime.profile import STAGES, profile

Report = tuple[int, dict, str]
_MAX_COUNT = 10_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--count", type=int, default=1000, help="inferences measured")
    parser.add_argument("--observations", metavar="FILE", help=".npz of recorded observations (default: golden ones)")


def bench(options: argparse.Namespace) -> Report:
    """The command."""
    if not 1 <= options.count <= _MAX_COUNT:
        raise UsageError(f"--count is {options.count}; give 1 to {_MAX_COUNT}")
    package = open_package(options.package)
    given = samples.endless(package, options.observations)
    with open_accelerator(package, options.device, options.timeout) as accelerator:
        accelerator.infer(next(given))  # the first one warms caches
        whole = measure(lambda: accelerator.infer(next(given)), options.count)
        parts = profile(accelerator, given, options.count)
        cycles = accelerator.last_cycles
    facts = {
        "package": package.path.name, "name": name_of(package), "device": options.device, "count": options.count,
        "latency_us": _micro(whole), "parts_us": {name: _micro(histogram) for name, histogram in parts.items()},
        "cycles": cycles, "predicted_cycles": package.manifest["predicted_cycles"],
    }  # fmt: skip
    return 0, facts, _text(facts)


def measure(call: Callable[[], object], count: int) -> Histogram:
    """How long each of `count` calls took."""
    histogram = Histogram()
    for _ in range(count):
        begin = time.perf_counter()
        call()
        histogram.add(time.perf_counter() - begin)
    return histogram


def _micro(histogram: Histogram) -> dict[str, float]:
    return {name: round(seconds * 1e6, 2) for name, seconds in histogram.summary().items()}


def _text(facts: dict) -> str:
    rows = {"infer()": facts["latency_us"], **{f"  {name}": facts["parts_us"][name] for name in STAGES}}
    lines = [f"{facts['name']} ({facts['package']}) on {facts['device']}, {facts['count']} inferences, microseconds:"]
    lines.append(f"{'':12}" + "".join(f"{name:>10}" for name in facts["latency_us"]))
    lines += [f"{name:12}" + "".join(f"{value:10.1f}" for value in row.values()) for name, row in rows.items()]
    lines.append(f"the engine itself: {facts['cycles']} clocks ({facts['predicted_cycles']} predicted)")
    return "\n".join(lines)
