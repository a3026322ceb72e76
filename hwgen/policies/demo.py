"""The trained demo policy: its two integer graphs, its float twin, and recorded observations. No TensorFlow needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph, run
from hwgen.policies import checkpoint
from hwgen.policies.config import PolicyConfig
from hwgen.policies.float_forward import FloatPolicy
from hwgen.policies.shipped import SHAPES, checkpoint_file
from hwgen.runtime.text import TextEncoder

CHECKPOINT = checkpoint_file("demo")
Integers = dict[str, np.ndarray]
Runner = Callable[[Integers], Integers]


@dataclass
class Demo:
    """name: of its checkpoint. encoder: image uint8 [3, 64, 64], text int8 [E] -> features int8 [F]. head: vector int8
    [F + S + E] -> action int8 [chunk * 3]. recorded: images, state and text of some demonstrations."""

    name: str
    encoder: Graph
    head: Graph
    config: PolicyConfig
    weights: dict[str, list[np.ndarray]]
    recorded: Integers

    @property
    def float_policy(self) -> FloatPolicy:
        """The float model (weights stored as float16)."""
        return FloatPolicy(self.config, self.weights)

    @property
    def text_encoder(self) -> TextEncoder:
        return TextEncoder(self.config.words, self.config.text)

    def integer_policy(self, head_runner: Runner | None = None, encoder_runner: Runner | None = None) -> IntegerPolicy:
        """The quantized policy. A runner takes and gives {tensor name: integers [B, ...]}; default: golden."""
        return IntegerPolicy(self, head_runner, encoder_runner)

    def realistic(self, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """`count` realistic frames in batches of at most 64, (images, state, text) as `IntegerPolicy` takes them:
        recorded ones under their instructions, each with random small changes of colour order, state and text, so that
        any number of them is distinct."""
        rng = np.random.default_rng(seed)
        rows = rng.integers(len(self.recorded["images"]), size=count)
        for part in np.array_split(rows, -(-count // 64)) if count else ():
            images = self.recorded["images"][part][..., rng.permutation(3)]
            state = self.recorded["state"][part] + rng.normal(0, 0.3, (len(part), self.config.state))
            text = self.recorded["text"][rng.integers(len(self.recorded["text"]), size=len(part))]
            yield images, state, text + rng.normal(0, 0.1, text.shape)

    def head_vectors(self, count: int, seed: int) -> np.ndarray:
        """The head's inputs of `realistic` frames, int8 [count, vector]."""
        policy = self.integer_policy()
        made = [policy.vectors(*frames) for frames in self.realistic(count, seed)]
        return np.concatenate([np.zeros((0, self.config.vector), np.int8), *made])


class IntegerPolicy:
    """images uint8 [B, 64, 64, 3], state float32 [B, S], text float32 [B, E] -> actions float32 [B, chunk, 3]."""

    def __init__(self, demo: Demo, head_runner: Runner | None, encoder_runner: Runner | None) -> None:
        self.demo = demo
        self._head = head_runner or (lambda inputs: run(demo.head, inputs))
        self._encode = encoder_runner or (lambda inputs: run(demo.encoder, inputs))
        self._action_scale = float(demo.head.tensors[demo.head.outputs[0]].scale)

    def integers(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> Integers:
        """The whole policy's inputs, int64: image [B, 3, 64, 64], text and state on the grid of the head's vector."""
        image = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.int64)
        return {"image": image, "text": self._quantize(text), "state": self._quantize(state)}

    def vectors(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        """The head's int8 input [B, vector]: encoder's features, then state and text on the same grid."""
        inputs = self.integers(images, state, text)
        position, words = inputs.pop("state"), inputs["text"]
        features = self._encode(inputs)[self.demo.encoder.outputs[0]]
        return np.concatenate([features, position, words], axis=1).astype(np.int8)

    def _quantize(self, real: np.ndarray) -> np.ndarray:
        """float -> int8 on the vector's grid, rounded half to even, saturated."""
        real = np.asarray(real, np.float32)
        if not np.isfinite(real).all():
            raise InputError("state or text holds NaN or infinity; the policy needs finite inputs")
        return np.clip(np.round(real / np.float32(self.demo.config.vector_scale)), -128, 127).astype(np.int64)

    def __call__(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        vectors = self.vectors(images, state, text)
        outputs = self._head({self.demo.head.inputs[0]: vectors})
        actions = np.asarray(outputs[self.demo.head.outputs[0]], np.float32) * np.float32(self._action_scale)
        return actions.reshape(len(images), self.demo.config.chunk, 3)


def load_demo(path: Path | str | None = None) -> Demo:
    """Load a policy checkpoint: a path, or the name of one that comes along (default: the demo). Raises InputError if
    it is missing, damaged or wrong."""
    path = CHECKPOINT if path is None else checkpoint_file(path) if path in SHAPES else Path(path)
    values, graphs, weights, extra = checkpoint.load(path)
    config = PolicyConfig.from_dict(values)
    if set(graphs) != {"encoder", "head"}:
        raise InputError(f"checkpoint {path} holds the graphs {sorted(graphs)}, not an encoder and a head; retrain it")
    demo = Demo(path.stem, graphs["encoder"], graphs["head"], config, weights, extra)
    _check(demo, path)
    return demo


def _check(demo: Demo, path: Path) -> None:
    """Config, graphs and float weights must describe the same network."""
    c = demo.config
    expected = {
        "encoder input image": ((3, c.image, c.image), demo.encoder, "image"),
        "encoder input text": ((c.text,), demo.encoder, "text"),
        "encoder output": ((c.features,), demo.encoder, demo.encoder.outputs[0]),
        "head input": ((c.vector,), demo.head, demo.head.inputs[0]),
        "head output": ((c.chunk * 3,), demo.head, demo.head.outputs[0]),
    }
    for what, (shape, graph, name) in expected.items():
        found = graph.tensors[name].shape if name in graph.tensors else None
        if found != shape:
            raise InputError(f"checkpoint {path}: {what} has shape {found}, its config says {shape}; retrain it")
    layers = [f"conv{i}" for i in range(len(c.widths))] + ["inlet", "action"]
    layers += [f"block{i}{part}" for i in range(c.blocks) for part in (("", "_ln") if c.norm else ("",))]
    film = range(len(c.widths) - c.film, len(c.widths))
    layers += [f"film{i}_{part}" for i in film for part in ("scale", "shift")]
    if missing := [layer for layer in layers if len(demo.weights.get(layer, ())) != 2]:
        raise InputError(f"checkpoint {path}: float weights of {', '.join(missing)} are missing; retrain it")
    if missing := {"images", "state", "text"} - set(demo.recorded):
        raise InputError(f"checkpoint {path}: recorded {', '.join(sorted(missing))} missing; retrain it")
