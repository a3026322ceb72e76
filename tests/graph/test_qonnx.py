"""Import and export of QONNX against QONNX's own executor."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.graph import GraphBuilder, dequantize_outputs, ops, qonnx_in, qonnx_out, quantize_inputs, run
from hwgen.graph.random_graphs import random_inputs
from tests.graph.executor import compare, execute
from tests.graph.strategies import SEEDS, foreign_cnns, foreign_mlps, graphs
from tests.reference.graphs import full_house
from tests.support import cases


@settings(max_examples=cases(25, 300))
@given(graphs(power_of_two=True))
def test_golden_equals_the_executor_for_powers_of_two(drawn):
    graph, seed = drawn
    compare(graph, qonnx_out.to_model(graph, batch=8), random_inputs(graph, seed), exact=True)


@settings(max_examples=cases(15, 300))
@given(graphs(power_of_two=False))
def test_golden_is_within_a_step_for_any_scale(drawn):
    graph, seed = drawn
    compare(graph, qonnx_out.to_model(graph, batch=8), random_inputs(graph, seed), exact=False)


def test_every_operator_comes_back_and_means_the_same_to_the_executor(seed):
    """One graph that has them all: exported, imported, and executed by QONNX on onnxruntime."""
    graph, x = full_house(seed)
    model = qonnx_out.to_model(graph, batch=len(x["image"]))
    again = qonnx_in.load(model)
    assert {n.op for n in graph.nodes} == {n.op for n in again.nodes} == set(ops.OPS)
    for name, want in run(graph, x).items():
        assert np.array_equal(run(again, x)[name], want)
    assert compare(graph, model, x, exact=False)["values"] > 10_000


@settings(max_examples=cases(30, 500))
@given(graphs())
def test_export_imports_to_the_same_integers(drawn):
    graph, seed = drawn
    x = random_inputs(graph, seed)
    again = qonnx_in.load(qonnx_out.to_model(graph))
    assert again.inputs == graph.inputs and again.outputs == graph.outputs
    want, got = run(graph, x), run(again, x)
    for name in graph.outputs:
        assert np.array_equal(want[name], got[name])
        a, b = graph.tensors[name], again.tensors[name]
        assert a.dtype == b.dtype and a.shape == b.shape
        assert np.array_equal(a.scale_array(), b.scale_array())


@pytest.mark.parametrize("shape", [(4, 6, 8), (1, 6, 8), (4, 1, 8)])
@pytest.mark.parametrize("how", ["mul", "add"])
def test_a_constant_table_may_be_shared_by_all_heads(shape, how, rng):
    """As rotary embeddings are: one entry for each position and channel, the same for every head."""
    b = GraphBuilder("rotary")
    x = b.input("x", (4, 6, 8), 8, True, 2.0**-4)
    table = b.constant(rng.integers(-128, 128, shape), 2.0**-7)
    y = b.mul(x, table, scale=2.0**-4) if how == "mul" else b.requantize(x, residual=table, scale=2.0**-3)
    b.output(y, "y")
    graph = b.build()
    inputs = random_inputs(graph, 1)
    again = qonnx_in.load(qonnx_out.to_model(graph))
    assert np.array_equal(run(again, inputs)["y"], run(graph, inputs)["y"])


@settings(max_examples=cases(25, 400))
@given(st.one_of(foreign_mlps(), foreign_cnns()), SEEDS)
def test_foreign_models_equal_the_executor(drawn, seed):
    check_foreign(*drawn, seed, exact=True)


@settings(max_examples=cases(15, 300))
@given(st.one_of(foreign_mlps(power_of_two=False), foreign_cnns(power_of_two=False)), SEEDS)
def test_foreign_models_with_any_scale_are_within_a_step(drawn, seed):
    check_foreign(*drawn, seed, exact=False)


def check_foreign(model: onnx.ModelProto, shape: tuple[int, ...], seed: int, exact: bool) -> None:
    graph = qonnx_in.load(model)
    (name,) = graph.inputs
    rng = np.random.default_rng(seed)
    for _ in range(3):
        real = rng.normal(0, 1.5, (1, *shape)).astype(np.float32)
        if graph.tensors[name].scale == 1.0:
            real = rng.integers(-128, 128, (1, *shape)).astype(np.float32)
        edges = execute(model, {name: real})
        compare(graph, model, quantize_inputs(graph, {name: real}), exact, edges)


def test_batch_does_not_matter(rng):
    """One model run with a batch equals its rows run one by one."""
    from hwgen.graph.random_graphs import Limits, random_graph

    graph = random_graph(rng, Limits(vectors=False, max_width=20))
    x = random_inputs(graph, rng, batch=4)
    together = run(graph, x)
    for i in range(4):
        alone = run(graph, {k: v[i : i + 1] for k, v in x.items()})
        assert all(np.array_equal(together[o][i : i + 1], alone[o]) for o in graph.outputs)


@pytest.mark.parametrize("opset", [13, 17, 20])
def test_file_round_trip(tmp_path, rng, opset):
    from hwgen.graph.random_graphs import Limits, random_graph

    graph = random_graph(rng, Limits(max_width=20))
    qonnx_out.save(graph, tmp_path / "g.onnx")
    again = qonnx_in.load(tmp_path / "g.onnx")
    x = random_inputs(graph, rng)
    a, b = (dequantize_outputs(g, run(g, x)) for g in (graph, again))
    assert all(np.array_equal(a[o], b[o]) for o in graph.outputs)


@pytest.mark.parametrize("outputs", [("y", "inside", "z"), ("z", "y", "inside"), ("inside", "z", "y")])
def test_outputs_that_are_one_tensor_keep_their_names(outputs):
    """A Quant that changes nothing, and an Identity: both of what is an output itself."""
    b = GraphBuilder("outputs")
    inside = b.requantize(b.input("x", (6,), scale=2.0**-5), scale=2.0**-3, name="inside")
    b.output(b.requantize(inside, scale=2.0**-3, name="y"))
    model = qonnx_out.to_model(b.build())
    model.graph.node.append(onnx.helper.make_node("Identity", ["inside"], ["z"], "same"))
    del model.graph.output[:]
    info = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 6]) for name in outputs)
    model.graph.output.extend(info)
    graph = qonnx_in.load(model)
    assert tuple(graph.outputs) == outputs
    x = random_inputs(graph, 1)
    got, want = run(graph, x), np.clip(np.round(x["x"] / 4), -128, 127)
    assert all(np.array_equal(got[name], want) for name in outputs)
