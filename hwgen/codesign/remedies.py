"""What would make a design faster, the cause of most clocks first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hwgen.codesign.causes import Layer, total
from hwgen.schedule.config import EngineConfig

LEAST = 0.03  # of all clocks, that a cause must have to be worth a word
NAMED = 3  # layers that a remedy names


def remedies(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> list[str]:
    """A sentence a cause, with the clocks that it could save at most. candidates: of the search, as report.json has
    them."""
    clocks = total(every)
    worth = [cause for cause in _REMEDIES if clocks[cause] >= LEAST * sum(clocks.values())]
    worth.sort(key=lambda cause: -clocks[cause])
    return [f"{clocks[c]:,.0f} clocks, {c}: {_REMEDIES[c](every, config, candidates)}" for c in worth]


def _multipliers(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    now = sum(layer.clocks for layer in every)
    faster = [c for c in candidates if c["verdict"] == "refused" and (c["predicted_cycles"] or now) < now]
    if not faster:
        return "only more multipliers (a larger board, fewer bits), or a graph with fewer multiplications"
    best = min(faster, key=lambda c: c["predicted_cycles"])
    n, m = best["array"]
    return f"{n}x{m} would take {best['predicted_cycles']:,} clocks in all, but {best['why']}"


def _shape(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    return (
        f"channels in multiples of {config.n} (inputs) and {config.m} (outputs) in {_worst(every, 'shape')}, or an "
        "array of another shape"
    )


def _weights(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    less = f"fewer than {config.ww} bits a weight" if config.ww > 2 else "fewer weights"
    return f"{less}, more memory on the chip, or more ports than {config.stream_ports}; {_worst(every, _STREAM)}"


def _activations(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    return f"fewer norms and products of tensors, or more rows at once; {_worst(every, 'activation_bandwidth')} wait"


def _dependency(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    return (
        f"a result takes {config.pipe} clocks through the array: fewer layers, or wider ones than "
        f"{_worst(every, 'dependency')}"
    )


def _ddr(every: Sequence[Layer], config: EngineConfig, candidates: Sequence[Mapping]) -> str:
    return "a smaller input or output: 16 bytes a clock, and DDR's latency before the first and behind the last"


_STREAM = "weight_bandwidth"
_REMEDIES: dict[str, Callable[[Sequence[Layer], EngineConfig, Sequence[Mapping]], str]] = {
    "multipliers": _multipliers, "shape": _shape, _STREAM: _weights, "activation_bandwidth": _activations,
    "dependency": _dependency, "ddr": _ddr,
}  # fmt: skip


def _worst(every: Sequence[Layer], cause: str) -> str:
    """The layers with most of a cause, by name."""
    most = sorted((layer for layer in every if layer.causes[cause] >= 1), key=lambda layer: -layer.causes[cause])
    return ", ".join(f"{layer.name} ({layer.causes[cause]:,.0f})" for layer in most[:NAMED])
