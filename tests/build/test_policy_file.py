"""A user's own policy, described by a file: what the package says of it, and that a robot computes the same."""

import json

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build.package import package
from hwgen.errors import HwgenError, InputError
from hwgen.graph import GraphBuilder, golden, qonnx_in, qonnx_out
from hwgen.runtime import Accelerator
from hwgen.runtime.package_vectors import unpack_texts
from hwgen.runtime.sim_direct import SimDirect
from hwgen.schedule import compile_graph
from tests.runtime.model import EngineModel

PLAIN = """
name = "reach"
chunk = 4
execute = 2
rate_hz = 20
safe_action = 0.0

[[observation]]
name = "joints"
kind = "vector"
to = "x"
unit = "rad"
mean = 0.25
std = [1.5, 2.0, 1.0, 1.0, 1.0, 0.5]

[action]
unit = ["m", "m", "rad"]
std = 0.05
low = -0.02
high = [0.02, 0.02, 0.5]
"""
HOSTED = """
rate_hz = 50
chunk = 2
before = "before.onnx"
after = "after.onnx"

[[observation]]
name = "camera"
kind = "image"
to = "frame"

[[observation]]
name = "told"
kind = "text"
to = "words"
encoder = { kind = "hashed-words", size = 4, floor = 0.1, weights = { left = 1.0, right = 0.5 } }

[action]
unit = "m"
"""


def dense(b, x, rows, columns, rng, scale=2**-4):
    acc = b.linear(x, rng.integers(-8, 8, (rows, columns)), 2**-5, rng.normal(0, 1, columns), weight_bits=4)
    return b.requantize(acc, bits=8, signed=True, scale=scale)


def graph(name, x, inputs, outputs, y, rng, scale=2**-5):
    b = GraphBuilder(name)
    b.output(dense(b, dense(b, b.input(x, (inputs,), bits=8, signed=True, scale=scale), inputs, 12, rng), 12, outputs,
                   rng), y)  # fmt: skip
    return b.build()


def before(rng):
    """frame uint8 [3, 2, 2] and words int8 [4] -> x [6]."""
    b = GraphBuilder("before")
    frame = b.input("frame", (3, 2, 2), bits=8, signed=False, scale=1 / 255)
    words = b.input("words", (4,), bits=8, signed=True, scale=2**-6)
    seen = b.requantize(b.linear(b.flatten(frame), rng.integers(-8, 8, (12, 2)), 2**-5, weight_bits=4), bits=8,
                        signed=True, scale=2**-5)  # fmt: skip
    b.output(b.concat([seen, b.requantize(words, bits=8, signed=True, scale=2**-5)]), "x")
    return b.build()


@pytest.fixture
def design(tmp_path, rng):
    """A folder for x [6] -> y [12], and the graphs of a host around it."""
    folder, board = tmp_path / "design", boards.load("zcu104")
    generate.write(compile_graph(graph("mlp", "x", 6, 12, "y", rng), 8, 8), board, folder)
    qonnx_out.save(before(rng), tmp_path / "before.onnx")
    qonnx_out.save(graph("after", "y", 12, 6, "act", rng, scale=2**-4), tmp_path / "after.onnx")
    return folder


def described(design, text, **changes):
    """The package of a description, with some of its lines replaced."""
    for old, new in changes.get("lines", ()):
        assert old in text
        text = text.replace(old, new)
    file = design.parent / "mine.toml"
    file.write_text(text)
    return package(design, design.parent / "p.hwpkg", policy=str(file))


def robot(made, design):
    """The driver on a double of the hardware that computes golden."""
    model = qonnx_in.load(design / "graph.onnx")
    x, y = made.inputs[0], made.outputs[0]

    def compute(data):
        out = np.zeros(made.manifest["out_bytes"], np.uint8)
        y.view(out)[...] = golden.run(model, {"x": x.view(np.frombuffer(data, np.uint8))[None].astype(int)})["y"][0]
        return out.tobytes()

    bus = EngineModel(compute, made.manifest["in_bytes"], made.manifest["out_bytes"], made.design_hash)
    return Accelerator(made, device=SimDirect(bus))


