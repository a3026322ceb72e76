"""Windows over the spatial axes of a tensor [C, *space], for convolutions and pooling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwgen.runtime.host.plan import Plan
from hwgen.runtime.host.reader import Entry

MOST = 1 << 16
"""Largest kernel, stride, pad and dilation of an axis."""


@dataclass(frozen=True)
class Windows:
    """Where windows lie. pads: begin of each axis, then end of each; counts: windows per axis."""

    space: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    pads: tuple[int, ...]
    dilation: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def trivial(self) -> bool:
        """Each window is one element, and each element is a window."""
        return set(self.kernel) | set(self.stride) == {1} and not any(self.pads)

    @property
    def on_padding(self) -> bool:
        """Whether some window lies on padding altogether (of kernels without dilation)."""
        return any(
            begin >= kernel or (count - 1) * stride - begin >= size
            for size, kernel, stride, begin, count in zip(
                self.space, self.kernel, self.stride, self.pads, self.counts, strict=False
            )
        )

    def padded(self, plan: Plan, x: np.ndarray, fill: int) -> np.ndarray:
        """x, or a copy with padding around it, which each run makes."""
        if not any(self.pads):
            return x
        n = len(self.space)
        shape = (self.pads[i] + size + self.pads[n + i] for i, size in enumerate(self.space))
        made = plan.buffer((len(x), *shape), x.dtype, fill)
        inside = (slice(self.pads[i], self.pads[i] + size) for i, size in enumerate(self.space))
        plan.copy(made[(slice(None), *inside)], x)
        return made

    def view(self, padded: np.ndarray) -> np.ndarray:
        """The windows as a view [C, *counts, *kernel]."""
        n = len(self.space)
        extents = _extents(self.kernel, self.dilation)
        every = np.lib.stride_tricks.sliding_window_view(padded, extents, axis=tuple(range(1, 1 + n)))
        steps = (slice(None, None, step) for step in (*self.stride, *self.dilation))
        return every[(slice(None), *steps)]


def read_windows(f: Entry, shape: tuple[int, ...], kernel: tuple[int, ...], dilated: bool = False) -> Windows:
    """`stride`, `pads` and (where there is one) `dilation` of a node that reads this shape."""
    n = len(kernel)
    if len(shape) != n + 1:
        raise f.fault(f"reads shape {shape}, which has not {n + 1} axes (channels first)")
    stride, pads = f.integers("stride", n, 1, MOST), f.integers("pads", 2 * n, 0, MOST)
    dilation = f.integers("dilation", n, 1, MOST) if dilated else (1,) * n
    space, extent = shape[1:], _extents(kernel, dilation)
    counts = tuple((space[i] + pads[i] + pads[n + i] - extent[i]) // stride[i] + 1 for i in range(n))
    if min(counts) < 1:
        raise f.fault(f"has a kernel of {extent}, which does not fit into {space} with pads {pads}")
    return Windows(space, kernel, stride, pads, dilation, counts)


def _extents(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
