"""Softmax over the last axis."""

from __future__ import annotations

from math import prod

import numpy as np

from hwgen.backends.hls4ml.extension import lane
from hwgen.backends.hls4ml.extension.place import Place
from hwgen.backends.hls4ml.extension.spec import Spec, ap, ap_of, signed_bits, tree_clocks
from hwgen.runtime.host.kernels import SOFTMAX_ROM

LARGEST = 1 << 40
"""Above every product of an exponential (at most 2**23) and a reciprocal (below 2**17)."""


def lower(place: Place) -> Spec:
    """Softmax -> nnet_hwgen_softmax.h."""
    place.check_rows()
    node, (lo, hi), d = place.node, place.ranges[0], place.out_shape[-1]
    lo, hi = max(lo, place.types[0].lo), min(hi, place.types[0].hi)
    table = np.asarray(node.table, np.int64)[: hi - lo + 1]
    total = d * int(table.max())
    emax = total.bit_length() - 1 - 23
    # From a shift of 41 on everything rounds to zero, so more is the same.
    shift = min(int(node.shift), LARGEST.bit_length())
    products = np.array([0], np.int64), np.array([LARGEST - 1], np.int64)
    tail = lane.Tail.make(place, products, np.array([shift], np.int64))
    top = LARGEST + (1 << (shift + emax - 1))

    rows, mult = prod(place.out_shape[:-1]), int(node.mult)
    scales = mult & (mult - 1) != 0
    per_row = d + 1 + scales
    return Spec(
        function="softmax",
        header="nnet_hwgen_softmax.h",
        shape=place.out_shape,
        constants={"n_rows": rows, "n_row": d, "emax": emax, "mult": mult, "shift": shift} | tail.constants,
        typedefs={
            "value_t": ap_of(lo, hi),
            "index_t": ap_of(0, hi - lo),
            "total_t": ap_of(0, total),
            "lane_t": ap(signed_bits(0, top)),
            "short_t": ap(signed_bits(0, top >> shift, int(tail.out[1].max()))),
        },
        roms={"table": table, "rom_half": SOFTMAX_ROM[:-1] + 8, "rom_drop": SOFTMAX_ROM[:-1] - SOFTMAX_ROM[1:]},
        stages={
            "maximum": tree_clocks(d),
            "difference and table": 2,
            "sum": tree_clocks(d),
            "alignment": 1,
            "reciprocal": 4,
            "times mult": 2 * scales,
            "product": 3,
            "round and clamp": 2,
        },
        groups=rows,
        products=rows * per_row,
        stream_products=per_row,
    )
