"""DIR for FINN: model.onnx equals golden bit for bit, files say what FINN needs, refusals name the node."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen import boards
from hwgen.backends.finn import execute, generate
from hwgen.backends.finn.lower import BOARDS
from hwgen.backends.finn.ports import Port
from hwgen.backends.options import Options
from hwgen.errors import UnsupportedError
from hwgen.evaluate.simulate_finn import simulate
from hwgen.graph import Graph, golden
from hwgen.graph.builder import GraphBuilder
from hwgen.graph.random_graphs import random_inputs
from tests.backends.finn.nets import NETS, cnn, film, mlp, relu_in_sum, tables, wide
from tests.graph.engine_only import ENGINE_ONLY, engine_only
from tests.support import ROOT, cases

ZCU104 = boards.load("zcu104")
SMALL = Options(multipliers=64)


def made(graph: Graph, folder: Path) -> generate.Plan:
    plan = generate.plan(graph, ZCU104, SMALL)
    generate.write(plan, folder)
    return plan


def run(plan: generate.Plan, folder: Path, inputs: dict) -> dict:
    graph = plan.graph
    ports = {p["name"]: Port.from_dict(p) for p in json.loads((folder / "manifest.json").read_text())["ports"]}
    got = execute.Program(folder / "model.onnx").run({n: ports[n].to_stream(x) for n, x in inputs.items()})
    return {n: ports[n].from_stream(got[n]) for n in graph.outputs}


@pytest.mark.parametrize("family", NETS)
@settings(deadline=None, max_examples=cases(3, 100))
@given(seed=st.integers(0, 2**32 - 1))
def test_model_equals_golden(family, seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp(family)
    plan = made(NETS[family](seed), folder)
    inputs = random_inputs(plan.graph, seed, 40)
    want, got = golden.run(plan.graph, inputs), run(plan, folder, inputs)
    for name in plan.graph.outputs:
        np.testing.assert_array_equal(got[name], want[name], err_msg=f"{family} {seed} {name}")


@pytest.mark.parametrize("family", ["mlp", "cnn", "tables"])
def test_simulate_completes_the_report(family, tmp_path):
    """A thousand frames in NumPy, the first by qonnx's own executor."""
    made(NETS[family](1), tmp_path)
    report = simulate(tmp_path)
    assert report["bit_exact"] is True and report["vectors"] >= 1000 and report["wrong_frames"] == 0
    assert json.loads((tmp_path / "report.json").read_text()) == report


def test_simulate_finds_one_wrong_threshold(tmp_path):
    made(cnn(0), tmp_path)
    model = onnx.load(str(tmp_path / "model.onnx"))
    last = [n for n in model.graph.node if n.op_type == "MultiThreshold"][-1]
    steps = next(i for i in model.graph.initializer if i.name == last.input[1])
    values = onnx.numpy_helper.to_array(steps).copy()
    values += 1
    steps.CopyFrom(onnx.numpy_helper.from_array(values, steps.name))
    onnx.save(model, str(tmp_path / "model.onnx"))
    with pytest.raises(Exception, match="differs from golden in"):
        simulate(tmp_path)


def test_files(tmp_path):
    plan = made(mlp(3), tmp_path)
    config = json.loads((tmp_path / "dataflow_build_config.json").read_text())
    assert config["board"] == "ZCU104" and config["standalone_thresholds"] is True
    assert config["synth_clk_period_ns"] == pytest.approx(1000 / ZCU104.clock_mhz)
    assert {"bitfile", "pynq_driver", "deployment_package", "stitched_ip"} <= set(config["generate_outputs"])
    folding = json.loads((tmp_path / config["folding_config_file"]).read_text())
    assert folding.keys() - {"Defaults"} <= {x.name for x in plan.layers}
    frames, want = np.load(tmp_path / "input.npy"), np.load(tmp_path / "expected_output.npy")
    got = execute.Program(tmp_path / "model.onnx").run({plan.graph.inputs[0]: frames})
    np.testing.assert_array_equal(got[plan.graph.outputs[0]], want)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["predicted_cycles"] > 0 and [e["name"] for e in report["layers"]] == [x.name for x in plan.layers]
    assert "build_dataflow" in (tmp_path / "README.md").read_text()


def test_two_inputs_ask_for_no_verification(tmp_path):
    """FINN's verification feeds one input only."""
    made(film(0), tmp_path)
    assert json.loads((tmp_path / "dataflow_build_config.json").read_text())["verify_steps"] == []
    assert not (tmp_path / "input.npy").exists()


