"""The policy around an accelerator: the host's parts and the accelerator's together are the whole policy."""

import dataclasses

import numpy as np
import pytest

from hwgen.build.policy_package import VECTORS, PolicyPart, golden_vectors, part_of, policy_part
from hwgen.errors import InputError
from hwgen.graph import Graph, GraphBuilder, golden, qonnx_in
from hwgen.policies.demo import load_demo
from hwgen.policies.embodiment import CONTROL_RATE_HZ, MAX_STEP, STATE_CENTRE, STATE_SCALE, normalize_state
from hwgen.policies.loading import load_policy
from hwgen.policies.policy import Policy
from hwgen.policies.shipped import PARTS, SHAPES, checkpoint_file, save_part
from hwgen.runtime.layout import parse_tensors
from hwgen.runtime.package_vectors import unpack_texts
from hwgen.runtime.policy_spec import PolicySpec, parse_policy
from hwgen.runtime.text import TextEncoder
from tests.support import cases


def specs(graph: Graph, names: list[str], key: str) -> tuple:
    """The package's entries of these tensors."""
    entries, at = [], 0
    for name in names:
        t = graph.tensors[name]
        entries.append(
            {"name": name, "shape": list(t.shape), "dtype": str(t.dtype.numpy), "scale": float(t.scale), "offset": at,
             "lo": t.dtype.lo, "hi": t.dtype.hi}
        )  # fmt: skip
        at += t.size * t.dtype.numpy.itemsize
    return parse_tensors(entries, key, at, lambda where, reason: AssertionError(f"{where} {reason}"))


def parsed(part: PolicyPart, graph: Graph) -> PolicySpec:
    """The policy as the robot reads it."""
    inputs, outputs = specs(graph, graph.inputs, "inputs"), specs(graph, graph.outputs, "outputs")
    return parse_policy(part.manifest, part.arrays, inputs, outputs, lambda w, r: AssertionError(f"{w} {r}"))


def act(spec: PolicySpec, graph: Graph, observation: dict) -> np.ndarray:
    """What the manifest says must happen to one observation; the accelerator is golden."""
    tensors = {}
    for o in spec.observation:
        x = observation.get(o.name, o.default)
        if o.kind == "image":
            tensors[o.to] = x.transpose(o.axes)
            continue
        if o.kind == "text":
            real = TextEncoder(o.words.weights, o.words.size, o.words.floor)(x)
        else:
            real = (x - o.mean) / o.std
        steps = np.rint(real / o.tensor.scale.astype(np.float32))
        tensors[o.to] = np.clip(steps, o.tensor.lo, o.tensor.hi).astype(np.int64)
    if spec.before:
        tensors |= spec.before.run({name: tensors[name] for name in spec.before.inputs})
    tensors |= {k: v[0] for k, v in golden.run(graph, {name: tensors[name][None] for name in graph.inputs}).items()}
    if spec.after:
        tensors |= spec.after.run({name: tensors[name] for name in spec.after.inputs})
    a = spec.action
    real = tensors[a.source].astype(np.float32) * a.tensor.scale.astype(np.float32)
    return np.clip(real.reshape(a.shape) * a.std + a.mean, a.low, a.high)


def observations(demo: Policy, count: int, seed: int) -> list[dict]:
    """Recorded frames, some of them changed, at recorded and strayed positions, under all kinds of instructions. Every
    other one has what a robot may leave out (noise)."""
    rng, recorded = np.random.default_rng(seed), demo.recorded
    out = []
    for k in range(count):
        image = recorded["images"][rng.integers(len(recorded["images"]))]
        if k % 3:
            noise = rng.integers(-40, 41, image.shape) * (rng.random(image.shape) < 0.2)
            image = np.clip(image[..., rng.permutation(3)] + noise, 0, 255).astype(np.uint8)
        state = recorded["state"][rng.integers(len(recorded["state"]))] + rng.normal(0, 0.5 * (k % 4), 3)
        position = (state * STATE_SCALE + STATE_CENTRE).astype(np.float32)
        word = "".join(rng.choice(list("abcdefghij"), 4))
        told = ("reach the red cube", "", f"{word} blue {word}x", "GREEN!", f"the {word}")[k % 5]
        more = (x[0].astype(np.float32) for x in demo.drawn(1, rng)) if k % 2 else ()
        out.append(
            {"image": image, "state": position, "instruction": told} | dict(zip(demo.defaults, more, strict=False))
        )
    return out


def whole_policy(demo: Policy, seen: list[dict]) -> np.ndarray:
    """The integer policy's actions in metres."""
    images, state = np.stack([o["image"] for o in seen]), np.stack([o["state"] for o in seen])
    text = np.stack([demo.text_encoder(o["instruction"]) for o in seen])
    more = (np.stack([o.get(name, value) for o in seen]) for name, value in demo.defaults.items())
    return demo.integer_policy()(images, normalize_state(state), text, *more) * np.float32(MAX_STEP)


