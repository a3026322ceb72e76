"""A policy that can be trained here: its shape and its bits, judged by what the simulated robot does with it.

A choice with the checkpoint's own shape is calibrated, all others are trained, quantization-aware where the policy's
training is; layers that have the checkpoint's shapes begin with its weights.
"""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen.graph import Graph
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import Act, IntegerPolicy, Policy, Shape
from hwgen.quantize.bits import groups
from hwgen.quantize.post import Options, quantize
from hwgen.quantize.train import TRAININGS
from hwgen.search import measures
from hwgen.search import space as spaces
from hwgen.search.shapes import SHAPES
from hwgen.search.space import Choice, Space
from hwgen.search.subject import SUCCESS, Judge, Outcome, Quality, Say

if TYPE_CHECKING:
    import optuna

FEWEST = 64
"""Episodes of demonstrations that a training has at least."""


@dataclass(frozen=True)
class Effort:
    """budget: of each training, as a share of `hwgen train`'s. scenes: that success is counted over. frames: that
    scales are set from in calibration. work: where demonstrations are kept."""

    budget: float = 0.05
    scenes: int = 50
    frames: int = 64
    work: Path = Path("build/train")


class Trained:
    """policy: the checkpoint to begin with. quality: SUCCESS or ERROR."""

    def __init__(self, policy: Policy, space: Space, quality: Quality, effort: Effort, source: str) -> None:
        self.name, self.policy, self.quality, self.effort, self.source = policy.name, policy, quality, effort, source
        self.shapes, own = SHAPES[type(policy.config)], policy.config
        self.depth = self.shapes.depth(own)
        self.space = dataclasses.replace(space, width=space.width or (1.0,), depth=space.depth or (self.depth,),
                                         chunk=space.chunk or (own.chunk,))  # fmt: skip

    def identity(self) -> dict[str, object]:
        """The checkpoint's fingerprint, the space, and what is done in a trial."""
        space = {k: list(v) for k, v in dataclasses.asdict(self.space).items()}
        effort = {"budget": self.effort.budget, "scenes": self.effort.scenes, "frames": self.effort.frames}
        return {"policy": self.name, "source": self.source, "quality": self.quality.name} | space | effort

    def first(self) -> list[Choice]:
        """The policy's own shape, or the nearest to it, every layer with the same bits."""
        return [self._uniform(self._nearest(), bits) for bits in sorted(self.space.bits, reverse=True)]

    def smallest(self) -> tuple[Graph, str]:
        """The least of everything."""
        s = self.space
        choice = self._uniform(Choice(width=min(s.width), depth=min(s.depth), chunk=min(s.chunk)), min(s.bits))
        own = self._own(choice)
        graph = self._calibrated(choice, lambda *_: None) if own else self.shapes.untrained(self._config(choice))
        return graph, f"the smallest {self.name} of this search ({choice.text})"

    def ask(self, trial: optuna.Trial) -> Choice:
        """Shape first, for it says which layers there are."""
        shape = spaces.shape(trial, self.space)
        return dataclasses.replace(shape, bits=spaces.bits(trial, self.space, self._layers(shape)))

    def choice(self, parameters: dict[str, float | int]) -> Choice:
        """Of a finished trial."""
        shape = Choice(width=parameters["width"], depth=int(parameters["depth"]), chunk=int(parameters["chunk"]))
        return dataclasses.replace(shape, bits={n: int(parameters[f"bits.{n}"]) for n in self._layers(shape)})

    def run(self, choice: Choice, keep: Path, judge: Judge, say: Say) -> Outcome:
        """Calibrate or train, compile, let the robot move."""
        config = self._config(choice)
        if self._own(choice):
            graph = self._calibrated(choice, say)
            engine = judge.hardware(graph)
            return Outcome(self._measured(IntegerPolicy(self.policy, graph), self.policy.config, say), engine)
        judge.hardware(self.shapes.untrained(config))
        self._train(config, keep, judge, say)
        policy = load_policy(keep)
        engine = judge.hardware(policy.whole())
        return Outcome(self._measured(policy.integer_policy(), policy.config, say), engine, keep)

    def write(self, choice: Choice, trained: Path | None, folder: Path, say: Say) -> Path:
        """`best.safetensors`, the checkpoint that was trained, or `best.onnx`, calibrated again."""
        from hwgen.graph import qonnx_out

        for stale in ("best.onnx", "best.safetensors"):
            (folder / stale).unlink(missing_ok=True)
        if trained is not None:
            return Path(shutil.copyfile(trained, folder / "best.safetensors"))
        file = folder / "best.onnx"
        qonnx_out.save(self._calibrated(choice, say), file)
        return file

    def _config(self, choice: Choice) -> Shape:
        return dataclasses.replace(self.shapes.scaled(self.policy.config, choice), bits=dict(choice.bits))

    def _layers(self, shape: Choice) -> list[str]:
        return self.shapes.layers(self.shapes.scaled(self.policy.config, shape))

    def _uniform(self, shape: Choice, bits: int) -> Choice:
        return dataclasses.replace(shape, bits=dict.fromkeys(self._layers(shape), bits))

    def _nearest(self) -> Choice:
        s = self.space
        return Choice(
            width=min(s.width, key=lambda w: abs(w - 1)), depth=min(s.depth, key=lambda d: abs(d - self.depth)),
            chunk=min(s.chunk, key=lambda c: abs(c - self.policy.config.chunk)),
        )  # fmt: skip

    def _own(self, choice: Choice) -> bool:
        """Whether this is the checkpoint's shape."""
        return (choice.width, choice.depth, choice.chunk) == (1, self.depth, self.policy.config.chunk)

    def _calibrated(self, choice: Choice, say: Say) -> Graph:
        network = self.policy.network()
        bits = {name: choice.bits[name.removesuffix(".fc")] for name in groups(network)}
        return quantize(network, self.policy.calibration(self.effort.frames), Options(bits), say).graph

    def _train(self, config: Shape, keep: Path, judge: Judge, say: Say) -> None:
        training = TRAININGS[type(config)]
        keep.parent.mkdir(parents=True, exist_ok=True)
        training.train(
            keep, _scaled(training.Recipe(), self.effort.budget), self.effort.work, shape=config,
            progress=lambda stage, done, total, _: say(stage, done, total), warm=self.policy.weights,
            watch=judge.training,
        )  # fmt: skip

    def _measured(self, act: Act, config: Shape, say: Say) -> float:
        if self.quality is SUCCESS:
            return measures.success(act, config, self.effort.scenes, say)
        return measures.error(act, config, self.effort.work, say)


def _scaled(recipe, budget: float):
    """A training's recipe with this share of its frames or steps, and nothing evaluated behind it."""
    steps = {"steps": max(1, round(budget * recipe.steps))} if hasattr(recipe, "steps") else {}
    return dataclasses.replace(recipe, episodes=max(FEWEST, round(budget * recipe.episodes)), evaluate=0, **steps)
