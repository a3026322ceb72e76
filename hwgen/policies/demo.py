"""The trained demo policy: its two integer graphs, its float twin, and recorded observations. No TensorFlow needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph, run
from hwgen.policies import checkpoint, compose, float_network
from hwgen.policies.config import PolicyConfig
from hwgen.policies.float_forward import FloatPolicy
from hwgen.policies.policy import Integers, Policy, as_image, check_recorded, finite
from hwgen.policies.shipped import checkpoint_file, path_of
from hwgen.quantize.floats import FloatGraph

CHECKPOINT = checkpoint_file("demo")
Runner = Callable[[Integers], Integers]


@dataclass
class Demo(Policy):
    """encoder: image uint8 [3, 64, 64], text int8 [E] -> features int8 [F]. head: vector int8 [F + S + E] -> action
    int8 [chunk * 3]."""

    config: PolicyConfig
    method = "QAT"

    def network(self) -> FloatGraph:
        """`float_policy` as one network."""
        return float_network.network(self)

    @property
    def float_policy(self) -> FloatPolicy:
        """The float model (weights stored as float16)."""
        return FloatPolicy(self.config, self.weights)

    def integer_policy(self, head_runner: Runner | None = None, encoder_runner: Runner | None = None) -> IntegerPolicy:
        """The quantized policy. A runner takes and gives {tensor name: integers [B, ...]}; default: golden."""
        return IntegerPolicy(self, head_runner, encoder_runner)

    def whole(self) -> Graph:
        """Both parts as one graph: image, text and state in, action out."""
        return compose.whole(self, "image", "state", "text", "action")

    def before_head(self, names: dict[str, str]) -> Graph:
        """The encoder, and the vector of what it makes, state and text."""
        return compose.before_head(self, *(names[role] for role in ("image", "state", "text", "seam")))

    def after_encoder(self, names: dict[str, str]) -> Graph:
        """The vector of the features, state and text, and the head."""
        return compose.after_encoder(self, *(names[role] for role in ("seam", "state", "text", "action")))

    def integers(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> Integers:
        """The whole policy's inputs, int64: image [B, 3, 64, 64], text and state on the grid of the head's vector."""
        return {"image": as_image(images), "text": self._quantize(text), "state": self._quantize(state)}

    def part_inputs(self, part: str, inputs: Integers) -> Integers:
        """What a part reads; the head a vector."""
        if part != "head":
            return super().part_inputs(part, inputs)
        features = run(self.encoder, {name: inputs[name] for name in self.encoder.inputs})
        return {self.head.inputs[0]: self.vector(features, inputs)}

    def vector(self, features: Integers, inputs: Integers) -> np.ndarray:
        """The head's int8 input [B, vector]: the encoder's features, then state and text on the same grid."""
        parts = features[self.encoder.outputs[0]], inputs["state"], inputs["text"]
        return np.concatenate(parts, axis=1).astype(np.int8)

    def _quantize(self, real: np.ndarray) -> np.ndarray:
        """float -> int8 on the vector's grid, rounded half to even, saturated."""
        steps = np.round(finite(real) / np.float32(self.config.vector_scale))
        return np.clip(steps, -128, 127).astype(np.int64)


class IntegerPolicy:
    """images uint8 [B, 64, 64, 3], state float32 [B, S], text float32 [B, E] -> actions float32 [B, chunk, 3]."""

    def __init__(self, demo: Demo, head_runner: Runner | None, encoder_runner: Runner | None) -> None:
        self.demo = demo
        self._head = head_runner or (lambda inputs: run(demo.head, inputs))
        self._encode = encoder_runner or (lambda inputs: run(demo.encoder, inputs))
        self._action_scale = float(demo.head.tensors[demo.head.outputs[0]].scale)

    def vectors(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        """The head's int8 input [B, vector]."""
        inputs = self.demo.integers(images, state, text)
        return self.demo.vector(self._encode({name: inputs[name] for name in self.demo.encoder.inputs}), inputs)

    def __call__(self, images: np.ndarray, state: np.ndarray, text: np.ndarray) -> np.ndarray:
        vectors = self.vectors(images, state, text)
        outputs = self._head({self.demo.head.inputs[0]: vectors})
        actions = np.asarray(outputs[self.demo.head.outputs[0]], np.float32) * np.float32(self._action_scale)
        return actions.reshape(len(images), self.demo.config.chunk, 3)


def load_demo(path: Path | str | None = None) -> Demo:
    """Load a checkpoint of this kind: a path, or the name of one that comes along (default: the demo). Raises
    InputError if it is missing, damaged or wrong."""
    path = path_of(path or CHECKPOINT)
    return from_checkpoint(path, *checkpoint.load(path))


def from_checkpoint(path: Path, values: dict, graphs: dict[str, Graph], weights: dict, extra: Integers) -> Demo:
    """The policy that a checkpoint of this kind holds. Raises InputError if it contradicts itself."""
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
    check_recorded(demo.recorded, path)
