"""LayerNorm and RMSNorm over the last axis."""

from __future__ import annotations

from math import isqrt, prod

import numpy as np

from hwgen.backends.hls4ml.extension import lane
from hwgen.backends.hls4ml.extension.place import Place, parameters
from hwgen.backends.hls4ml.extension.spec import Spec, ap, ap_of, signed_bits, tree_clocks
from hwgen.graph.ranges import norm_bound
from hwgen.runtime.host.kernels import NORM_ROM


def lower(place: Place) -> Spec:
    """LayerNorm -> nnet_hwgen_layernorm.h."""
    place.check_rows()
    node, (lo, hi), d = place.node, place.ranges[0], place.out_shape[-1]
    squares = d * max(lo * lo, hi * hi)
    # Popoviciu: the variance of values in lo..hi is at most ((hi - lo) / 2)**2.
    spread = d * squares if node.rms else d * d * (hi - lo) ** 2 // 4
    emin, emax = (int(v).bit_length() - 1 >> 1 for v in (node.eps_int, node.eps_int + spread))
    deviation = d * max(abs(lo), abs(hi)) if node.rms else max((d - 1) * (hi - lo), 0)
    # |x*D - S1| <= sqrt(D * V), and V < 4**(e+1); e < emax only where the deviation is that much smaller.
    aligned = min((isqrt(d) + 1) << (emax + 1), deviation << (emax - emin))
    z = norm_bound(d)

    p, constants = parameters(place, -1, gamma=node.gamma_mult, bias=node.bias, shift=node.shift)
    zs = np.array([-z], np.int64), np.array([z], np.int64)

    def sums() -> list[lane.Bounds]:
        product = lane.product(zs, lane.exactly(p["gamma"]))
        return [product, lane.plus(product, lane.exactly(p["bias"]))]

    dead = lane.always_zero(sums()[-1], p["shift"])
    p = {name: lane.settled(values, dead) for name, values in p.items()}
    tail = lane.Tail.make(place, sums()[-1], p["shift"])
    p["bias"] = p["bias"] + lane.half(p["shift"])

    rows = prod(place.out_shape[:-1])
    gammas = int((~lane.power_of_two(p["gamma"])).sum()) * d // p["gamma"].size
    by_length = d & (d - 1) != 0  # whether D is no shift
    per_row = (2 + by_length) * d + gammas + 4 + by_length
    return Spec(
        function="layernorm",
        header="nnet_hwgen_layernorm.h",
        shape=place.out_shape,
        constants=constants
        | {"n_rows": rows, "n_row": d, "rms": bool(node.rms), "eps": int(node.eps_int), "emin": emin, "emax": emax}
        | tail.constants,
        typedefs={
            "sum_t": ap(signed_bits(0 if node.rms else d * lo, 0 if node.rms else d * hi, lo, hi)),
            "squares_t": ap_of(0, squares),
            "eps_t": ap_of(0, node.eps_int),
            "variance_t": ap_of(0, node.eps_int + spread),
            "deviation_t": ap(signed_bits(-deviation, deviation)),
            "aligned_t": ap(signed_bits(-aligned, aligned)),
            "scaled_t": ap(signed_bits(-aligned, aligned) + 25),
            "z_t": ap(signed_bits(-z, z)),
            "lane_t": lane.sum_type(*sums(), tail.out),
        },
        parameters=p,
        roms={"rsqrt": NORM_ROM[256:]},
        stages={
            "squares": 2,
            "sums": tree_clocks(d),
            "variance": 3,
            "alignment": 2,
            "root": 9,
            "times root": lane.factor_clocks(signed_bits(-aligned, aligned), 26),
            "times gamma": lane.product_clocks(zs, p["gamma"]),
            "sum": 1,
            "round and clamp": 1,
        },
        groups=rows,
        products=rows * per_row,
        stream_products=per_row,
    )
