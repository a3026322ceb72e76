"""Which layers can do with weights of 4 bits: each is tried alone, in the float network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from hwgen.quantize import float_ops as ops
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.rounding import round_weight

SAMPLES = 4
LOW, HIGH = 4, 8
NUMBERS = 1 << 27
"""Values of all tensors of the observations that are tried; fewer observations are taken where it would be more."""


def choose(graph: FloatGraph, data: dict[str, np.ndarray], target: float,
           say: Callable[[str, int, int], None]) -> dict[str, int]:  # fmt: skip
    """Weight bits by layer: 8 for those whose 4-bit weights would add most noise for their size, until the noise of all
    others together lies `target` dB below the signal at every output."""
    noise = sensitivities(graph, data, say)
    allowed, bits = 10 ** (-target / 10), dict.fromkeys(noise, LOW)
    sizes = {n.name: n.weight.size for n in graph.nodes if isinstance(n, ops.Weighted)}
    for name in sorted(noise, key=lambda name: noise[name] / sizes[name], reverse=True):
        if sum(noise[n] for n, b in bits.items() if b == LOW) <= allowed:
            break
        bits[name] = HIGH
    return bits


def sensitivities(graph: FloatGraph, data: dict[str, np.ndarray],
                  say: Callable[[str, int, int], None]) -> dict[str, float]:  # fmt: skip
    """By layer with weights: noise power / signal power at the output that suffers most, its weights alone 4 bit."""
    each = sum(int(np.prod(shape)) for shape in graph.shapes.values())
    count = int(np.clip(NUMBERS // each, 1, SAMPLES))
    values = graph.run({k: v[:count] for k, v in data.items()}, keep=True)
    layers = [i for i, n in enumerate(graph.nodes) if isinstance(n, ops.Weighted)]
    found = {}
    for done, at in enumerate(layers):
        say("sensitivity", done, len(layers))
        with rounded(graph.nodes[at]):
            changed = _rerun(graph, values, at)
        found[graph.nodes[at].name] = max(_ratio(values[o], changed.get(o)) for o in graph.outputs.values())
    say("sensitivity", len(layers), len(layers))
    return found


@contextmanager
def rounded(layer: ops.Weighted) -> Iterator[None]:
    """The layer with 4-bit weights, for a while; each rounded for itself, so what it adds in the end is less."""
    kept = layer.weight
    ints, scale = round_weight(layer, kept, LOW, "mse", None)
    layer.weight = layer.from_channels(layer.by_channel(ints) * scale[:, None].astype(np.float32))
    try:
        yield
    finally:
        layer.weight = kept


def _rerun(graph: FloatGraph, values: dict[str, np.ndarray], first: int) -> dict[str, np.ndarray]:
    """What a changed node changes."""
    changed: dict[str, np.ndarray] = {}
    for i, node in enumerate(graph.nodes[first:], first):
        if i == first or any(name in changed for name in node.inputs):
            changed[node.name] = node.compute(*(changed.get(name, values[name]) for name in node.inputs))
    return changed


def _ratio(real: np.ndarray, changed: np.ndarray | None) -> float:
    if changed is None:
        return 0.0
    power = float(np.mean(np.square(real, dtype=np.float64)))
    return float(np.mean(np.square(changed - real, dtype=np.float64))) / max(power, 1e-30)
