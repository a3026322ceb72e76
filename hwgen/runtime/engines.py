"""The driver of several engines: `Engines` runs a package of replicas or of a pipeline (docs/engines.md).

Each engine has an `Accelerator` of its own, which loads it, starts it, and brings it back after an error; the chain
hands observations out and on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from hwgen.runtime.checks import check_batch, check_timeout
from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.closing import Closing
from hwgen.runtime.control.swap import check_interface
from hwgen.runtime.device import ENGINE_NAME, Port, PynqPort, engines_of, open_overlay
from hwgen.runtime.driver import Accelerator, Observation
from hwgen.runtime.engines_chain import Chain
from hwgen.runtime.engines_package import EnginesPackage, read_engines
from hwgen.runtime.errors import HashMismatch, NoEngineError, RuntimeFault, SelftestError, UsageError
from hwgen.runtime.policy_spec import PolicySpec
from hwgen.runtime.resident import Arrays


class Engines(Closing):
    """Several engines that run one graph. A context manager; any thread may call, one at a time.

    `package`: path of a `.hwpkg` of several engines, or an opened EnginesPackage. The hardware is one of `devices` (a
    device of the protocol of `hwgen.runtime.device` for each engine, stage by stage), `overlay` (a loaded pynq.Overlay
    with blocks hwgen_top_0, hwgen_top_1, ...) or `bitstream` (path of a .bit; default: the one beside the package;
    with a pynq Device as `device`). `timeout`: seconds for an answer.

    Observations are {tensor: array}, and so are answers; a package of replicas whose engine runs a whole policy takes
    and gives what that does. Raises PackageError, NoEngineError, HashMismatch, EngineError, EngineTimeout, UsageError.
    """

    def __init__(
        self,
        package: str | os.PathLike | EnginesPackage,
        *,
        devices: Sequence[Port] | None = None,
        bitstream: str | os.PathLike | None = None,
        overlay=None,
        device=None,
        timeout: float | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.package = package if isinstance(package, EnginesPackage) else read_engines(package)
        self._lock, self._closed = threading.RLock(), False
        self.infers = self.errors = self.swaps = 0
        ports = _ports(self.package, devices, bitstream, overlay, device)
        with ExitStack() as undo:
            self.engines = [
                undo.enter_context(Accelerator(one, device=port, timeout=timeout, clock=clock))
                for one, port in zip(self.package.engines, ports, strict=True)
            ]
            undo.pop_all()
        self.timeout = max(engine.timeout for engine in self.engines)
        self._chain = Chain(self.package, self.engines, clock)

    @property
    def policy(self) -> PolicySpec | None:
        """As of an `Accelerator`: of replicas that run a whole policy; else None."""
        return self.package.policy

    # --- observations -------------------------------------------------------------------------------------------------

    def infer(self, inputs: Observation, *, raw: bool = False, timeout: float | None = None) -> Arrays | np.ndarray:
        """One observation through all stages; as `Accelerator.infer`."""
        with self._lock:
            self._check_idle()
            self.submit(inputs, raw=raw)
            return self.result(timeout)

    def infer_batch(
        self, observations: Iterable[Observation], *, raw: bool = False, timeout: float | None = None
    ) -> list[Arrays | np.ndarray]:
        """`infer` for each of these, with all engines at work; the answers in order. `timeout` is for each. The first
        error is raised, and what was in flight is given up."""
        check_batch(observations)
        answers = []
        with self._lock:
            self._check_idle()
            try:
                for observation in observations:
                    while not self.free():
                        answers.append(self.result(timeout))
                    self.submit(observation, raw=raw)
                while self._chain.flying:
                    answers.append(self.result(timeout))
            except BaseException:
                self._chain.forget()
                raise
        return answers

    def submit(self, inputs: Observation, *, raw: bool = False) -> None:
        """Begin an observation and return. Raises UsageError when no engine of the first stage is free, InputFault."""
        with self._guarded():
            if not self.free():
                flying = len(self._chain.flying)
                raise UsageError(f"{flying} observations are in flight; take one with result() first")
            self._chain.begin(inputs, raw)

    def free(self) -> bool:
        """True when `submit` would find an engine of the first stage."""
        with self._guarded():
            return self._chain.free()

    def done(self) -> bool:
        """True when `result` would not wait."""
        with self._guarded():
            self._chain.advance()
            return bool(self._chain.flying) and self._chain.ended(self._chain.flying[0])

    def result(self, timeout: float | None = None) -> Arrays | np.ndarray:
        """The answer to the oldest observation submitted. One that fails or is late is given up."""
        patience = self.timeout if timeout is None else check_timeout(timeout)
        with self._guarded():
            if not self._chain.flying:
                raise UsageError("nothing was submitted; call submit() first")
            request = self._chain.flying[0]
            self._chain.wait(request, patience)
            self._chain.flying.pop(0)
            self.infers += 1
            self.errors += request.error is not None
            return self._chain.answer(request)

    # --- the device ---------------------------------------------------------------------------------------------------

    def selftest(self) -> dict[str, object]:
        """The golden vectors of each engine, then those of the whole through all of them, with all at work. Returns
        {"vectors", "policy_vectors", "latency_cycles" and "predicted_cycles" (of the stages' engines, summed),
        "engines": each one's}. Raises SelftestError naming the first difference."""
        with self._lock:
            self._check_idle()
            each = [engine.selftest() for engine in self.engines]
            vectors = self.package.selftest
            count = len(next(iter(vectors.values())))
            inputs = [{t.name: vectors[t.name][i] for t in self.package.inputs} for i in range(count)]
            for i, got in enumerate(self.infer_batch(inputs, raw=True)):
                for name, array in got.items():
                    if (array != vectors[name][i]).any():
                        raise SelftestError(
                            f"package {self.package.path.name}: vector {i} of {count}, output '{name}' differs from "
                            "golden though each engine alone computes right; check that they see one memory"
                        )
        first = [each[self.engines.index(stage[0])] for stage in self._chain.stages]
        summed = {key: sum(one[key] for one in first) for key in ("latency_cycles", "predicted_cycles")}
        return {"vectors": count, "policy_vectors": each[0]["policy_vectors"], **summed, "engines": each}

    def health(self, loop: object = None) -> dict[str, object]:
        """{"infers", "errors", "swaps", "in_flight", "engines": `Accelerator.health` of each, stage by stage}."""
        with self._lock:
            self._check_open()
            counts = {"infers": self.infers, "errors": self.errors, "swaps": self.swaps}
            in_flight = len(self._chain.flying)
            return {**counts, "in_flight": in_flight, "engines": [engine.health(loop) for engine in self.engines]}

    def swap(self, package: str | os.PathLike | EnginesPackage, *, selftest: bool = True) -> None:
        """Change to another package of the same designs, all engines or none. Nothing may be in flight. Raises what
        `Accelerator.swap` raises; the old package then answers, or, where an engine does not take it back, nothing."""
        new = package if isinstance(package, EnginesPackage) else read_engines(package)
        with self._lock:
            self._check_idle()
            _check_swap(self.package, new)
            try:
                for engine, gets in zip(self.engines, new.engines, strict=True):
                    engine.swap(gets, selftest=selftest)
            except BaseException:
                self._go_back()
                raise
            self.package = self._chain.package = new
            self.swaps += 1

    def _go_back(self) -> None:
        """Every engine to the package that it had before a swap; where one does not come back all are closed, for no
        answer may mix two."""
        try:
            for engine, had in zip(self.engines, self.package.engines, strict=True):
                if engine.package is not had:
                    engine.swap(had, selftest=False)
        except BaseException:
            self.close()
            raise

    def reset(self, download: bool = False) -> None:
        """Stop all engines, forget what was submitted, load them again; with `download` the bitstream first."""
        with self._lock:
            self._check_open()
            self._chain.forget()
            for number, engine in enumerate(self.engines):
                engine.reset(download and number == 0)

    def close(self) -> None:
        """Stop the engines and give the memory back."""
        with self._lock, ExitStack() as closing:
            self._closed = True
            self._chain.flying.clear()
            for engine in self.engines:
                closing.callback(engine.close)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """One caller at a time. An interrupt anywhere gives up what is in flight, so that no answer is another's."""
        with self._lock:
            self._check_open()
            try:
                yield
            except RuntimeFault:
                raise
            except BaseException:
                self._chain.forget()
                raise

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("these Engines are closed; open the package again")

    def _check_idle(self) -> None:
        self._check_open()
        if self._chain.flying:
            flying = len(self._chain.flying)
            raise UsageError(f"{flying} submitted observations are in flight; take them with result() first")


def _ports(package: EnginesPackage, devices, bitstream, overlay, device) -> list[Port]:
    """A port for each engine. Raises UsageError, NoEngineError."""
    count = len(package.engines)
    if devices is not None:
        found = len(devices) if isinstance(devices, Sequence) else type(devices).__name__
        if (bitstream, overlay, device) != (None, None, None) or found != count:
            raise UsageError(f"devices= are {found}; give one for each of {count} engines, and nothing else")
        return list(devices)
    if overlay is None:
        path = Path(bitstream) if bitstream is not None else package.path.with_suffix(".bit")
        if bitstream is None and not path.is_file():
            raise UsageError(f"which hardware? give bitstream=, overlay= or devices= (there is no {path.name} beside "
                             f"{package.path.name})")  # fmt: skip
        overlay = open_overlay(path, device)
    elif bitstream is not None:
        raise UsageError("give overlay= or bitstream=, not both")
    blocks = sorted(engines_of(overlay))
    wanted = [f"{ENGINE_NAME}_{number}" for number in range(count)]
    if blocks != wanted:
        raise NoEngineError(
            f"bitstream {getattr(overlay, 'bitfile_name', '?')}: its hwgen engines are {', '.join(blocks) or 'none'}, "
            f"package {package.path.name} is for {', '.join(wanted)}; load the bitstream that was built for it"
        )
    return [PynqPort(overlay, name) for name in wanted]


def _check_swap(old: EnginesPackage, new: EnginesPackage) -> None:
    """Raise UsageError or HashMismatch where these engines cannot run the other package."""
    has, gets = (f"{list(p.copies)} engines, {p.manifest['inputs']} -> {p.manifest['outputs']}" for p in (old, new))
    if gets != has:
        raise UsageError(
            f"package {new.path.name} has stages of {gets}; the running {old.path.name} {has}: close these Engines and "
            "open the other package instead"
        )
    for number, (has, gets) in enumerate(zip(old.stages, new.stages, strict=True)):
        check_interface(has, gets)
        if has.design_hash != gets.design_hash:
            raise HashMismatch(
                f"stage {number} of {new.path.name} was made for design {gets.design_hash:016x}, the bitstream's is "
                f"{has.design_hash:016x}; load the bitstream of the other package"
            )
