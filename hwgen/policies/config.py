"""The demo policy's shape and formats, kept beside its weights."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from hwgen.errors import InputError


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the encoder and the head, and their number formats.

    widths: channels of the encoder's 3x3 stride-2 convolutions; film: how many of them, counted from the last, are
    conditioned by the instruction; hidden, blocks: the MLP-ResNet head; chunk: motions (x, y, z) per inference;
    execute: how many of them the robot carries out before it looks again; norm: LayerNorm in the head's blocks;
    vector_integer: integer bits of the head's input vector (8 bit); integers: integer bits of each activation, by layer
    name, found by calibration; words: weights of the text encoder's informative words.
    """

    widths: tuple[int, ...] = (16, 32, 48, 64)
    film: int = 3
    hidden: int = 256
    blocks: int = 2
    chunk: int = 8
    execute: int = 4
    image: int = 64
    state: int = 3
    text: int = 32
    weight_bits: int = 4
    activation_bits: int = 8
    vector_integer: int = 2
    norm: bool = True
    norm_eps: float = 1e-3
    integers: dict[str, int] = field(default_factory=dict)
    words: dict[str, float] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Length of the encoder's output."""
        return self.widths[-1] * (self.image >> len(self.widths)) ** 2

    @property
    def vector(self) -> int:
        """Length of the head's input: features, state, text, in this order."""
        return self.features + self.state + self.text

    @property
    def vector_scale(self) -> float:
        """Real value of one step of the head's int8 input."""
        return 2.0 ** (self.vector_integer + 1 - self.activation_bits)

    def to_dict(self) -> dict:
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(values: dict) -> PolicyConfig:
        """The config a JSON object holds. Raises InputError for a missing, unknown or mistyped entry."""
        fields = {f.name: f for f in dataclasses.fields(PolicyConfig)}
        if not isinstance(values, dict) or set(values) | {"norm"} != set(fields):
            found = sorted(values) if isinstance(values, dict) else type(values).__name__
            raise InputError(f"policy config: expected the entries {sorted(fields)}, found {found}; retrain it")
        values = dict(values)
        if not isinstance(values["widths"], (list, tuple)) or not all(isinstance(w, int) for w in values["widths"]):
            raise InputError(f"policy config: widths must be a list of integers, not {values['widths']!r}; retrain it")
        values["widths"] = tuple(values["widths"])
        default = PolicyConfig()
        for name, value in values.items():
            kind = type(getattr(default, name))
            if isinstance(value, bool) is not (kind is bool) or not isinstance(
                value, (int, float) if kind is float else kind
            ):
                raise InputError(f"policy config: {name} must be {kind.__name__}, not {value!r}; retrain it")
            if isinstance(value, (int, float)) and kind is not bool and value <= 0:
                raise InputError(f"policy config: {name} must be positive, not {value!r}; retrain it")
        return PolicyConfig(**values)
