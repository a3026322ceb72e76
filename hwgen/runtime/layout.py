"""Where each tensor lies in the DMA buffers: the manifest's tensor entries, checked, and the integers in and out of
bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_DTYPES = {"int8": np.dtype("i1"), "uint8": np.dtype("u1"), "int32": np.dtype("<i4")}
_MAX_DIMS, _MAX_BYTES = 8, 1 << 28


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of the engine.

    `shape` excludes the batch; real = integer * scale (`scale` float64, broadcastable against the shape); `offset` and
    `nbytes` in the buffer; `lo`, `hi` the integer range; `planar` the group size M of a planar int32 output, else 0.
    `order`: of the axes in memory, outermost first.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: np.ndarray
    offset: int
    nbytes: int
    lo: int
    hi: int
    order: tuple[int, ...]
    planar: int = 0

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def channels(self) -> int:
        """Length of the axis that is innermost in memory."""
        return self.shape[self.order[-1]]

    def arranged(self, stored: np.ndarray) -> np.ndarray:
        """Elements in the order of memory as an array of `shape`, without a copy."""
        return stored.reshape([self.shape[axis] for axis in self.order]).transpose(np.argsort(self.order))

    def view(self, buffer: np.ndarray) -> np.ndarray:
        """The tensor's bytes in `buffer` (uint8, one dimension), without a copy.

        Linear: an array of `dtype` and `shape`, with the strides that `order` makes. Planar: uint8 [rows, groups, 4,
        M], byte plane k of channels g*M.. at [:, g, k]; rows in the order of memory.
        """
        part = buffer[self.offset : self.offset + self.nbytes]
        if self.planar:
            return part.reshape(-1, -(-self.channels // self.planar), 4, self.planar)
        return self.arranged(part.view(self.dtype))


def planar_to_int32(planes: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [rows, groups, 4, M] byte planes -> int32 [rows, channels]. Copies."""
    rows, groups, _, lanes = planes.shape
    whole = np.ascontiguousarray(planes.transpose(0, 1, 3, 2)).view("<i4")
    return whole.reshape(rows, groups * lanes)[:, :channels]


def int32_to_planar(values: np.ndarray, lanes: int) -> np.ndarray:
    """int32 [rows, channels] -> uint8 [rows, groups, 4, lanes] byte planes; padding channels are 0. Copies."""
    rows, channels = values.shape
    groups = -(-channels // lanes)
    padded = np.zeros((rows, groups * lanes), "<i4")
    padded[:, :channels] = values
    return np.ascontiguousarray(padded.reshape(rows, groups, lanes, 1).view("u1").transpose(0, 1, 3, 2))


def parse_tensors(entries: object, key: str, buffer_bytes: int, complain) -> tuple[TensorSpec, ...]:
    """The manifest's `inputs` or `outputs` list as specs, in order; `complain(where, reason)` makes the PackageError
    raised.
    """
    if not isinstance(entries, list) or not 1 <= len(entries) <= 64:
        raise complain(key, "must be a list of 1 to 64 tensors")
    specs = [_tensor(entry, f"{key}[{i}]", key == "inputs", complain) for i, entry in enumerate(entries)]
    end, last = 0, ""
    for spec in sorted(specs, key=lambda s: s.offset):
        if spec.offset < end:
            raise complain(key, f"tensors '{last}' and '{spec.name}' overlap in the buffer")
        end, last = spec.offset + spec.nbytes, spec.name
    if end > buffer_bytes:
        raise complain(key, f"tensor '{last}' ends at byte {end}, beyond the buffer's {buffer_bytes}")
    if len({spec.name for spec in specs}) != len(specs):
        raise complain(key, "two tensors have the same name")
    return tuple(specs)


def _tensor(entry: object, where: str, is_input: bool, complain) -> TensorSpec:
    if not isinstance(entry, dict):
        raise complain(where, "must be an object")

    def need(key: str, ok: bool, what: str) -> None:
        if not ok:
            raise complain(f"{where}.{key}", f"must be {what}, is {entry.get(key)!r:.80}")

    name, shape, dtype = entry.get("name"), entry.get("shape"), entry.get("dtype")
    need(
        "name",
        isinstance(name, str) and 0 < len(name) <= 200 and name.isprintable(),
        "a printable string of 1 to 200 characters",
    )
    good = (
        isinstance(shape, list) and len(shape) <= _MAX_DIMS and all(is_int(n) and 1 <= n <= _MAX_BYTES for n in shape)
    )
    need(
        "shape",
        good and math.prod(shape) <= _MAX_BYTES,
        f"a list of at most {_MAX_DIMS} positive integers without the batch",
    )
    allowed = ("int8", "uint8") if is_input else tuple(_DTYPES)
    need("dtype", isinstance(dtype, str) and dtype in allowed, f"one of {', '.join(allowed)}")
    kind = _DTYPES[dtype]
    info = np.iinfo(kind)
    lo, hi = entry.get("lo", int(info.min)), entry.get("hi", int(info.max))
    need("lo", is_int(lo) and info.min <= lo <= info.max, f"an integer that {dtype} holds")
    need("hi", is_int(hi) and lo <= hi <= info.max, f"an integer from lo to {info.max}")

    planar, layout = 0, entry.get("layout", "linear")
    if isinstance(layout, dict):
        planar = layout.get("planar")
        good = (
            is_int(planar)
            and 1 <= planar <= 4096
            and list(layout) == ["planar"]
            and dtype == "int32"
            and len(shape) > 0
        )
        need("layout", good, '"linear" or {"planar": M} of an int32 tensor')
    else:
        need("layout", layout == "linear", '"linear" or {"planar": M}')
    order, axes = list(range(len(shape))), entry.get("axes")
    if axes is not None:
        good = isinstance(axes, list) and all(is_int(axis) for axis in axes)
        need("axes", good and sorted(axes) == order, "an order of the tensor's axes")
        order = axes
    count = math.prod(shape)
    channels = shape[order[-1]] if shape else 1
    nbytes = count * kind.itemsize if not planar else count // channels * -(-channels // planar) * 4 * planar
    offset = entry.get("offset")
    aligned = is_int(offset) and 0 <= offset <= _MAX_BYTES and (planar or offset % kind.itemsize == 0)
    need("offset", aligned, f"a byte offset, a multiple of {kind.itemsize}")
    scale = _scale(entry.get("scale"), shape, entry.get("channel_axis", -1), is_input)
    need(
        "scale",
        scale is not None,
        "a positive number" + ("" if is_input else ", or one for each channel of channel_axis"),
    )
    return TensorSpec(name, tuple(shape), kind, scale, offset, nbytes, lo, hi, tuple(order), planar)


def _scale(value: object, shape: Sequence[int], axis: object, is_input: bool) -> np.ndarray | None:
    """The scale as float64, shaped to broadcast against `shape`; None when it is malformed."""
    if _is_positive(value):
        return np.full((1,) * len(shape), float(value))
    if is_input or not isinstance(value, list) or not is_int(axis) or not -len(shape) <= axis < len(shape):
        return None
    if len(value) != shape[axis] or not all(_is_positive(v) for v in value):
        return None
    broadcast = [1] * len(shape)
    broadcast[axis] = len(value)
    return np.array(value, np.float64).reshape(broadcast)


def is_int(value: object) -> bool:
    """True for an int that is no bool (JSON true is an int to Python)."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_positive(value: object) -> bool:
    if not (isinstance(value, float) or is_int(value)):
        return False
    try:
        as_float = float(value)
    except OverflowError:
        return False
    return 2.0**-126 <= as_float < 2.0**128  # what a normal float32 holds
