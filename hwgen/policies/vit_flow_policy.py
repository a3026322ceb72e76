"""The trained policy `vit-flow`: its graphs of integers, its float network, and the noise that it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.policies import compose, vit_flow
from hwgen.policies.config import VitFlowConfig
from hwgen.policies.policy import Integers, Policy, check_recorded
from hwgen.quantize.floats import FloatGraph


@dataclass
class VitFlow(Policy):
    """encoder: image uint8 [3, 64, 64], state int8 [S], text int8 [E] -> seen int8. head: seen, noise int8 [chunk * 3]
    -> action int8 [chunk * 3]. Each input has a grid of its own."""

    config: VitFlowConfig

    def network(self) -> FloatGraph:
        """The float model; `vit_flow.network`."""
        return vit_flow.network(self.config, vit_flow.Weights(self.weights))

    @property
    def defaults(self) -> dict[str, np.ndarray]:
        """The noise that is taken where none is given: none, the middle of all noises."""
        return {"noise": np.zeros(self.config.action, np.float32)}

    def drawn(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray]:
        """Noise [count, chunk * 3]."""
        return (vit_flow.noise((count, self.config.action), rng),)

    def whole(self) -> Graph:
        """image, state, text and noise in, action out."""
        return compose.chain(self.encoder, self.head, self.name)

    def before_head(self, names: dict[str, str]) -> Graph:
        """The encoder."""
        return self._part("encoder", names, "before")

    def after_encoder(self, names: dict[str, str]) -> Graph:
        """The head."""
        return self._part("head", names, "after")

    def _part(self, part: str, names: dict[str, str], name: str) -> Graph:
        own = names | {self.encoder.outputs[0]: names["seam"]}
        return compose.renamed(self.part(part), own, part, name)


def from_checkpoint(path: Path, values: dict, graphs: dict[str, Graph], weights: dict, extra: Integers) -> VitFlow:
    """The policy that a checkpoint of this kind holds. Raises InputError if it contradicts itself."""
    config = VitFlowConfig.from_dict(values)
    if set(graphs) != {"encoder", "head"}:
        raise InputError(f"checkpoint {path} holds the graphs {sorted(graphs)}, not an encoder and a head; retrain it")
    policy = VitFlow(path.stem, graphs["encoder"], graphs["head"], config, weights, extra)
    check_recorded(extra, path)
    network, whole = policy.network(), policy.whole()  # raises InputError for float weights of other shapes
    found, wanted = ({name: whole.tensors[name].shape for name in whole.inputs}, network.inputs)
    if found != wanted:
        raise InputError(f"checkpoint {path}: its graphs read {found}, its config says {wanted}; retrain it")
    return policy
