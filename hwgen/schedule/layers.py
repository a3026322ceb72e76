"""Where each clock of a run went, and what was done in it, operation by operation of the array."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hwgen.graph import Graph, ops
from hwgen.graph.phases import without_transposed

if TYPE_CHECKING:
    from hwgen.schedule.compile import Design
    from hwgen.schedule.timing import Timing

END = "(end)"
"""The name of what comes after the array's last step."""


@dataclass
class Layer:
    """One operation of the array: clocks with a step, and clocks lost before and within it.

    lost: those clocks by the unit that was waited for (DIN, MM, ROW, VEC, STREAM); START: those before the first
    instruction is there; END: those behind the array's last step.
    """

    name: str
    busy: int = 0
    lost: dict[str, int] = field(default_factory=dict)

    @property
    def idle(self) -> int:
        """All clocks lost."""
        return sum(self.lost.values())

    def as_dict(self) -> dict[str, object]:
        """As report.json has it."""
        return {"name": self.name, "busy": self.busy, "idle": self.idle, "lost": self.lost}


def layers(timing: Timing) -> list[Layer]:
    """The array's operations in order, and `END`. Busy and idle clocks of all add up to the latency."""
    out: list[Layer] = []
    for span in (span for span in timing.spans if span.unit == "MM"):
        if not out or out[-1].name != span.name:
            out.append(Layer(span.name))
        out[-1].busy += span.work
        _add(out[-1], span.lost)
    end = Layer(END)
    _add(end, timing.lost)  # what no operation came behind
    _add(end, {"END": timing.tail})
    return [*out, end]


@dataclass
class Work:
    """What an operation of the array does. macs: multiplications that must happen; weight_bytes: of the weights that it
    multiplies with, each once; streamed_bytes: those that come from DDR for it."""

    macs: int = 0
    weight_bytes: int = 0
    streamed_bytes: int = 0


def work(design: Design) -> dict[str, Work]:
    """By name, all of the array's operations that multiply."""
    names = {span.name for span in design.timing.spans if span.unit == "MM"}
    graph, out = without_transposed(design.graph), {}
    for node in graph.nodes:
        if isinstance(node, ops.ACCUMULATING) and (macs := node.macs(graph.in_shapes(node))):
            one = out.setdefault(_operation(graph, node.output, names), Work())
            one.macs += macs
            one.weight_bytes += node.weight.size * node.weight_bits // 8 if isinstance(node, ops.WEIGHTED) else 0
    for fetch in design.program.fetches:
        if fetch.name in out:
            out[fetch.name].streamed_bytes += fetch.words * design.config.weight_bytes
    return out


def _operation(graph: Graph, tensor: str, names: Container[str]) -> str:
    """The operation that makes an accumulator: named as the first tensor behind it that is stored."""
    while tensor not in names and (readers := graph.consumers(tensor)):
        tensor = readers[0].output
    return tensor


def _add(layer: Layer, lost: dict[str, int]) -> None:
    for unit, clocks in lost.items():
        layer.lost[unit] = layer.lost.get(unit, 0) + clocks
