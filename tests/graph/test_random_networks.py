"""Networks of every kind: valid, the same each time, not dead, and the same integers through QONNX."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.graph import ops, qonnx_in, qonnx_out, run
from hwgen.graph.random_graphs import random_inputs
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from tests.graph.executor import compare
from tests.graph.strategies import SEEDS
from tests.support import cases

SMALL = Sizes(width=12, layers=1, steps=2)
kinds = st.sampled_from(sorted(KINDS))


def weights(graph) -> list[np.ndarray]:
    return [n.weight for n in graph.nodes if isinstance(n, ops.WEIGHTED)]


def test_all_operators_occur(seed):
    found = {n.op for kind in KINDS for i in range(4) for n in random_network(seed + i, kind).nodes}
    assert set(ops.OPS) - found <= {"MaxPool", "Softmax", "Slice", "SumPool"}  # which few draws may miss


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_network_and_outputs_differ(kind, seed):
    a, b = random_network(seed, kind), random_network(seed, kind)
    x = random_inputs(a, seed)
    ya, yb = run(a, x)["y"], run(b, x)["y"]
    assert np.array_equal(ya, yb) and len(np.unique(ya)) > 1


@settings(max_examples=cases(12, 400))
@given(SEEDS, kinds, st.booleans())
def test_export_imports_to_the_same_integers(seed, kind, power_of_two):
    graph = random_network(seed, kind, Sizes(layers=1, steps=2, power_of_two=power_of_two))
    x = random_inputs(graph, seed, 4)
    again = qonnx_in.load(qonnx_out.to_model(graph))
    assert np.array_equal(run(again, x)["y"], run(graph, x)["y"])


@settings(max_examples=cases(5, 200))
@given(SEEDS, kinds, st.booleans())
def test_golden_equals_the_executor(seed, kind, power_of_two):
    graph = random_network(seed, kind, Sizes(width=12, layers=1, steps=2, power_of_two=power_of_two))
    compare(graph, qonnx_out.to_model(graph, batch=4), random_inputs(graph, seed, 4), exact=power_of_two)


def test_steps_share_their_weights_also_in_files(seed, tmp_path):
    graph = random_network(seed, "loop", SMALL)
    once = {id(w) for w in weights(graph)}
    assert len(once) < len(weights(graph))
    qonnx_out.save(graph, tmp_path / "loop.onnx")
    stored = [i for i in onnx.load(tmp_path / "loop.onnx").graph.initializer if i.name.endswith("_weight")]
    assert len(stored) == len(once)
    again = weights(qonnx_in.load(tmp_path / "loop.onnx"))
    assert len({id(w) for w in again}) == len(once) and len(again) == len(weights(graph))
