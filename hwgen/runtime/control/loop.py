"""A control loop at a fixed rate: look, infer, act.

    with Accelerator("policy.hwpkg") as policy, ControlLoop(policy, observe, act, watchdog=0.3) as loop:
        loop.run(seconds=60)
        print(loop.stats)

Tick k is due at start + k / rate, an absolute time, so that nothing drifts. A tick that needs a new chunk observes and
infers; every tick hands one action to the robot. A tick whose action comes later than `deadline` after it was due is a
miss. A tick that is still busy when the next one is due is an overrun:

    "skip"       ticks that passed are left out (counted); the next one is again on the grid
    "catch_up"   the ticks that were missed follow at once, up to ten; more are left out
    "stop"       the loop ends with DeadlineMissed

Where inference fails, the safe action is handed out in its place and the next tick looks again; without a safe action
the error is raised. However `run` ends, the safe action, if there is one, is the last that the robot gets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.control.chunks import Chunks, ExecuteChunk
from hwgen.runtime.control.histogram import Histogram
from hwgen.runtime.control.watchdog import Act, SafeAction, Watchdog, check_action, safe_of
from hwgen.runtime.errors import DeadlineMissed, DeviceFault, InputFault, UsageError

OVERRUNS = ("skip", "catch_up", "stop")
_CATCH_UP = 10  # ticks
_NAP = 0.1  # seconds: how long stop() may go unnoticed


@dataclass
class LoopStats:
    """ticks; misses of the deadline; skipped ticks; faults of the inference; chunks that were inferred. In seconds:
    jitter (how late a tick began), latency (from its beginning to its action), inference."""

    ticks: int = 0
    misses: int = 0
    skipped: int = 0
    faults: int = 0
    chunks: int = 0
    jitter: Histogram = field(default_factory=Histogram)
    latency: Histogram = field(default_factory=Histogram)
    inference: Histogram = field(default_factory=Histogram)

    def summary(self) -> dict[str, object]:
        """Plain numbers, durations in seconds."""
        counts = {name: getattr(self, name) for name in ("ticks", "misses", "skipped", "faults", "chunks")}
        return {**counts, **{name: getattr(self, name).summary() for name in ("jitter", "latency", "inference")}}

    def __str__(self) -> str:
        counts = f"{self.ticks} ticks, {self.misses} misses, {self.skipped} skipped, {self.faults} faults"
        return f"{counts}; jitter {self.jitter}; latency {self.latency}; inference {self.inference}"


class ControlLoop:
    """See the module; a context manager.

    policy: an Accelerator with a policy, or a function observation -> chunk float [n, dof]. observe() -> observation;
    act(action float32 [dof]). rate_hz, chunks, safe_action: by default the package's (ExecuteChunk of `execute`).
    deadline: seconds, by default one period. watchdog: seconds without an action after which the safe one is handed
    out, by a thread; None for no watchdog; `latched`: as in control.watchdog. Raises UsageError for what does not fit.
    """

    def __init__(
        self,
        policy: object,
        observe: Callable[[], Mapping[str, object]],
        act: Act,
        *,
        rate_hz: float | None = None,
        chunks: Chunks | None = None,
        safe_action: SafeAction | None = None,
        deadline: float | None = None,
        watchdog: float | None = None,
        latched: bool = False,
        overrun: str = "skip",
        clock: Clock = SYSTEM,
    ) -> None:
        spec = getattr(policy, "policy", None)
        rate_hz = _given("rate_hz", rate_hz, getattr(spec, "rate_hz", None))
        _check_number("rate_hz", rate_hz, 1e6)
        _check_number("deadline", 1.0 if deadline is None else deadline, 1e6)
        if overrun not in OVERRUNS:
            raise UsageError(f"overrun is {overrun!r}; choose from {', '.join(OVERRUNS)}")
        self.period, self.overrun, self.stats = 1.0 / rate_hz, overrun, LoopStats()
        self.deadline = self.period if deadline is None else deadline
        self.chunks = chunks or ExecuteChunk(_given("chunks", None, getattr(spec, "execute", None)))
        safe = getattr(spec, "safe_action", None) if safe_action is None else safe_action
        self.safe_action = safe if safe is None or callable(safe) else check_action(safe, getattr(spec, "dof", None))
        self.last_error: Exception | None = None
        self.watchdog: Watchdog | None = None
        self._infer, self._observe, self._act = getattr(policy, "infer", policy), observe, act
        self._texts = [o.name for o in spec.observation if o.kind == "text"] if spec is not None else []
        self._told: list[object] | None = None
        self._clock, self._stopping, self._resetting = clock, False, False
        self._last: np.ndarray | None = None
        if watchdog is not None:
            safe = _given("safe_action", self.safe_action, None)
            self.watchdog = Watchdog(act, safe, watchdog, latched=latched, clock=clock)
            self._infer, self._act = self.watchdog.watched(self._infer), self.watchdog.deliver

    def run(self, ticks: int | None = None, seconds: float | None = None) -> LoopStats:
        """So many ticks, or so many seconds' worth; without either until `stop`. Returns `stats`, which go on counting
        over several runs. Raises what `observe` and `act` raise, DeadlineMissed, and the inference's errors where there
        is no safe action."""
        if seconds is not None:
            _check_number("seconds", seconds, 1e9)
            ticks = min(x for x in (ticks, round(seconds / self.period)) if x is not None)
        start, tick, done = self._clock.now(), 0, 0
        try:
            while not self._stopping and (ticks is None or done < ticks):
                due = start + tick * self.period
                self._wait(due)
                if self._stopping:
                    break
                self._tick(due)
                done += 1
                tick = self._next(tick, (self._clock.now() - start) / self.period)
        finally:
            self._stopping = False
            self._finish()
        return self.stats

    def stop(self) -> None:
        """End `run` after the tick at hand, or the next `run` before its first; from any thread, `observe` or `act`."""
        self._stopping = True

    def reset(self) -> None:
        """Drop the rest of the chunk, so that the next tick looks again: for a new instruction. From any thread. A text
        in the observation that changes does it too, as soon as it is observed."""
        self._resetting = True

    def close(self) -> None:
        """End the watchdog's thread."""
        if self.watchdog is not None:
            self.watchdog.close()

    def __enter__(self) -> ControlLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tick(self, due: float) -> None:
        stats, begin = self.stats, self._clock.now()
        stats.jitter.add(begin - due)
        action = self._action()
        self._act(action)
        self._last = action
        end = self._clock.now()
        stats.ticks += 1
        stats.latency.add(end - begin)
        if end > due + self.deadline:
            stats.misses += 1

    def _action(self) -> np.ndarray:
        if self._resetting:
            self._resetting = False
            self.chunks.reset()
        try:
            if self.chunks.wants():
                self._look()
            return self.chunks.next()
        except (InputFault, DeviceFault) as error:
            self.last_error = error
            self.stats.faults += 1
            self.chunks.reset()
            if self.safe_action is None:
                raise
            return safe_of(self.safe_action, self._last)

    def _look(self) -> None:
        observation = self._observe()
        begin = self._clock.now()
        chunk = self._infer(observation)
        self.stats.inference.add(self._clock.now() - begin)
        self.stats.chunks += 1
        told = [observation[name] for name in self._texts]  # which are str, for the policy took them
        if self._told is not None and told != self._told:
            self.chunks.reset()
        self._told = told
        self.chunks.put(chunk)

    def _next(self, tick: int, passed: float) -> int:
        """The tick after this one, when `passed` periods have passed since the start."""
        behind = passed - (tick + 1)
        if behind <= 0:
            return tick + 1
        if self.overrun == "stop":
            raise DeadlineMissed(
                f"tick {tick} ended {behind * self.period * 1e3:.1f} ms after the next one was due; "
                'lower rate_hz, or allow it with overrun="skip"'
            )
        if self.overrun == "catch_up" and behind <= _CATCH_UP:
            return tick + 1
        follow = int(np.ceil(passed))
        self.stats.skipped += follow - (tick + 1)
        self.chunks.skip(follow - (tick + 1))
        return follow

    def _wait(self, until: float) -> None:
        while not self._stopping and (left := until - self._clock.now()) > 0:
            self._clock.sleep(min(left, _NAP))

    def _finish(self) -> None:
        if self.watchdog is not None:
            self.watchdog.disarm()
        if self.safe_action is not None and self._last is not None:
            self._act(safe_of(self.safe_action, self._last))
            if self.watchdog is not None:
                self.watchdog.disarm()
        self.chunks.reset()
        self._last = None


def _check_number(name: str, value: object, most: float) -> None:
    if not (isinstance(value, int | float | np.number) and 0 < value <= most):
        raise UsageError(f"{name} is {value!r:.40}; give a number above 0, up to {most:g}")


def _given(name: str, value: object, default: object) -> object:
    if value is None and default is None:
        raise UsageError(f"{name} is not given, and the package tells none; give {name}=")
    return default if value is None else value
