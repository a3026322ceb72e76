"""What one package needs on a device: its load image, the weights that stay in DDR and two slots in DMA memory, and the
host's share of its policy.

A hot swap puts a second resident beside the first; everything that belongs to a package is reached through its
resident, so that nothing of one can mix with the other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hwgen.runtime.checks import check_names
from hwgen.runtime.convert import Packer, Unpacker
from hwgen.runtime.device import DmaBuffer, Port
from hwgen.runtime.errors import DeviceFault, InputFault
from hwgen.runtime.package import Package
from hwgen.runtime.policy import PolicyHost, PolicySlot

Arrays = Mapping[str, np.ndarray]
SLOTS = 2


class Slot:
    """An input and an output buffer with what converts into and out of them (pynq 3 syncs whole buffers, so two are
    needed). `collected`: its run ended; `error`: how, if badly. `lent`: another engine still reads its answer."""

    def __init__(self, resident: Resident, number: int) -> None:
        manifest, self.resident = resident.package.manifest, resident
        self.source = self._own = resident.take(manifest["in_bytes"], f"input buffer {number}")
        self.target = resident.take(manifest["out_bytes"], f"output buffer {number}")
        self.packers = {t.name: Packer(t, self.source.array) for t in resident.package.inputs}
        self.unpackers = {t.name: Unpacker(t, self.target.array) for t in resident.package.outputs}
        self.policy: PolicySlot | None = None
        if resident.policy is not None:
            views = {name: packer.view for name, packer in self.packers.items()}
            self.policy = resident.policy.slot(views, self.unpackers)
        self.raw, self.collected, self.lent = False, False, False
        self.error: DeviceFault | None = None

    def pack(self, inputs: object, raw: bool) -> None:
        """Fill the input buffer. Raises InputFault."""
        self.raw, self.error, self.collected = raw, None, False
        self.source = self._own
        if self.policy is not None and not raw:
            self.policy.observe(inputs)
            self.policy.before()
            return
        check_names(inputs, self.packers, "inputs are", "this accelerator takes")
        for name, packer in self.packers.items():
            (packer.raw if raw else packer.real)(inputs[name])

    def follow(self, other: Slot) -> None:
        """Read what another engine's slot answered where it lies, instead of a packed input."""
        self.raw, self.error, self.collected = True, None, False
        self.source = other.target

    def check_out(self, raw: bool, out: object) -> None:
        """Raise InputFault where `out` cannot take the results."""
        if self.policy is not None and not raw:
            return self.policy.check_out(out)
        if not isinstance(out, Mapping):
            raise InputFault(f"out is a {type(out).__name__}; give a dict of arrays: {', '.join(self.unpackers)}")
        for name, array in out.items():
            if name not in self.unpackers:
                raise InputFault(f"out has '{name}'; this accelerator's outputs are {', '.join(self.unpackers)}")
            self.unpackers[name].check(raw, array)
        return None

    def unpack(self, out: Arrays | np.ndarray | None) -> dict[str, np.ndarray] | np.ndarray:
        """The results of the last run: what `Accelerator.infer` returns."""
        if self.policy is not None and not self.raw:
            self.policy.after()
            return self.policy.actions(out)
        out = out or {}
        return {name: read(self.raw, out.get(name)) for name, read in self.unpackers.items()}

    def raise_error(self) -> None:
        """Raise how the run ended, if badly."""
        error, self.error = self.error, None  # kept no longer: its traceback holds the caller's arrays
        if error is not None:
            raise error


class Resident:
    """See the module. Raises DeviceFault when the DMA memory is used up; nothing is held then."""

    def __init__(self, port: Port, package: Package) -> None:
        self.package, self._port = package, port
        self._buffers: list[DmaBuffer] = []
        self.policy = None if package.policy is None else PolicyHost(package.policy)
        try:
            self.image = self._filled(package.image, "load image")
            self.stream = self._filled(package.stream, "buffer of streamed weights") if package.stream else None
            self.slots = [Slot(self, number) for number in range(SLOTS)]
        except BaseException:
            self.release(stopped=True)
            raise

    def take(self, nbytes: int, what: str) -> DmaBuffer:
        """A DMA buffer that goes back with the resident."""
        self._buffers.append(DmaBuffer(self._port, nbytes, what))
        return self._buffers[-1]

    def check(self) -> None:
        """Raise UsageError if what the engine reads was given back behind the driver's back."""
        self.image.check()
        if self.stream is not None:
            self.stream.check()

    def _filled(self, content: bytes, what: str) -> DmaBuffer:
        buffer = self.take(len(content), what)
        buffer.array[:] = memoryview(content)
        buffer.flush()
        return buffer

    def release(self, stopped: bool) -> None:
        """Give the memory back; keep it where the engine did not stop and may still write it."""
        for buffer in self._buffers:
            (buffer.free if stopped else buffer.keep)()