def test_a_policy_of_one_graph(design):
    made = described(design, PLAIN)
    p = made.policy
    assert (p.name, p.chunk, p.execute, p.rate_hz, p.dof) == ("reach", 4, 2, 20, 3)
    assert p.observation[0].mean.tolist() == [0.25] * 6 and p.observation[0].std[0] == 1.5
    assert p.action.source == "y" and p.action.unit == ("m", "m", "rad") and p.action.high.tolist()[2] == 0.5
    assert p.safe_action.tolist() == [0, 0, 0] and p.before is None and p.after is None
    with robot(made, design) as policy:
        policy.selftest()
        for joints, action in zip(made.policy_selftest["joints"], made.policy_selftest["action"], strict=True):
            np.testing.assert_array_equal(policy.infer({"joints": joints}), action)
    assert len(np.unique(made.policy_selftest["action"])) > 8


def test_an_observation_with_a_default_may_be_left_out(design):
    made = described(design, PLAIN.replace("mean = 0.25", "default = 0.5"))
    assert made.policy.observation[0].default.tolist() == [0.5] * 6
    with robot(made, design) as policy:
        np.testing.assert_array_equal(policy.infer({}), policy.infer({"joints": np.full(6, 0.5, np.float32)}))


def test_a_policy_with_both_host_programs(design):
    made = described(design, HOSTED)
    p, rows = made.policy, made.policy_selftest
    assert (p.name, p.chunk, p.execute, p.action.source) == ("mine", 2, 2, "act")
    assert p.observation[0].axes == (2, 0, 1) and p.observation[0].shape == (2, 2, 3)
    with robot(made, design) as policy:
        for i, told in enumerate(unpack_texts(rows["told"])):
            np.testing.assert_array_equal(policy.infer({"camera": rows["camera"][i], "told": told}), rows["action"][i])


def test_json_says_the_same(design):
    import tomllib

    first = described(design, PLAIN).path.read_bytes()
    file = design.parent / "mine.json"
    file.write_text(json.dumps(tomllib.loads(PLAIN)))
    assert package(design, design.parent / "q.hwpkg", policy=str(file)).path.read_bytes() == first


@pytest.mark.parametrize(
    "text,old,new,told",
    [
        (PLAIN, 'to = "x"', 'to = "state"', r"observation\[0\].to must be an input of the graphs: x"),
        (PLAIN, 'to = "x"', "", "an input of the graphs: x"),
        (PLAIN, 'kind = "vector"', 'kind = "video"', "kind must be one of image, vector, text"),
        (PLAIN, "chunk = 4", "chunk = 5", "chunk must be a divisor of the 12 numbers in 'y'"),
        (PLAIN, "mean = 0.25", "mean = [0.25]", "mean must be a number, or a list of 6"),
        (PLAIN, "mean = 0.25", "default = [0.25]", "default must be a number, or a list of 6"),
        (PLAIN, "mean = 0.25", "middle = 0.25", "has an unknown key 'middle'"),
        (PLAIN, 'name = "reach"', "names = 3", "has an unknown key 'names'"),
        (PLAIN, "[action]", '[action]\nfrom = "z"', "action.from must be an output of the last graph: y"),
        (PLAIN, "rate_hz = 20", "rate_hz = ", "mine.toml: not valid TOML"),
        (PLAIN, "rate_hz = 20", "rate_hz = -20", "policy.rate_hz must be a frequency"),
        (PLAIN, "rate_hz = 20", "", "policy.rate_hz must be a frequency"),
        (PLAIN, "safe_action = 0.0", "safe_action = 3.0", "within the action's low and high"),
        (PLAIN, "execute = 2", "execute = 9", "policy.execute must be an integer from 1 to 4"),
        (HOSTED, "size = 4", "size = 5", "a tensor of the encoder's shape"),
        (HOSTED, "size = 4, ", "", "encoder.size must be an integer"),
        (HOSTED, "encoder = ", "words = ", "has an unknown key 'words'"),
        (HOSTED, "before.onnx", "missing.onnx", "missing.onnx"),
        (HOSTED, "after.onnx", "before.onnx", "which nothing makes|an input of the graphs|twice|made already"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(design, text, old, new, told):
    with pytest.raises(HwgenError, match=told) as error:
        described(design, text, lines=[(old, new)])
    assert "\n" not in str(error.value)


def test_joints_at_another_scale_are_told(design, rng):
    qonnx_out.save(graph("after", "y", 12, 6, "act", rng, scale=2**-3), design.parent / "after.onnx")
    with pytest.raises(InputError, match="'y' leaves one graph at another scale than the next one reads it at"):
        described(design, HOSTED)
