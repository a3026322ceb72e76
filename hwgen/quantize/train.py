"""`hwgen train`: demonstrations, float training, quantization-aware training, export, a short evaluation.

One command, one checkpoint: same seed and same thread count, same result (to the float rounding of the machine's
kernels). Runs in well under an hour on two cores.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen.errors import InputError
from hwgen.policies import checkpoint
from hwgen.policies.config import PolicyConfig
from hwgen.policies.demo import load_demo
from hwgen.policies.shipped import SHAPES, checkpoint_file
from hwgen.policies.text import informativeness
from hwgen.runtime.text import TextEncoder

Progress = Callable[[str, int, int, str], None]
RECORDED = 24  # frames kept in the checkpoint, for bit-exact checks on real inputs


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


def _tensorflow(threads: int) -> None:
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
    progress: Progress | None = None,
    shape: PolicyConfig | None = None,
) -> dict:
    """Make a policy's checkpoint at `out` and return a report (plain numbers).

    shape: the policy's sizes, default the demo's; number formats and words are found here. work: where demonstrations
    are kept; a second run with the same recipe reuses them. progress(stage, done, total, text). Raises InputError when
    TensorFlow or panda-gym are missing, or when the quantized graph is not the model's equal.
    """
    recipe, start = recipe or Recipe(), time.time()
    say = progress or (lambda *_: None)
    _tensorflow(threads)
    import keras

    from hwgen.policies.embodiment import COLOURS
    from hwgen.policies.instructions import TRAIN_TEMPLATES
    from hwgen.quantize import cloning

    keras.utils.set_random_seed(recipe.seed)
    demos = _demonstrations(recipe, work, say)
    config = dataclasses.replace(shape or PolicyConfig(), words=informativeness(TRAIN_TEMPLATES, COLOURS))
    batches = cloning.Batches(demos, TextEncoder(config.words), recipe.seed)
    again = cloning.Batches(demos, TextEncoder(config.words), recipe.seed)  # each stage starts at the first batch
    report = {"frames": len(demos.images), "collect_s": round(time.time() - start)}

    float_parts, report["float_error"] = _fit_float(config, batches, recipe, say)
    config, quant_parts, report["quant_error"] = _fit_quantized(config, float_parts, again, recipe, say)
    report["train_s"] = round(time.time() - start)
    _export(out, config, float_parts, quant_parts, batches)
    report["mismatches"] = _compare(out, quant_parts)
    report["bytes"] = out.stat().st_size
    report |= _evaluate(out, recipe, say)
    report["total_s"] = round(time.time() - start)
    return report


def _demonstrations(recipe: Recipe, work: Path, say: Progress):
    from hwgen.policies.demonstrations import Demonstrations, collect

    seed = recipe.seed + 1
    path = work / f"demonstrations_{recipe.episodes}_{seed}.npz"
    if path.exists():
        return Demonstrations.load(path)
    try:
        import panda_gym  # noqa: F401
    except ImportError:
        raise InputError("demonstrations need panda-gym; pip install 'hwgen[flow]'") from None
    demos = collect(recipe.episodes, seed, progress=lambda done, total: say("collect", done, total, ""))
    work.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    demos.save(part)
    os.replace(part, path)
    return demos


def _steps(batches, epochs: float, batch: int) -> int:
    return max(1, int(epochs * len(batches.train) / batch))


def _fit_float(config, batches, recipe, say):
    from hwgen.policies import models
    from hwgen.quantize import cloning

    kit = models.FloatKit(config)
    encoder, head = models.build_encoder(config, kit), models.build_head(config, kit)
    policy = models.join(encoder, head, config)
    steps = _steps(batches, recipe.float_epochs, recipe.batch)
    error = cloning.fit(policy, batches, steps, recipe.batch, recipe.float_rate, lambda *a: say("float", *a))
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
    image, permutation, state, text, _ = batches.label(rows, np.random.default_rng(3))
    inputs = [image[..., permutation].astype(np.float32) / 256.0, text]
    vector = np.concatenate([np.asarray(encoder(inputs)), state, text], axis=1)
    return fold.integer_bits(encoder, inputs) | fold.integer_bits(head, [vector])


def _export(out: Path, config, float_parts, quant_parts, batches) -> None:
    from hwgen.frontends.keras_qkeras import to_graph
    from hwgen.quantize import fold

    weights = {name: parts for model in float_parts for name, parts in fold.folded_weights(model).items()}
    rows = np.random.default_rng(11).choice(batches.held, min(RECORDED, len(batches.held)), replace=False)
    texts = batches.texts.reshape(-1, config.text)
    recorded = {"images": batches.demos.images[rows], "state": batches.state[rows], "text": texts[::40].copy()}
    graphs = {"encoder": to_graph(quant_parts[0], "encoder"), "head": to_graph(quant_parts[1], "head")}
    checkpoint.save(out, config.to_dict(), graphs, weights, recorded)


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


def _evaluate(out: Path, recipe: Recipe, say: Progress) -> dict:
    from hwgen.evaluate.closed_loop import run_episodes, unseen_seeds

    if not recipe.evaluate:
        return {}
    demo, seeds, results = load_demo(out), unseen_seeds(recipe.evaluate), {}
    for name, policy in (("float", demo.float_policy), ("integer", demo.integer_policy())):
        report = run_episodes(
            policy, seeds, execute=demo.config.execute, words=demo.config.words,
            progress=lambda done, total, name=name: say(f"evaluate {name}", done, total, ""),
        )  # fmt: skip
        results[f"{name}_success"] = round(report.success, 4)
    return results


def main(policy: str = "demo", out: Path | None = None, quick: bool = False) -> dict:
    """`hwgen train`: run the recipe, print each stage's progress and the report.

    policy: a name in SHAPES. quick: a trial run to build/train. Raises InputError for an unknown name.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shipped = checkpoint_file(policy)
    out = out or (Path("build/train/quick.safetensors") if quick else shipped)
    columns = TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TextColumn("{task.fields[note]}"), console=Console()) as bars:
        tasks: dict[str, int] = {}

        def show(stage: str, done: int, total: int, note: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total, note="")
            bars.update(tasks[stage], completed=done, note=note)
            if not bars.console.is_terminal:
                bars.console.print(f"{stage} {done}/{total} {note}", highlight=False)

        report = train(out, QUICK if quick else None, progress=show, shape=SHAPES[policy])
    for name, value in report.items():
        print(f"{name:>16} {value}")
    print(f"checkpoint: {out}")
    return report


if __name__ == "__main__":
    main()
