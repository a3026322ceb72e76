"""Instructions as the compiler thinks of them, with strides; encoding turns strides into the steps of the address
generators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hwgen.runtime import abi

if TYPE_CHECKING:
    from hwgen.schedule.windows import Stream, Windows

NONE = "NONE"
WALKED = ("a", "w", "need", "o", "p", "r", "y", "x")  # what has a step a level
_STEP_RANGE = {what: 1 << size for name, _, size in abi.MM for what in WALKED if name == f"{what}_step0"}


@dataclass(frozen=True)
class Loop:
    """One level of the array's loop nest: how often, and what one round adds to each address. reduce: part of the
    sum. r: of the residual; None: as the output."""

    count: int
    a: int = 0
    w: int = 0
    need: int = 0
    o: int = 0
    p: int = 0
    reduce: bool = False
    r: int | None = None
    y: int = 0
    x: int = 0

    def stride(self, what: str) -> int:
        """What one round adds to `what`."""
        return self.o if what == "r" and self.r is None else getattr(self, what)


@dataclass
class Gate:
    """Wait until `unit` has written `count` octets."""

    unit: str = NONE
    count: int = 0

    def fields(self) -> dict[str, int]:
        """As instruction fields."""
        return {"gate_unit": abi.UNITS[self.unit], "gate": self.count}


class Nest:
    """Nested loops of steps, innermost first, as `mm_sequencer.sv` runs them."""

    loops: tuple[Loop, ...]
    inside: tuple[int, int, int, int] | None  # y, x of the first step, y_last, x_last; None: nothing is padding

    def steps(self) -> int:
        """Clocks that the steps take."""
        return int(np.prod([loop.count for loop in self.loops]))

    def reduction(self) -> int:
        """Steps of a group."""
        return int(np.prod([loop.count for loop in self.loops if loop.reduce]))

    def walk(self, what: str, base: int = 0) -> np.ndarray:
        """The stream of `what` (one of WALKED), one entry a step."""
        out = np.array([base], np.int64)
        for loop in self.loops:
            out = (out[None, :] + (np.arange(loop.count) * loop.stride(what))[:, None]).reshape(-1)
        return out

    def pads(self) -> np.ndarray:
        """Whether each step reads padding."""
        if self.inside is None:
            return np.zeros(self.steps(), bool)
        y, x, y_last, x_last = self.inside
        ys, xs = self.walk("y", y), self.walk("x", x)
        return (ys < 0) | (ys > y_last) | (xs < 0) | (xs > x_last)

    def ends(self) -> np.ndarray:
        """Whether each step ends a group."""
        out = np.ones(1, bool)
        for loop in self.loops:
            mask = np.arange(loop.count) == loop.count - 1 if loop.reduce else np.ones(loop.count, bool)
            out = (out[None, :] & mask[:, None]).reshape(-1)
        return out

    def loop_fields(self) -> dict[str, int]:
        """Counts, reduction, coordinates and the steps of the address generators, as instruction fields."""
        loops = [*self.loops, *[Loop(1)] * (abi.LEVELS - len(self.loops))]
        values = {"red_mask": sum(loop.reduce << i for i, loop in enumerate(loops))}
        if self.inside is not None:
            values |= dict(zip(("y", "x", "y_last", "x_last"), self.inside, strict=True))
        for what in WALKED:
            done = 0  # what the finished inner levels have added
            for level, loop in enumerate(self.loops):
                stride = loop.stride(what)
                values[f"{what}_step{level}"] = (stride - done) % _STEP_RANGE[what]  # addresses wrap
                done += (loop.count - 1) * stride
        return values | {f"count{level}": loop.count - 1 for level, loop in enumerate(loops)}


@dataclass
class MM(Nest):
    """A matrix operation; loops innermost first. Addresses in the units of docs/engine.md."""

    loops: tuple[Loop, ...]
    dep: str
    need: int
    a_bank: int
    a: int
    a_signed: bool
    w: int
    o_bank: int
    o: int
    p: int
    lo: int
    hi: int
    relu: bool = False
    wide: bool = False
    slot: int | None = None
    residual: tuple[int, int, bool] | None = None  # bank, address, signed
    gate: Gate = field(default_factory=Gate)
    name: str = ""
    inside: tuple[int, int, int, int] | None = None  # y, x of the first step, y_last, x_last; None: nothing is padding
    w_bank: str = "WEIGHTS"
    o_kind: str = "ACTIVATIONS"

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        values: dict[str, int] = {
            "opcode": abi.OPCODES["EXEC"], "last": last, **self.gate.fields(), "dep_unit": abi.UNITS[self.dep],
            "need": self.need, "a_signed": self.a_signed, "a_bank": self.a_bank, "a": self.a,
            "w": self.w, "o_bank": self.o_bank, "o": self.o, "p": self.p, "relu": self.relu, "wide": self.wide,
            "w_bank": abi.W_BANKS[self.w_bank], "o_kind": abi.O_KINDS[self.o_kind], "lookup": self.slot is not None,
            "slot": self.slot or 0, "lo": self.lo, "hi": self.hi, **self.loop_fields(),
        }  # fmt: skip
        if self.residual is not None:
            bank, address, signed = self.residual
            values |= {"residual": 1, "r_bank": bank, "r": address, "r_signed": signed}
        return abi.pack(abi.MM, **values)


@dataclass
class Vec(Nest):
    """Products of two tensors, or maxima of windows, word by word; addresses in words. b is read at `w`.

    op: "MUL" or "MAXPOOL". residual: bank, address, signed of what a second step of each product brings.
    """

    op: str
    loops: tuple[Loop, ...]
    dep: str
    need: int
    a_bank: int
    a: int
    a_signed: bool
    o_bank: int
    o: int
    p: int
    lo: int
    hi: int
    b: tuple[int, int, bool] | None = None  # bank, address, signed
    residual: tuple[int, int, bool] | None = None
    relu: bool = False
    gate: Gate = field(default_factory=Gate)
    name: str = ""
    inside: tuple[int, int, int, int] | None = None

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        values: dict[str, int] = {
            "opcode": abi.OPCODES["EXEC"], "last": last, **self.gate.fields(), "op": abi.VEC_OPS[self.op],
            "dep_unit": abi.UNITS[self.dep], "need": self.need, "a_signed": self.a_signed, "a_bank": self.a_bank,
            "a": self.a, "o_bank": self.o_bank, "o": self.o, "p": self.p, "relu": self.relu, "lo": self.lo,
            "hi": self.hi, **self.loop_fields(),
        }  # fmt: skip
        if self.b is not None:
            values |= dict(zip(("b_bank", "w", "b_signed"), self.b, strict=True))
        if self.residual is not None:
            values |= {"residual": 1, **dict(zip(("r_bank", "r", "r_signed"), self.residual, strict=True))}
        return abi.pack(abi.VEC, **values)


@dataclass
class Exponentials:
    """Softmax's constants: the table's slot, and how the result is scaled (docs/numerics.md)."""

    slot: int
    mult: int
    shift: int


@dataclass
class Row:
    """A norm, or a softmax, over rows; need is the octet count before the first word, need_step per word."""

    rms: bool
    x_signed: bool
    lo: int
    hi: int
    dep: str
    need: int
    need_step: int
    src_bank: int
    src: int
    dst_bank: int
    dst: int
    param: int
    length: int
    words: int
    eps: int
    rows: int = 1
    src_stride: int = 0
    dst_stride: int = 0
    softmax: Exponentials | None = None
    group: int = 0  # GroupNorm: channels of a group, whose rows are the positions
    gate: Gate = field(default_factory=Gate)
    name: str = ""

    @property
    def op(self) -> str:
        """Its name in `abi.ROW_OPS`."""
        if self.group:
            return "GROUPNORM"
        return "SOFTMAX" if self.softmax else "RMSNORM" if self.rms else "LAYERNORM"

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        return abi.pack(
            abi.ROW, opcode=abi.OPCODES["EXEC"], last=last, **self.gate.fields(), op=abi.ROW_OPS[self.op],
            x_signed=self.x_signed, lo=self.lo, hi=self.hi, dep_unit=abi.UNITS[self.dep], need=self.need,
            need_step=self.need_step,
            src_bank=self.src_bank, src=self.src, src_stride=self.src_stride, dst_bank=self.dst_bank, dst=self.dst,
            dst_stride=self.dst_stride, param=self.param, length=self.length, words=self.words, rows=self.rows,
            eps=self.eps, **(vars(self.softmax) if self.softmax else {}),
            group=self.group, elements=self.group * self.rows,
        )  # fmt: skip


@dataclass
class Din:
    """DDR input buffer -> activation memory; offset in bytes, address in beats."""

    offset: int
    beats: int
    bank: int
    address: int

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        return abi.pack(abi.DIN, opcode=abi.OPCODES["EXEC"], last=last, **Gate().fields(), offset=self.offset,
        beats=self.beats,
                        bank=self.bank, addr=self.address)  # fmt: skip


@dataclass
class Dout:
    """Activation memory -> DDR output buffer. Word k needs need + k * need_step octets of `dep`."""

    offset: int
    beats: int
    bank: int
    address: int
    dep: str
    need: int
    need_step: int
    gate: Gate = field(default_factory=Gate)

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        return abi.pack(abi.DOUT, opcode=abi.OPCODES["EXEC"], last=last, **self.gate.fields(), offset=self.offset,
        beats=self.beats,
                        bank=self.bank, addr=self.address, dep_unit=abi.UNITS[self.dep], need=self.need,
                        need_step=self.need_step)  # fmt: skip


@dataclass
class Fetch:
    """DDR stream buffer -> weight memory: `words` weight words from `word` on. offset: of them in each port's region of
    the buffer; stride: of the regions; both in beats."""

    offset: int
    stride: int
    word: int
    words: int
    gate: Gate = field(default_factory=Gate)
    name: str = ""

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        return abi.pack(abi.STREAM, opcode=abi.OPCODES["EXEC"], last=last, **self.gate.fields(), offset=self.offset,
                        stride=self.stride, word=self.word, words=self.words)  # fmt: skip


@dataclass
class Nop:
    """Waits for its gate."""

    gate: Gate = field(default_factory=Gate)

    def encode(self, last: bool, fields: tuple = abi.MM) -> bytes:
        """The instruction word for a unit with these fields."""
        return abi.pack(fields, opcode=abi.OPCODES["NOP"], last=last, **self.gate.fields())


@dataclass
class Program:
    """What each unit runs, and the words of the memories. weights: list of [N*M] int arrays (m, n); params: Lane-like
    tuples a group."""

    din: list[Din | Stream | Windows] = field(default_factory=list)
    mm: list[MM | Nop] = field(default_factory=list)
    row: list[Row | Nop] = field(default_factory=list)
    vec: list[Vec | Nop] = field(default_factory=list)
    dout: list[Dout] = field(default_factory=list)
    stream: list[Fetch | Nop] = field(default_factory=list)
    kv_words: int = 0  # of the KV memory that it uses
    weights: list[np.ndarray] = field(default_factory=list)
    streamed: list[np.ndarray] = field(default_factory=list)  # weight words that stay in DDR
    params: list[np.ndarray] = field(default_factory=list)  # [M, 4] int64: mult, shift, bias, rmult
    row_params: list[np.ndarray] = field(default_factory=list)  # [V, 4]
    vec_params: list[np.ndarray] = field(default_factory=list)  # [V, 4]
    softmax_tables: list[np.ndarray] = field(default_factory=list)  # 256 integers each
    tables: list[bytes] = field(default_factory=list)

    @property
    def fetches(self) -> list[Fetch]:
        """The blocks of weights that are brought in a run."""
        return [ins for ins in self.stream if isinstance(ins, Fetch)]
