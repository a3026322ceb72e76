"""Lookup: a function of one value, as a table."""

from __future__ import annotations

from math import prod

import numpy as np

from hwgen.backends.hls4ml.extension.lane import check_result
from hwgen.backends.hls4ml.extension.place import Place
from hwgen.backends.hls4ml.extension.spec import Spec, ap_of


def lower(place: Place) -> Spec:
    """Lookup -> nnet_hwgen_lookup.h. Only the entries that the input can reach are kept."""
    signed = place.types[0].signed
    lo, hi = place.ranges[0]
    lo, hi = max(lo, place.types[0].lo), min(hi, place.types[0].hi)
    origin = 128 if signed else 0
    table = np.asarray(place.node.table, np.int64)[lo + origin : hi + origin + 1]
    check_result(place, int(table.min()), int(table.max()))
    return Spec(
        function="lookup",
        header="nnet_hwgen_lookup.h",
        shape=place.out_shape,
        constants={"n_elem": prod(place.out_shape), "offset": lo},
        typedefs={"index_t": ap_of(0, hi - lo)},
        roms={"table": table},
        stages={"table": 1},
        groups=prod(place.out_shape[:-1]),
    )
