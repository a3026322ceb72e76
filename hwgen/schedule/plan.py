"""What the engine is asked to do, before addresses: matrix operations, row operations, and the views they read.

A result is `rows` of `channels` bytes, each row beginning with a word; a vector is one row, an image has a row for each
position. A `View` says where the elements of a tensor lie: which buffer, and the byte position of each element in it.
Slices, reshapes, transposes and concatenations are only views, so they cost nothing when a matrix operation reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.graph import ops
from hwgen.schedule.kv import Layout, Words
from hwgen.schedule.windows import Geometry

INPUTS = "inputs"  # the buffer that the input DMA fills


@dataclass
class Buffer:
    """A run of activation memory. bytes: its length, a multiple of the word. Writers and readers are operation
    indices."""

    name: str
    bytes: int = 0
    writers: list[int] = field(default_factory=list)
    readers: list[int] = field(default_factory=list)
    bank: int = 0
    word: int = 0  # first word in the bank
    kv: int = 0  # words of the KV memory; such a buffer has no bytes
    keep: bool = False  # an output: never reused


@dataclass
class View:
    """Where a tensor's elements are, in its row-major order: byte `positions` in `buffer`, and whether the bytes are
    signed."""

    buffer: str
    positions: np.ndarray
    signed: bool

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.positions)

    def start_if_plain(self, align: int) -> int | None:
        """First byte when the elements lie one after the other from an aligned byte, else None."""
        starts = row_starts(self.positions[None], align)
        return None if starts is None else int(starts[0])


def row_starts(positions: np.ndarray, align: int) -> np.ndarray | None:
    """First byte of each row of positions [rows, channels] when each lies in one run from an aligned byte, else
    None."""
    starts = positions[:, 0]
    if (starts % align).any() or (positions != starts[:, None] + np.arange(positions.shape[1])).any():
        return None
    return starts


@dataclass
class Lane:
    """Requantization of each output channel; arrays [channels], or [rows, channels] where rows differ. role: of the
    tensor that has it (roles.py); None: the structure alone says its values."""

    mult: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    lo: int
    hi: int
    relu: bool = False
    rmult: np.ndarray | None = None
    role: int | None = None

    def words(self, words: int, width: int) -> np.ndarray:
        """Parameters (mult, shift, bias, rmult) as [rows words, width, 4]; channels beyond the last are zero."""
        rmult = self.rmult if self.rmult is not None else np.zeros_like(self.mult)
        columns = [np.atleast_2d(one) for one in (self.mult, self.shift, self.bias, rmult)]
        table = np.zeros((len(columns[0]), words * width, len(columns)), np.int64)
        for i, column in enumerate(columns):
            table[:, : column.shape[1], i] = column
        return table.reshape(-1, width, len(columns))


@dataclass
class Target:
    """Where a result goes: row r, channel c to byte start + r pitch + c of the buffer. channels: of a row."""

    buffer: str
    start: int
    rows: int
    channels: int
    pitch: int

    @property
    def end(self) -> int:
        """One behind the last row's last byte."""
        return self.start + (self.rows - 1) * self.pitch + min(self.pitch, self.channels * 4)

    def positions(self) -> np.ndarray:
        """Bytes of the elements, [rows, channels]."""
        return self.start + self.pitch * np.arange(self.rows)[:, None] + np.arange(self.channels)


@dataclass
class Part:
    """Rows of a matrix operation that share their weights.

    rows: [R] of the result. at: [R, 3] byte of the operand where the row's reduction begins, a multiple of N, and its
    coordinates y, x. taps: [K, 3] the same three of each step of the reduction, from there. groups: [G] bytes by which
    the reduction of each group of M channels begins later. words: int8 [G, K, M, N]; None: in the KV memory. ahead:
    bytes that came before the operand's and have lost their place to others (`Image`). role: whose weights the words
    are (roles.py); None: the structure alone says them.
    """

    rows: np.ndarray
    at: np.ndarray
    taps: np.ndarray
    groups: np.ndarray
    words: np.ndarray | None
    ahead: int = 0
    role: int | None = None

    @property
    def steps(self) -> int:
        """Clocks of the array, if sums need not be made longer."""
        return len(self.rows) * len(self.groups) * len(self.taps)


