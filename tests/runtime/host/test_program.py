"""Host programs equal the golden model, and take integers as they come. tests/build/test_host_program.py draws more
graphs; these run under the robot's Python and NumPy, too.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hwgen.build.host_program import serialise
from hwgen.graph import Graph, golden
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from hwgen.runtime.errors import InputFault
from hwgen.runtime.host import HostProgram
from tests.runtime.host.compare import check_equal, parsed
from tests.support import cases


def test_random_graphs_equal_golden(seed):
    for k in range(cases(40, 500)):
        limits = Limits(
            vectors=bool(k & 1), power_of_two=bool(k & 2), softmax=bool(k & 4), max_width=(16, 600)[k % 3 > 0]
        )
        check_equal(random_graph(seed + k, limits), seed + k)


@pytest.mark.parametrize("kind", KINDS)
def test_random_networks_equal_golden(kind, seed):
    for k in range(seed, seed + cases(5, 100)):
        check_equal(random_network(k, kind, Sizes(power_of_two=bool(k & 1), layers=1, steps=2)), k)


@pytest.mark.parametrize("end", ["lo", "hi"])
def test_extremes_of_the_inputs(end, seed):
    """Every input at its type's lowest or highest value, where sums are largest."""
    for k in range(cases(10, 300)):
        graph = random_graph(seed + k, Limits(vectors=bool(k % 2), softmax=True))
        inputs = {n: np.full((1, *graph.tensors[n].shape), getattr(graph.tensors[n].dtype, end)) for n in graph.inputs}
        found = parsed(*serialise(graph)).run_batch(inputs)
        for name, want in golden.run(graph, inputs).items():
            np.testing.assert_array_equal(found[name], want)


def image_program() -> tuple[Graph, HostProgram]:
    """A graph with an image as its only input."""
    graph = next(g for g in (random_graph(k, Limits(vectors=False)) for k in range(100)) if len(g.inputs) == 1)
    return graph, parsed(*serialise(graph))


def test_inputs_of_any_integer_dtype_and_layout(rng):
    graph, program = image_program()
    inputs = {name: x[0] for name, x in random_inputs(graph, rng, 1).items()}
    want = program.run(inputs)
    for change in (
        lambda x: x.astype(np.int64),
        lambda x: x.astype(np.int16),
        lambda x: np.asfortranarray(x),
        lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
        lambda x: x.astype(">i4"),
    ):
        found = program.run({name: change(x) for name, x in inputs.items()})
        for name in want:
            np.testing.assert_array_equal(found[name], want[name])
            assert found[name].dtype == program.outputs[name].dtype


def test_results_stay_when_the_program_runs_again(rng):
    graph, program = image_program()
    first, second = ({name: x[i] for name, x in random_inputs(graph, 1, 2).items()} for i in range(2))
    kept = program.run(first)
    copy = {name: y.copy() for name, y in kept.items()}
    program.run(second)
    for name in kept:
        np.testing.assert_array_equal(kept[name], copy[name])


def test_threads_take_turns(rng):
    graph, program = image_program()
    inputs = random_inputs(graph, rng, 40)
    want, locked = program.run_batch(inputs), []
    program._calls.insert(1, lambda: locked.append(program._lock.locked()))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: program.run({name: x[i] for name, x in inputs.items()}), range(40)))
    program.run_batch(inputs)
    assert locked == [True] * 80
    for name in want:
        np.testing.assert_array_equal(np.stack([f[name] for f in found]), want[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: {}, "given none; it takes x"),
        (lambda x: x | {"y": x["x"]}, "given x, y; it takes x"),
        (lambda x: [x["x"]], "given a list; give a dict"),
        (lambda x: {"x": [[1], [1, 2]]}, "no array"),
        (lambda x: {"x": x["x"].astype(np.float32)}, "float32"),
        (lambda x: {"x": x["x"][None]}, "shape"),
        (lambda x: {"x": x["x"].astype(np.int64) + 1000}, "range"),
    ],
    ids=["missing", "unknown", "list", "ragged", "dtype", "shape", "range"],
)
def test_wrong_inputs_are_named(change, message):
    graph, program = image_program()
    good = {"x": random_inputs(graph, 0, 1)["x"][0]}
    with pytest.raises(InputFault, match=message):
        program.run(change(good))


def test_batches_must_be_whole():
    graph, program = image_program()
    empty = {"x": random_inputs(graph, 0, 1)["x"][:0]}
    with pytest.raises(InputFault, match="at least one"):
        program.run_batch(empty)
