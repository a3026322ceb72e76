"""A watchdog that hands out a safe action when the accelerator or the caller is late.

It stands in front of the robot: the loop gives every action to `deliver`, which passes it on and so kicks the watchdog.
When no action came for `timeout` seconds, whoever is to blame, the watchdog's thread hands out the safe action, and
again every `timeout` seconds until it is over:

    self-recovering (default)   the next action that is delivered goes to the robot as if nothing had happened
    latched                     actions are held back (`deliver` returns False) until someone calls `rearm()`

It watches from the first action to `close()`. Actions of the two threads never overlap, so an `act` that hangs hangs
the watchdog too: give it a time-out of its own. The thread needs the interpreter for a moment, so it may be late by the
few milliseconds for which Python lets another thread run on.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np

from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.errors import UsageError

Act = Callable[[np.ndarray], object]
SafeAction = np.ndarray | Callable[[np.ndarray | None], np.ndarray]
"""An action, or a function of the last action that was delivered (None: there was none)."""
_KEPT = 16  # latest trips


def hold(last: np.ndarray | None) -> np.ndarray:
    """The safe action of a robot whose actions are positions: the last one. Raises UsageError when there is none."""
    if last is None:
        raise UsageError("there is no last action to hold yet; give a safe action as an array")
    return last


def safe_of(safe: SafeAction, last: np.ndarray | None) -> np.ndarray:
    """The safe action after this last one. Raises UsageError for what is no action."""
    return check_action(safe(last) if callable(safe) else safe, None if last is None else len(last))


def check_action(value: object, dof: int | None = None) -> np.ndarray:
    """A safe action as float32 [dof]. Raises UsageError unless it is finite numbers, as many as the robot takes."""
    try:
        action = np.asarray(value, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the safe action is no array of numbers ({error})") from error
    if action.ndim != 1 or not np.isfinite(action).all() or dof not in (None, len(action)):
        wanted = "finite numbers" if dof is None else f"{dof} finite numbers"
        raise UsageError(f"the safe action is {value!r:.100}; give {wanted} in one dimension")
    return action


@dataclass(frozen=True)
class Trip:
    """When the watchdog had to act: `at` on its clock, `late` seconds after the last action, and what was late."""

    at: float
    late: float
    cause: str


class Guard:
    """The watchdog without its thread: `check` does what is due. timeout: seconds. `trips`: how often, by cause;
    `latest`: the last few; `error`: what the robot raised on a safe action, raised again by the next `deliver`."""

    def __init__(
        self, act: Act, safe: SafeAction, timeout: float, *, latched: bool = False, clock: Clock = SYSTEM
    ) -> None:
        if not 0 < timeout < 3600:
            raise UsageError(f"the watchdog's timeout is {timeout}; give seconds above 0, below 3600")
        self.timeout, self.latched, self.tripped = timeout, latched, False
        self.trips, self.latest = {"accelerator": 0, "caller": 0}, deque(maxlen=_KEPT)
        self.error: Exception | None = None
        self._act, self._safe, self._now = act, safe if callable(safe) else check_action(safe), clock.now
        self._lock = threading.Condition()
        self._last: np.ndarray | None = None
        self._kicked: float | None = None  # None: not watching
        self._due = 0.0
        self._waits_for = "caller"

    def deliver(self, action: np.ndarray) -> bool:
        """Hand an action to the robot and kick the watchdog; False when a latched trip holds it back."""
        with self._lock:
            error, self.error = self.error, None
            if error is not None:
                raise error
            if self.tripped and self.latched:
                return False
            self._act(action)
            self._last = action
            self._kick()
            return True

    def rearm(self) -> None:
        """End a trip; the next action goes to the robot."""
        with self._lock:
            if self.tripped:
                self._kick()

    def watched(self, infer: Callable) -> Callable:
        """`infer` itself, but a trip while it runs is the accelerator's."""

        @wraps(infer)
        def call(*arguments: object, **options: object) -> object:
            self._waits_for = "accelerator"
            try:
                return infer(*arguments, **options)
            finally:
                self._waits_for = "caller"

        return call

    def check(self) -> float | None:
        """Hand out the safe action where it is due; seconds until the next look, None while nothing is watched."""
        with self._lock:
            if self._kicked is None:
                return None
            now = self._now()
            if now >= self._due:
                self._trip(now)
            return self._due - now

    def disarm(self) -> None:
        """Watch no longer, until the next action."""
        with self._lock:
            self._kicked = None
            self._lock.notify_all()

    def _kick(self) -> None:
        self.tripped, self._kicked = False, self._now()
        self._due = self._kicked + self.timeout
        self._lock.notify_all()

    def _trip(self, now: float) -> None:
        if not self.tripped:
            self.tripped = True
            self.trips[self._waits_for] += 1
            self.latest.append(Trip(now, now - self._kicked, self._waits_for))
        self._due = now + self.timeout
        try:
            self._act(safe_of(self._safe, self._last))
        except Exception as error:
            self.error = error


class Watchdog(Guard):
    """See the module; a context manager. Its thread starts with the first action and ends with `close`."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)
        self._thread: threading.Thread | None = None
        self._closed = False

    def deliver(self, action: np.ndarray) -> bool:
        """See Guard. Raises UsageError once it is closed."""
        with self._lock:
            if self._closed:
                raise UsageError("this watchdog is closed; make another one")
            delivered = super().deliver(action)
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="hwgen watchdog", daemon=True)
                self._thread.start()
            return delivered

    def close(self) -> None:
        """End the thread; nothing is handed out any more."""
        with self._lock:
            self._closed = True
            self.disarm()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(2 * self.timeout + 1)

    def __enter__(self) -> Watchdog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watch(self) -> None:
        with self._lock:
            while not self._closed:
                self._lock.wait(self.check())
