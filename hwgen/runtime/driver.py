"""The driver: `Accelerator` takes a package to a device and runs observations on it.

One call, one observation: `infer()`. Two in flight: `submit()` and `result()`, so that the host prepares frame t+1
while the engine works on frame t. Nothing is allocated after construction when the caller gives `out=`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hwgen.runtime.convert import Packer, Unpacker
from hwgen.runtime.device import DmaBuffer, Port, open_port
from hwgen.runtime.engine import Engine
from hwgen.runtime.errors import DeviceFault, InputFault, SelftestError, UsageError
from hwgen.runtime.package import Package, read_package

Arrays = Mapping[str, np.ndarray]
DEFAULT_TIMEOUT = 1.0  # seconds; a run is microseconds
SLOTS = 2


class _Slot:
    """An input and an output buffer with what converts into and out of them (pynq 3 syncs whole buffers, so two are
    needed).
    """

    def __init__(self, port: Port, package: Package, number: int) -> None:
        self.source = DmaBuffer(port, package.manifest["in_bytes"], f"input buffer {number}")
        try:
            self.target = DmaBuffer(port, package.manifest["out_bytes"], f"output buffer {number}")
        except DeviceFault:
            self.source.free()
            raise
        self.packers = {t.name: Packer(t, self.source.array) for t in package.inputs}
        self.unpackers = {t.name: Unpacker(t, self.target.array) for t in package.outputs}
        self.raw, self.collected = False, False
        self.error: DeviceFault | None = None

    def pack(self, inputs: Arrays, raw: bool) -> None:
        if not isinstance(inputs, Mapping):
            raise InputFault(f"inputs are a {type(inputs).__name__}; give a dict of arrays: {', '.join(self.packers)}")
        if len(inputs) != len(self.packers) or any(name not in inputs for name in self.packers):
            given = ", ".join(map(str, inputs)) or "none"
            raise InputFault(f"inputs are {given}; this accelerator takes {', '.join(self.packers)}")
        for name, packer in self.packers.items():
            (packer.raw if raw else packer.real)(inputs[name])

    def raise_error(self) -> None:
        error, self.error = self.error, None  # kept no longer: its traceback holds the caller's arrays
        if error is not None:
            raise error

    def check_out(self, raw: bool, out: Arrays) -> None:
        for name in out:
            if name not in self.unpackers:
                raise InputFault(f"out has '{name}'; this accelerator's outputs are {', '.join(self.unpackers)}")
        for name, array in out.items():
            self.unpackers[name].check(raw, array)

    def unpack(self, raw: bool, out: Arrays | None) -> dict[str, np.ndarray]:
        return {name: read(raw, out.get(name) if out else None) for name, read in self.unpackers.items()}


class Accelerator:
    """An engine that runs one policy. A context manager; every method may be called from any thread, one at a time.

    `package`: path of a `.hwpkg`, or an opened Package. The hardware is one of `bitstream` (path of a .bit with its
    .hwh; default: the one beside the package), `overlay` (a loaded pynq.Overlay), or `device` (an object with the
    protocol of `hwgen.runtime.device`; together with `bitstream` a pynq Device). `ip` names the engine where the
    overlay has several. `timeout`: seconds that a command may take before it is given up.

    Raises PackageError, NoEngineError, HashMismatch, EngineError, EngineTimeout, UsageError.
    """

    def __init__(
        self,
        package: str | os.PathLike | Package,
        *,
        bitstream: str | os.PathLike | None = None,
        overlay=None,
        device=None,
        ip: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self.package = package if isinstance(package, Package) else read_package(Path(package))
        self.port = open_port(self.package.path, bitstream, overlay, device, ip)
        self.timeout = timeout or getattr(self.port, "timeout", None) or DEFAULT_TIMEOUT
        self.last_error: Exception | None = None
        self._lock = threading.RLock()
        self._slots: list[_Slot] = []
        self._queue: list[_Slot] = []  # submitted, oldest first
        self._running: _Slot | None = None
        self._closed = False
        self._counts = {"infers": 0, "errors": 0}
        self._engine = Engine(self.port, self.package, self.timeout)
        try:
            for number in range(SLOTS):
                self._slots.append(_Slot(self.port, self.package, number))
        except BaseException:
            self.close()
            raise

    # --- one observation ----------------------------------------------------------------------------------------------

    def infer(
        self, inputs: Arrays, *, out: Arrays | None = None, raw: bool = False, timeout: float | None = None
    ) -> dict[str, np.ndarray]:
        """Run one observation and wait for it.

        `inputs`: {name: array of the input's shape}, float in real units (saturated like the quantizer does), or
        integers with `raw`. Returns {name: float32 in real units, or integers with `raw`}, in the arrays of `out` where
        given. Raises InputFault, EngineError, EngineTimeout, UsageError; after an engine's error the device is usable
        again.
        """
        with self._lock:
            slot = self._ready(out, raw)
            slot.pack(inputs, raw)
            self._execute(slot, timeout)
            return slot.unpack(raw, out)

    def infer_or(
        self,
        inputs: Arrays,
        safe: Arrays,
        *,
        out: Arrays | None = None,
        raw: bool = False,
        timeout: float | None = None,
    ) -> Arrays:
        """`infer`, or `safe` itself when the input is bad or the engine fails or is late; `last_error` then says why,
        else None.
        """
        self.last_error = None
        try:
            return self.infer(inputs, out=out, raw=raw, timeout=timeout)
        except (InputFault, DeviceFault) as error:
            self.last_error = error
            return safe

    def run(self, timeout: float | None = None, slot: int = 0) -> int:
        """Run on what `input_views(slot)` hold; the results are in `output_views(slot)`. Returns the clocks it took."""
        with self._lock:
            self._ready(None, False)
            self._execute(self._slots[slot], timeout)
            return self._engine.latency()

    def input_views(self, slot: int = 0) -> dict[str, np.ndarray]:
        """The integers of each input in the DMA buffer itself; writing them is the whole preparation of `run`.

        Valid until close(). The padding around them stays zero.
        """
        self._check_open()
        return {name: packer.view for name, packer in self._slots[slot].packers.items()}

    def output_views(self, slot: int = 0) -> dict[str, np.ndarray]:
        """The integers of each output in the DMA buffer itself, read-only; a planar output as its byte planes
        (TensorSpec.view).

        Valid until close(); overwritten by the next run of this slot.
        """
        self._check_open()
        views = {name: unpacker.view.view() for name, unpacker in self._slots[slot].unpackers.items()}
        for view in views.values():
            view.flags.writeable = False  # a dirty cache line would later fall on the engine's results
        return views

    # --- two in flight ------------------------------------------------------------------------------------------------

    def submit(self, inputs: Arrays, *, raw: bool = False) -> None:
        """Begin an observation and return; at most two are in flight. Raises UsageError when both slots are taken,
        InputFault.
        """
        with self._lock:
            self._check_open()
            free = [slot for slot in self._slots if slot not in self._queue]
            if not free:
                raise UsageError(f"{SLOTS} observations are in flight; take one with result() first")
            self._abandon_interrupted()
            free[0].source.check()
            free[0].pack(inputs, raw)
            free[0].raw, free[0].error, free[0].collected = raw, None, False
            self._queue.append(free[0])
            self._pump()

    def done(self) -> bool:
        """True when result() would not wait."""
        with self._lock:
            self._check_open()
            self._pump()
            return bool(self._queue) and self._queue[0] is not self._running

    def result(self, timeout: float | None = None, *, out: Arrays | None = None) -> dict[str, np.ndarray]:
        """The results of the oldest submitted observation, as `infer` returns them. One that fails or is late is given
        up.
        """
        with self._lock:
            self._check_open()
            if not self._queue:
                raise UsageError("nothing was submitted; call submit() first")
            slot = self._queue[0]
            if out:
                slot.check_out(slot.raw, out)
            self._pump()
            if slot is self._running:
                self._finish(self.timeout if timeout is None else timeout)
            self._queue.pop(0)
            self._pump()
            slot.raise_error()
            return slot.unpack(slot.raw, out)

    def _pump(self) -> None:
        """Collect the run that ended and start the next one that waits."""
        if self._running is not None and self._engine.finished():
            self._finish(self.timeout)
        if self._running is None:
            for slot in self._queue:
                if not slot.collected:
                    try:
                        return self._begin(slot)
                    except DeviceFault as error:  # belongs to this observation's result()
                        slot.error, slot.collected = error, True

    # --- the device ---------------------------------------------------------------------------------------------------

    def selftest(self) -> dict[str, int]:
        """Run the package's golden vectors and compare every integer.

        Returns {"vectors", "latency_cycles" (largest), "predicted_cycles"}. Raises SelftestError naming the first
        difference.
        """
        vectors = self.package.selftest
        count, slowest = len(next(iter(vectors.values()))), 0
        for i in range(count):
            got = self.infer({t.name: vectors[t.name][i] for t in self.package.inputs}, raw=True)
            slowest = max(slowest, self.last_cycles)
            for name, array in got.items():
                if (array != vectors[name][i]).any():
                    at = tuple(int(k) for k in np.argwhere(array != vectors[name][i])[0])
                    raise SelftestError(
                        f"package {self.package.path.name}: vector {i} of {count}, "
                        f"output '{name}' at {at} is {array[at]}, golden says "
                        f"{vectors[name][i][at]}; the hardware computes wrong: check timing closure and the memory port"
                    )
        return {
            "vectors": count,
            "latency_cycles": slowest,
            "predicted_cycles": self.package.manifest["predicted_cycles"],
        }

    @property
    def last_cycles(self) -> int:
        """Clocks from START to DONE of the last run."""
        with self._lock:
            self._check_open()
            return self._engine.latency()

    @property
    def stats(self) -> dict[str, int]:
        """The engine's counters of the last run (clocks; `latency` to `compute`, `runs` since reset) and the driver's
        own: `infers`, `errors`, `loads` of the package, `predicted_cycles`."""
        with self._lock:
            self._check_open()
            own = {"loads": self._engine.loads, "predicted_cycles": self.package.manifest["predicted_cycles"]}
            return {**self._engine.counters(), **self._counts, **own}

    def reset(self, download: bool = False) -> None:
        """Stop, forget what was submitted, load the package again; with `download` the bitstream first."""
        with self._lock:
            self._check_open()
            self._queue, self._running = [], None
            if download:
                if not hasattr(self.port, "download"):
                    raise UsageError("this device has no bitstream to load again; call reset() without download")
                self.port.download()
            self._engine.load_again()

    def close(self) -> None:
        """Stop the engine and give the memory back. What may still be written by DMA is kept rather than freed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._queue, self._running = [], None
            self._engine.release([buffer for slot in self._slots for buffer in (slot.source, slot.target)])

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        manifest = self.package.manifest
        state = ", closed" if self._closed else ""
        return f"<Accelerator {manifest['name']} on {manifest['board']}, design {manifest['design_hash']}{state}>"

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this Accelerator is closed; open the package again")

    def _ready(self, out: Arrays | None, raw: bool) -> _Slot:
        self._check_open()
        if self._queue:
            raise UsageError(f"{len(self._queue)} submitted observations are in flight; take them with result() first")
        self._abandon_interrupted()
        if out:
            self._slots[0].check_out(raw, out)
        return self._slots[0]

    def _abandon_interrupted(self) -> None:
        """Where an exception such as KeyboardInterrupt left a run unattended, have the engine reset before the next
        one.
        """
        if self._running is not None and self._running not in self._queue:
            self._running, self._engine.usable = None, False

    def _execute(self, slot: _Slot, timeout: float | None) -> None:
        slot.error = None
        self._begin(slot)
        self._finish(self.timeout if timeout is None else timeout)
        slot.raise_error()

    def _begin(self, slot: _Slot) -> None:
        slot.source.check()
        slot.target.check()
        slot.source.flush()
        self._engine.start(slot.source.address, slot.target.address)
        self._running, slot.collected = slot, False

    def _finish(self, timeout: float) -> None:
        slot = self._running
        self._counts["infers"] += 1
        try:
            self._engine.wait(timeout)
            slot.target.invalidate()
        except DeviceFault as error:
            self._counts["errors"] += 1
            slot.error = error
        slot.collected = True
        self._running = None
