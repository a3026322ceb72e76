"""Where each clock of a run went, operation by operation of the array."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


def _add(layer: Layer, lost: dict[str, int]) -> None:
    for unit, clocks in lost.items():
        layer.lost[unit] = layer.lost.get(unit, 0) + clocks
