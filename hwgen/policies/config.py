"""The shapes of the policies that are trained here, and the demo's number formats, kept beside their weights."""

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
    bits: of the weights, by layer name, where they are not weight_bits; vector_integer: integer bits of the head's
    input vector (8 bit); integers: integer bits of each activation, by layer name, found by calibration; words: weights
    of the text encoder's informative words.
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
    bits: dict[str, int] = field(default_factory=dict)

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
        made = _parsed(PolicyConfig, values, optional={"norm", "bits"})
        if not isinstance(made["widths"], (list, tuple)) or not all(isinstance(w, int) for w in made["widths"]):
            raise InputError(f"policy config: widths must be a list of integers, not {made['widths']!r}; retrain it")
        return PolicyConfig(**made | {"widths": tuple(made["widths"])})


@dataclass(frozen=True)
class VitFlowConfig:
    """Sizes of `vit-flow`: of the transformer, pixels a patch, width, blocks, heads, and how much wider its MLPs are;
    seen: numbers that the encoder gives the head; hidden, layers: the head's MLP-ResNet; steps: from noise to actions;
    time: numbers that tell a step its time; bits: of the weights, by layer of the network (see quantize.bits), 8 where
    there are none. The others are PolicyConfig's."""

    patch: int = 8
    width: int = 64
    blocks: int = 2
    heads: int = 2
    ratio: int = 2
    seen: int = 128
    hidden: int = 256
    layers: int = 2
    steps: int = 5
    time: int = 16
    chunk: int = 8
    execute: int = 4
    image: int = 64
    state: int = 3
    text: int = 32
    words: dict[str, float] = field(default_factory=dict)
    bits: dict[str, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Patches of a picture."""
        return (self.image // self.patch) ** 2

    @property
    def action(self) -> int:
        """Numbers in an answer: chunk motions along x, y and z."""
        return self.chunk * 3

    def to_dict(self) -> dict:
        return dataclasses.asdict(self) | {"kind": "vit-flow"}

    @staticmethod
    def from_dict(values: dict) -> VitFlowConfig:
        """The config a JSON object holds (without its kind). Raises InputError for a missing, unknown or mistyped
        entry, and for sizes that do not fit together."""
        c = VitFlowConfig(**_parsed(VitFlowConfig, values, optional={"bits"}))
        if c.image % c.patch or c.width % c.heads or c.width % 4 or c.time % 2 or c.execute > c.chunk:
            raise InputError("policy config: patch must divide image, heads and 4 the width, 2 the time, and execute "
                             "be at most chunk; retrain it")  # fmt: skip
        return c


def _parsed(kind: type, values: dict, optional: frozenset[str] | set[str] = frozenset()) -> dict:
    """The entries of a config, each of its default's type."""
    fields = {f.name for f in dataclasses.fields(kind)}
    if not isinstance(values, dict) or set(values) | optional != fields:
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise InputError(f"policy config: expected the entries {sorted(fields)}, found {found}; retrain it")
    default = kind()
    for name, value in values.items():
        wanted = type(getattr(default, name))
        if wanted is tuple:
            continue
        if isinstance(value, bool) is not (wanted is bool) or not isinstance(
            value, (int, float) if wanted is float else wanted
        ):
            raise InputError(f"policy config: {name} must be {wanted.__name__}, not {value!r}; retrain it")
        if isinstance(value, (int, float)) and wanted is not bool and value <= 0:
            raise InputError(f"policy config: {name} must be positive, not {value!r}; retrain it")
    return dict(values)
