"""MaxPool and SumPool."""

from __future__ import annotations

from hwgen.backends.hls4ml.extension.lane import check_result
from hwgen.backends.hls4ml.extension.place import Place
from hwgen.backends.hls4ml.extension.spec import Spec, ap_of, tree_clocks
from hwgen.graph import ops


def lower(place: Place) -> Spec:
    """MaxPool or SumPool -> nnet_hwgen_pool.h."""
    node = place.node
    n = len(node.kernel)
    if place.perm != (*range(1, n + 1), 0) or n > 2:
        raise place.unsupported(
            f"has {n} axes of windows in layout {place.perm}", "lay it out channels last, 1-D or 2-D"
        )
    # A row of pixels is an image of height 1.
    height, width = (1, *place.shapes[0][:-1])[-2:]
    out_height, out_width = (1, *place.out_shape[:-1])[-2:]
    kernel_h, kernel_w = (1, *node.kernel)[-2:]
    stride_h, stride_w = (1, *node.stride)[-2:]
    pad_top, pad_left = (0, *node.pads[:n])[-2:]
    channels, taps = place.out_shape[-1], kernel_h * kernel_w
    pad, values, result = reduction(place, taps)
    check_result(place, *result)
    # Of the padded image only what windows or pixels reach.
    rows = max((out_height - 1) * stride_h + kernel_h, pad_top + height)
    columns = max((out_width - 1) * stride_w + kernel_w, pad_left + width)
    return Spec(
        function="pool",
        header="nnet_hwgen_pool.h",
        shape=place.out_shape,
        constants={
            "is_max": isinstance(node, ops.MaxPool), "pad": pad, "channels": channels,
            "height": height, "width": width, "out_height": out_height, "out_width": out_width,
            "kernel_h": kernel_h, "kernel_w": kernel_w, "stride_h": stride_h, "stride_w": stride_w,
            "pad_top": pad_top, "pad_left": pad_left, "rows": rows, "columns": columns,
        },
        typedefs={"value_t": ap_of(*values)},
        stages={"window": max(tree_clocks(taps), 1)},
        groups=rows * columns,
    )  # fmt: skip


def reduction(place: Place, taps: int) -> tuple[int, tuple[int, int], tuple[int, int]]:
    """What padding counts as, and (lo, hi) of all values on the way and of the results."""
    lo, hi = place.ranges[0]
    padded = any(place.node.pads)
    if isinstance(place.node, ops.MaxPool):
        # A window of nothing but padding gives the lowest value of the type, in golden too.
        pad = place.types[0].lo if padded else lo
        return pad, (min(pad, lo), hi), (min(pad, lo), hi)
    lo, hi = (min(lo, 0), max(hi, 0)) if padded else (lo, hi)
    return 0, (min(lo * taps, 0, lo), max(hi * taps, 0, hi)), (lo * taps, hi * taps)
