"""The driver: `Accelerator` takes a package to a device and runs observations on it.

One call, one observation: `infer()`. Two in flight: `submit()` and `result()`, so that the host prepares frame t+1
while the engine works on frame t. Nothing is allocated after construction when the caller gives `out=`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from hwgen.runtime import selftest
from hwgen.runtime.checks import check_batch, check_timeout
from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.closing import Closing
from hwgen.runtime.control.health import read_health
from hwgen.runtime.control.swap import Swap, begin_swap
from hwgen.runtime.device import Port, open_port
from hwgen.runtime.errors import DeviceFault, InputFault, UsageError
from hwgen.runtime.package import Package, read_package
from hwgen.runtime.pipeline import Pipeline
from hwgen.runtime.policy_spec import PolicySpec
from hwgen.runtime.residency import Residency
from hwgen.runtime.resident import SLOTS, Arrays, Resident, Slot

Observation = Mapping[str, object]
DEFAULT_TIMEOUT = 1.0  # seconds; a run is microseconds


class Accelerator(Closing):
    """An engine that runs one policy. A context manager; every method may be called from any thread, one at a time.

    `package`: path of a `.hwpkg`, or an opened Package. The hardware is one of `bitstream` (path of a .bit with its
    .hwh; default: the one inside the package, else the one beside it), `overlay` (a loaded pynq.Overlay), or `device`
    (an object with the protocol of `hwgen.runtime.device`; together with a bitstream a pynq Device). `ip` names the
    engine where the overlay has several. `timeout`: seconds that a command may take before it is given up. `clock`:
    measures it.

    With a package that holds a whole policy, observations are {name: image, vector or text} and the answer is float32
    [chunk, dof], the actions. With an accelerator alone, or `raw=True`, both are {tensor name: array}.

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
        clock: Clock = SYSTEM,
    ) -> None:
        package = package if isinstance(package, Package) else read_package(package)
        self.last_error: Exception | None = None
        self._lock, self._closed = threading.RLock(), False
        self._swap: Swap | None = None
        given = None if timeout is None else check_timeout(timeout)
        port = open_port(package, bitstream, overlay, device, ip)
        self.timeout = given or getattr(port, "timeout", None) or DEFAULT_TIMEOUT
        self._residency = Residency(port, package, self.timeout, clock, reopen=(device, ip))

    @property
    def package(self) -> Package:
        """The package that answers."""
        return self._residency.current[1].package

    @property
    def policy(self) -> PolicySpec | None:
        """The policy of the package: names, shapes and units of observation and action, chunk, rate; or None."""
        return self.package.policy

    @property
    def port(self) -> Port:
        """The way to the engine."""
        return self._residency.current[0].engine.port

    # --- one observation ----------------------------------------------------------------------------------------------

    def infer(
        self,
        inputs: Observation,
        *,
        out: Arrays | np.ndarray | None = None,
        raw: bool = False,
        timeout: float | None = None,
    ) -> dict[str, np.ndarray] | np.ndarray:
        """Run one observation and wait for it.

        With a policy: {name: observation} -> float32 [chunk, dof] in the action's units. Else `inputs` is {name: array
        of the input's shape}, float in real units (saturated like the quantizer does), or integers with `raw`, and the
        answer {name: float32 in real units, or integers with `raw`}. `out`: arrays that take the answer. Raises
        InputFault, EngineError, EngineTimeout, UsageError; after an engine's error the device is usable again.
        """
        with self._lock:
            pipeline, resident = self._ready()
            slot = resident.slots[0]
            if out is not None:
                slot.check_out(raw, out)
            slot.pack(inputs, raw)
            pipeline.execute(slot, self._patience(timeout))
            self._residency.sweep()
            return slot.unpack(out)

    def infer_or(
        self,
        inputs: Observation,
        safe: Arrays | np.ndarray | None = None,
        *,
        out: Arrays | np.ndarray | None = None,
        raw: bool = False,
        timeout: float | None = None,
    ) -> Arrays | np.ndarray:
        """`infer`, or `safe` itself when the input is bad or the engine fails or is late; `last_error` then says why,
        else None. Without `safe`: a chunk of the policy's safe action. Raises UsageError when there is none."""
        if safe is None:
            safe = self._safe_chunk()
        self.last_error = None
        try:
            return self.infer(inputs, out=out, raw=raw, timeout=timeout)
        except (InputFault, DeviceFault) as error:
            self.last_error = error
            return safe

    def _safe_chunk(self) -> np.ndarray:
        policy = self.policy
        if policy is None or policy.safe_action is None:
            raise UsageError(f"package {self.package.path.name} has no safe action; give safe=")
        return np.tile(policy.safe_action, (policy.chunk, 1))

    def infer_batch(
        self, observations: Iterable[Observation], *, raw: bool = False, timeout: float | None = None
    ) -> list[dict[str, np.ndarray] | np.ndarray]:
        """`infer` for each of these, two in flight; the answers in order. `timeout` is for each. The first error is
        raised, and what was in flight is given up."""
        check_batch(observations)
        answers = []
        with self._lock:
            pipeline, _ = self._ready()
            try:
                for observation in observations:
                    if len(pipeline.queue) == SLOTS:
                        answers.append(self.result(timeout))
                    self.submit(observation, raw=raw)
                while pipeline.queue:
                    answers.append(self.result(timeout))
            except BaseException:
                pipeline.clear()
                raise
        return answers

    def run(self, timeout: float | None = None, slot: int = 0) -> int:
        """Run on what `input_views(slot)` hold; the results are in `output_views(slot)`. Returns the clocks it took."""
        with self._lock:
            pipeline, _ = self._ready()
            pipeline.execute(self._slot(slot), self._patience(timeout))
            return pipeline.engine.latency()

    def input_views(self, slot: int = 0) -> dict[str, np.ndarray]:
        """The integers of each input in the DMA buffer itself; writing them is the whole preparation of `run`.

        Valid until close() or swap(). The padding around them stays zero.
        """
        return {name: packer.view for name, packer in self._slot(slot).packers.items()}

    def output_views(self, slot: int = 0) -> dict[str, np.ndarray]:
        """The integers of each output in the DMA buffer itself, read-only; a planar output as its byte planes
        (TensorSpec.view).

        Valid until close() or swap(); overwritten by the next run of this slot.
        """
        views = {name: unpacker.view.view() for name, unpacker in self._slot(slot).unpackers.items()}
        for view in views.values():
            view.flags.writeable = False  # a dirty cache line would later fall on the engine's results
        return views

    # --- two in flight ------------------------------------------------------------------------------------------------

    def submit(self, inputs: Observation, *, raw: bool = False) -> None:
        """Begin an observation and return; at most two are in flight. The host's part of a policy is computed here,
        while the engine works on the observation before. Raises UsageError when both slots are taken, InputFault.
        """
        self._submit(lambda slot: slot.pack(inputs, raw))

    def _submit(self, fill: Callable[[Slot], None]) -> Slot:
        """Begin an observation in a free slot, which `fill` prepares; returns it. Raises UsageError, what it raises."""
        with self._lock:
            self._check_open()
            pipeline, resident = self._residency.current
            slot = next((slot for slot in resident.slots if slot not in pipeline.queue and not slot.lent), None)
            if slot is None:
                raise UsageError(f"{SLOTS} observations are in flight; take one with result() first")
            fill(slot)
            pipeline.submit(slot)
            return slot

    def done(self) -> bool:
        """True when result() would not wait."""
        with self._lock:
            self._check_open()
            return self._residency.current[0].done()

    def result(
        self, timeout: float | None = None, *, out: Arrays | np.ndarray | None = None
    ) -> dict[str, np.ndarray] | np.ndarray:
        """The results of the oldest submitted observation, as `infer` returns them. One that fails or is late is given
        up.
        """
        with self._lock:
            self._check_open()
            pipeline = self._residency.current[0]
            if not pipeline.queue:
                raise UsageError("nothing was submitted; call submit() first")
            if out is not None:
                pipeline.queue[0].check_out(pipeline.queue[0].raw, out)
            slot = pipeline.take(self._patience(timeout))
            try:
                slot.raise_error()
                return slot.unpack(out)
            finally:
                self._residency.sweep()

    # --- the device ---------------------------------------------------------------------------------------------------

    def selftest(self) -> dict[str, int]:
        """Run the package's golden vectors and compare every integer, then the whole policy's golden observations.

        Returns {"vectors", "policy_vectors", "latency_cycles" (largest), "predicted_cycles"}. Raises SelftestError
        naming the first difference.
        """
        with self._lock:
            package = self.package
            report = selftest.run_vectors(package, self.infer, lambda: self.last_cycles)
            return {**report, **selftest.run_policy(package, self.infer)}

    def swap(
        self,
        package: str | os.PathLike | Package,
        *,
        selftest: bool = True,
        allow_stop: bool = False,
        wait: bool = True,
    ) -> Swap:
        """Change to another package of the same design without a stop; see `hwgen.runtime.control.swap`."""
        self._check_open()
        return begin_swap(self, package, selftest, allow_stop, wait)

    @property
    def last_cycles(self) -> int:
        """Clocks from START to DONE of the last run."""
        with self._lock:
            self._check_open()
            return self._residency.current[0].engine.latency()

    @property
    def stats(self) -> dict[str, int]:
        """The engine's counters of the last run (clocks; `latency` to `compute`, `runs` since reset) and the driver's
        own since it was opened: `infers`, `errors`, `loads`, `resets`, `timeouts`, `bus_errors`, `engine_errors`,
        `swaps`, and `predicted_cycles`."""
        with self._lock:
            self._check_open()
            pipeline, resident = self._residency.current
            return {
                **pipeline.engine.counters(), "infers": pipeline.infers, "errors": pipeline.errors,
                **pipeline.engine.counts, "swaps": self._residency.swaps,
                "predicted_cycles": resident.package.manifest["predicted_cycles"],
            }  # fmt: skip

    def health(self, loop: object = None) -> dict[str, object]:
        """`stats` in groups, the board's temperatures, and the deadlines of a control loop; see
        `hwgen.runtime.control.health`."""
        return read_health(self, loop)

    def reset(self, download: bool = False) -> None:
        """Stop, forget what was submitted, load the package again; with `download` the bitstream first."""
        with self._lock:
            self._check_open()
            pipeline, resident = self._residency.current
            pipeline.clear()
            if download:
                if not hasattr(self.port, "download"):
                    raise UsageError("this device has no bitstream to load again; call reset() without download")
                self.port.download()
            pipeline.engine.load_again(resident)
            self._residency.sweep()

    def close(self) -> None:
        """Stop the engine and give the memory back. What may still be written by DMA is kept rather than freed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._residency.close()
        if self._swap is not None:
            self._swap.join(self.timeout)

    def __repr__(self) -> str:
        manifest = self.package.manifest
        state = ", closed" if self._closed else ""
        return f"<Accelerator {manifest['name']} on {manifest['board']}, design {manifest['design_hash']}{state}>"

    def _patience(self, timeout: float | None) -> float:
        return self.timeout if timeout is None else check_timeout(timeout)

    def _slot(self, number: int) -> Slot:
        self._check_open()
        if number not in range(SLOTS):
            raise UsageError(f"slot {number!r:.20} does not exist; there are slots 0 to {SLOTS - 1}")
        return self._residency.current[1].slots[number]

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("this Accelerator is closed; open the package again")

    def _ready(self) -> tuple[Pipeline, Resident]:
        self._check_open()
        current = self._residency.current
        if current[0].queue:
            raise UsageError(
                f"{len(current[0].queue)} submitted observations are in flight; take them with result() first"
            )
        return current

    def _switch(self, package: Package, check: bool) -> None:
        """Prepare beside the running package, then switch between two inferences."""
        resident = Resident(self.port, package)
        try:
            with self._lock:
                self._check_open()
                self._residency.switch(resident, check)
        except BaseException:
            with self._lock:
                if self._closed:  # close() has stopped the engine
                    resident.release(stopped=True)
                else:
                    self._residency.discard(resident)
            raise

    def _restart(self, package: Package, check: bool) -> None:
        with self._lock:
            self._ready()
            self._residency.restart(package, check)
