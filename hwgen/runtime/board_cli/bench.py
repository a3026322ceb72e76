"""`hwgen-board bench`: latency of an inference, and where the time goes; of several engines, answers a second."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import islice

from hwgen.runtime.board_cli import samples
from hwgen.runtime.board_cli.devices import open_accelerator
from hwgen.runtime.board_cli.packages import name_of, open_package
from hwgen.runtime.control.histogram import Histogram
from hwgen.runtime.driver import Accelerator, Observation
from hwgen.runtime.engines import Engines
from hwgen.runtime.errors import UsageError
from hwgen.runtime.profile import STAGES, profile

Report = tuple[int, dict, str]
_MAX_COUNT, _BATCH = 10_000_000, 1000


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
        inside = (_together if isinstance(accelerator, Engines) else _inside)(accelerator, given, options.count)
    facts = {
        "package": package.path.name, "name": name_of(package), "device": options.device, "count": options.count,
        "latency_us": _micro(whole), **inside,
    }  # fmt: skip
    return 0, facts, _text(facts)


def _inside(accelerator: Accelerator, given: Iterator[Observation], count: int) -> dict:
    """Where the time of an engine's inference goes."""
    parts = profile(accelerator, given, count)
    return {
        "parts_us": {name: _micro(histogram) for name, histogram in parts.items()},
        "cycles": accelerator.last_cycles, "predicted_cycles": accelerator.package.manifest["predicted_cycles"],
    }  # fmt: skip


def _together(engines: Engines, given: Iterator[Observation], count: int) -> dict:
    """What all engines at work answer; the clocks of each."""
    begin = time.perf_counter()
    for done in range(0, count, _BATCH):  # whose answers are kept until its end
        engines.infer_batch(islice(given, min(_BATCH, count - done)))
    rate = count / (time.perf_counter() - begin)
    clocks = [one["cycles"] for one in engines.health()["engines"]]
    return {
        "answers_a_second": round(rate, 1),
        "cycles": [one["last"] for one in clocks], "predicted_cycles": [one["predicted"] for one in clocks],
    }  # fmt: skip


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
    several = "parts_us" not in facts
    rows = {"infer()": facts["latency_us"]}
    rows |= {} if several else {f"  {name}": facts["parts_us"][name] for name in STAGES}
    lines = [f"{facts['name']} ({facts['package']}) on {facts['device']}, {facts['count']} inferences, microseconds:"]
    lines.append(f"{'':12}" + "".join(f"{name:>10}" for name in facts["latency_us"]))
    lines += [f"{name:12}" + "".join(f"{value:10.1f}" for value in row.values()) for name, row in rows.items()]
    if several:
        lines.append(f"with all engines at work: {facts['answers_a_second']:,.0f} answers a second")
        each = zip(facts["cycles"], facts["predicted_cycles"])  # noqa: B905
        lines.append(f"the engines themselves: {', '.join(f'{has} clocks ({said} predicted)' for has, said in each)}")
    else:
        lines.append(f"the engine itself: {facts['cycles']} clocks ({facts['predicted_cycles']} predicted)")
    return "\n".join(lines)
