"""A register-level model of the engine behind the driver's device protocol, with faults on demand: the double for driver tests.

It follows docs/abi.md: LOAD checks the image's header and sections, START reads the input buffer, calls a Python function and
writes the output buffer. DDR is apart from the host's view of it, so that a forgotten flush or invalidate shows. It computes
nothing by itself: `compute(input bytes) -> output bytes`.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime import abi

AT = {r.name: r.offset for r in abi.REGISTERS}
NAME = {r.offset: r.name for r in abi.REGISTERS}
CODE = {name: code for code, (name, _) in abi.ERRORS.items()}
IDLE, BUSY, DONE, ERROR, LOADED, DRAINING = (1 << i for i in range(6))


class ModelBuffer(np.ndarray):
    """A host shadow of device memory, as a cacheable pynq buffer is one."""

    def __array_finalize__(self, obj: object) -> None:
        self.model = getattr(obj, "model", None)
        self.physical_address = getattr(obj, "physical_address", 0)

    def flush(self) -> None:
        self.model.memory(self.physical_address, self.nbytes)[:] = self

    def invalidate(self) -> None:
        self[:] = self.model.memory(self.physical_address, self.nbytes)

    def freebuffer(self) -> None:
        self.model.release(self.physical_address)
        self.freed = True


class EngineModel:
    """See the module. Faults: `hang` (runs never end), `stuck_reset`, `fail` (code name of the next run's or load's error),
    `polls` (STATUS reads until a command ends)."""

    name = "model"

    def __init__(self, compute, in_bytes: int, out_bytes: int, design_hash: int = 0x1234, cycles: int = 77) -> None:
        self.compute, self.in_bytes, self.out_bytes = compute, in_bytes, out_bytes
        self.design_hash, self.cycles = design_hash, cycles
        self.magic, self.version, self.timeout = abi.MAGIC, abi.ABI_VERSION, 0.2
        self.hang = self.stuck_reset = False
        self.fail: str | None = None
        self.fail_load: str | None = None
        self.polls, self.base = 2, 0x8_7000_0000
        self.live: dict[int, np.ndarray] = {}
        self.regs: dict[int, int] = {}
        self.log: list[tuple[str, int]] = []
        self.runs = self.loads = 0
        self.soft_reset()

    # memory
    def allocate(self, nbytes: int) -> ModelBuffer:
        address, self.base = self.base, self.base + -(-nbytes // 4096) * 4096
        self.live[address] = np.full(nbytes, 0xCD, np.uint8)
        buffer = np.full(nbytes, 0xCD, np.uint8).view(ModelBuffer)
        buffer.model, buffer.physical_address = self, address
        return buffer

    def release(self, address: int) -> None:
        del self.live[address]

    def memory(self, address: int, nbytes: int) -> np.ndarray:
        for base, data in self.live.items():
            if base <= address and address + nbytes <= base + len(data):
                return data[address - base : address - base + nbytes]
        raise IndexError(f"no memory at {address:#x}")

    # registers
    def soft_reset(self) -> None:
        self.state, self.code, self.info, self.loaded, self.todo, self.left = IDLE, 0, 0, False, None, 0

    def read(self, offset: int) -> int:
        name = NAME[offset]
        if name == "STATUS":
            return self._status()
        fixed = {
            "MAGIC": self.magic, "ABI": self.version, "HASH_LO": self.design_hash & 0xFFFFFFFF, "HASH_HI": self.design_hash >> 32,
            "ERROR_INFO": self.info, "LATENCY": self.cycles, "RUNS": self.runs,
        }  # fmt: skip
        return fixed.get(name, self.regs.get(offset, 0))

    def write(self, offset: int, value: int) -> None:
        assert type(value) is int and 0 <= value < 1 << 32
        name = NAME[offset]
        self.log.append((name, value))
        if name != "CONTROL":
            self.regs[offset] = value
            return
        if value & 4 and not self.stuck_reset:
            self.soft_reset()
        if self.state & IDLE and value & 3:
            if value & 1 and not self.loaded:
                return self._error("NOT_LOADED", 0)
            self.todo, self.left, self.state = (self._run if value & 1 else self._load), self.polls, BUSY

    def _status(self) -> int:
        if self.state & BUSY and not (self.hang and self.todo == self._run):
            self.left -= 1
            if self.left <= 0:
                self.todo()
        return self.state | (LOADED if self.loaded else 0) | self.code << 8

    def _pointer(self, name: str) -> int:
        return self.regs[AT[name + "_LO"]] | self.regs[AT[name + "_HI"]] << 32

    def _error(self, name: str, info: int) -> None:
        self.state, self.code, self.info = ERROR, CODE[name], info

    def _load(self) -> None:
        self.loads += 1
        fail, self.fail_load = self.fail_load, None
        if fail:
            return self._error(fail, 5)
        image = bytes(self.memory(self._pointer("LOAD_PTR"), self.regs[AT["LOAD_BEATS"]] * 16))
        header = abi.unpack(abi.IMAGE_HEADER, image[:16])
        if header["magic"] != abi.IMAGE_MAGIC:
            return self._error("BAD_IMAGE", 0)
        if header["hash"] != self.design_hash:
            return self._error("HASH", 0)
        self.loaded, self.state = True, IDLE | DONE

    def _run(self) -> None:
        fail, self.fail = self.fail, None
        if fail:
            return self._error(fail, 0x7000_0040)
        try:
            data = bytes(self.memory(self._pointer("IN_PTR"), self.in_bytes))
        except IndexError:
            return self._error("AXI_READ", self._pointer("IN_PTR") & 0xFFFFFFFF)
        self.memory(self._pointer("OUT_PTR"), self.out_bytes)[:] = np.frombuffer(self.compute(data), np.uint8)
        self.state, self.runs = IDLE | DONE, self.runs + 1
