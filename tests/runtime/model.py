"""A register-level model of the engine as a bus, with faults on demand: the double for driver tests.

It follows docs/abi.md: LOAD checks the image's header, START reads the input buffer in DDR, calls a Python function and
writes the output buffer. It computes nothing by itself: `compute(input bytes) -> output bytes`.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime import abi

AT = {r.name: r.offset for r in abi.REGISTERS}
NAME = {r.offset: r.name for r in abi.REGISTERS}
CODE = {name: code for code, (name, _) in abi.ERRORS.items()}
IDLE, BUSY, DONE, ERROR, LOADED, DRAINING = (1 << i for i in range(6))


class EngineModel:
    """See the module. Faults: `hang` (runs never end), `stuck` (nor does a soft reset), `fail`, `fail_load` (code name
    of the error of the next run, load), `polls` (STATUS reads until a command ends). `image`: what is loaded;
    `streamed`: the `stream_bytes` at STREAM_PTR that the last run read; `on_reset`: called by the reset pin."""

    name = "model"

    def __init__(self, compute, in_bytes: int, out_bytes: int, design_hash: int, cycles: int = 77) -> None:
        self.compute, self.in_bytes, self.out_bytes, self.cycles = compute, in_bytes, out_bytes, cycles
        self.ddr, self.ddr_base = np.zeros(1 << 20, np.uint8), 0x8_7000_0000
        self.fixed = {
            "MAGIC": abi.MAGIC,
            "ABI": abi.ABI_VERSION,
            "HASH_LO": design_hash & 0xFFFFFFFF,
            "HASH_HI": design_hash >> 32,
        }
        self.hang = self.stuck = False
        self.fail: str | None = None
        self.fail_load: str | None = None
        self.polls, self.runs, self.loads, self.resets = 2, 0, 0, 0
        self.image, self.on_reset = b"", lambda: None
        self.stream_bytes, self.streamed = 0, b""
        self.log: list[tuple[str, int]] = []
        self.reset()

    @property
    def design_hash(self) -> int:
        return self.fixed["HASH_HI"] << 32 | self.fixed["HASH_LO"]

    def reset(self) -> None:
        """The reset pin."""
        self.resets += 1
        self.on_reset()
        self.regs = {register.name: 0 for register in abi.REGISTERS}
        self._soft_reset()

    def read(self, offset: int) -> int:
        name = NAME[offset]
        if name == "STATUS":
            return self._status()
        return {**self.fixed, "ERROR_INFO": self.info, "LATENCY": self.cycles, "RUNS": self.runs}.get(
            name, self.regs[name]
        )

    def write(self, offset: int, value: int) -> None:
        assert type(value) is int and 0 <= value < 1 << 32
        name = NAME[offset]
        self.log.append((name, value))
        if name != "CONTROL":
            self.regs[name] = value
        elif value & 4:
            if not self.stuck:
                self._soft_reset()
        elif self.state & IDLE and value & 1 and not self.loaded:
            self._error("NOT_LOADED", 0)
        elif self.state & IDLE and value & 3:
            self.todo, self.left, self.state = (self._run if value & 1 else self._load), self.polls, BUSY

    def _soft_reset(self) -> None:
        self.state, self.code, self.info, self.loaded, self.todo, self.left = IDLE, 0, 0, False, None, 0

    def _status(self) -> int:
        if self.state & BUSY and not (self.hang and self.todo == self._run):
            self.left -= 1
            if self.left <= 0:
                self.todo()
        return self.state | (LOADED if self.loaded else 0) | self.code << 8

    def _memory(self, pointer: str, nbytes: int) -> np.ndarray:
        start = (self.regs[pointer + "_LO"] | self.regs[pointer + "_HI"] << 32) - self.ddr_base
        if not 0 <= start <= len(self.ddr) - nbytes:
            raise IndexError
        return self.ddr[start : start + nbytes]

    def _error(self, name: str, info: int) -> None:
        self.state, self.code, self.info = ERROR, CODE[name], info

    def _load(self) -> None:
        self.loads += 1
        fail, self.fail_load = self.fail_load, None
        if fail:
            return self._error(fail, 5)
        image = bytes(self._memory("LOAD_PTR", self.regs["LOAD_BEATS"] * 16))
        header = abi.unpack(abi.IMAGE_HEADER, image[:16])
        if header["magic"] != abi.IMAGE_MAGIC:
            return self._error("BAD_IMAGE", 0)
        if header["hash"] != self.design_hash:
            return self._error("HASH", 0)
        self.image, self.loaded, self.state = image, True, IDLE | DONE

    def _run(self) -> None:
        fail, self.fail = self.fail, None
        if fail:
            return self._error(fail, 0x7000_0040)
        try:
            self.streamed = bytes(self._memory("STREAM_PTR", self.stream_bytes)) if self.stream_bytes else b""
        except IndexError:
            return self._error("AXI_READ", self.regs["STREAM_PTR_LO"])
        try:
            data, target = bytes(self._memory("IN_PTR", self.in_bytes)), self._memory("OUT_PTR", self.out_bytes)
        except IndexError:
            return self._error("AXI_READ", self.regs["IN_PTR_LO"])
        target[:] = np.frombuffer(self.compute(data), np.uint8)
        self.state, self.runs = IDLE | DONE, self.runs + 1
