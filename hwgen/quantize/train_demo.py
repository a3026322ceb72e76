"""Training of the demo policy: demonstrations, float, quantization-aware, export, a short evaluation.

One command, one checkpoint: same seed and same thread count, same result (to the float rounding of the machine's
kernels). Runs in well under an hour on two cores.
"""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.policies import checkpoint
from hwgen.policies.batches import Batches
from hwgen.policies.config import PolicyConfig
from hwgen.policies.demo import load_demo
from hwgen.quantize import stages
from hwgen.quantize.fitting import FloatWeights
from hwgen.runtime.text import TextEncoder


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How much to do. frames come to about eight per episode; an epoch is one pass over them."""

    episodes: int = 6400
    float_epochs: float = 8.0
    quant_epochs: float = 4.0
    batch: int = 128
    float_rate: float = 2e-3
    quant_rate: float = 5e-4
    seed: int = 0
    evaluate: int = 100


QUICK = Recipe(episodes=64, float_epochs=2.0, quant_epochs=1.0, batch=32, evaluate=4)
"""A few minutes' run that shows that everything works; its policy does not."""


def use_tensorflow(threads: int = 2) -> None:
    """Make TensorFlow Keras' backend, silent and with so many threads. Raises InputError where it is missing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import tensorflow as tf
    except ImportError:
        raise InputError("training needs TensorFlow and QKeras; pip install 'hwgen[flow]'") from None
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        pass  # TensorFlow already runs, with the threads it has


def train(
    out: Path,
    recipe: Recipe | None = None,
    work: Path = Path("build/train"),
    threads: int = 2,
    progress: stages.Progress | None = None,
    shape: PolicyConfig | None = None,
    warm: FloatWeights | None = None,
    watch: stages.Watch | None = None,
) -> dict:
    """Make a policy's checkpoint at `out` and return a report (plain numbers).

    shape: the policy's sizes, default the demo's; number formats and words are found here. work: where demonstrations
    are kept; a second run with the same recipe reuses them. progress(stage, done, total, text). warm: another policy's
    float weights, that layers of the same name and shapes begin with. watch: told of the float training. Raises
    InputError when TensorFlow or panda-gym are missing, or when the quantized graph is not the model's equal.
    """
    recipe, start = recipe or Recipe(), time.time()
    say = progress or (lambda *_: None)
    use_tensorflow(threads)
    import keras

    keras.utils.set_random_seed(recipe.seed)
    demos = stages.demonstrations(recipe.episodes, recipe.seed + 1, work, say)
    config = dataclasses.replace(shape or PolicyConfig(), words=stages.known_words())
    batches = Batches(demos, TextEncoder(config.words), recipe.seed, config.chunk)
    again = Batches(demos, TextEncoder(config.words), recipe.seed, config.chunk)  # each stage starts at the first batch
    report = {"frames": len(demos.images), "collect_s": round(time.time() - start)}

    float_parts, report["float_error"] = _fit_float(config, batches, recipe, say, warm or {}, watch)
    config, quant_parts, report["quant_error"] = _fit_quantized(config, float_parts, again, recipe, say)
    report["train_s"] = round(time.time() - start)
    _export(out, config, float_parts, quant_parts, batches)
    report["mismatches"] = _compare(out, quant_parts)
    report["bytes"] = out.stat().st_size
    report |= stages.evaluate(load_demo(out), recipe.evaluate, say)
    report["total_s"] = round(time.time() - start)
    return report


def _steps(batches, epochs: float, batch: int) -> int:
    return max(1, int(epochs * len(batches.train) / batch))


def _fit_float(config, batches, recipe, say, warm, watch):
    from hwgen.policies import models
    from hwgen.quantize import cloning, fold

    kit = models.FloatKit(config)
    encoder, head = models.build_encoder(config, kit), models.build_head(config, kit)
    if warm:
        image, permutation, _, text, *_ = batches.label(batches.train[: recipe.batch], np.random.default_rng(3))
        fold.unfold(encoder, warm, [image[..., permutation].astype(np.float32) / 256.0, text])
        fold.unfold(head, warm)
    policy = models.join(encoder, head, config)
    steps = _steps(batches, recipe.float_epochs, recipe.batch)
    error = cloning.fit(
        policy, batches, steps, recipe.batch, recipe.float_rate, lambda *a: say("float", *a), watch
    )  # fmt: skip
    return (encoder, head), round(error, 5)


def _fit_quantized(config, float_parts, batches, recipe, say):
    from hwgen.policies import models
    from hwgen.quantize import cloning, fold

    config = dataclasses.replace(config, integers=_ranges(float_parts, batches))
    kit = models.QatKit(config)
    parts = models.build_encoder(config, kit), models.build_head(config, kit)
    for source, target in zip(float_parts, parts, strict=True):
        fold.load_folded(target, fold.folded_weights(source))
    steps = _steps(batches, recipe.quant_epochs, recipe.batch)
    policy = models.join(*parts, config)
    error = cloning.fit(policy, batches, steps, recipe.batch, recipe.quant_rate, lambda *a: say("quantize", *a))
    return config, parts, round(error, 5)


def _ranges(float_parts, batches) -> dict[str, int]:
    """Integer bits of every activation, measured on about a thousand training frames."""
    from hwgen.quantize import fold

    encoder, head = float_parts
    rows = batches.train[:: max(1, len(batches.train) // 1024)]
    image, permutation, state, text, *_ = batches.label(rows, np.random.default_rng(3))
    inputs = [image[..., permutation].astype(np.float32) / 256.0, text]
    vector = np.concatenate([np.asarray(encoder(inputs)), state, text], axis=1)
    return fold.integer_bits(encoder, inputs) | fold.integer_bits(head, [vector])


def _export(out: Path, config, float_parts, quant_parts, batches) -> None:
    from hwgen.frontends.keras_qkeras import to_graph
    from hwgen.quantize import fold

    weights = {name: parts for model in float_parts for name, parts in fold.folded_weights(model).items()}
    graphs = {"encoder": to_graph(quant_parts[0], "encoder"), "head": to_graph(quant_parts[1], "head")}
    checkpoint.save(out, config.to_dict(), graphs, weights, stages.recorded(batches))


def _compare(out: Path, quant_parts) -> int:
    """Actions on the recorded frames that differ between the Keras model and the exported graphs: must be 0."""
    demo = load_demo(out)
    images, state = demo.recorded["images"], demo.recorded["state"]
    text = demo.recorded["text"][: len(images)]
    images, state = images[: len(text)], state[: len(text)]
    encoder, head = quant_parts
    features = np.asarray(encoder([images.astype(np.float32) / 256.0, text]))
    expected = np.asarray(head(np.concatenate([features, state, text], axis=1)))
    found = demo.integer_policy()(images, state, text).reshape(expected.shape)
    mismatches = int((expected != found).sum())
    if mismatches:
        raise InputError(f"{mismatches} actions of the exported graph differ from the Keras model's; report this")
    return mismatches