@dataclass
class MatOp:
    """y = table[requantize(x @ weights, residual)], row by row."""

    name: str
    x: View
    parts: list[Part]
    lane: Lane
    out: Target
    last: tuple[int, int] | None = None  # y, x of the last position; a step outside is padding. None: no padding
    residual: View | None = None
    residual_at: np.ndarray | None = None  # [rows] first byte of each row's
    table: np.ndarray | None = None  # 256 bytes by unsigned index
    wide: bool = False
    kv: Words | None = None  # where its weights are, when they are results
    into: Layout | None = None  # of the KV memory that it writes

    @property
    def steps(self) -> int:
        """Clocks of the array, if sums need not be made longer."""
        return sum(part.steps for part in self.parts)

    def reads(self) -> list[View]:
        """What it reads."""
        return [self.x] if self.residual is None else [self.x, self.residual]


@dataclass
class RowOp:
    """y = layernorm(x), or softmax(x), row by row. The lane of a softmax has no parameters, only bounds.

    group: channels of a group of a GroupNorm, whose rows are the positions; 0: another operation.
    """

    name: str
    x: View
    starts: np.ndarray  # [rows] first byte of each
    lane: Lane
    out: Target
    eps: int = 0
    rms: bool = False
    softmax: ops.Softmax | None = None
    group: int = 0

    def reads(self) -> list[View]:
        """What it reads."""
        return [self.x]


@dataclass
class Output:
    """A graph output of `size` elements: bytes or 32-bit numbers of a buffer, in rows `pitch` bytes apart."""

    name: str
    buffer: str
    start: int
    size: int
    wide: bool
    op: int  # operation that writes it
    rows: int = 1
    pitch: int = 0
    axes: tuple[int, ...] | None = None  # order of its axes in memory, when not as in the graph
    offset: int = 0  # in the DDR output buffer


@dataclass
class Image:
    """A graph input that arrives as windows: bytes `offset` in DDR, `start` of the windows in the buffer of inputs.

    pitch: bytes from window to window. band: rows of windows in each half of their place there, which bands take in
    turns; all rows where one band holds them. lost: bytes that the images before it wrote beyond their places.
    clocks: of the array for a window.
    """

    name: str
    geometry: Geometry
    offset: int
    start: int
    pitch: int
    band: int
    lost: int
    clocks: int

    @property
    def band_bytes(self) -> int:
        """Bytes of a band."""
        return self.band * self.geometry.cols * self.pitch

    @property
    def bytes(self) -> int:
        """Bytes of their place."""
        return min(-(-self.geometry.rows // self.band), 2) * self.band_bytes

    def at(self) -> np.ndarray:
        """First byte of each window."""
        at = self.pitch * np.arange(self.geometry.rows * self.geometry.cols)
        return self.start + at - self.ahead(at)

    def ahead(self, at: np.ndarray) -> np.ndarray:
        """How many bytes of windows have come before those that take the place of the first, at bytes that count on."""
        band = at // self.band_bytes
        return (band - band % 2) * self.band_bytes


@dataclass
class Plan:
    """Operations in the order in which they run, buffers, and the input and output layout in DDR."""

    ops: list[MatOp | RowOp] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    input_offsets: dict[str, int] = field(default_factory=dict)
    input_axes: dict[str, tuple[int, ...]] = field(default_factory=dict)  # of those not in the graph's order
    in_bytes: int = 0
    images: dict[str, Image] = field(default_factory=dict)  # behind all other inputs
    outputs: list[Output] = field(default_factory=list)
    out_bytes: int = 0
    serial: bool = False  # every operation waits for all before it

    def takes_the_end(self, op: RowOp) -> bool:
        """Whether another unit's operation gives nothing before what it reads from is complete: it is of one row, which
        has the last byte of that. (The array waits for it, so what comes behind comes later.)"""
        writers = self.buffers[op.x.buffer].writers
        if op.out.rows > 1 or len(writers) != 1:
            return op.out.rows == 1
        source = self.ops[writers[0]].out
        last = source.start + (source.rows - 1) * source.pitch + source.channels - 1
        return int(op.x.positions.max()) >= last
