"""Simulated DDR as a driver sees it: pages handed out of one window, and host shadows that flush and invalidate really
copy.
"""

from __future__ import annotations

import numpy as np

PAGE = 4096


class Pool:
    """First-fit allocator of whole pages over [base, base + size). `what` names the memory in errors."""

    def __init__(self, base: int, size: int, page: int = PAGE, what: str = "the simulated DDR") -> None:
        self._page, self._what = page, what
        first = -(-base // page) * page
        self._free = [(first, (base + size - first) // page * page)]
        self.live: dict[int, int] = {}

    def take(self, nbytes: int) -> int:
        """Address of `nbytes` of memory. Raises MemoryError when no gap is large enough."""
        need = -(-max(nbytes, 1) // self._page) * self._page
        for i, (at, size) in enumerate(self._free):
            if size >= need:
                self._free[i : i + 1] = [(at + need, size - need)] if size > need else []
                self.live[at] = need
                return at
        raise MemoryError(f"{self._what} has no {need} bytes in one piece; {len(self.live)} buffers are live")

    def give_back(self, address: int) -> None:
        """Return what `take` handed out. Raises KeyError for anything else."""
        size = self.live.pop(address)
        merged: list[tuple[int, int]] = []
        for at, length in sorted([*self._free, (address, size)]):
            if merged and sum(merged[-1]) == at:
                merged[-1] = (merged[-1][0], merged[-1][1] + length)
            else:
                merged.append((at, length))
        self._free = merged


def shadow(nbytes: int) -> np.ndarray:
    """Host memory that begins on a page, filled with 0xCD: nobody promises that DMA memory is zero."""
    raw = np.full(nbytes + PAGE, 0xCD, np.uint8)
    skip = -raw.ctypes.data % PAGE
    return raw[skip : skip + nbytes]


class Window:
    """The DDR array of a bus, by physical address."""

    def __init__(self, ddr: np.ndarray, base: int) -> None:
        self._ddr, self._base = ddr, base

    def at(self, address: int, nbytes: int) -> np.ndarray:
        """The bytes at `address`, a view."""
        start = address - self._base
        return self._ddr[start : start + nbytes]
