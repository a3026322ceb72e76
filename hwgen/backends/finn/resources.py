"""What a FINN layer takes of the chip: as FINN v0.10.1 reports it, and as we count it against a board.

`reported` restates `node_res_estimation` of FINN's node classes (for Zynq and Zynq UltraScale+), number by number;
tests/backends/finn/test_resources.py compares. Those estimates leave out what matters here: the logic of the RTL
matrix units, the second half of their DSP at 8 bits, the block RAM of the thresholds. `needed` puts that in, and is
what a folding is held to; both stay formulas until Vivado has run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, gcd, log2, prod

Attrs = Mapping[str, object]


@dataclass(frozen=True)
class Resources:
    """multipliers: of matrices and windows, PE x SIMD. bram18: blocks of 18 kbit."""

    multipliers: int = 0
    dsp: int = 0
    lut: int = 0
    bram18: int = 0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(a + b for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """In the order of the fields."""
        return (self.multipliers, self.dsp, self.lut, self.bram18, self.uram)


def reported(op: str, attrs: Attrs) -> Resources:
    """FINN's own estimate. op: with `_hls` or `_rtl`; attrs: as FINN names them."""
    return _REPORTED.get(op, _nothing)(attrs)


def needed(op: str, attrs: Attrs) -> Resources:
    """FINN's estimate, completed with what it leaves out; what a folding is held to."""
    own = reported(op, attrs)
    if op == "MVAU_rtl":
        return Resources(own.multipliers, _packed_dsp(attrs), _mvau_rtl_lut(attrs), own.bram18, own.uram)
    if op == "Thresholding_rtl":
        lut, bram18 = _threshold_memory(attrs)
        return Resources(lut=lut + _comparators(attrs), bram18=bram18)
    return own


def bits(datatype: str) -> int:
    """Width of a FINN data type: INT8, UINT4, BINARY, BIPOLAR, TERNARY."""
    if datatype in ("BINARY", "BIPOLAR"):
        return 1
    return 2 if datatype == "TERNARY" else int("".join(c for c in datatype if c.isdigit()))


def _nothing(a: Attrs) -> Resources:
    return Resources()


def _mvau_rtl(a: Attrs) -> Resources:
    pe, simd = a["PE"], a["SIMD"]
    return Resources(pe * simd, ceil(pe / 4) * simd, 0, _weight_bram(a), 0)


def _packed_dsp(a: Attrs) -> int:
    """FINN's unit packs four products of 4 bits into a DSP48, but two of 8 (mvu_8sx8u_dsp48.sv)."""
    small = bits(a["inputDataType"]) <= 4 and bits(a["weightDataType"]) <= 4
    return ceil(a["PE"] / (4 if small else 2)) * a["SIMD"]


def _mvau_rtl_lut(a: Attrs) -> int:
    """An adder a product, which FINN's estimate leaves out, and weights in LUTRAM where the folding says so."""
    product = bits(a["inputDataType"]) + bits(a["weightDataType"])
    return 300 + a["PE"] * a["SIMD"] * product + _weight_luts(a)


