"""Strategy and reuse factor of each layer: the lowest latency within the board, or the cheapest within a deadline.

Which foldings hls4ml takes is in `choices`, what each costs in cost.py; hwgen.schedule.folding chooses among them,
exactly, so that the clocks of all layers together are fewest. The latency that is predicted (`latency`) counts layers
that run at the same time once: branches, and in io_stream layers that work on pixels of one frame. There the slowest
layer sets the pace and the others only add what they take for their last pixel, so that is tried as well (`paced`).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np

from hwgen.backends.hls4ml import cost
from hwgen.backends.hls4ml.cost import KINDS, Cost, Weighted
from hwgen.backends.hls4ml.mapped import HlsLayer, Mapped
from hwgen.backends.hls4ml.project import Setting
from hwgen.boards import Board
from hwgen.errors import FitError, UnsupportedError
from hwgen.schedule.folding import Choice, cheapest, fastest, pareto

PARTITION = 4096
"""Elements of an array that Vitis takes apart into registers, and so products that hls4ml unrolls."""

SHARE = {"DSP": 0.9, "LUT": 0.7, "BRAM36": 0.9}
"""Of the part that the core may take; the rest is for the shell around it, and for routing."""

PACKET_BITS = 4096
"""The widest stream that Vitis HLS takes (its error HLS 214-256)."""

PACES = (1.0, 1.2, 1.5, 2.0, 3.0)
"""Tried in io_stream: how much longer than the slowest layer at its best any layer may take."""

UNLIMITED = 1 << 40


@dataclass(frozen=True)
class Folding:
    """What was chosen for a layer."""

    layer: HlsLayer
    setting: Setting
    cost: Cost


def tune(mapped: Mapped, board: Board, multipliers: int | None = None, limit: int | None = None) -> list[Folding]:
    """A folding for every layer, in order.

    multipliers: at most this many multiply weights at once. limit: clocks; the cheapest that stays within. Raises
    UnsupportedError naming a tensor that io_parallel cannot hold, FitError saying what does not fit.
    """
    check_arrays(mapped)
    budget = budget_of(board, multipliers)
    options = [choices(mapped, layer) for layer in mapped.layers]
    names = [f"layer {layer.name!r}" for layer in mapped.layers]
    if limit is not None:
        weights = [1 / b for b in budget]
        return _foldings(mapped, cheapest(options, limit, weights=weights, budget=budget, names=names, kinds=KINDS))
    plans = [_foldings(mapped, fastest(options, budget, names, KINDS))]
    for pace in PACES if mapped.io == "io_stream" else ():
        with contextlib.suppress(FitError):  # the first plan fits; at another pace none may
            plans.append(_foldings(mapped, fastest(paced(options, pace), budget, names, KINDS)))
    return min(plans, key=lambda plan: latency(mapped, plan))


def _foldings(mapped: Mapped, picked: list[Choice]) -> list[Folding]:
    return [Folding(layer, *c.setting) for layer, c in zip(mapped.layers, picked, strict=True)]


def paced(options: list[list[Choice]], pace: float) -> list[list[Choice]]:
    """The choices that take no more than `pace` times the clocks of the layer that is slowest at its best, valued by
    the clocks from their last input to their last output."""
    most = pace * max(min(c.cycles for c in layer) for layer in options)
    return [
        pareto([Choice(c.setting[1].last, c.cost, c.setting) for c in layer if c.cycles <= most]) for layer in options
    ]


def budget_of(board: Board, multipliers: int | None) -> tuple[int, ...]:
    """What the core may take, per KINDS."""
    if board.family == "ecp5":
        raise FitError(f"board {board.name} is no AMD part, hls4ml's backend is Vitis; use the backend engine")
    r = board.resources
    have = {"DSP": r.dsp, "LUT": r.lut, "BRAM36": r.bram36}
    return (multipliers or UNLIMITED, *(int(have[k] * SHARE[k]) for k in KINDS[1:]))


def check_arrays(mapped: Mapped) -> None:
    """Raise UnsupportedError for what is too large for registers: a tensor of io_parallel, a packet of io_stream, the
    inputs of a Linear."""
    for layer in mapped.layers:
        where = f"node {layer.node.name!r} ({layer.node.op})" if layer.node else f"tensor {layer.tensor!r}"
        limit = f"in registers, at most {PARTITION}"
        if mapped.io == "io_parallel" and (size := int(np.prod(layer.shape))) > PARTITION:
            stream = "" if layer.shape[-1] > PARTITION else "--io stream, or "
            raise UnsupportedError(
                f"{where}: {layer.shape} are {size} elements, and io_parallel keeps a tensor {limit}; use {stream}the "
                "backend engine"
            )
        if layer.positions and (size := layer.attrs["weight_data"].size // layer.shape[-1]) > PARTITION:
            raise UnsupportedError(f"{where}: hls4ml keeps its {size} inputs {limit}; use the backend engine")
        if layer.kind != "Reshape" and layer.shape[-1] > PARTITION:
            raise UnsupportedError(
                f"{where}: its last axis has {layer.shape[-1]} elements, and io_stream keeps a packet {limit}; use the "
                "backend engine"
            )


def notes(mapped: Mapped) -> list[str]:
    """What a user should know before the synthesis: packets that the C simulation takes and Vitis HLS refuses."""
    if mapped.io != "io_stream":
        return []
    wide = [
        f"{layer.tensor} ({layer.shape[-1]} x {mapped.types[layer.tensor].bits})"
        for layer in mapped.layers
        if layer.tensor in mapped.types and layer.shape[-1] * mapped.types[layer.tensor].bits > PACKET_BITS
    ]
    if not wide:
        return []
    return [
        f"Vitis HLS refuses streams wider than {PACKET_BITS} bits, and these are: {', '.join(wide)}; the C simulation "
        "runs; for a synthesis take --io parallel, narrower layers, or an output that is not flattened"
    ]


def choices(mapped: Mapped, layer: HlsLayer) -> list[Choice]:
    """The foldings of a layer that hls4ml takes and that no other beats."""
    if layer.positions:
        found = weighted_choices(weighted(mapped, layer), layer.kind, mapped.io)
    elif layer.is_ours:
        entry, bits = layer.as_dict(), layer.types["result"].bits
        found = [(Setting(reuse=r), cost.of_ours(entry, mapped.io, r, bits)) for r in shares(entry, mapped.io)]
    else:
        found = [(Setting(), moving(mapped, layer))]
    return pareto([Choice(c.cycles, c.kinds, (s, c)) for s, c in found])


def weighted_choices(layer: Weighted, kind: str, io: str) -> list[tuple[Setting, Cost]]:
    """Latency for what unrolls; Resource with every valid reuse factor; several positions of a convolution at once."""
    n_in, n_out = layer.weight.shape
    found = []
    conv = kind != "Dense"
    parallels = divisors(layer.positions) if conv and io == "io_parallel" else [1]
    for parallel in parallels:
        if parallel * n_in > PARTITION:
            break
        if parallel * layer.weight.size <= PARTITION:
            found.append((Setting("Latency", 1, parallel), layer.unrolled(parallel)))
        for reuse in reuse_factors(n_in, n_out):
            if conv and io == "io_parallel" and reuse > n_in:
                break  # "correct only for RF <= FILT_HEIGHT * FILT_WIDTH * N_CHAN" (nnet_conv2d_resource.h)
            if parallel * layer.weight.size <= PARTITION * reuse:
                found.append((Setting("Resource", reuse, parallel), layer.folded(reuse, parallel)))
    return found


def reuse_factors(n_in: int, n_out: int) -> list[int]:
    """The reuse factors that hls4ml takes for a matrix, as its get_valid_reuse_factors finds them: divisors of all
    products that divide n_in, or are multiples of it."""
    return sorted({*divisors(n_in), *(n_in * r for r in divisors(n_out))})


def divisors(n: int) -> list[int]:
    """All divisors, in order."""
    low = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return sorted({*low, *(n // d for d in low)})


def shares(entry: dict, io: str) -> list[int]:
    """Reuse factors of our own layers: powers of two up to the lanes that would work at once."""
    shape = entry["spec"].shape
    lanes = shape[-1] if io == "io_stream" and shape else int(np.prod(shape))
    return [1 << k for k in range(max(1, int(lanes).bit_length()))]


def weighted(mapped: Mapped, layer: HlsLayer) -> Weighted:
    """A layer with weights as the formulas see it."""
    weight, attrs = layer.attrs["weight_data"], layer.attrs
    integers = np.rint(weight * 2.0 ** layer.types["weight"].fraction).astype(np.int64).reshape(-1, weight.shape[-1])
    types = (mapped.types[layer.node.inputs[0]], layer.types["weight"], layer.types["accum"])
    if mapped.io != "io_stream":
        return Weighted(integers, *types, positions=layer.positions)
    if layer.kind == "Dense":
        return Weighted(integers, *types, packets=packets(mapped, layer.inputs[0]))
    height = attrs.get("in_height", 1) + attrs.get("pad_top", 0) + attrs.get("pad_bottom", 0)
    width = attrs["in_width"] + attrs["pad_left"] + attrs["pad_right"]
    window = (attrs.get("filt_height", 1) - 1) * width + attrs["filt_width"]
    return Weighted(integers, *types, positions=layer.positions, pixels=height * width, window=window)


def moving(mapped: Mapped, layer: HlsLayer) -> Cost:
    """Of a layer without arithmetic."""
    if mapped.io != "io_stream" or layer.kind in ("InputLayer", "Reshape"):
        return Cost(0, 0, 0)
    return cost.of_moving(layer.kind, max(packets(mapped, i) for i in layer.inputs), packets(mapped, layer.name))


def packets(mapped: Mapped, name: str) -> int:
    """Packets of a layer's output stream: one for each entry of all axes but the last."""
    layer = mapped.layer(name)
    if layer.kind == "Reshape":  # a view of the stream before
        return packets(mapped, layer.inputs[0])
    return int(np.prod(layer.shape[:-1]))


def latency(mapped: Mapped, foldings: list[Folding]) -> int:
    """Clocks from the first input to the last output, over the longest path.

    A layer starts when the first outputs of all that it reads are there. It ends when it had its time, and not before
    the last of its inputs has passed through it.
    """
    first: dict[str, int] = {}
    done: dict[str, int] = {}
    for f in foldings:
        sources = f.layer.inputs
        start = max((first[i] for i in sources), default=0)
        ready = max((done[i] for i in sources), default=0)
        first[f.layer.name] = start + f.cost.first
        done[f.layer.name] = max(start + f.cost.cycles, ready + f.cost.last)
    return max(done[p.layer] for p in mapped.outputs.values())
