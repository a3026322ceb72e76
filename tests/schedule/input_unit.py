"""The input unit of the interpreter: copies, and an image's windows out of the ring, clock by clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from hwgen.runtime import abi

KINDS = {code: name for name, code in abi.DIN_KINDS.items()}
EXEC = abi.OPCODES["EXEC"]
TO_DATA = 41  # command -> first beat of the standard DDR model
READ, WRITE = 2, 7  # a step of the windows -> its read of the ring, and its word's write


def run(engine) -> Iterator[None]:
    """The DIN program of an interpreter's engine, a clock at each yield."""
    return _Input(engine).clocks()


class _Input:
    def __init__(self, engine):
        self.engine, self.v = engine, engine.config.v
        self.code = deque(engine.program("DIN"))
        self.beats: deque = deque()  # (clock from which it is there, bytes, place; None: the ring)
        self.stream = bytearray()
        self.ring = engine.config.win_ring // 16
        self.row_at, self.limit = 0, self.ring
        self.steps: deque = deque()  # of the WINDOWS instruction in work
        self.word = np.zeros(0, np.uint8)
        self.busy = 0  # the last write of windows

    def clocks(self) -> Iterator[None]:
        while self.code or self.beats or self.steps:
            received, row_at = len(self.stream) // 16, self.row_at
            self._beat(received)
            if self.steps:
                self._step(received)
            elif self.code:
                self._instruction(self.code[0])
            self.limit = row_at // 16 + self.ring
            yield

    def _instruction(self, ins: dict[str, int]) -> None:
        e = self.engine
        if not e.reached(ins["gate_unit"], ins["gate"]):
            return
        kind = KINDS[ins["kind"]]
        if ins["opcode"] == EXEC and kind == "WINDOWS":
            self._begin(ins)
            return
        if ins["opcode"] == EXEC:
            assert kind != "COPY" or e.clock > self.busy, "a copy waits for the windows"
            for k in range(ins["beats"]):
                at = ins["offset"] + 16 * k
                place = None if kind == "STREAM" else (ins["bank"], 16 * (ins["addr"] + k))
                self.beats.append((e.clock + TO_DATA, e.inputs[at : at + 16], place))
        self.code.popleft()

    def _beat(self, received: int) -> None:
        e = self.engine
        if not self.beats or self.beats[0][0] > e.clock or (self.beats[0][2] is None and received >= self.limit):
            return
        _, data, place = self.beats.popleft()
        e.input_end = e.clock
        if gap := e.gap():  # all that follows comes so much later
            self.beats = deque((clock + gap, *rest) for clock, *rest in self.beats)
        if place is None:
            self.stream += data
        else:
            e.write(e.clock + 1, "DIN", *place, np.frombuffer(data, np.uint8), 2)

    def _begin(self, ins: dict[str, int]) -> None:
        """The steps of an instruction: (beats that it needs, row's place, bytes, lanes, place of a finished word)."""
        self.row_at, c = ins["at"], self.engine.config
        taps, size = ins["taps"] + 1, (ins["taps"] + 1) * ins["seg"]
        word = ins["addr"] // (self.v // 16)
        for row in range(ins["rows"] + 1):
            row_at = ins["at"] + row * ins["row_step"]
            for col in range(ins["cols"] + 1):
                at = row_at + col * ins["x_step"]
                need = min(-(-(at + ins["span"]) // 16), ins["upto"])
                for k in range(ins["words"] + 1):
                    byte = np.arange(k * self.v, (k + 1) * self.v)
                    tap, inner = byte // ins["seg"], byte % ins["seg"]
                    y = ins["y"] + row * ins["y_step"] + tap
                    x = col * ins["x_step"] - ins["pad"] + inner
                    real = (byte < size) & (y >= 0) & (y < ins["y_size"]) & (x >= 0) & (x < ins["row_bytes"])
                    source = np.where(real, at + tap * ins["row_bytes"] + inner, -1)
                    first, last = tap[0], min(tap[-1], taps - 1)
                    for one in range(first, last + 1, c.win_ports):
                        mine = (tap >= one) & (tap < one + c.win_ports)
                        ends = one + c.win_ports > last
                        place = (ins["bank"], self.v * word) if ends else None
                        self.steps.append((need, row_at, np.where(mine, source, -1), place))
                        word += ends

    def _step(self, received: int) -> None:
        e = self.engine
        need, self.row_at, source, place = self.steps[0]
        if received < need:
            return
        self.steps.popleft()
        if not self.word.size:
            self.word = np.zeros(self.v, np.uint8)
        real = source >= 0
        ahead = min(len(self.stream) // 16 + READ, self.limit)
        assert not real.any() or source[real].min() >= 16 * (ahead - self.ring), "overwritten"
        self.word[real] = np.frombuffer(self.stream, np.uint8)[source[real]]
        if place is not None:
            self.busy = e.clock + WRITE
            e.write(self.busy, "DIN", *place, self.word, self.v // 8)
            self.word = np.zeros(0, np.uint8)
        if not self.steps:
            self.code.popleft()
        else:
            self.row_at = self.steps[0][1]
