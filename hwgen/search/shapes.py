"""The shapes that a trainable policy may take, the layers that it then has, and its graph before any training."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import Protocol

import numpy as np

from hwgen.graph import Graph
from hwgen.policies import vit_flow
from hwgen.policies.config import PolicyConfig, VitFlowConfig
from hwgen.policies.demo import Demo
from hwgen.quantize import train_demo
from hwgen.quantize.bits import groups
from hwgen.quantize.post import Options, quantize
from hwgen.search.space import Choice

LANES = 8
"""Widths are multiples of this: no array is narrower, and less would leave multipliers idle."""


class Shapes(Protocol):
    """Of a kind of policy; its config is a PolicyConfig or a VitFlowConfig."""

    def depth(self, own) -> int:
        """Blocks of a config."""

    def scaled(self, own, choice: Choice):
        """The config of a choice; own: the one that its width multiplies. Bits are not in it."""

    def layers(self, config) -> list[str]:
        """Names of the layers whose bits may be chosen."""

    def untrained(self, config) -> Graph:
        """The whole policy with weights of no meaning: what the hardware needs to know, exact but for what depends on
        scales."""


class DemoShapes:
    """width: channels of the encoder and the head's hidden layers. depth: blocks of the head."""

    def depth(self, own: PolicyConfig) -> int:
        """The head's blocks."""
        return own.blocks

    def scaled(self, own: PolicyConfig, choice: Choice) -> PolicyConfig:
        """See Shapes."""
        by, chunk = choice.width or 1.0, choice.chunk or own.chunk
        return dataclasses.replace(
            own, widths=tuple(_lanes(by * w) for w in own.widths), hidden=_lanes(by * own.hidden),
            blocks=choice.depth or own.blocks, chunk=chunk, execute=min(own.execute, chunk), bits={}, integers={},
        )  # fmt: skip

    def layers(self, config: PolicyConfig) -> list[str]:
        """As the Keras model names them."""
        convolutions, first = len(config.widths), len(config.widths) - config.film
        film = [f"film{i}_{part}" for i in range(first, convolutions) for part in ("scale", "shift")]
        blocks = [f"block{i}" for i in range(config.blocks)]
        return [*(f"conv{i}" for i in range(convolutions)), *film, "inlet", *blocks, "action"]

    def untrained(self, config: PolicyConfig) -> Graph:
        """The Keras model as it begins, all activations on one grid."""
        train_demo.use_tensorflow()
        import keras

        from hwgen.frontends.keras_qkeras import to_graph
        from hwgen.policies import models

        keras.utils.clear_session()  # models of earlier trials
        config = dataclasses.replace(config, integers=defaultdict(lambda: 2))
        kit = models.QatKit(config)
        encoder, head = models.build_encoder(config, kit), models.build_head(config, kit)
        return Demo("untrained", to_graph(encoder, "encoder"), to_graph(head, "head"), config, {}, {}).whole()


class FlowShapes:
    """width: of tokens, of what the head is told, of its layers. depth: blocks of the transformer and of the head."""

    def depth(self, own: VitFlowConfig) -> int:
        """The transformer's blocks."""
        return own.blocks

    def scaled(self, own: VitFlowConfig, choice: Choice) -> VitFlowConfig:
        """See Shapes."""
        by, chunk = choice.width or 1.0, choice.chunk or own.chunk
        other = choice.depth not in (None, own.blocks)
        depth = {"blocks": choice.depth, "layers": choice.depth} if other else {}
        return dataclasses.replace(
            own, width=_lanes(by * own.width, LANES * own.heads), seen=_lanes(by * own.seen),
            hidden=_lanes(by * own.hidden), chunk=chunk, execute=min(own.execute, chunk), bits={}, **depth,
        )  # fmt: skip

    def layers(self, config: VitFlowConfig) -> list[str]:
        """As the float network names them, the steps of the flow once."""
        return list(groups(self._network(config)))

    def untrained(self, config: VitFlowConfig) -> Graph:
        """The network as it begins, quantized on noise."""
        network, rng = self._network(config), np.random.default_rng(0)
        data = {name: rng.normal(0, 1, (2, *shape)).astype(np.float32) for name, shape in network.inputs.items()}
        data["image"] = np.abs(data["image"]).clip(0, 1)
        return quantize(network, data, Options(config.bits or 8, "minmax", correct=False, compensate=False)).graph

    def _network(self, config: VitFlowConfig):
        return vit_flow.network(config, vit_flow.Weights(seed=0))


SHAPES: dict[type, Shapes] = {PolicyConfig: DemoShapes(), VitFlowConfig: FlowShapes()}
"""By the type of the config."""


def _lanes(width: float, of: int = LANES) -> int:
    """The nearest multiple, at least one."""
    return max(1, round(width / of)) * of
