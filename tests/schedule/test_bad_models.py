"""Models with one thing changed are refused, with an error that names the node, or compiled to what golden computes."""

import random

from hwgen.errors import HwgenError
from hwgen.graph import qonnx_in, qonnx_out
from hwgen.graph.random_networks import Sizes, random_network
from hwgen.schedule import compile_graph
from tests.graph.mutate import mutated
from tests.schedule.test_image_meaning import check
from tests.support import cases

SIZES = Sizes(width=8, image=6, tokens=4, layers=1, steps=2)
EACH = 10  # changes of a network


def names(model) -> list[str]:
    """What an error may name, as messages write it: nodes, tensors, inputs and outputs, and copies of them."""
    graph = model.graph
    found = [node.name for node in graph.node] + [name for node in graph.node for name in node.output]
    found += [value.name for value in (*graph.input, *graph.output, *graph.initializer)]
    return [f"'{name}{end}" for name in found for end in "'."]


def test_a_changed_model_is_refused_by_name_or_runs_as_golden_says(seed):
    refused = ran = 0
    for i in range(cases(12, 500)):
        model = qonnx_out.to_model(random_network(seed + i, sizes=SIZES))
        for k in range(EACH):
            changed, what = mutated(model, random.Random(seed + i * EACH + k))
            where = f"seed {seed}, network {i}, change {k}: {what}"
            try:
                design = compile_graph(qonnx_in.load(changed), 8, 8)
            except HwgenError as error:
                said = str(error)
                assert "\n" not in said and any(name in said for name in names(changed)), f"{where}: {said}"
                refused += 1
                continue
            except Exception as defect:
                raise AssertionError(where) from defect
            assert check(design, seed, frames=1).latency == design.timing.latency, where
            ran += 1
    print(f"{refused} refused, {ran} ran")
    assert refused and ran
