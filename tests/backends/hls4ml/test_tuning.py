import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.hls4ml import project, tuning
from hwgen.backends.hls4ml.cost import KINDS, Cost
from hwgen.backends.hls4ml.layers import map_graph
from hwgen.backends.hls4ml.project import Setting
from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import GraphBuilder
from hwgen.policies.demo import load_demo
from hwgen.schedule.folding import Choice
from tests.backends.hls4ml.graphs import cnn, mlp

BOARD = boards.load("zcu104")


def tune(graph, io="io_parallel", **more):
    return tuning.tune(map_graph(graph, io), BOARD, **more)


def total(foldings, kind: str) -> int:
    return sum(f.cost.kinds[KINDS.index(kind)] for f in foldings)


def test_reuse_factors_are_those_that_hls4ml_takes(rng):
    backend = project.hls4ml().backends.get_backend("Vitis")
    for n_in, n_out in rng.integers(1, 30, (60, 2)).tolist():
        assert tuning.reuse_factors(n_in, n_out) == backend.get_valid_reuse_factors(n_in, n_out)


def test_a_small_network_is_unrolled():
    assert {f.setting for f in tune(mlp((16, 16, 4))) if f.layer.kind == "Dense"} == {Setting("Latency", 1, 1)}


def test_more_than_vitis_takes_apart_is_folded():
    (dense,) = [f for f in tune(mlp((128, 64))) if f.layer.kind == "Dense"]
    assert dense.setting.strategy == "Resource" and dense.cost.multipliers <= tuning.PARTITION


@pytest.mark.parametrize("cap", [8, 64, 512])
def test_fewer_multipliers_take_longer(cap):
    graph = mlp((64, 64, 32))
    few, many = tune(graph, multipliers=cap), tune(graph, multipliers=2 * cap)
    assert total(few, "multipliers") <= cap
    assert sum(f.cost.cycles for f in few) > sum(f.cost.cycles for f in many)


def test_the_cheapest_within_a_deadline():
    graph = mlp((64, 64, 32))
    cheap = tune(graph, limit=200)
    assert sum(f.cost.cycles for f in cheap) <= 200
    assert total(cheap, "LUT") < total(tune(graph), "LUT")
    with pytest.raises(FitError, match="cycles"):
        tune(graph, limit=3)


def test_a_board_that_is_too_small_is_named_by_what_runs_out():
    with pytest.raises(FitError, match="multipliers.*needed"):
        tune(mlp((64, 64, 4)), multipliers=1)
    with pytest.raises(FitError, match="ulx3s.*engine"):
        tuning.tune(map_graph(mlp(), "io_parallel"), boards.load("ulx3s"))


def test_a_tensor_too_large_for_registers_is_an_error_that_names_the_way_out():
    graph = cnn((70, 70), stride=4)
    with pytest.raises(UnsupportedError, match="'image'.*--io stream"):
        tune(graph)
    assert tune(graph, "io_stream")


def test_a_vector_too_long_for_registers_is_an_error_in_streams_too():
    graph = cnn((70, 70))
    with pytest.raises(UnsupportedError, match="'linear' .Linear.*13872.*engine"):
        tune(graph, "io_stream")
    b = GraphBuilder("long")
    b.output(b.requantize(b.input("x", (5000,), 8), bits=4), "y")
    with pytest.raises(UnsupportedError, match="'x'.*5000.*engine"):
        tune(b.build(), "io_stream")


@pytest.mark.parametrize("io", ["io_parallel", "io_stream"])
def test_convolutions_keep_to_what_hls4mls_kernels_can(io):
    mapped = map_graph(cnn((8, 8), filters=8), io)
    for layer in mapped.layers:
        for choice in tuning.choices(mapped, layer) if layer.kind == "Conv2D" else ():
            setting, _ = choice.setting
            assert 36 % setting.parallel == 0 and (io == "io_parallel" or setting.parallel == 1)
            assert io == "io_stream" or setting.reuse <= 2 * 3 * 3
            assert setting.strategy == "Resource" or setting.reuse == 1


def test_latency_is_the_longest_path():
    b = GraphBuilder("two")
    x = b.input("x", (16,), 8)
    short = b.requantize(x, bits=8, scale=3.0)
    long = b.requantize(b.linear(x, np.ones((16, 16), int), 1.0, None, 2), bits=8, scale=16.0)
    b.output(b.requantize(long, bits=8, scale=32.0, residual=short), "y")
    mapped = map_graph(b.build(), "io_parallel")
    foldings = tuning.tune(mapped, BOARD)
    cycles = {f.layer.name: f.cost.cycles for f in foldings}
    shortest = next(f.layer.name for f in foldings if f.layer.is_ours)
    assert 0 < cycles[shortest] and tuning.latency(mapped, foldings) == sum(cycles.values()) - cycles[shortest]


def test_layers_of_a_stream_overlap():
    b = GraphBuilder("chain")
    x = b.input("x", (2, 5, 5), 8)
    for _ in range(2):
        x = b.requantize(x, bits=8)
    b.output(x, "y")
    mapped = map_graph(b.build(), "io_stream")
    one = Cost(cycles=30, first=6, last=6)
    foldings = [tuning.Folding(layer, Setting(), one if layer.is_ours else Cost(0, 0, 0)) for layer in mapped.layers]
    assert tuning.latency(mapped, foldings) == 30 + 6


def test_a_stream_is_paced_by_its_slowest_layer():
    def choice(cycles: int, last: int, multipliers: int) -> Choice:
        cost = Cost(cycles, last, last, multipliers)
        return Choice(cycles, cost.kinds, (Setting(), cost))

    slow = [choice(100, 5, 9), choice(140, 2, 3)]
    quick = [choice(10, 10, 8), choice(90, 3, 4), choice(400, 2, 1)]
    options = tuning.paced([slow, quick], 1.5)
    assert [[(c.cycles, c.cost[0]) for c in layer] for layer in options] == [[(2, 3)], [(3, 4)]]
    assert [len(layer) for layer in tuning.paced([slow, quick], 1.0)] == [1, 1]


def test_no_other_plan_that_was_tried_is_faster(monkeypatch):
    mapped = map_graph(load_demo().encoder, "io_stream")
    plans = []
    monkeypatch.setattr(
        tuning, "_foldings", lambda m, picked, make=tuning._foldings: plans.append(make(m, picked)) or plans[-1]
    )
    best = tuning.tune(mapped, BOARD, multipliers=1024)
    latencies = [tuning.latency(mapped, plan) for plan in plans]
    assert len(set(latencies)) > 1 and tuning.latency(mapped, best) == min(latencies)


def test_packets_that_vitis_refuses_are_noted():
    head = load_demo().head
    assert tuning.notes(map_graph(head, "io_parallel")) == []
    (note,) = tuning.notes(map_graph(head, "io_stream"))
    assert "vector (1059 x 8)" in note and "--io parallel" in note
    (note,) = tuning.notes(map_graph(load_demo().encoder, "io_stream"))
    assert ": features (1024 x 7);" in note  # the flat output is one packet; the images are many