@pytest.mark.parametrize("names", [("t1", "t2", "t_3"), ("x", "x_0", "t1_param0"), ("t_", "t__1", "t__x_0")])
def test_no_name_of_the_user_is_taken_twice(names, tmp_path):
    """Streams, copies and parameters get names of their own, whatever inputs and outputs are called."""
    b = GraphBuilder("names")
    x = b.input(names[0], (4,), scale=2**-4)
    weight = np.arange(16).reshape(4, 4) - 8
    y = b.requantize(b.linear(x, weight, 2**-4, weight_bits=4), scale=2**-4, residual=x)
    b.output(b.requantize(b.linear(y, weight, 2**-4, weight_bits=4), scale=2**-3), names[1])
    b.output(b.requantize(b.linear(y, -weight[::-1] - 1, 2**-4, weight_bits=4), scale=2**-3), names[2])
    generate.write(generate.plan(b.build(), boards.load("zcu104"), Options()), tmp_path)
    assert simulate(tmp_path)["bit_exact"]


def test_model_is_integers_only(tmp_path):
    """All parameters are integers with a FINN type that holds them; thresholds never fall."""
    for i, graph in enumerate((mlp(1), tables(1), relu_in_sum(1), wide(1))):
        plan = made(graph, tmp_path / str(i))
        for op in plan.model.ops:
            for values, kind in op.params:
                assert np.array_equal(values, np.round(values)) and kind.lo <= values.min() <= values.max() <= kind.hi
            if op.op == "Thresholding":
                steps = op.params[0][0]
                assert (np.diff(steps) >= 0).all() and (steps.shape[1] + 1).bit_count() == 1


def test_arbitrary_residual_scales_are_refused_by_name():
    """FINN's tensors hold integers in float32: a sum of 17-bit and 26-bit multiples does not fit."""
    rng = np.random.default_rng(0)
    b = GraphBuilder()
    x = b.input("x", (16,), scale=0.031)
    a = b.linear(x, rng.integers(-127, 128, (16, 16)), 0.0173)
    b.output(b.requantize(a, residual=x, scale=0.0911, name="join"))
    with pytest.raises(UnsupportedError, match=r"'join'.*float32.*engine"):
        generate.plan(b.build(), ZCU104, SMALL)


def test_refusals_name_node_and_way_out():
    b = GraphBuilder()
    b.output(b.layernorm(b.input("x", (16,), scale=2.0**-4), np.ones(16), name="norm", scale=2.0**-4))
    with pytest.raises(UnsupportedError, match=r"'norm' \(LayerNorm\).*engine or hls4ml"):
        generate.plan(b.build(), ZCU104, SMALL)
    b = GraphBuilder()
    b.output(b.softmax(b.input("x", (16,), scale=2.0**-4), name="soft"))
    with pytest.raises(UnsupportedError, match=r"'soft' \(Softmax\).*engine or hls4ml"):
        generate.plan(b.build(), ZCU104, SMALL)


@pytest.mark.parametrize("kind", ENGINE_ONLY)
def test_what_only_the_engine_has_is_refused(kind):
    with pytest.raises(UnsupportedError, match=rf"node 'it' \({kind}\): FINN .*; use the backend engine$"):
        generate.plan(engine_only(kind), ZCU104, SMALL)


@pytest.mark.parametrize("name", ["kr260", "ulx3s"])
def test_boards_that_finn_does_not_know(name):
    with pytest.raises(UnsupportedError, match=f"{name}.*zcu104"):
        generate.plan(mlp(0), boards.load(name), SMALL)


@pytest.mark.parametrize("name", BOARDS)
def test_boards_that_finn_knows(name):
    assert generate.plan(wide(0), boards.load(name), Options(multipliers=8)).layers


@pytest.mark.skipif("HWGEN_FINN" not in os.environ, reason="needs HWGEN_FINN: a FINN v0.10.1 checkout")
@pytest.mark.parametrize("family", NETS)
def test_real_finn_takes_it(family, tmp_path):
    """Every step up to step_hw_codegen, one partition, names, cycles, types, and no mismatch with golden."""
    checkout = Path(os.environ["HWGEN_FINN"])
    python = os.environ.get("HWGEN_FINN_PYTHON", str(checkout.parent / "env/bin/python"))
    for seed in cases(range(1), range(5)):
        plan = made(NETS[family](seed), tmp_path / f"{family}{seed}")
        result = tmp_path / f"{seed}.json"
        words = [python, ROOT / "scripts/finn_check/check.py", tmp_path / f"{family}{seed}", "--finn", checkout]
        done = subprocess.run([*words, "-o", result], capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, (family, seed, done.stdout[-3000:], done.stderr[-3000:])
        layers = json.loads(result.read_text())["layers"]
        for layer in plan.layers:
            for key in layer.attrs.keys() - {"accDataType"}:
                assert layers[layer.name][key] == layer.attrs[key], (family, seed, layer.name, key)
