"""A FINN layer: what the exporter emits, the folding decides about and the formulas count."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FinnLayer:
    """name: the node's name when FINN applies the folding ("MVAU_rtl_0"). op: FINN's specialised node type
    ("MVAU_rtl"). attrs: its attributes as FINN names them (MW, MH, PE, SIMD, numInputVectors, inputDataType, ...).
    inputs: names of the layers or graph inputs that it reads; a layer comes after those it reads. source: the graph's
    node that it comes from. fixed: attributes that a folding must not change."""

    name: str
    op: str
    attrs: dict = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    source: str = ""
    fixed: tuple[str, ...] = ()
