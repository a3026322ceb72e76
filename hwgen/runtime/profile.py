"""Where the time of an inference goes, by doing what `Accelerator.infer` does step by step.

packing     checks, quantization, copies into the DMA buffer
host        the host programs of a policy, before and after the accelerator
device      from the flush of the input to the end of the run, as the host sees it
unpacking   from the output buffer to the caller's float32
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter

from hwgen.runtime.control.histogram import Histogram
from hwgen.runtime.driver import Accelerator

STAGES = ("packing", "host", "device", "unpacking")


def profile(accelerator: Accelerator, observations: Iterator[Mapping[str, object]], count: int) -> dict[str, Histogram]:
    """Durations by stage over `count` of these observations. Raises what `infer` raises."""
    out = {name: Histogram() for name in STAGES}
    for _ in range(count):
        for name, seconds in zip(STAGES, _stages(accelerator, next(observations)), strict=True):
            out[name].add(seconds)
    return out


def _stages(accelerator: Accelerator, observation: Mapping[str, object]) -> tuple[float, float, float, float]:
    with accelerator._lock:
        pipeline, resident = accelerator._ready()
        slot = resident.slots[0]
        policy = slot.policy
        times = [perf_counter()]
        if policy is None:
            slot.pack(observation, raw=False)
        else:
            policy.observe(observation)
        times.append(perf_counter())
        if policy is not None:
            policy.before()
        times.append(perf_counter())
        pipeline.execute(slot, accelerator.timeout)
        times.append(perf_counter())
        if policy is not None:
            policy.after()
        times.append(perf_counter())
        slot.unpack(None) if policy is None else policy.actions()
        times.append(perf_counter())
    packing, before, device, after, unpacking = (b - a for a, b in zip(times, times[1:]))  # noqa: B905
    return packing, before + after, device, unpacking
