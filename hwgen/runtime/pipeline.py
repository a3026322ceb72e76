"""Which slot runs and which wait: at most two observations in flight on one engine, answered in order.

An exception such as KeyboardInterrupt may end any of these methods anywhere. A run counts as begun only while the
engine says so (`Engine.runs`); what was lost is begun again, so no answer is ever that of another observation.
"""

from __future__ import annotations

from hwgen.runtime.engine import Engine
from hwgen.runtime.errors import DeviceFault
from hwgen.runtime.resident import Slot


class Pipeline:
    """See the module; one thread at a time. `queue`: submitted slots, oldest first; `infers`, `errors`: counts."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.infers, self.errors = engine, 0, 0
        self.queue: list[Slot] = []
        self._running: Slot | None = None

    def execute(self, slot: Slot, timeout: float) -> None:
        """Run one slot to its end; nothing may be queued. Raises DeviceFault."""
        self._begin(slot)
        self._finish(timeout)
        slot.raise_error()

    def submit(self, slot: Slot) -> None:
        """Queue a packed slot, and start it where the engine is free."""
        slot.source.check()
        if self._running not in self.queue:
            self._running = None  # a run that an exception left unattended, perhaps of this very slot
        self.queue.append(slot)
        self.pump()

    def done(self) -> bool:
        """True when `take` would not wait."""
        self.pump()
        return bool(self.queue) and self.queue[0].collected

    def take(self, timeout: float) -> Slot:
        """The oldest slot once its run ended, out of the queue. `Slot.raise_error` tells how it ended."""
        slot = self.queue[0]
        self.pump()
        while not slot.collected:
            self._finish(timeout)
            self.pump()
        self.queue.pop(0)
        self.pump()
        return slot

    def give_up(self, slot: Slot) -> None:
        """Take a slot that nobody waits for any longer out of the queue; a run of it that has not ended is an error of
        the slot, and the engine is reset."""
        if self._running is slot:
            self._finish(0.0)
        self.remove(slot)

    def remove(self, slot: Slot) -> None:
        """Take a slot out of the queue, whatever its place in it."""
        self.queue.remove(slot)
        self.pump()

    def drain(self, timeout: float) -> None:
        """Run all that is queued to its end, `timeout` for each; the results stay."""
        self.pump()
        while self._running is not None:
            self._finish(timeout)
            self.pump()

    def clear(self) -> None:
        """Forget what was submitted."""
        self.queue, self._running = [], None

    def pump(self) -> None:
        """Collect the run that ended and start the next one that waits."""
        running = self._running
        if running is not None and (running not in self.queue or not self.engine.runs(running)):
            self._running = None  # an exception left it unattended; the engine is reset before the next start
        elif running is not None and self.engine.finished():
            self._finish(self.engine.timeout)
        if self._running is None:
            for slot in self.queue:
                if not slot.collected:
                    try:
                        return self._begin(slot)
                    except DeviceFault as error:  # belongs to this observation's result
                        self.errors += 1
                        slot.error, slot.collected = error, True
        return None

    def _begin(self, slot: Slot) -> None:
        slot.source.check()
        slot.target.check()
        slot.source.flush()
        self.engine.start(slot)
        self._running = slot

    def _finish(self, timeout: float) -> None:
        slot = self._running
        self.infers += 1
        try:
            self.engine.wait(slot, timeout)
            slot.target.invalidate()
        except DeviceFault as error:
            self.errors += 1
            slot.error = error
        slot.collected = True
        self._running = None
