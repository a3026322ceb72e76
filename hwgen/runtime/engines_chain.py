"""Observations on their way through the stages of several engines: who works for which, and what goes on.

Each engine has an `Accelerator`. An observation goes to the engine of a stage that has the least to do, and from a
stage to the next in the buffer that the first one wrote, where both see one memory and the layouts agree; else by a
copy. A buffer that is being read so is lent: its engine packs or writes nothing into it meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.runtime.checks import check_names
from hwgen.runtime.clock import Clock
from hwgen.runtime.convert import Packer
from hwgen.runtime.device import PAGE
from hwgen.runtime.driver import Accelerator
from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.errors import EngineTimeout, RuntimeFault
from hwgen.runtime.package import Package
from hwgen.runtime.pipeline import Pipeline
from hwgen.runtime.resident import Arrays, Slot

_SPIN_SECONDS, _NAP_SECONDS = 0.005, 50e-6


class Request:
    """An observation on its way, in `stage` on `engine`. slot: what the engine works in; feeder: the slot whose answer
    it reads; kept: integers that later stages read; made: the outputs of the whole so far."""

    def __init__(self, raw: bool, kept: dict[str, np.ndarray]) -> None:
        self.raw, self.kept, self.made = raw, kept, {}
        self.stage, self.engine = 0, None
        self.slot: Slot | None = None
        self.feeder: Slot | None = None
        self.error: RuntimeFault | None = None

    @property
    def pipeline(self) -> Pipeline:
        """Of its engine."""
        return _pipeline(self.engine)

    def fail(self, error: RuntimeFault) -> None:
        """It ends here."""
        self.error = error
        self.pipeline.give_up(self.slot)

    def leave_feeder(self) -> None:
        """The engine has read its input."""
        if self.feeder is not None:
            self.feeder.lent, self.feeder = False, None


class Chain:
    """See the module; one thread at a time. stages: the engines of each; flying: what is under way, oldest first."""

    def __init__(self, package: EnginesPackage, engines: list[Accelerator], clock: Clock) -> None:
        self.package, self.engines, self._clock, self._turn = package, engines, clock, 0
        self._inputs = {spec.name: spec for spec in package.inputs}
        self._outputs = [spec.name for spec in package.outputs]
        ends = np.cumsum(package.copies).tolist()
        self.stages = [engines[end - many : end] for end, many in zip(ends, package.copies, strict=True)]
        self.flying: list[Request] = []

    def free(self) -> bool:
        """True when `begin` would find an engine."""
        self.advance()
        return any(_free(engine) for engine in self.stages[0])

    def begin(self, inputs: object, raw: bool) -> None:
        """Start an observation. Raises InputFault."""
        request, now = Request(raw, {}), inputs
        if len(self.stages) > 1:
            check_names(inputs, self._inputs, "inputs are", "these engines take")
            request.kept = self._later(inputs, raw)
            now = {spec.name: inputs[spec.name] for spec in self.package.stages[0].inputs}
        request.engine = self._idlest(0)
        request.slot = request.engine._submit(lambda slot: slot.pack(now, raw))
        self.flying.append(request)
        self.advance()

    def advance(self) -> None:
        """Hand on what is ready, the oldest first. None overtakes an older one: answers are taken in order, and those
        that wait for that would fill the slots that the older one needs."""
        for engine in self.engines:
            engine.done()  # which starts what waits
        furthest = len(self.stages) - 1
        for request in self.flying:
            while request.error is None and request.slot.collected:
                request.leave_feeder()
                if request.slot.error is not None:
                    request.fail(request.slot.error)
                elif request.stage >= furthest:
                    break
                else:
                    try:
                        if not self._hand_on(request):
                            break
                    except RuntimeFault as error:  # what the next stage does not take is this observation's error alone
                        request.fail(error)
            furthest = furthest if request.error is not None else request.stage

    def ended(self, request: Request) -> bool:
        """Whether its answer is there, or its error."""
        return request.error is not None or (request.stage + 1 == len(self.stages) and request.slot.collected)

    def wait(self, request: Request, patience: float) -> None:
        """Until the oldest request has ended; one that is late is given up, and its engine reset."""
        begin = self._clock.now()
        while True:
            self.advance()
            if self.ended(request):
                return
            passed = self._clock.now() - begin
            if not passed <= patience:
                break
            if passed > _SPIN_SECONDS:
                self._clock.sleep(_NAP_SECONDS)
        request.pipeline.give_up(request.slot)
        request.leave_feeder()
        request.error = request.slot.error or EngineTimeout(
            f"package {self.package.path.name}: no answer after {patience:g} s, in stage {request.stage}; allow more "
            "time with timeout="
        )

    def answer(self, request: Request) -> Arrays | np.ndarray:
        """The answer of a request that has ended. Raises DeviceFault, or what a later stage refused."""
        if request.error is not None:
            raise request.error
        slot = request.slot
        request.pipeline.remove(slot)
        if len(self.stages) == 1:
            return slot.unpack(None)
        made = {**request.made, **{name: read(request.raw, None) for name, read in slot.unpackers.items()}}
        return {name: made[name] for name in self._outputs}

    def forget(self) -> None:
        """Give up what is under way."""
        self.flying.clear()
        for engine in self.engines:
            pipeline, resident = engine._residency.current
            pipeline.clear()
            for slot in resident.slots:
                slot.lent = False

    def _hand_on(self, request: Request) -> bool:
        """Give a request to the next stage; False where no engine of it is free."""
        if not any(map(_free, self.stages[request.stage + 1])):
            return False
        giver, before, stage = request.engine, request.slot, request.stage + 1
        taker = self._idlest(stage)
        read_later = {spec.name for later in self.package.stages[stage + 1 :] for spec in later.inputs}
        for name, read in before.unpackers.items():
            if name in self._outputs:
                request.made[name] = read(request.raw, None)
            if name in read_later:
                request.kept[name] = read.integers().copy()
        if _shared(giver, taker) and in_place(giver.package, taker.package):
            slot = taker._submit(lambda slot: slot.follow(before))
            before.lent, request.feeder = True, before
        else:
            given = {**request.kept, **{name: read.integers() for name, read in before.unpackers.items()}}
            slot = taker._submit(lambda slot: slot.pack({name: given[name] for name in slot.packers}, True))
        request.stage, request.engine, request.slot = stage, taker, slot
        _pipeline(giver).remove(before)
        return True

    def _idlest(self, stage: int) -> Accelerator:
        """The engine of a stage that has the least to do; among equals they take turns."""
        able = [engine for engine in self.stages[stage] if _free(engine)]
        self._turn += 1
        first = self._turn % len(able)
        return min(able[first:] + able[:first], key=lambda engine: len(_pipeline(engine).queue))

    def _later(self, inputs: Mapping[str, object], raw: bool) -> dict[str, np.ndarray]:
        """Inputs that later stages read, as integers: the caller's arrays may change meanwhile. Raises InputFault."""
        kept = {}
        for spec in (spec for stage in self.package.stages[1:] for spec in stage.inputs):
            if spec.name in self._inputs:
                packer = Packer(spec, np.zeros(spec.offset + spec.nbytes, np.uint8))
                (packer.raw if raw else packer.real)(inputs[spec.name])
                kept[spec.name] = packer.view
        return kept


def in_place(before: Package, after: Package) -> bool:
    """Whether a stage can read its input where the stage before wrote it: all of it made there, at the same places."""
    made = {spec.name: spec for spec in before.outputs}
    room = -(-before.manifest["out_bytes"] // PAGE) * PAGE
    return after.manifest["in_bytes"] <= room and all(
        spec.name in made and not made[spec.name].planar
        and (made[spec.name].offset, made[spec.name].dtype, made[spec.name].order)
        == (spec.offset, spec.dtype, spec.order)
        for spec in after.inputs
    )  # fmt: skip


def _shared(one: Accelerator, other: Accelerator) -> bool:
    """Whether two engines see one memory."""
    memory = getattr(one.port, "memory", None)
    return memory is not None and memory is getattr(other.port, "memory", None)


def _pipeline(engine: Accelerator) -> Pipeline:
    return engine._residency.current[0]


def _free(engine: Accelerator) -> bool:
    """Whether an engine has a slot that nothing is in and nobody reads."""
    pipeline, resident = engine._residency.current
    return any(slot not in pipeline.queue and not slot.lent for slot in resident.slots)