def exported(name: str, part: str, folder) -> Graph:
    """The part as a backend sees it: through its QONNX file."""
    return qonnx_in.load(save_part(f"{name}:{part}", folder))


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", SHAPES)
def test_both_sides_together_are_the_policy(name, part, tmp_path, seed):
    demo, graph = load_policy(name), exported(name, part, tmp_path)
    spec = parsed(policy_part(name, graph), graph)
    assert (spec.before is None, spec.after is None) == (part != "head", part != "encoder")
    seen = observations(demo, cases(200 if name != "vit-flow" else 30, 2000), seed)
    np.testing.assert_array_equal(np.stack([act(spec, graph, o) for o in seen]), whole_policy(demo, seen))


@pytest.mark.parametrize("name, part", [*(("demo", part) for part in PARTS), ("vit-flow", "whole")])
def test_golden_vectors(name, part, tmp_path):
    graph = exported(name, part, tmp_path)
    made = policy_part(name, graph)
    spec, vectors = parsed(made, graph), made.selftest
    assert {len(a) for a in vectors.values()} == {VECTORS}
    told = unpack_texts(vectors["instruction"])
    assert len(set(told)) == VECTORS
    for k, instruction in enumerate(told):
        observation = {o.name: vectors[o.name][k] for o in spec.observation} | {"instruction": instruction}
        np.testing.assert_array_equal(act(spec, graph, observation), vectors["action"][k])
    assert np.abs(vectors["action"]).max() > 0.01
    assert np.abs(vectors["action"]).max() <= MAX_STEP
    assert vectors["action"].dtype == np.float32


def test_what_the_manifest_says(tmp_path):
    demo, graph = load_demo(), exported("demo", "head", tmp_path)
    spec = parsed(policy_part("demo", graph), graph)
    assert (spec.name, spec.chunk, spec.execute, spec.rate_hz) == ("demo", 8, 4, CONTROL_RATE_HZ)
    np.testing.assert_array_equal(spec.safe_action, np.zeros(3))
    assert spec.action.unit == ("m", "m", "m")
    np.testing.assert_array_equal(spec.action.high, np.full(3, 0.015, np.float32))
    words = next(o.words for o in spec.observation if o.kind == "text")
    assert (words.size, words.weights) == (demo.config.text, demo.config.words)


def test_a_checkpoint_of_ones_own(tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(checkpoint_file("demo-nonorm").read_bytes())
    made = policy_part(file, exported("demo-nonorm", "head", tmp_path))
    assert made.manifest["name"] == "mine"


def test_names_of_the_accelerator_may_be_ours(tmp_path):
    """An accelerator whose tensors are called like an observation's."""
    demo = load_demo()
    head = demo.head
    names = {head.inputs[0]: "state", head.outputs[0]: "text"}
    graph = Graph("head", ["state"], ["text"])
    graph.tensors = {names.get(n, n): dataclasses.replace(t, name=names.get(n, n)) for n, t in head.tensors.items()}
    graph.nodes = [
        dataclasses.replace(n, inputs=tuple(names.get(i, i) for i in n.inputs), output=names.get(n.output, n.output))
        for n in head.nodes
    ]
    spec = parsed(policy_part("demo", graph.validate()), graph)
    seen = observations(demo, 3, 0)
    np.testing.assert_array_equal(np.stack([act(spec, graph, o) for o in seen]), whole_policy(demo, seen))


def test_another_graph_is_refused(tmp_path):
    with pytest.raises(InputError, match="neither policy 'demo' nor its head nor its encoder"):
        policy_part("demo", exported("demo-nonorm", "head", tmp_path))


def test_a_graph_of_any_size_may_be_asked_about():
    b = GraphBuilder("huge")
    x = b.input("x", (64, 2048, 1024), 8, True, 1.0)
    b.output(b.requantize(x, 8, True, 2.0), "y")
    with pytest.raises(InputError, match="neither policy 'demo' nor its head"):
        policy_part("demo", b.build())


@pytest.mark.parametrize("change", ["weight", "scale", "clamp"])
def test_one_changed_number_is_another_graph(change, tmp_path):
    demo, graph = load_demo(), exported("demo", "head", tmp_path)
    assert part_of(demo, graph, "demo") == "head"
    if change == "weight":
        node = graph.nodes[0]
        node.weight = node.weight.copy()
        node.weight[5, 7] ^= 1
    elif change == "scale":
        graph.tensors[graph.outputs[0]].scale *= 2
    else:
        graph.nodes[-1].lo += 1
    with pytest.raises(InputError, match="neither"):
        part_of(demo, graph, "demo")


@pytest.mark.policy
@pytest.mark.xdist_group("robot")
def test_the_rate_is_the_simulated_robots():
    from hwgen.evaluate.robot.scene import ReachWorld

    world = ReachWorld()
    assert 1 / world._sim.dt == pytest.approx(CONTROL_RATE_HZ)
    world.close()


def test_any_number_of_vectors():
    assert len(golden_vectors(load_demo(), 30)["image"]) == 30
