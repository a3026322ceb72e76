"""The trained demo policy through the driver: pictures, positions and sentences in, motions out, equal to the integer
policy bit for bit. The accelerator runs the whole policy or its head; it is golden behind registers, and then the
simulated RTL (of the whole policy: tests/evaluate/test_main_job.py).
"""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build.package import package
from hwgen.build.verilate import build
from hwgen.graph import golden, qonnx_in
from hwgen.policies.demo import load_demo
from hwgen.policies.embodiment import MAX_STEP, normalize_state
from hwgen.policies.shipped import save_part
from hwgen.runtime import Accelerator, InputFault
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.simbus import SimBus
from hwgen.schedule import compile_graph
from tests.runtime.model import EngineModel
from tests.support import cases

SENTENCES = ("reach the red cube", "please touch the blue block", "GREEN!", "zum gelben Würfel", "")


@pytest.fixture(scope="module")
def demo():
    return load_demo()


def made(folder, name):
    """(generated folder, its package) of the demo, whole or a part."""
    file = save_part(name, folder)
    generate.write(compile_graph(qonnx_in.load(file), 8, 8), boards.load("zcu104"), folder / "out", file)
    return folder / "out", package(folder / "out", folder / "demo.hwpkg")


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    """The head as the accelerator."""
    return made(tmp_path_factory.mktemp("head"), "demo:head")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All of it as the accelerator."""
    return made(tmp_path_factory.mktemp("whole"), "demo")


def observations(demo, rng, count):
    pictures = demo.recorded["images"]
    for i in range(count):
        yield {
            "image": np.ascontiguousarray(pictures[rng.integers(len(pictures))][..., rng.permutation(3)]),
            "state": rng.normal(0, 0.3, demo.config.state).astype(np.float32),
            "instruction": SENTENCES[i % len(SENTENCES)],
        }


def motions(demo, o):
    policy, text = demo.integer_policy(), demo.text_encoder(o["instruction"])
    return policy(o["image"][None], normalize_state(o["state"])[None], text[None])[0] * np.float32(MAX_STEP)


def golden_engine(folder, opened):
    """The accelerator of a package, as registers over golden."""
    graph, (target,) = qonnx_in.load(folder / "graph.onnx"), opened.outputs

    def compute(data):
        given = np.frombuffer(data, np.uint8)
        x = {source.name: source.view(given).astype(np.int64)[None] for source in opened.inputs}
        out = np.zeros(opened.manifest["out_bytes"], np.uint8)
        target.view(out)[...] = golden.run(graph, x)[target.name][0]
        return out.tobytes()

    engine = EngineModel(compute, opened.manifest["in_bytes"], opened.manifest["out_bytes"], opened.design_hash)
    engine.ddr = np.zeros(16 << 20, np.uint8)
    return engine


@pytest.mark.parametrize("which", ["whole", "design"])
def test_on_golden_behind_registers(demo, which, request, rng):
    folder, opened = request.getfixturevalue(which)
    assert (opened.policy.before is None) == (which == "whole") and opened.policy.after is None
    with Accelerator(opened, device=SimDirect(golden_engine(folder, opened))) as policy:
        report = policy.selftest()
        assert report["vectors"] and report["policy_vectors"]
        given = list(observations(demo, rng, cases(40, 1000)))
        for o, got in zip(given, policy.infer_batch(given), strict=True):
            assert got.dtype == np.float32 and (got == motions(demo, o)).all() and (policy.infer(o) == got).all()


BAD = [
    ({"image": np.zeros((3, 64, 64), np.uint8)}, r"observation 'image' has shape \(3, 64, 64\).*takes \(64, 64, 3\)"),
    ({"image": np.zeros((1, 64, 64, 3), np.uint8)}, "observation 'image' has shape.*drop the batch axis"),
    ({"image": np.zeros((64, 64, 3), np.float32)}, "observation 'image' has dtype float32; give uint8"),
    ({"state": np.full(3, np.nan, np.float32)}, r"observation 'state' is nan at \(0,\)"),
    ({"state": np.zeros(2, np.float32)}, r"observation 'state' has shape \(2,\)"),
    ({"instruction": 5}, "the instruction is int; give a string"),
    ({"goal": "red"}, "the observation is image, state, instruction, goal; this policy takes image, state"),
]


@pytest.mark.parametrize("change, reason", BAD, ids=[str(i) for i in range(len(BAD))])
def test_a_bad_observation_of_the_whole_policy(demo, whole, rng, change, reason):
    """It is named, reaches no register, and the next one is answered."""
    engine = golden_engine(*whole)
    (good,) = observations(demo, rng, 1)
    with Accelerator(whole[1], device=SimDirect(engine)) as policy:
        with pytest.raises(InputFault, match=reason):
            policy.infer(good | change)
        assert policy.stats["runs"] == 0
        assert (policy.infer(good) == motions(demo, good)).all()


def test_a_frame_of_the_whole_policy_goes_straight_into_the_buffer(whole):
    """The camera's bytes in the camera's order: pixel by pixel, as the window unit takes them."""
    with Accelerator(whole[1], device=SimDirect(golden_engine(*whole))) as policy:
        view = policy.input_views(0)["image"].transpose(1, 2, 0)
        assert view.shape == (64, 64, 3) and view.dtype == np.uint8 and view.flags["C_CONTIGUOUS"]


@pytest.mark.rtl
@pytest.mark.xdist_group("runtime-rtl")
def test_on_the_simulated_rtl(demo, design, rng):
    folder, opened = design
    build(folder)
    with SimBus.open(folder, size=SimBus.size_for(opened)).sim as sim:
        with Accelerator(opened, device=SimDirect(SimBus(sim))) as policy:
            report = policy.selftest()
            assert report["latency_cycles"] == report["predicted_cycles"] and report["policy_vectors"]
            given = list(observations(demo, rng, cases(20, 300)))
            for o, got in zip(given, policy.infer_batch(given), strict=True):
                assert (got == motions(demo, o)).all()
        assert sim.protocol_error is None