def _mvau_hls(a: Attrs) -> Resources:
    reduction = a["MW"]
    thresholds = 2 ** bits(a["outputDataType"]) - 1 if not a.get("noActivation", 0) else 0
    if a.get("ram_style_thresholds", "auto") != "distributed":
        thresholds = 0
    lut = _hls_lut(a, reduction, thresholds * (1 + ceil(a["MH"] // a["PE"] / 64)))
    embedded = a.get("mem_mode", "internal_decoupled") == "internal_embedded" and _depth(a) > 128
    width = a["PE"] * a["SIMD"] * bits(a["weightDataType"])
    uram = ceil(width / 72) * ceil(_depth(a) / 4096) if embedded else 0  # FINN counts these memories twice
    return Resources(a["PE"] * a["SIMD"], _hls_dsp(a, a["PE"] * a["SIMD"]), lut, _weight_bram(a), uram)


def _vvau_hls(a: Attrs) -> Resources:
    thresholds = 2 ** bits(a["outputDataType"]) - 1 if not a.get("noActivation", 0) else 0
    lut = _hls_lut(a, prod(a["Kernel"]), thresholds * (1 + a["Channels"] // a["PE"] / 64))
    small = a.get("ram_style", "auto") == "auto" and _depth(a) <= 128
    bram18 = 0 if small else _weight_bram(a, 8, 16, 32)
    return Resources(a["PE"] * a.get("SIMD", 1), _hls_dsp(a, a["PE"]), lut, bram18, 0)


def _hls_dsp(a: Attrs, products: int) -> int:
    if a.get("resType", "auto") != "dsp":
        return 0
    return products * ceil((bits(a["weightDataType"]) + bits(a["inputDataType"])) / 48)


def _hls_lut(a: Attrs, reduction: int, thresholds: float) -> int:
    """FINN-R (Blott et al., 2018): multipliers, adder tree, accumulator; thresholds: comparisons and their memory."""
    simd, product = a.get("SIMD", 1), bits(a["weightDataType"]) + bits(a["inputDataType"])
    multipliers = 0 if a.get("resType", "auto") == "dsp" else simd * (2 * ceil(product / 6) - 1) * product
    unsigned = a["inputDataType"].startswith("U") or a["inputDataType"] == "BINARY"
    alpha = log2(reduction) + product - 1 - (not unsigned)
    accumulator = min(bits(a.get("accDataType", "INT32")), ceil(alpha + log2(1 + 2**-alpha) + 1))
    adders = product * (2 * simd - 1)
    lane = multipliers + adders + accumulator + thresholds * accumulator
    return int(300 + 1.1 * a["PE"] * lane + _weight_luts(a))


def _depth(a: Attrs) -> int:
    """Words of the weight memory, each PE x SIMD weights wide."""
    if "MW" in a:
        return a["MW"] * a["MH"] // (a["PE"] * a["SIMD"])
    return prod(a["Kernel"]) * a["Channels"] // a["PE"] // a.get("SIMD", 1)


def _weight_luts(a: Attrs) -> int:
    mode, style = a.get("mem_mode", "internal_decoupled"), a.get("ram_style", "auto")
    if (mode == "internal_decoupled" and style == "distributed") or (mode == "internal_embedded" and _depth(a) <= 128):
        return a["PE"] * a.get("SIMD", 1) * bits(a["weightDataType"]) * ceil(_depth(a) / 64)
    return 0


def _weight_bram(a: Attrs, nine: int = 9, eighteen: int = 18, whole: int = 36) -> int:
    """Block RAM of 18 kbit for the weights; the bits of a block's port that FINN counts on at its three widths."""
    mode, style = a.get("mem_mode", "internal_decoupled"), a.get("ram_style", "auto")
    words, width = _depth(a), a["PE"] * a.get("SIMD", 1) * bits(a["weightDataType"])
    if (mode == "internal_decoupled" and style in ("distributed", "ultra")) or mode == "external":
        return 0
    if mode == "internal_embedded" and words <= 128:
        return 0
    if width <= 4:
        lanes = {1: 1, 2: 2}.get(width, 4)
        return ceil(words / (16384 // lanes))
    if width <= 9:
        return ceil(words / 2048) * ceil(width / nine)
    if width <= 18 or words > 512:
        return ceil(words / 1024) * ceil(width / eighteen)
    return ceil(words / 512) * ceil(width / whole)


MEMORIES = {  # what FINN weighs against each other for thresholds: width, depth
    "URAM": ((72, 4096), (36, 8192), (18, 16384), (9, 32768)),
    "BRAM18": ((36, 512), (18, 1024), (9, 2048)),
    "LUTRAM": ((1, 64),),
}


def _thresholding_rtl(a: Attrs) -> Resources:
    """FINN looks its block RAM up under a name that it never stores, and so reports none."""
    block, ultra = a.get("depth_trigger_bram", 0), a.get("depth_trigger_uram", 0)

    def kinds(depth: int) -> tuple[str, ...]:
        if not block and not ultra:
            return tuple(MEMORIES)
        if depth >= ultra:
            return ("URAM",)
        return ("BRAM18",) if depth >= block else tuple(MEMORIES)

    count = _stages(a, kinds)
    return Resources(lut=count["LUTRAM"], uram=count["URAM"])


def _threshold_memory(a: Attrs) -> tuple[int, int]:
    """LUT and block RAM of the thresholds as thresholding.sv places them: block RAM from the trigger's depth on."""
    trigger = a.get("depth_trigger_bram", 0)
    count = _stages(a, lambda depth: ("BRAM18",) if trigger and depth >= trigger else ("LUTRAM",))
    return count["LUTRAM"], count["BRAM18"]


def _stages(a: Attrs, kinds: Callable[[int], tuple[str, ...]]) -> dict[str, int]:
    """Primitives of each kind: every stage of the binary search has a memory of its own, of the kind that wastes
    least among those for its depth."""
    width, fold = bits(a["weightDataType"]), a["NumChannels"] // a["PE"]
    total = dict.fromkeys(MEMORIES, 0)
    for stage in range(bits(a["outputDataType"])):
        depth = fold * 2**stage
        shapes = [(kind, w, d) for kind in kinds(depth) for w, d in MEMORIES[kind]]
        counts = [ceil(width / w) * ceil(depth / d) for _, w, d in shapes]
        best = min(range(len(shapes)), key=lambda i: counts[i] * shapes[i][1] * shapes[i][2])
        total[shapes[best][0]] += a["PE"] * counts[best]
    return total


def _comparators(a: Attrs) -> int:
    return a["PE"] * bits(a["outputDataType"]) * bits(a["weightDataType"])


def _window(a: Attrs) -> Resources:
    """The RTL sliding window generator: LUTRAM unless told otherwise."""
    style, width, depth = a.get("ram_style", "distributed"), a["SIMD"] * bits(a["inputDataType"]), window_depth(a)
    lut = 300 + (width * ceil(depth / 38) if style == "distributed" else 0)
    if style not in ("block", "auto"):
        return Resources(lut=lut)
    lines = 1
    if parallel_window(a):
        if 1 in a["IFMDim"]:
            return Resources(lut=lut)
        (rows, columns), (reach, across), across_image = a["ConvKernelDim"], a.get("Dilation", (1, 1)), a["IFMDim"][1]
        depth = across_image - ((columns - 1) * across + 1) + across_image * (reach - 1)
        lines = rows - 1
    wide = ceil(width / _ram_width(depth))
    saved = wide - ceil(width / _ram_width(depth % 16384)) if depth > 16384 else 0
    return Resources(lut=lut, bram18=(ceil(depth / 16384) * wide - saved) * lines)


def parallel_window(a: Attrs) -> bool:
    """Whether a sliding window generator hands over a window at once."""
    return bool(a.get("parallel_window", 0)) or prod(a["ConvKernelDim"]) == 1


def window_depth(a: Attrs) -> int:
    """Words of a sliding window generator's buffer, each SIMD channels."""
    (rows, columns), width = a["ConvKernelDim"], a["IFMDim"][1]
    (reach, across), (down, right) = a.get("Dilation", (1, 1)), a["Stride"]
    fold = a["IFMChannels"] // a["SIMD"]
    span = (rows - 1) * reach * width + (columns - 1) * across
    if parallel_window(a):
        return span * fold + 2
    ahead = max(0, right - 1 - rows * columns) + max(0, (down - 1) * width - rows * columns)
    return (span + 1 + ahead) * fold


def _ram_width(depth: int) -> int:
    widths = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2))
    return next((width for limit, width in widths if depth <= limit), 1)


def _compare(a: Attrs) -> Resources:
    """Thresholding and channelwise operators in HLS."""
    width, words = a["PE"] * bits(a["inputDataType"]), a["NumChannels"] // a["PE"]
    style = a.get("ram_style", "distributed")
    if style == "block" and words > 1:
        return Resources(lut=width, bram18=ceil(width / 16) * ceil(words / 1024))
    return Resources(lut=width * (1 + ceil(words / 64) if words > 1 else 1))


def _lookup(a: Attrs) -> Resources:
    if a.get("mem_mode", "internal_embedded") != "internal_embedded":
        return Resources()
    width = a["EmbeddingDim"] * bits(a["EmbeddingType"])
    return Resources(bram18=ceil(width / 16) * ceil(a["NumEmbeddings"] / 1024))


def _converter(a: Attrs) -> Resources:
    """A stream of one width into another goes through their least common multiple."""
    into, out = a["inWidth"], a["outWidth"]
    common = into * out // gcd(into, out)
    lut = 0
    if into != common:
        lut += abs(ceil(log2(into / common))) + common
    if common != out:
        lut += abs(ceil(log2(common / out))) + out
    return Resources(lut=lut)


_REPORTED = {
    "MVAU_rtl": _mvau_rtl,
    "MVAU_hls": _mvau_hls,
    "VVAU_hls": _vvau_hls,
    "Thresholding_rtl": _thresholding_rtl,
    "Thresholding_hls": _compare,
    "ChannelwiseOp_hls": _compare,
    "ConvolutionInputGenerator_rtl": _window,
    "Lookup_hls": _lookup,
    "StreamingDataWidthConverter_rtl": _converter,
    "StreamingDataWidthConverter_hls": _converter,
}
