"""Policies that can be trained: their shapes, what is calibrated and what is trained, and how they are measured."""

import dataclasses
import json

import numpy as np
import pytest

pytest.importorskip("optuna", reason="needs the flow environment")
pytest.importorskip("jax", reason="needs the flow environment")

from hwgen.policies import checkpoint  # noqa: E402
from hwgen.policies.batches import Batches  # noqa: E402
from hwgen.policies.config import PolicyConfig, VitFlowConfig  # noqa: E402
from hwgen.policies.demonstrations import Demonstrations  # noqa: E402
from hwgen.policies.loading import load_policy  # noqa: E402
from hwgen.quantize import stages, train_flow  # noqa: E402
from hwgen.quantize.bits import groups  # noqa: E402
from hwgen.runtime.text import TextEncoder  # noqa: E402
from hwgen.search import trained  # noqa: E402
from hwgen.search.hardware import Engine  # noqa: E402
from hwgen.search.shapes import DemoShapes, FlowShapes  # noqa: E402
from hwgen.search.space import Choice, Space  # noqa: E402
from hwgen.search.subject import ERROR, SUCCESS  # noqa: E402
from hwgen.search.trained import Effort, Trained  # noqa: E402

TINY = VitFlowConfig(patch=16, width=16, blocks=1, layers=1, seen=16, hidden=32, time=8, steps=2)


def demonstrations(count=60):
    """Frames of noise; the expert's answers to them are real."""
    rng = np.random.default_rng(0)
    cubes = rng.uniform(-0.1, 0.1, (count, 3, 3)).astype(np.float32)
    images = rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    return Demonstrations(images, np.zeros((count, 3), np.float32), cubes, 10 * np.arange(count, dtype=np.int32) % 60)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A checkpoint of `vit-flow` that nobody trained."""
    file = tmp_path_factory.mktemp("tiny") / "tiny.safetensors"
    words = stages.known_words()
    config = dataclasses.replace(TINY, words=words)
    batches = Batches(demonstrations(), TextEncoder(words), 0)
    weights = train_flow.vit_flow.Weights(seed=1)
    train_flow.vit_flow.network(config, weights)
    recipe = train_flow.Recipe(frames=16)
    policy, _ = train_flow._quantized("tiny", config, weights.arrays, batches, recipe, lambda *call: None)
    graphs = {"encoder": policy.encoder, "head": policy.head}
    checkpoint.save(file, config.to_dict(), graphs, policy.weights, policy.recorded)
    return file


class Watched:
    """A judge that has no objection."""

    def __init__(self):
        self.graphs, self.steps = [], []

    def hardware(self, graph):
        self.graphs.append(graph)
        return Engine("8x8", 1, 1.0, 0.1, {})

    def training(self, step, steps, error):
        self.steps.append((step, steps, error))


def subject(file, space, **effort):
    return Trained(load_policy(file), space, ERROR, Effort(**{"frames": 8, **effort}), "fingerprint")


def test_a_calibrated_choice_is_measured_against_the_expert(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "demonstrations", lambda *given: demonstrations())
    of, judge = subject(tiny, Space()), Watched()
    (choice, _) = of.first()
    assert set(choice.bits.values()) == {8} and (choice.width, choice.depth, choice.chunk) == (1, 1, 8)
    outcome = of.run(choice, tmp_path / "no.safetensors", judge, lambda *call: None)
    assert 0 < outcome.quality < 2 and outcome.file is None and len(judge.graphs) == 1 and not judge.steps
    file = of.write(choice, None, tmp_path, lambda *call: None)
    assert file.name == "best.onnx" and file.is_file()


def test_another_shape_is_judged_then_trained_from_the_checkpoint(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(stages, "demonstrations", lambda *given: demonstrations())
    monkeypatch.setattr(trained, "_scaled", lambda recipe, budget: train_flow.Recipe(64, 4, 4, frames=8, evaluate=0))
    of, judge = subject(tiny, Space(chunk=(4, 8))), Watched()
    layers = of.shapes.layers(TINY)
    choice = Choice(dict.fromkeys(layers, 8) | {layers[0]: 4}, 1.0, 1, 4)
    outcome = of.run(choice, tmp_path / "trials" / "t.safetensors", judge, lambda *call: None)
    made = load_policy(outcome.file)
    assert made.config.chunk == 4 == made.config.execute and made.config.bits == choice.bits
    assert judge.steps[-1][:2] == (4, 4) and len(judge.graphs) == 2
    assert {t.shape for t in judge.graphs[0].tensors.values()} == {t.shape for t in judge.graphs[1].tensors.values()}
    kept, warm = made.weights["vit0.q"][0], of.policy.weights["vit0.q"][0]
    assert np.abs(kept - warm).max() < 0.1 < np.abs(warm).max(), "it began with the checkpoint's weights"
    assert of.write(choice, outcome.file, tmp_path, lambda *call: None).name == "best.safetensors"


def test_the_demos_layers_are_those_of_its_float_network():
    for name in ("demo", "demo-nonorm"):
        policy = load_policy(name)
        found = [layer.removesuffix(".fc") for layer in groups(policy.network())]
        assert sorted(DemoShapes().layers(policy.config)) == sorted(found)


def test_vit_flows_layers_are_those_of_its_checkpoint():
    policy = load_policy("vit-flow")
    assert FlowShapes().layers(policy.config) == list(groups(policy.network()))


@pytest.mark.parametrize(
    ("shapes", "own"), [(DemoShapes(), PolicyConfig()), (FlowShapes(), VitFlowConfig(layers=3, heads=4))]
)
def test_the_policys_own_shape_is_a_choice(shapes, own):
    same = Choice(width=1.0, depth=shapes.depth(own), chunk=own.chunk)
    assert shapes.scaled(own, same) == own == shapes.scaled(own, Choice())
    small = shapes.scaled(own, Choice(width=0.3, depth=1, chunk=2))
    assert small.chunk == small.execute == 2 and small.blocks == 1 and small.hidden == 80
    assert len(shapes.layers(small)) < len(shapes.layers(own))


def test_identities_tell_searches_apart(tiny):
    one, other = subject(tiny, Space()), subject(tiny, Space(chunk=(4, 8)))
    assert json.loads(json.dumps(one.identity())) == one.identity() != other.identity()
    assert one.identity() != subject(tiny, Space(), budget=0.5).identity()


@pytest.mark.full
@pytest.mark.policy
@pytest.mark.xdist_group("train")
def test_a_small_search_of_the_demo_ends_in_a_design(tmp_path, capsys):
    from hwgen import backends
    from hwgen.backends.options import Options
    from hwgen.policies import shipped
    from hwgen.search.command import Request, main

    space = Space(bits=(4, 8), width=(0.5,), depth=(1, 2), chunk=(4,))
    effort = Effort(0.005, scenes=2, frames=8, work=tmp_path / "work")
    file = main(Request("demo", "zcu104", 20.0, tmp_path / "out", space, effort, 3, quality=SUCCESS.name, seed=1))
    assert file.name == "best.safetensors" and "Next: hwgen generate" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "search.json").read_text())
    best = report["trials"][report["best"]]
    assert best["engine"]["us"] <= 20
    graph = shipped.save_part(str(file), tmp_path)
    design = backends.generate(graph, "zcu104", "engine", Options(deadline_us=20.0), tmp_path / "design")
    assert json.loads((design / "report.json").read_text())["predicted_cycles"] == best["engine"]["clocks"]
