"""What binds a design: where the clocks of a run went, by cause, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WORDS = {
    "multipliers": "multiplications that must happen, on all multipliers",
    "shape": "multipliers without work: channels that fill neither N inputs nor M outputs, and padding",
    "weight_bandwidth": "the array waits for weights from DDR",
    "activation_bandwidth": "the array waits for the row or the vector unit, which take a word of activations a clock",
    "dependency": "the array waits for its own results, which take their way through its pipeline",
    "ddr": "the array waits for the input, or is done and the output is on its way to DDR",
}
"""Every cause, as report and table name it."""
OF_UNIT = {
    "STREAM": "weight_bandwidth", "ROW": "activation_bandwidth", "VEC": "activation_bandwidth", "MM": "dependency",
    "DIN": "ddr", "START": "ddr", "END": "ddr",
}  # fmt: skip
"""The cause behind a clock that was lost to a unit (`layers` in report.json)."""


@dataclass(frozen=True)
class Layer:
    """An operation of the array. causes: its clocks by cause, they add up to all of them. macs: multiplications;
    weight_bytes: of its weights, each once; streamed_bytes: of those, what comes from DDR during the run."""

    name: str
    causes: Mapping[str, float]
    macs: int
    weight_bytes: int
    streamed_bytes: int

    @property
    def clocks(self) -> float:
        """All of them."""
        return sum(self.causes.values())

    @property
    def binds(self) -> str:
        """The cause of most of them."""
        return max(WORDS, key=lambda cause: self.causes[cause])

    def as_dict(self) -> dict[str, object]:
        """As explain.json has it."""
        return {
            "name": self.name, "clocks": round(self.clocks), "binds": self.binds, "macs": self.macs,
            "macs_per_clock": self.macs / self.clocks if self.clocks else 0.0, "weight_bytes": self.weight_bytes,
            "streamed_bytes": self.streamed_bytes, "causes": {k: round(v, 1) for k, v in self.causes.items()},
        }  # fmt: skip


def layers(rows: Iterable[Mapping], multipliers: int) -> list[Layer]:
    """The layers of report.json by cause, for an array of so many multipliers. Their clocks add up to the latency."""
    return [_layer(row, multipliers) for row in rows]


def total(every: Iterable[Layer]) -> dict[str, float]:
    """Clocks of the whole run by cause."""
    every = list(every)
    return {cause: sum(layer.causes[cause] for layer in every) for cause in WORDS}


def _layer(row: Mapping, multipliers: int) -> Layer:
    causes = dict.fromkeys(WORDS, 0.0)
    causes["multipliers"] = row["macs"] / multipliers
    causes["shape"] = row["busy"] - causes["multipliers"]
    for unit, clocks in row["lost"].items():
        causes[OF_UNIT[unit]] += clocks
    return Layer(row["name"], causes, row["macs"], row["weight_bytes"], row["streamed_bytes"])
