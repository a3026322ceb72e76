"""What the engine is asked to do, before addresses: matrix operations, row operations, and the views they read.

A `View` says where the elements of a vector lie: which buffer, and the byte position of each element in it. Slices,
reshapes, transposes and
concatenations are only views, so they cost nothing when a matrix operation reads them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

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
    keep: bool = False  # an output: never reused


@dataclass
class View:
    """Where a vector's elements are: byte `positions` in `buffer`, and whether the bytes are signed."""

    buffer: str
    positions: np.ndarray
    signed: bool

    @property
    def size(self) -> int:
        """Number of elements."""
        return len(self.positions)

    def start_if_plain(self, align: int) -> int | None:
        """First byte when the elements lie one after the other from an aligned byte, else None."""
        start = int(self.positions[0])
        if start % align or not np.array_equal(self.positions, start + np.arange(self.size)):
            return None
        return start


@dataclass
class Lane:
    """Requantization of each output channel; arrays of one entry per channel."""

    mult: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    lo: int
    hi: int
    relu: bool = False
    rmult: np.ndarray | None = None


@dataclass
class MatOp:
    """y = table[requantize(x @ weight, residual)]. weight: int array [in, out]; None: the identity."""

    name: str
    x: View
    weight: np.ndarray | None
    lane: Lane
    out: str  # buffer
    out_start: int  # byte in it
    size: int
    residual: View | None = None
    table: np.ndarray | None = None  # 256 bytes by unsigned index
    wide: bool = False


@dataclass
class RowOp:
    """y = layernorm(x) of one row."""

    name: str
    x: View
    lane: Lane
    out: str
    out_start: int
    size: int
    eps: int
    rms: bool


@dataclass
class Output:
    """A graph output: plain bytes of a buffer."""

    name: str
    buffer: str
    start: int
    size: int
    wide: bool
    op: int  # operation that writes it
    offset: int = 0  # in the DDR output buffer


@dataclass
class Plan:
    """Operations in the order in which they run, buffers, and the input and output layout in DDR."""

    ops: list[MatOp | RowOp] = field(default_factory=list)
    buffers: dict[str, Buffer] = field(default_factory=dict)
    input_offsets: dict[str, int] = field(default_factory=dict)
    in_bytes: int = 0
    outputs: list[Output] = field(default_factory=list)
    out_bytes: int = 0
    serial: bool = False  # every operation waits for all before it
