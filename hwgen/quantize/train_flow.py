"""Training of `vit-flow`: demonstrations, float training in JAX, quantization after it, a short evaluation.

Same seed, same result (to the float rounding of the machine's kernels).
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import qonnx_in, qonnx_out
from hwgen.policies import checkpoint, compose, vit_flow
from hwgen.policies.batches import Batches
from hwgen.policies.config import VitFlowConfig
from hwgen.policies.policy import pixels
from hwgen.policies.vit_flow_policy import VitFlow
from hwgen.quantize import stages
from hwgen.quantize.fitting import FloatWeights
from hwgen.quantize.post import Options, quantize
from hwgen.runtime.text import TextEncoder


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How much to do. episodes come to about eight frames each; steps of `batch` frames, see flow_matching.Training;
    frames: that scales and biases are set from; evaluate: episodes."""

    episodes: int = 6400
    steps: int = 6000
    batch: int = 64
    rate: float = 2e-3
    frames: int = 256
    seed: int = 0
    evaluate: int = 100


QUICK = Recipe(episodes=64, steps=40, batch=16, frames=16, evaluate=4)
"""A trial that shows that everything works; its policy does not."""


def train(
    out: Path,
    recipe: Recipe | None = None,
    work: Path = Path("build/train"),
    progress: stages.Progress | None = None,
    shape: VitFlowConfig | None = None,
    warm: FloatWeights | None = None,
    watch: stages.Watch | None = None,
) -> dict:
    """Make a policy's checkpoint at `out` and return a report (plain numbers).

    shape: the policy's sizes and bits; the words are found here. work, progress, warm, watch: as in train_demo. Raises
    InputError when JAX or panda-gym are missing.
    """
    try:
        from hwgen.quantize import flow_matching
    except ModuleNotFoundError as error:
        raise InputError(f"training needs {error.name}, which is not installed; pip install 'hwgen[flow]'") from None
    recipe, start, say = recipe or Recipe(), time.time(), progress or (lambda *_: None)
    demos = stages.demonstrations(recipe.episodes, recipe.seed + 1, work, say)
    config = dataclasses.replace(shape or VitFlowConfig(), words=stages.known_words())
    batches = Batches(demos, TextEncoder(config.words), recipe.seed, config.chunk)
    report = {"frames": len(demos.images), "collect_s": round(time.time() - start)}
    training = flow_matching.Training(recipe.steps, recipe.batch, rate=recipe.rate)
    trainer = flow_matching.Trainer(config, training, recipe.seed, warm)
    report["float_error"] = round(flow_matching.fit(trainer, batches, lambda *a: say("float", *a), watch), 5)
    report["train_s"] = round(time.time() - start)
    policy, report["action_db"] = _quantized(out.stem, config, trainer.weights(), batches, recipe, say)
    graphs = {"encoder": policy.encoder, "head": policy.head}
    checkpoint.save(out, config.to_dict(), graphs, policy.weights, policy.recorded)
    report["bytes"] = out.stat().st_size
    report |= stages.evaluate(policy, recipe.evaluate, say)
    report["total_s"] = round(time.time() - start)
    return report


def _quantized(name: str, config: VitFlowConfig, weights: dict[str, list[np.ndarray]], batches: Batches, recipe: Recipe,
               say: stages.Progress) -> tuple[VitFlow, float]:  # fmt: skip
    """The policy with weights of its config's bits, and its actions' signal-to-noise ratio in dB. Quantized is what the
    checkpoint keeps of the weights, which is float16."""
    kept = {layer: [a.astype(np.float16).astype(np.float32) for a in arrays] for layer, arrays in weights.items()}
    network = vit_flow.network(config, vit_flow.Weights(kept))
    rng = np.random.default_rng(recipe.seed)
    rows = rng.choice(batches.train, min(recipe.frames, len(batches.train)), replace=False)
    seen = batches.label(rows, rng)
    data = {"image": pixels(seen.images[..., seen.permutation]), "state": seen.state, "text": seen.text,
            "noise": vit_flow.noise((len(rows), config.action), rng)}  # fmt: skip
    result = quantize(network, data, Options(config.bits or 8), lambda stage, done, total: say(stage, done, total, ""))
    parts = compose.split(result.graph, vit_flow.SEAM)
    encoder, head = (qonnx_in.load(qonnx_out.to_model(part)) for part in parts)  # as backends will read them
    policy = VitFlow(name, encoder, head, config, kept, stages.recorded(batches))
    return policy, round(result.outputs[0].sqnr, 1)
