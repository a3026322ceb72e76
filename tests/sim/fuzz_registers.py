"""Random use of the register interface of a whole accelerator, and what the register map and the image format promise.

`patient` waits after every command and knows how each must end: the oracle reads the image as docs/abi.md words it.
`impatient` gives commands, pointers and watchdogs at any time, on a memory that stalls and fails; it must end, too.
After every case the engine is `revived`: soft reset, load, and a frame that is golden's in the predicted time.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.simlib import SimLib
from tests.sim.designs import Small
from tests.sim.fuzz_images import altered, judge

Rng = np.random.Generator
REG = {item.name: item.offset for item in abi.REGISTERS}
WRITABLE = [item.name for item in abi.REGISTERS if item.access == "rw" and item.name != "CONTROL"]
POINTERS = ("LOAD_PTR", "IN_PTR", "OUT_PTR", "STREAM_PTR")
CODE = {name: code for code, (name, _) in abi.ERRORS.items()}
NAME = {code: name for name, code in CODE.items()}
START, LOAD, SOFT_RESET, CLEAR_DONE, IRQ_ENABLE = 1, 2, 4, 8, 0x100
IMAGES, INPUTS, OUTPUTS, STREAM = 0, 1 << 20, 2 << 20, 3 << 20  # in the memory
END_SOON = 20_000  # clocks: no command may take longer once the watchdog is set
LIMIT = 2000  # a watchdog that ends a program which was altered


class Fuzz:
    """One simulator under random use. The state that the registers must show is kept beside it."""

    def __init__(self, sim: SimLib, small: Small) -> None:
        self.sim, self.small, self.engine = sim, small, small.package.manifest["engine"]
        self.registers = {name: self.read(name) for name in WRITABLE}
        self.constant = {i.name: self.read(i.name) for i in abi.REGISTERS if i.offset < REG["CONTROL"]}
        self.code, self.done, self.resident, self.irq_enable = 0, False, None, False
        self.commands = 0
        self.ends: dict[str, int] = {}
        self.put_input()

    # --- registers ----------------------------------------------------------------------------------------------------

    def read(self, name: str) -> int:
        return self.sim.read(REG[name])

    def write(self, name: str, value: int) -> None:
        self.sim.write(REG[name], value)
        if name != "CONTROL":
            self.registers[name] = value & 0xFFFFFFFF

    def point(self, pointer: str, address: int) -> None:
        self.write(f"{pointer}_LO", address & 0xFFFFFFFF)
        self.write(f"{pointer}_HI", address >> 32 & 0xFFFFFFFF)

    def pointer(self, pointer: str) -> int:
        return self.registers[f"{pointer}_HI"] << 32 | self.registers[f"{pointer}_LO"]

    def status(self) -> dict[str, int]:
        value = self.read("STATUS")
        return {name: abi.field("STATUS", name, value) for name, *_ in abi.register("STATUS").fields}

    def settle(self) -> dict[str, int]:
        """Wait for the end of what is under way; it must come."""
        self.sim.wait(END_SOON)
        now = self.status()
        assert not now["BUSY"] and not now["DRAINING"], f"the engine hangs: {now}"
        return now

    def put_input(self) -> None:
        self.sim.view(self.sim.base + INPUTS, self.small.inputs.shape[1])[:] = self.small.inputs[0]
        stream = np.frombuffer(self.small.package.stream, np.uint8)
        self.sim.view(self.sim.base + STREAM, stream.size)[:] = stream

    def put_image(self, image: bytes) -> None:
        self.sim.view(self.sim.base + IMAGES, len(image))[:] = np.frombuffer(image, np.uint8)
        self.point("LOAD_PTR", self.sim.base + IMAGES)
        self.write("LOAD_BEATS", len(image) // 16)

    def aim(self) -> None:
        """Pointers and watchdog as a driver sets them."""
        self.point("IN_PTR", self.sim.base + INPUTS)
        self.point("OUT_PTR", self.sim.base + OUTPUTS)
        self.point("STREAM_PTR", self.sim.base + STREAM)
        self.write("WATCHDOG", 0)

    # --- one case -----------------------------------------------------------------------------------------------------

    def revive(self) -> None:
        """Soft reset, load, run: as new, and in exactly the predicted time."""
        self.write("CONTROL", SOFT_RESET)
        now = self.settle()
        assert now == dict.fromkeys(now, 0) | {"IDLE": 1}, now
        self.code, self.done, self.resident, self.irq_enable = 0, False, None, False
        self.put_input()
        self.put_image(self.small.image)
        self.aim()
        self.command(LOAD)
        self.command(START)
        assert self.done and self.read("LATENCY") == self.small.predicted
        assert self.sim.protocol_error is None, self.sim.protocol_error

    def patient(self, rng: Rng) -> None:
        """Each command's end is known."""
        for _ in range(rng.integers(1, 9)):
            what = rng.integers(8)
            if what == 0:
                self.put_image(altered(self.small, self.engine, rng))
                self.command(LOAD)
                if rng.integers(2):
                    self.aim()
                    self.command(START)
            elif what == 1:
                self.aim()
                if rng.integers(2):  # so that it expires in the very clock in which the run ends, or beside it
                    self.write("WATCHDOG", self.small.predicted + int(rng.integers(-2, 2)))
                    self.command(START)
            elif what == 2:
                self.write(str(rng.choice(WRITABLE)), word(rng))
            elif what == 3:
                pointer = POINTERS[rng.integers(len(POINTERS))]
                self.point(pointer, self._address(rng, pointer))
            elif what == 4:
                self._touch_nothing(rng)
            else:
                self.command([LOAD, START, START, int(rng.integers(1 << 9)), word(rng)][rng.integers(5)])
            self._compare(rng)

    def impatient(self, rng: Rng) -> None:
        """Anything at any time. Only the end is known: it comes."""
        stalls = {name: float(rng.random() * 0.4) for name in ("ar", "r", "aw", "w", "b") if rng.integers(2)}
        self.sim.stalls(int(rng.integers(1 << 32)), **stalls)
        self.write("WATCHDOG", int(rng.integers(1, LIMIT)))
        for _ in range(rng.integers(2, 16)):
            what = rng.integers(8)
            if what == 0:
                self.put_image(altered(self.small, self.engine, rng) if rng.integers(2) else self.small.image)
            elif what == 1:
                pointer = POINTERS[rng.integers(len(POINTERS))]
                self.point(pointer, self._address(rng, pointer))
            elif what == 2:
                self.aim()
                self.write("WATCHDOG", int(rng.integers(1, LIMIT)))
            elif what == 3:
                self.sim.fault(("read", "write")[rng.integers(2)], ("slverr", "decerr")[rng.integers(2)],
                               burst=int(rng.integers(4)))  # fmt: skip
            elif what == 4:
                self.sim.run(int(rng.integers(400)), until_irq=False)
            else:
                self.write("CONTROL", [LOAD, START, SOFT_RESET, CLEAR_DONE, int(rng.integers(1 << 9))][rng.integers(5)])
                self.commands += 1
            now = self.status()
            assert now["BUSY"] + now["DRAINING"] + now["IDLE"] <= 1 and not (now["DONE"] and now["BUSY"]), now
            assert not (now["ERROR"] and now["BUSY"]) and bool(now["CODE"]) == bool(now["ERROR"]), now
        self.settle()
        self.sim.stalls(0)
        self.sim.clear_faults()

    def command(self, value: int) -> None:
        """Write CONTROL, wait, and see that it ended as it must."""
        self.commands += 1
        expected = self._expected(value)
        if value & START and self.resident == "altered" and not 0 < self.registers["WATCHDOG"] <= LIMIT:
            self.write("WATCHDOG", LIMIT)  # a program of nonsense may wait for ever, by design
            expected = self._expected(value)
        if not value & SOFT_RESET and value & START:
            self.sim.view(self.sim.base + OUTPUTS, self.small.out_bytes)[:] = 0xA5
        self.write("CONTROL", value)
        self.irq_enable = bool(value & IRQ_ENABLE)
        now = self.settle()
        end = NAME[now["CODE"]] if now["ERROR"] else "DONE" if now["DONE"] else "IDLE"
        assert end in expected, f"CONTROL = {value:#x} ended in {end}, must be {sorted(expected)}: {self._state()}"
        self.ends[end] = self.ends.get(end, 0) + 1
        self._follow(value, end, expected)
        assert now["LOADED"] == (self.resident is not None), (now, self.resident)
        assert now["IDLE"] == (not now["ERROR"])
        assert self.sim.irq == (self.irq_enable and (self.done or bool(self.code)))
        assert self.sim.protocol_error is None, f"{self.sim.protocol_error}: {self._state()}"

    # --- what must be -------------------------------------------------------------------------------------------------

    def _expected(self, value: int) -> dict[str, int | None]:
        """How a command may end; for an error that is certain, its ERROR_INFO."""
        if value & SOFT_RESET:
            return {"IDLE": None}
        if self.code:
            return {NAME[self.code]: None}
        if value & LOAD:
            return self._load_ends()
        if value & START:
            return {"NOT_LOADED": 0} if self.resident is None else self._run_ends()
        return {"DONE" if self.done and not value & CLEAR_DONE else "IDLE": None}

    def _load_ends(self) -> dict[str, int | None]:
        at, beats, watchdog = self.pointer("LOAD_PTR"), self.registers["LOAD_BEATS"], self.registers["WATCHDOG"]
        ends = judge(self.sim, at & ~15, beats, self.engine, self.small.package.design_hash)
        return ends | ({"WATCHDOG": None} if 0 < watchdog < 16_000 else {})

    def _run_ends(self) -> dict[str, int | None]:
        if self.resident == "altered":
            return dict.fromkeys(["DONE", "AXI_READ", "AXI_WRITE", "BAD_INSTRUCTION", "WATCHDOG", "PORT_CONFLICT"])
        watchdog, ends = self.registers["WATCHDOG"], {}
        places = [("IN_PTR", self.small.inputs.shape[1], "AXI_READ"), ("OUT_PTR", self.small.out_bytes, "AXI_WRITE")]
        places.append(("STREAM_PTR", self.small.stream_bytes, "AXI_READ"))
        for pointer, size, error in (place for place in places if place[1]):
            at = self.pointer(pointer) & ~15  # the bus is 16 bytes wide: the lowest bits are not looked at
            if not self.sim.base <= at <= at + size <= self.sim.base + self.sim.size:
                ends[error] = None
        if not ends and not 0 < watchdog < self.small.predicted:
            return {"DONE": None}
        if not ends:
            return {"WATCHDOG": None}
        return ends | ({"WATCHDOG": None} if 0 < watchdog < 5000 else {})

    def _follow(self, value: int, end: str, expected: dict[str, int | None]) -> None:
        """The state behind a command, and what else it must have left."""
        fresh = not self.code and not value & SOFT_RESET
        if value & SOFT_RESET:
            self.resident = None
        elif fresh and value & LOAD:
            self.resident = None if end != "DONE" else "good" if self._image() == self.small.image else "altered"
        self.code = CODE.get(end, 0)
        self.done = end == "DONE"
        if fresh and self.code and expected.get(end) is not None:
            assert self.read("ERROR_INFO") == expected[end], f"{end}: {self._state()}"
        if fresh and value & START and not value & LOAD and self.done and self.resident == "good":
            self._check_result()

    def _image(self) -> bytes:
        """What LOAD has read. A program that was altered may have written into it."""
        return self.sim.view(self.pointer("LOAD_PTR") & ~15, 16 * self.registers["LOAD_BEATS"]).tobytes()

    def _check_result(self) -> None:
        """Golden's output, where the pointers are at home and nothing has overwritten the input."""
        at, out, frame = self.sim.base + INPUTS, self.sim.base + OUTPUTS, self.small.inputs[0]
        if (self.pointer("IN_PTR"), self.pointer("OUT_PTR")) != (at, out):
            return
        if self.sim.view(at, frame.size).tobytes() != frame.tobytes():
            return
        stream = self.small.package.stream
        if stream and self.sim.view(self.pointer("STREAM_PTR") & ~15, len(stream)).tobytes() != stream:
            return
        seen = self.sim.view(out, self.small.out_bytes)[None]
        assert self.small.same(seen, slice(1)), f"another result than golden's: {self._state()}"

    def _compare(self, rng: Rng) -> None:
        """Some registers show what was written, constants never change."""
        name = str(rng.choice(WRITABLE))
        assert self.read(name) == self.registers[name], name
        name = str(rng.choice(list(self.constant)))
        assert self.read(name) == self.constant[name], name
        assert self.read("CONTROL") == (IRQ_ENABLE if self.irq_enable else 0)

    def _touch_nothing(self, rng: Rng) -> None:
        """Writes that mean nothing: read-only registers, and addresses without one, which read zero."""
        offset = 4 * int(rng.integers(abi.REGISTER_WINDOW // 4))
        if offset in {REG[name] for name in (*WRITABLE, "CONTROL")}:
            return
        before = self.read("STATUS")
        self.sim.write(offset, word(rng))
        assert self.read("STATUS") == before
        if offset not in REG.values():
            assert self.sim.read(offset) == 0

    def _address(self, rng: Rng, pointer: str) -> int:
        """Where the buffer may be, nearly is, or is not."""
        home = self.sim.base + {"LOAD_PTR": IMAGES, "IN_PTR": INPUTS, "OUT_PTR": OUTPUTS, "STREAM_PTR": STREAM}[pointer]
        end = self.sim.base + self.sim.size
        near = home + int(rng.integers(0, 8192))
        last, odd = 16 * int(rng.integers(0, 40)), int(rng.integers(1, 300))
        menu = [home, near & ~63, near & ~15, near, end - last, end - odd, self.sim.base - last, 0x1000, 0,
                int(rng.integers(1 << 63)) * 2, (1 << 64) - 16 - last, (1 << 32) - 64]  # fmt: skip
        return menu[rng.integers(len(menu))]

    def _state(self) -> str:
        registers = {name: f"{value:#x}" for name, value in self.registers.items()}
        return f"status {self.status()}, info {self.read('ERROR_INFO'):#x}, resident {self.resident}, {registers}"


def word(rng: Rng) -> int:
    """A 32-bit value: small, large, or with a few bits."""
    few, any_, bit = int(rng.integers(2000)), int(rng.integers(1 << 32)), 1 << int(rng.integers(32))
    menu = [0, 1, 2, 16, 0xFFFFFFFF, 0x80000000, few % 64, few, any_, bit]
    return menu[rng.integers(len(menu))]
