"""The trained demo policy through the driver: pictures, positions and sentences in, motions out, equal to the integer
policy bit for bit. The accelerator is golden behind registers, and then the simulated RTL.
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
from hwgen.runtime import Accelerator
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.simbus import SimBus
from hwgen.schedule import compile_graph
from tests.runtime.model import EngineModel
from tests.support import cases

SENTENCES = ("reach the red cube", "please touch the blue block", "GREEN!", "zum gelben Würfel", "")


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture(scope="module")
def design(tmp_path_factory, demo):
    """A generated folder of demo:head and the package with the whole policy."""
    folder = tmp_path_factory.mktemp("demo")
    graph = qonnx_in.load(save_part("demo:head", folder))
    generate.write(compile_graph(graph, 8, 8), boards.load("zcu104"), folder / "out")
    return folder / "out", package(folder / "out", folder / "demo.hwpkg", policy="demo")


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


def golden_engine(opened):
    """The accelerator of a package with one input and one output of int8 vectors, as registers over golden."""
    (source,), (target,) = opened.inputs, opened.outputs
    head = load_demo().head

    def compute(data):
        x = source.view(np.frombuffer(data, np.uint8)).astype(np.int64)
        out = np.zeros(opened.manifest["out_bytes"], np.uint8)
        target.view(out)[...] = golden.run(head, {head.inputs[0]: x[None]})[head.outputs[0]][0]
        return out.tobytes()

    engine = EngineModel(compute, opened.manifest["in_bytes"], opened.manifest["out_bytes"], opened.design_hash)
    engine.ddr = np.zeros(16 << 20, np.uint8)
    return engine


def test_on_golden_behind_registers(demo, design, rng):
    opened = design[1]
    with Accelerator(opened, device=SimDirect(golden_engine(opened))) as policy:
        report = policy.selftest()
        assert report["vectors"] and report["policy_vectors"]
        given = list(observations(demo, rng, cases(40, 1000)))
        for o, got in zip(given, policy.infer_batch(given), strict=True):
            assert got.dtype == np.float32 and (got == motions(demo, o)).all() and (policy.infer(o) == got).all()


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
