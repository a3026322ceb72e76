"""Models as Brevitas exports them mean for hwgen what they mean for QONNX's executor."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.graph import ops, qonnx_in, qonnx_out, quantize_inputs, run
from tests.ecosystem.brevitas import MODELS, Flavor
from tests.graph.executor import compare, execute
from tests.support import cases

flavors = st.builds(
    Flavor,
    traced=st.booleans(),
    opset=st.integers(17, 20),
    power_of_two=st.booleans(),
    per_channel=st.booleans(),
    bits=st.sampled_from([2, 3, 4, 8]),
    bias=st.sampled_from([None, "acc", "own"]),
) | st.builds(
    Flavor, traced=st.just(True), opset=st.integers(13, 16), power_of_two=st.booleans(), per_channel=st.booleans()
)  # only the older exporter writes opsets below 17


def rounds_twice(name: str, graph) -> bool:
    """Whether float32 rounds before the quantizer even for power-of-two scales: BatchNorm, means of other counts."""
    pools = [n for n in graph.nodes if isinstance(n, ops.SumPool)]
    return "batch_norm" in name or "cnn" in name or any(np.prod(p.kernel) & (np.prod(p.kernel) - 1) for p in pools)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=cases(10, 200))
@given(flavor=flavors, seed=st.integers(0, 2**32 - 1))
def test_import_equals_the_executor(name, flavor, seed):
    rng = np.random.default_rng(seed)
    model = MODELS[name](flavor, rng)
    graph = qonnx_in.load(model)
    (x,) = graph.inputs
    real = {x: rng.normal(0, 1.5, (1, *graph.tensors[x].shape)).astype(np.float32)}
    ints = quantize_inputs(graph, real)
    count = compare(graph, model, ints, flavor.power_of_two and not rounds_twice(name, graph), execute(model, real))
    assert count["values"] > 0
    again = run(qonnx_in.load(qonnx_out.to_model(graph)), ints)
    assert all(np.array_equal(y, again[n]) for n, y in run(graph, ints).items())
