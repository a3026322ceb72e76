"""What a search may change about a policy, and one choice of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hwgen.errors import InputError
from hwgen.quantize.post import BITS

if TYPE_CHECKING:
    import optuna

NARROWEST, WIDEST, DEEPEST, LONGEST = 0.1, 4.0, 16, 64


@dataclass(frozen=True)
class Space:
    """bits: of a layer's weights. width: times the policy's own. depth: blocks. chunk: motions of an answer. Of the
    last three, nothing where the policy stays as it is."""

    bits: tuple[int, ...] = (4, 8)
    width: tuple[float, ...] = ()
    depth: tuple[int, ...] = ()
    chunk: tuple[int, ...] = ()

    def check(self) -> None:
        """Raises InputError for a value that is not possible."""
        for name, values, least, most in (
            ("width", self.width, NARROWEST, WIDEST),
            ("depth", self.depth, 1, DEEPEST),
            ("chunk", self.chunk, 1, LONGEST),
        ):
            if wrong := [v for v in values if not least <= v <= most]:
                raise InputError(f"--{name} {wrong[0]:g} is not possible: give values from {least:g} to {most:g}, such "
                                 f"as --{name} {_example(name)}")  # fmt: skip
        if not self.bits or set(self.bits) - set(BITS):
            raise InputError(f"--bits {_text(self.bits)} is not possible: give some of {_text(BITS)}, with commas")


@dataclass(frozen=True)
class Choice:
    """A point of the space. bits: by layer. width, depth, chunk: None where the policy stays as it is."""

    bits: dict[str, int] = field(default_factory=dict)
    width: float | None = None
    depth: int | None = None
    chunk: int | None = None

    @property
    def parameters(self) -> dict[str, float | int]:
        """By the names that the study has for them."""
        shape = {"width": self.width, "depth": self.depth, "chunk": self.chunk}
        return {k: v for k, v in shape.items() if v is not None} | {f"bits.{k}": v for k, v in self.bits.items()}

    @property
    def text(self) -> str:
        """For a table: the shape, and how many layers have how many bits."""
        shape = [f"{name} {value:g}" for name, value in self.parameters.items() if not name.startswith("bits.")]
        counts = {bits: list(self.bits.values()).count(bits) for bits in sorted(set(self.bits.values()))}
        few = len(counts) == 1
        return ", ".join([*shape, *(f"{bits} bits" if few else f"{n} x {bits} bits" for bits, n in counts.items())])


def shape(trial: optuna.Trial, space: Space) -> Choice:
    """The trial's shape, its bits still to be asked for: which layers there are depends on the shape."""
    asked = {name: getattr(space, name) for name in ("width", "depth", "chunk")}
    return Choice(**{name: trial.suggest_categorical(name, list(values)) for name, values in asked.items() if values})


def bits(trial: optuna.Trial, space: Space, layers: Sequence[str]) -> dict[str, int]:
    """The trial's bits, by layer."""
    return {name: trial.suggest_categorical(f"bits.{name}", list(space.bits)) for name in layers}


def numbers(text: str, kind: type = int) -> tuple:
    """``"4,8"`` -> (4, 8), each once, in order; kind: int or float. Raises InputError."""
    try:
        return tuple(sorted({kind(word) for word in text.split(",") if word.strip()}))
    except ValueError:
        raise InputError(f"{text!r} is not a list of numbers: give them with commas, such as 4,8") from None


def _text(values: Sequence[float]) -> str:
    return ",".join(f"{v:g}" for v in values) or "(none)"


def _example(name: str) -> str:
    return {"width": "0.5,1", "depth": "1,2", "chunk": "4,8"}[name]
