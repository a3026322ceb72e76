"""What trained policies share: two graphs of integers, a float twin, recorded observations. No TensorFlow needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph, golden, run
from hwgen.quantize.floats import FloatGraph
from hwgen.runtime.text import TextEncoder

PIXEL = 2.0**-8
"""Real value of one step of a picture."""
Integers = dict[str, np.ndarray]
Reals = dict[str, np.ndarray]
Frames = tuple[np.ndarray, ...]
"""images uint8 [B, 64, 64, 3], state float32 [B, S], text float32 [B, E], and what else the policy reads (noise)."""
Act = Callable[..., np.ndarray]
"""Frames -> actions float32 [B, chunk, 3], in units of 1.5 cm."""


class Shape(Protocol):
    """What every policy's config says: its pictures' side, the lengths of state and text, the motions of an answer and
    how many of them are carried out, the weights of the text encoder's words."""

    image: int
    state: int
    text: int
    chunk: int
    execute: int
    words: dict[str, float]


@dataclass
class Policy:
    """name: of its checkpoint. encoder, head: its two parts as graphs of integers. weights: of the float twin.
    recorded: images, state and text of some demonstrations."""

    name: str
    encoder: Graph
    head: Graph
    config: Shape
    weights: dict[str, list[np.ndarray]]
    recorded: Integers
    method: ClassVar[str] = "PTQ"
    """How its integers were found: quantized after training, or QAT, trained on with quantizers."""

    @property
    def text_encoder(self) -> TextEncoder:
        return TextEncoder(self.config.words, self.config.text)

    def network(self) -> FloatGraph:
        """The float model as one network: what quantization after training starts from."""
        raise NotImplementedError

    @property
    def float_policy(self) -> Act:
        """The float model (weights stored as float16)."""
        return FloatPolicy(self, self.network())

    def integer_policy(self) -> Act:
        """The quantized policy, by golden."""
        return IntegerPolicy(self, self.whole())

    @property
    def defaults(self) -> dict[str, np.ndarray]:
        """Inputs that a robot need not give, float32 by name, in real units."""
        return {}

    def drawn(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Values [count, ...] of these inputs at random, as training had them."""
        return ()

    def part(self, name: str) -> Graph:
        """The graph of "whole" (image, text, state and what else there is in, action out), "head" or "encoder"."""
        return self.whole() if name == "whole" else getattr(self, name)

    def whole(self) -> Graph:
        """Both parts as one graph."""
        raise NotImplementedError

    def before_head(self, names: dict[str, str]) -> Graph:
        """What the processor does where the accelerator runs the head. names: those that the whole graph's inputs and
        output have in the new graph, and under `seam` that of the tensor which it makes for the head."""
        raise NotImplementedError

    def after_encoder(self, names: dict[str, str]) -> Graph:
        """Likewise where the accelerator runs the encoder, whose output is at the seam."""
        raise NotImplementedError

    def reals(self, images: np.ndarray, state: np.ndarray, text: np.ndarray, *more: np.ndarray) -> Reals:
        """What the float network reads, float32 by name: image [B, 3, H, W] in steps of PIXEL, state, text, and the
        inputs of `defaults`, given or as they are without."""
        given = {name: np.broadcast_to(value, (len(images), *value.shape)) for name, value in self.defaults.items()}
        given |= dict(zip(given, more, strict=False)) | {"state": state, "text": text}
        return {"image": pixels(images)} | {name: finite(value) for name, value in given.items()}

    def integers(self, *frames: np.ndarray) -> Integers:
        """The whole graph's inputs, int64, image [B, 3, 64, 64]. Raises InputError for NaN and infinity."""
        return golden.quantize_inputs(self.whole(), self.reals(*frames))

    def frames(self, part: str, count: int, seed: int) -> Integers:
        """Inputs of a part for `count` realistic frames, by name."""
        made = [self.part_inputs(part, self.integers(*frames)) for frames in self.realistic(count, seed)]
        graph = self.part(part)
        none = {name: np.zeros((0, *graph.tensors[name].shape), np.int8) for name in graph.inputs}
        return {name: np.concatenate([none[name], *(batch[name] for batch in made)]) for name in graph.inputs}

    def part_inputs(self, part: str, inputs: Integers) -> Integers:
        """What a part reads for these inputs of the whole."""
        if part == "whole":
            return inputs
        seam = run(self.encoder, {name: inputs[name] for name in self.encoder.inputs}) if part == "head" else {}
        return {name: (inputs | seam)[name] for name in self.part(part).inputs}

    def realistic(self, count: int, seed: int) -> Iterator[Frames]:
        """`count` realistic frames in batches of at most 64: recorded ones under their instructions, each with random
        small changes of colour order, state and text, so that any number of them is distinct."""
        rng = np.random.default_rng(seed)
        rows = rng.integers(len(self.recorded["images"]), size=count)
        for part in np.array_split(rows, -(-count // 64)) if count else ():
            images = self.recorded["images"][part][..., rng.permutation(3)]
            state = self.recorded["state"][part] + rng.normal(0, 0.3, (len(part), self.config.state))
            text = self.recorded["text"][rng.integers(len(self.recorded["text"]), size=len(part))]
            yield images, state, text + rng.normal(0, 0.1, text.shape), *self.drawn(len(part), rng)

    def calibration(self, count: int, seed: int = 0) -> Reals:
        """`count` inputs of the network: recorded frames with colours permuted, under instructions chosen at random."""
        rng, recorded = np.random.default_rng(seed), self.recorded
        rows = rng.integers(len(recorded["images"]), size=count)
        texts = rng.integers(len(recorded["text"]), size=count)
        images = np.stack([image[..., rng.permutation(3)] for image in recorded["images"][rows]])
        return self.reals(images, recorded["state"][rows], recorded["text"][texts], *self.drawn(count, rng))


class FloatPolicy:
    """A float network as a policy: Frames -> actions float32 [B, chunk, 3]."""

    def __init__(self, policy: Policy, network: FloatGraph) -> None:
        self.policy, self.network = policy, network

    def __call__(self, *frames: np.ndarray) -> np.ndarray:
        return _actions(self.policy, self.network.run(self.policy.reals(*frames))["action"])


class IntegerPolicy:
    """Likewise a graph of integers that reads what the policy's float network reads."""

    def __init__(self, policy: Policy, graph: Graph) -> None:
        self.policy, self.graph = policy, graph

    def __call__(self, *frames: np.ndarray) -> np.ndarray:
        ints = run(self.graph, golden.quantize_inputs(self.graph, self.policy.reals(*frames)))
        return _actions(self.policy, golden.dequantize_outputs(self.graph, ints)["action"])


def _actions(policy: Policy, numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.float32).reshape(len(numbers), policy.config.chunk, 3)


def finite(real: np.ndarray) -> np.ndarray:
    """As float32. Raises InputError for NaN and infinity."""
    real = np.asarray(real, np.float32)
    if not np.isfinite(real).all():
        raise InputError("state or text holds NaN or infinity; the policy needs finite inputs")
    return real


def pixels(images: np.ndarray) -> np.ndarray:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W] in steps of PIXEL."""
    return as_image(images).astype(np.float32) * np.float32(PIXEL)


def as_image(images: np.ndarray) -> np.ndarray:
    """uint8 [B, H, W, 3] -> int64 [B, 3, H, W]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.int64)


def check_recorded(recorded: Integers, path: object) -> None:
    """Raises InputError unless a checkpoint holds recorded images, state and text."""
    if missing := {"images", "state", "text"} - set(recorded):
        raise InputError(f"checkpoint {path}: recorded {', '.join(sorted(missing))} missing; retrain it")
