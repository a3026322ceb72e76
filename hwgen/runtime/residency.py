"""Who lives on an engine: the resident that answers, and those that leave. The two halves of a hot swap are here, in
calls that may end in an exception anywhere without harm (hwgen.runtime.control.swap tells the whole).
"""

from __future__ import annotations

from hwgen.runtime import selftest
from hwgen.runtime.clock import Clock
from hwgen.runtime.device import Port, PynqPort, open_port
from hwgen.runtime.engine import Engine
from hwgen.runtime.errors import DeviceFault, UsageError
from hwgen.runtime.package import Package
from hwgen.runtime.pipeline import Pipeline
from hwgen.runtime.resident import Arrays, Resident


class Residency:
    """See the module; one thread at a time. `current`: the pipeline and the resident that answer, changed in one
    assignment. `reopen`: device= and ip= of the caller, to load another bitstream with."""

    def __init__(self, port: Port, package: Package, timeout: float, clock: Clock, reopen: tuple) -> None:
        self.timeout, self.swaps = timeout, 0
        self._clock, self._reopen = clock, reopen
        self._leaving: list[Resident] = []
        try:
            self.current = self._take_up(port, package)
        except BaseException:
            _close_port(port)
            raise

    def switch(self, resident: Resident, check: bool) -> None:
        """Load a resident and let it answer from now on; with `check` only after it has computed its package's golden
        vectors. Raises DeviceFault; the old one answers then."""
        pipeline, old = self.current
        pipeline.drain(self.timeout)
        self._leaving.append(resident)  # until it answers
        try:
            self._prove(pipeline, resident, check)
        except Exception:
            self._fall_back(pipeline, old)
            raise
        self._leaving.append(old)
        self.current = (pipeline, resident)
        self._leaving = [r for r in self._leaving if r is not resident]
        self.swaps += 1
        self.sweep()

    def restart(self, package: Package, check: bool) -> None:
        """Load the bitstream inside the package and let it answer from now on. Nothing may be in flight. Raises
        NoEngineError, DeviceFault, UsageError; the old bitstream and package answer then."""
        pipeline, old = self.current
        before = pipeline.engine.port
        if not isinstance(before, PynqPort):
            raise UsageError(f"this device takes no bitstream, and package {package.path.name} needs another one")
        if not pipeline.engine.stop():
            raise DeviceFault("the engine does not stop, so no other bitstream may be loaded; call reset()")
        port = current = None
        try:
            port = open_port(package, None, None, *self._reopen)
            current = self._take_up(port, package)
            self._prove(*current, check)
        except BaseException:
            if current is not None:
                current[1].release(_stopped(current[0].engine))
            if port is not None:
                _close_port(port)
            before.download()
            self._fall_back(pipeline, old)
            raise
        self.current = current
        self.swaps += 1
        old.release(stopped=True)
        _close_port(before)

    def discard(self, resident: Resident) -> None:
        """Give back what a swap that failed has left, now or as soon as the engine surely has let go of it."""
        self._leaving = [*(r for r in self._leaving if r is not resident), resident]
        self.sweep()

    def sweep(self) -> None:
        """Give back the memory of residents that left, once the engine surely works for another one and every answer
        in their buffers was taken."""
        if not self._leaving:
            return
        pipeline, current = self.current
        loaded = pipeline.engine.loaded
        needed = [current, loaded, *(slot.resident for slot in pipeline.queue)]
        if loaded is not None:
            for resident in [r for r in self._leaving if r not in needed]:
                resident.release(stopped=True)
            self._leaving = [r for r in self._leaving if r in needed]

    def close(self) -> None:
        """Stop the engine and give all memory back; what it may still write is kept."""
        pipeline, current = self.current
        pipeline.clear()
        stopped = False
        try:
            stopped = pipeline.engine.stop()
        finally:
            for resident in [current, *(r for r in self._leaving if r is not current)]:
                resident.release(stopped)
            self._leaving.clear()
            _close_port(pipeline.engine.port)

    def _take_up(self, port: Port, package: Package) -> tuple[Pipeline, Resident]:
        """The package made resident on a port."""
        engine = Engine(port, self.timeout, self._clock)
        engine.check_identity(package)
        resident = Resident(port, package)
        try:
            engine.load(resident)
        except BaseException:
            resident.release(_stopped(engine))
            raise
        return Pipeline(engine), resident

    def _prove(self, pipeline: Pipeline, resident: Resident, check: bool) -> None:
        """Load a resident; with `check` run its package's golden vectors on it."""
        slot, engine = resident.slots[0], pipeline.engine

        def infer(inputs: Arrays, raw: bool) -> Arrays:
            slot.pack(inputs, raw)
            pipeline.execute(slot, self.timeout)
            return slot.unpack(None)

        engine.load(resident)
        if check:
            selftest.run_vectors(resident.package, infer, engine.latency)

    def _fall_back(self, pipeline: Pipeline, resident: Resident) -> None:
        """Load what answers again, now rather than in the next inference; where that fails, the next one tries."""
        try:
            pipeline.engine.load_again(resident)
        except DeviceFault:
            return
        self.sweep()


def _stopped(engine: Engine) -> bool:
    """Engine.stop() while an error is on its way, which an error of its own must not hide."""
    try:
        return engine.stop()
    except Exception:
        return False


def _close_port(port: Port) -> None:
    if isinstance(port, PynqPort):  # a device that the caller brought stays the caller's
        port.close()
