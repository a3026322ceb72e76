"""FINN's folding from our solver: PE, SIMD and memories of every layer, exactly the best within a board's budget.

Without a target: the fewest clocks along all layers, FINN's own measure of latency (it lets no layer overlap with the
next). With a deadline: the cheapest that keeps it. With a rate: the cheapest whose slowest layer keeps it.

Legal is what FINN v0.10.1 asserts: PE divides the output channels, SIMD the input channels; a depthwise window
generator hands over as many channels as its consumer takes; streams stay within the 8191 bits of `ap_int`; an HLS
matrix unit wants SIMD >= MW / 1024. Between other neighbours FINN converts the width by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod

from hwgen.backends.finn import cycles
from hwgen.backends.finn.layers import FinnLayer
from hwgen.backends.finn.resources import Resources, bits, needed, parallel_window, window_depth
from hwgen.backends.options import Options
from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.schedule.folding import Choice, cheapest, fastest, pareto

WIDEST = 8191  # bits of a stream: ap_int's limit, which FINN asserts for HLS layers; no RTL layer gets a wider one
SHARE = {"dsp": 0.9, "lut": 0.6, "bram18": 0.8}
"""Of the board; the rest is for DMA, FIFOs, width converters, and for routing. Our choice, not FINN's."""

NEVER = 1 << 20  # words: no threshold memory is deep enough for UltraRAM
KINDS = ("multipliers", "dsp", "lut", "bram18")


class Setting(dict):
    """Layer's name -> attributes. gap: by how much, in clocks or shares of the board, a better folding might beat this
    one (0: it is the best)."""

    gap: float = 0


def fold(layers: Sequence[FinnLayer], board: Board, options: Options) -> Setting:
    """What folding_config.json holds, by layer name: the best folding for `options` on `board`.

    Raises FitError naming layer, resource or target that cannot be kept.
    """
    units = list(_units(layers))
    names = [" with ".join(f"{x.name} (node {x.source!r})" for x in unit) for unit in units]
    choices = [_choices(unit, max if options.rate_hz else sum) for unit in units]
    budget = _budget(board, options)
    share = [1 / max(1, amount) for amount in budget]
    weights = [0 if options.multipliers is None else share[0], *share[1:]]
    if options.rate_hz:
        limit = int(board.clock_mhz * 1e6 / options.rate_hz)
        picked = cheapest(choices, limit, max, weights, budget, names, KINDS)
    elif options.deadline_us:
        limit = int(board.clock_mhz * options.deadline_us)
        picked = cheapest(choices, limit, sum, weights, budget, names, KINDS)
    else:
        picked = fastest(choices, budget, names, KINDS)
    setting = Setting((name, attrs) for choice in picked for name, attrs in choice.setting.items() if attrs)
    setting.gap = picked.gap
    return setting


def apply(layers: Sequence[FinnLayer], setting: Setting) -> list[FinnLayer]:
    """The layers with the attributes of a folding."""
    return [FinnLayer(x.name, x.op, x.attrs | setting.get(x.name, {}), x.inputs, x.source, x.fixed) for x in layers]


def estimate(layers: Sequence[FinnLayer]) -> dict:
    """What FINN will state about folded layers: {"layers": cycles by name, "critical_path_cycles", "max_cycles",
    "max_cycles_node_name"}, as its reports name them, and our "resources" (`needed`, summed)."""
    count = {x.name: cycles.layer_cycles(x.op, x.attrs) for x in layers}
    slowest = cycles.max_cycles(count)
    return {
        "layers": count,
        "critical_path_cycles": cycles.critical_path(count, {x.name: x.inputs for x in layers}),
        "max_cycles": slowest,
        "max_cycles_node_name": next((name for name, c in count.items() if c == slowest), ""),
        "resources": sum((needed(x.op, x.attrs) for x in layers), Resources()),
    }


def _budget(board: Board, options: Options) -> list[int]:
    have = {"dsp": board.resources.dsp, "lut": board.resources.lut, "bram18": 2 * board.resources.bram36}
    shares = [int(have[kind] * SHARE[kind]) for kind in KINDS[1:]]
    unlimited = board.resources.dsp * 4  # as many products as DSP48 can be packed with
    return [int(options.multipliers) if options.multipliers else unlimited, *shares]


def _units(layers: Sequence[FinnLayer]) -> Iterator[list[FinnLayer]]:
    """Layers that must be folded together: a depthwise window generator and its consumer; others alone."""
    by_name = {layer.name: layer for layer in layers}
    taken: set[str] = set()
    for layer in layers:
        before = by_name.get(layer.inputs[0]) if layer.inputs else None
        if before and _base(layer) in ("VVAU", "Pool") and _base(before) == "ConvolutionInputGenerator":
            taken.add(before.name)
            yield [before, layer]
            taken.add(layer.name)
    for layer in layers:
        if layer.name not in taken:
            yield [layer]


def _base(layer: FinnLayer) -> str:
    return layer.op.rsplit("_", 1)[0]


def _choices(unit: list[FinnLayer], total: Callable) -> list[Choice]:
    """Every legal folding of a unit that no other one beats."""
    found = []
    for settings in product(*(list(_settings(layer)) for layer in unit)):
        folded = [layer.attrs | setting for layer, setting in zip(unit, settings, strict=True)]
        if len(unit) == 2 and not _handed_over(*folded):
            continue
        if any(_too_wide(layer.op, attrs) for layer, attrs in zip(unit, folded, strict=True)):
            continue
        cost = sum((needed(x.op, a) for x, a in zip(unit, folded, strict=True)), Resources())
        counts = (cycles.layer_cycles(x.op, a) for x, a in zip(unit, folded, strict=True))
        setting = {layer.name: s for layer, s in zip(unit, settings, strict=True)}
        found.append(Choice(total(counts), (cost.multipliers, cost.dsp, cost.lut, cost.bram18), setting))
    if not found:
        names = ", ".join(layer.name for layer in unit)
        raise FitError(
            f"{names}: no folding keeps FINN's streams within {WIDEST} bits; use fewer channels, or the engine"
        )
    return pareto(found)


