"""A stream between FINN layers, and a layer before it has a name."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwgen.backends.finn.kinds import Kind


@dataclass(frozen=True)
class Stream:
    """shape: with a leading 1, channels last. kind: FINN's type. lo, hi: what the values can really be."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    lo: int
    hi: int

    @property
    def channels(self) -> int:
        """Length of the last axis."""
        return self.shape[-1]


@dataclass
class Op:
    """One FINN layer before it has a name: type without `_hls` or `_rtl`, streams, parameters, attributes."""

    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict
    params: list[tuple[np.ndarray, Kind]] = field(default_factory=list)
    source: str = ""
    fixed: tuple[str, ...] = ()
    style: str = "hls"
    shrunk: dict = field(default_factory=dict)
    """Attributes that minimize_bit_width changes."""
