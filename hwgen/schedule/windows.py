"""Windows of a first convolution: what the window unit (win_unit.sv) is told, and when it has done what.

An image of few channels would leave most of the array's N inputs without work if each of its pixels took a chunk. So
the input unit keeps the image's rows in a ring, as they come from DDR (channels innermost: a camera's frame as it is),
and writes each window of the kernel as packed bytes, in the order kernel row, kernel column, channel. The convolution
is then a matrix product over the rows of windows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.clocks import in_order
from hwgen.schedule.instructions import Gate

MAX_PORTS = 4
MAX_RING = 1 << 16  # bytes
BAND_BYTES = 1 << 15  # of windows; more than two bands of them take turns in memory
LOAD = 1  # instruction taken -> first step (win_walk.sv)
RELEASE = 2  # last step of a row -> room in the ring
WRITE = 7  # step -> activation memory and counter (win_unit.sv, din_unit.sv)
_MOST = {name: (1 << size) - 1 for name, _, size in abi.DIN}


@dataclass(frozen=True)
class Geometry:
    """Windows of `taps` segments, kh rows of kw * C bytes, over an image of `height` rows of `row_bytes` bytes.

    x_step, pad: bytes from window to window, and before the image's row in the first one; y_step, y_pad: rows.
    cols, rows: windows in a row, rows of windows.
    """

    height: int
    row_bytes: int
    taps: int
    seg: int
    x_step: int
    pad: int
    cols: int
    y_step: int
    y_pad: int
    rows: int

    @property
    def size(self) -> int:
        """Bytes of a window."""
        return self.taps * self.seg

    @property
    def beats(self) -> int:
        """Beats of the image that any window reads."""
        last = min((self.rows - 1) * self.y_step - self.y_pad + self.taps, self.height)
        return -(-last * self.row_bytes // BEAT_BYTES)

    def words(self, v: int) -> int:
        """Activation words of a window."""
        return -(-self.size // v)

    def ring(self, v: int) -> int:
        """Bytes of the ring: a window's rows, and those that come while they are read; a power of two."""
        held = self.taps + self.y_step if self.rows > 1 else self.taps
        reach = max(self.row_bytes, (self.cols - 1) * self.x_step + self.seg)
        need = max(held * self.row_bytes + reach - self.row_bytes + 2 * BEAT_BYTES, 4 * v)
        return 1 << (need - 1).bit_length()

    def steps(self, v: int, ports: int) -> np.ndarray:
        """Steps of each word of a window, when a step joins the parts of `ports` segments."""
        first = np.arange(self.words(v)) * v
        last = np.minimum(first + v, self.size) - 1
        return -(-(last // self.seg - first // self.seg + 1) // ports)

    def fits(self, v: int) -> bool:
        """Whether the instruction's fields and the largest ring hold it."""
        values = {
            "row_bytes": self.row_bytes, "seg": self.seg, "x_step": self.x_step, "pad": self.pad,
            "y_size": 2 * self.height, "y_step": self.y_step, "row_step": self.y_step * self.row_bytes,
            "taps": self.taps - 1, "words": self.words(v) - 1, "cols": self.cols - 1, "rows": self.rows - 1,
            "span": self.taps * self.row_bytes, "upto": self.beats,
        }  # fmt: skip
        inside = self.y_pad < self.taps and self.pad < self.seg  # each window begins with bytes of the image
        return inside and self.ring(v) <= MAX_RING and all(value <= _MOST[name] for name, value in values.items())


def of_conv(node: ops.Node, shape: tuple[int, ...]) -> Geometry | None:
    """The windows of a convolution over x[C, H, W] or x[C, T]; None where they are none: groups, dilation."""
    if not isinstance(node, (ops.Conv1D, ops.Conv2D)) or node.groups != 1 or set(node.dilation) != {1}:
        return None
    channels, *space = shape
    height, width = (1, *space)[-2:]
    kh, kw = (1, *node.weight.shape[2:])[-2:]
    sy, sx = (1, *node.stride)[-2:]
    half = len(node.pads) // 2
    top, left = (0, *node.pads[:half])[-2:]
    bottom, right = (0, *node.pads[half:])[-2:]
    return Geometry(
        height=height, row_bytes=width * channels, taps=kh, seg=kw * channels, x_step=sx * channels,
        pad=left * channels, cols=(width + left + right - kw) // sx + 1,
        y_step=sy, y_pad=top, rows=(height + top + bottom - kh) // sy + 1,
    )  # fmt: skip


def of_inputs(graph: Graph, n: int, m: int, v: int) -> dict[str, tuple[Geometry, int, int]]:
    """The graph's inputs that arrive as windows: those that one kind of convolution reads, whose pixels do not fill
    chunks of n bytes. Also the rows of a band, and the array's clocks for each window."""
    out = {}
    for name in graph.inputs:
        shape, readers = graph.tensors[name].shape, graph.consumers(name)
        found = {of_conv(node, shape) for node in readers}
        geometry = found.pop() if len(found) == 1 else None
        if geometry is None or shape[0] % n == 0 or not geometry.fits(v) or name in graph.outputs:
            continue
        outputs = sum(len(node.weight) for node in readers)
        once = sum(len(graph.consumers(node.output)) for node in readers) == 1
        band = _band(geometry, v) if once else geometry.rows
        out[name] = geometry, band, -(-geometry.size // n) * -(-outputs // m)
    return out


def _band(geometry: Geometry, v: int) -> int:
    """Rows of windows that are written before the first of them may be written over; all, if they are few."""
    row = geometry.cols * geometry.words(v) * v
    return geometry.rows if geometry.rows * row <= 2 * BAND_BYTES else max(BAND_BYTES // row, 1)


def matrix(weight: np.ndarray) -> np.ndarray:
    """A convolution's weight [out, C, *kernel] as [kernel * C, out], rows in the order of a window's bytes."""
    return np.moveaxis(weight, 1, -1).reshape(len(weight), -1).T


def ports(geometry: Geometry, v: int, clocks: int) -> int:
    """The fewest ports with which a window takes at most so many clocks, or as few as it can."""
    spent = [int(geometry.steps(v, n).sum()) for n in range(1, MAX_PORTS + 1)]
    return next(n for n, steps in enumerate(spent, 1) if steps <= max(clocks, spent[-1]))


@dataclass
class Stream:
    """DDR input buffer -> ring; offset in bytes."""

    offset: int
    beats: int

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        return abi.pack(
            abi.DIN, opcode=abi.OPCODES["EXEC"], last=last, **Gate().fields(), offset=self.offset, beats=self.beats,
            kind=abi.DIN_KINDS["STREAM"],
        )  # fmt: skip


@dataclass
class Windows:
    """Windows of what was streamed -> activation memory, from row `row` on, `rows` of them.

    at: the image's first byte in the stream; upto: beats streamed by its end. address in beats, v bytes a word.
    clocks: of the array for a window.
    """

    geometry: Geometry
    v: int
    at: int
    upto: int
    bank: int
    address: int
    row: int
    rows: int
    clocks: int = 1
    gate: Gate = field(default_factory=Gate)
    name: str = ""

    @property
    def span(self) -> int:
        """Bytes from a window's first to behind its last."""
        return (self.geometry.taps - 1) * self.geometry.row_bytes + self.geometry.seg

    @property
    def first(self) -> int:
        """Where in the stream its first window begins, outside the image as well."""
        g = self.geometry
        return self.at + (self.row * g.y_step - g.y_pad) * g.row_bytes - g.pad

    def encode(self, last: bool) -> bytes:
        """The instruction word."""
        g = self.geometry
        return abi.pack(
            abi.DIN, opcode=abi.OPCODES["EXEC"], last=last, **self.gate.fields(), kind=abi.DIN_KINDS["WINDOWS"],
            bank=self.bank, addr=self.address, at=self.first, span=self.span, row_bytes=g.row_bytes, seg=g.seg,
            x_step=g.x_step, pad=g.pad, y=self.row * g.y_step - g.y_pad, y_step=g.y_step,
            row_step=g.y_step * g.row_bytes, y_size=g.height, taps=g.taps - 1, words=g.words(self.v) - 1,
            cols=g.cols - 1, rows=self.rows - 1, upto=self.upto,
        )  # fmt: skip


class RingModel:
    """Clocks of the ring, exactly: when each streamed beat is taken, and when each word of windows is written."""

    def __init__(self, ring: int):
        self.ring = self.limit = ring // BEAT_BYTES  # limit: beats that may have come
        self.due = np.empty(0, np.int64)  # of each streamed beat: the clock from which on DDR can give it
        self.taken = np.empty(0, np.int64)  # the clock of each, as far as there is room

    def stream(self, beats: int, clock: int) -> None:
        """So many beats more come from DDR, none before `clock`."""
        self.due = np.concatenate([self.due, np.full(beats, clock)])
        self._room(self.limit, clock)

    def _room(self, limit: int, clock: int) -> None:
        """From this clock on, `limit` beats may have come."""
        self.limit = limit
        self.taken = self.taken[(self.taken < clock) | (np.arange(len(self.taken)) < limit)]
        have, last = len(self.taken), int(self.taken[-1]) if len(self.taken) else -1
        self.taken = np.concatenate([self.taken, in_order(np.maximum(self.due[have:limit], clock), last + 1)])

    def windows(self, ins: Windows, ports: int, start: int) -> tuple[np.ndarray, int] | None:
        """An instruction taken in clock `start`: the clock in which each word is written, and that of the last step.

        None when beats that it reads never come.
        """
        g, steps = ins.geometry, ins.geometry.steps(ins.v, ports)
        per, ends = int(steps.sum()), np.cumsum(steps) - 1
        free, words = start + LOAD, []
        self._room(ins.first // BEAT_BYTES + self.ring, start + RELEASE)
        for row in range(ins.rows):
            begin = ins.first + row * g.y_step * g.row_bytes
            if row:
                self._room(begin // BEAT_BYTES + self.ring, free - 1 + RELEASE)
            last = np.minimum(-(-(begin + ins.span + np.arange(g.cols) * g.x_step) // BEAT_BYTES), ins.upto)
            if last.max() > len(self.taken):
                return None
            went = in_order(self.taken[last - 1] + 1, free, per)
            words.append((went[:, None] + ends).reshape(-1) + WRITE)
            free = int(went[-1]) + per
        return np.concatenate(words), free - 1