def _handed_over(window: dict, consumer: dict) -> bool:
    """A depthwise window generator hands over SIMD channels; SIMD within a window needs the whole window at once."""
    if window["SIMD"] != consumer["PE"]:
        return False
    inside = consumer.get("SIMD", 1)
    return inside == 1 or (bool(window.get("parallel_window", 0)) and consumer["PE"] == consumer["Channels"])


def _settings(layer: FinnLayer) -> Iterator[dict[str, object]]:
    """The attributes that a folding may set, in all their values, for one layer."""
    a, op = layer.attrs, layer.op
    ranges: dict[str, Sequence[object]] = {}
    if op.startswith("MVAU"):
        least = -(-a["MW"] // 1024) if op == "MVAU_hls" else 1
        ranges = {"PE": _divisors(a["MH"]), "SIMD": [s for s in _divisors(a["MW"]) if s >= least]}
        ranges |= {"mem_mode": ["internal_decoupled"], "ram_style": ["block", "distributed"]}
        ranges["resType"] = [_multiplier(a) if op == "MVAU_hls" else "dsp"]
    elif op.startswith("VVAU"):
        ranges = {"PE": _divisors(a["Channels"]), "SIMD": _divisors(prod(a["Kernel"])), "resType": [_multiplier(a)]}
        ranges |= {"mem_mode": ["internal_decoupled"], "ram_style": ["block", "distributed"]}
    elif op == "ConvolutionInputGenerator_rtl":
        yield from _window_settings(layer)
        return
    elif op == "Thresholding_rtl":
        ranges = {"PE": _divisors(a["NumChannels"]), "depth_trigger_bram": [128, 512], "depth_trigger_uram": [NEVER]}
    elif op.startswith("FMPadding"):
        ranges = {"SIMD": _divisors(a["NumChannels"])}
    elif "PE" in a and ("NumChannels" in a or "Channels" in a or "Labels" in a):
        ranges = {"PE": _divisors(a.get("NumChannels", a.get("Channels", a.get("Labels"))))}
    ranges = {key: values for key, values in ranges.items() if key not in layer.fixed}
    for values in product(*ranges.values()):
        yield dict(zip(ranges, values, strict=True))


def _window_settings(layer: FinnLayer) -> Iterator[dict[str, object]]:
    """Some channels at a time; or the whole window at once, which needs all channels unless it is depthwise."""
    a = layer.attrs
    if layer.fixed:
        yield {}
        return
    for simd in _divisors(a["IFMChannels"]):
        whole = (0, 1) if a.get("depthwise", 0) or simd == a["IFMChannels"] else (0,)
        for parallel, style in product(whole, ("distributed", "block")):
            setting = {"SIMD": simd, "parallel_window": parallel, "ram_style": style}
            if _generates(a | setting):
                yield setting


def _generates(a: dict) -> bool:
    """Whether FINN's generator makes RTL of this window: its counters need a loop of two or more beside the innermost
    one's first pass, and without a whole window its jumps must stay within the buffer."""
    fold, (rows, columns), (height, width) = a["IFMChannels"] // a["SIMD"], a["ConvKernelDim"], a["OFMDim"]
    if parallel_window(a):
        return _counted([fold, width, height], [])
    if a.get("depthwise", 0) and fold > 1:
        loops = [columns, rows, fold]
    else:
        loops = [fold, columns, rows]
    (down, right), (reach, across), image = a["Stride"], a.get("Dilation", (1, 1)), a["IFMDim"][1]
    wide = (columns - 1) * across + 1
    span = ((rows - 1) * reach * image + wide) * fold
    skipped = image % (wide + (width - 1) * right)
    jumps = (right * fold + 1 - span, (skipped + wide + (down - 1) * image) * fold + 1 - span)
    return _counted(loops, [width, height]) and max(map(abs, jumps)) <= window_depth(a)


def _counted(inner: list[int], outer: list[int]) -> bool:
    """inner: iterations from the innermost loop outwards; the first that repeats counts one less."""
    first = next((i for i, n in enumerate(inner) if n > 1), len(inner) - 1)
    return max(*(n - (i == first) for i, n in enumerate(inner)), *outer) >= 2


def _multiplier(a: dict) -> str:
    """Products of fewer than 4 bits are cheaper in LUT than in a DSP."""
    return "lut" if min(bits(a["inputDataType"]), bits(a["weightDataType"])) < 4 else "dsp"


def _too_wide(op: str, a: dict) -> bool:
    """Whether a stream of the layer exceeds what FINN can build."""
    into = bits(a["inputDataType"]) if "inputDataType" in a else 8
    out = bits(a["outputDataType"]) if "outputDataType" in a else into
    pe, simd = a.get("PE", 1), a.get("SIMD", 1)
    if op.startswith("MVAU"):
        widths = (simd * into, pe * out, pe * simd * bits(a["weightDataType"]))
    elif op.startswith("VVAU"):
        widths = (pe * simd * into, pe * out, pe * simd * bits(a["weightDataType"]))
    elif op.startswith("ConvolutionInputGenerator"):
        window = prod(a["ConvKernelDim"]) if a.get("parallel_window", 0) else 1
        widths = (simd * into, simd * into * window)
    else:
        widths = (max(pe, simd) * max(into, out),)
    return max(widths) > WIDEST


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]
