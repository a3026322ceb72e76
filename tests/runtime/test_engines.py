"""Several engines behind one driver: models that compute golden, in one memory and apart; order, faults, swaps."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="designs are made in the flow environment")

from hwgen import boards
from hwgen.build import package_engines
from hwgen.evaluate.design_sim import pack_inputs
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.graph.split import cuts
from hwgen.runtime import (
    Accelerator,
    EngineError,
    Engines,
    EngineTimeout,
    InputFault,
    PackageError,
    UsageError,
    read_package,
)
from hwgen.runtime.engines_chain import in_place
from hwgen.runtime.layout import int32_to_planar
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.sim_engines import instant
from tests.codesign.ways import written
from tests.runtime import several
from tests.runtime.conftest import FakeClock
from tests.runtime.model import EngineModel
from tests.support import cases

DDR = 1 << 22
BOARD = boards.load("zcu104")


def network(seed=1, residual=False):
    """Three layers; with `residual` the third reads the first's answer and an input, too, and another output ends
    early."""
    rng, b = np.random.default_rng(seed), GraphBuilder("net")
    x, late = b.input("x", (24,), bits=8, signed=True, scale=2**-4), b.input("late", (16,), bits=8, scale=2**-3)

    def layer(name, wide, out, **more):
        acc = b.linear(name, rng.integers(-7, 8, (wide, out)), 2**-5, weight_bits=4)
        return b.requantize(acc, bits=8, signed=True, scale=2**-3, **more)

    first = layer(x, 24, 16)
    second = layer(first, 16, 16)
    third = layer(second, 16, 16, residual=late)
    if residual:
        b.output(second, "early")
        third = layer(third, 16, 16, residual=first)
    b.output(third, "y")
    return b.build()


def made(folder, graph, copies, places=(), name="net.hwpkg"):
    """The package of a graph on so many engines."""
    parts = written(folder / "design", graph, BOARD, copies, places)
    return package_engines.package(folder / "design", folder / name), parts


class Board:
    """Models of a package's engines that compute golden; in one memory, or each in its own."""

    def __init__(self, package, parts, shared=True):
        self.models, self.devices, ddr = [], [], np.zeros(DDR, np.uint8)
        graphs = [g for g, many in zip(parts, package.copies, strict=True) for _ in range(many)]
        for one, graph in zip(package.engines, graphs, strict=True):
            m = one.manifest
            model = EngineModel(computing(one, graph), m["in_bytes"], m["out_bytes"], one.design_hash)
            model.ddr = ddr if shared else np.zeros(DDR, np.uint8)
            self.models.append(model)
            self.devices.append(SimDirect(model, self.devices[0] if shared and self.devices else None))


def computing(package, graph):
    """Bytes in -> bytes out, as the engine of this package does it."""

    def compute(data):
        raw = np.frombuffer(data, np.uint8)
        out = golden.run(graph, {spec.name: spec.view(raw)[None].astype(np.int64) for spec in package.inputs})
        target = np.zeros(package.manifest["out_bytes"], np.uint8)
        for spec in package.outputs:
            values = out[spec.name][0]
            if spec.planar:
                spec.view(target)[:] = int32_to_planar(values.reshape(-1, spec.channels), spec.planar)
            else:
                spec.view(target)[:] = values
        return target.tobytes()

    return compute


def frames(graph, seed, count):
    """(inputs, golden) of each of `count` observations, integers."""
    inputs = random_inputs(graph, seed, count)
    want = golden.run(graph, inputs)
    return [({n: a[i] for n, a in inputs.items()}, {n: a[i] for n, a in want.items()}) for i in range(count)]


def right(got, want):
    return set(got) == set(want) and all(np.array_equal(got[name], want[name]) for name in want)


LAYOUTS = {
    "replicas": ((3,), (), False), "pipeline": ((1, 1), (2,), False), "three": ((1, 1, 1), (2, 4), True),
    "mixed": ((2, 2), (4,), True),
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(LAYOUTS))
def system(request, tmp_path_factory):
    copies, places, residual = LAYOUTS[request.param]
    graph = network(residual=residual)
    places = [min((c.at for c in cuts(graph, 2)), key=lambda at, p=place: abs(at - p)) for place in places]
    return graph, *made(tmp_path_factory.mktemp(request.param), graph, copies, places)


@pytest.mark.parametrize("shared", [True, False])
def test_every_answer_is_goldens_and_in_order(system, shared, seed):
    graph, package, parts = system
    board, rng = Board(package, parts, shared), np.random.default_rng(seed)
    for model in board.models:
        model.polls = int(rng.integers(1, 30))  # engines that take turns in another order
    with Engines(package, devices=board.devices) as engines:
        pending = []
        for inputs, want in frames(graph, seed, cases(40, 1000)):
            while not engines.free() or pending and rng.random() < 0.3:
                assert right(engines.result(), pending.pop(0))
            engines.submit(inputs, raw=True)
            pending.append(want)
        while pending:
            engines.done()
            assert right(engines.result(), pending.pop(0))
        assert all(model.runs for model in board.models)  # all have worked
        assert right(engines.infer(inputs, raw=True), want)


def test_the_selftest_is_of_each_engine_and_of_the_whole(system):
    _, package, parts = system
    board = Board(package, parts)
    with Engines(package, devices=board.devices) as engines:
        told = engines.selftest()
        assert told["vectors"] == 32 and len(told["engines"]) == len(package.engines)
        health = engines.health()
        assert health["infers"] == 32 and health["errors"] == health["in_flight"] == 0
        assert [one["runs"] for one in health["engines"]] == [model.runs for model in board.models]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """Two stages, the second of which reads an input of the whole, too."""
    graph = network()
    return graph, *made(tmp_path_factory.mktemp("pipeline"), graph, (1, 1), [cuts(graph)[0].at])


def chained(tmp_path, name="chain.hwpkg", seed=1):
    """A pipeline whose second stage reads nothing but the first one's answer."""
    rng, b = np.random.default_rng(seed), GraphBuilder("chain")
    x = b.input("x", (24,), bits=8, signed=True, scale=2**-4)
    for wide in (24, 16, 16):
        acc = b.linear(x, rng.integers(-7, 8, (wide, 16)), 2**-5, weight_bits=4)
        x = b.requantize(acc, bits=8, signed=True, scale=2**-3)
    b.output(x, "y")
    graph = b.build()
    return graph, *made(tmp_path, graph, (1, 1), [cuts(graph)[0].at], name)


def test_a_stage_reads_where_the_one_before_wrote(tmp_path):
    graph, package, parts = chained(tmp_path)
    assert in_place(*package.stages)
    board = Board(package, parts)
    with Engines(package, devices=board.devices) as engines:
        for inputs, want in frames(graph, 1, 5):
            assert right(engines.infer(inputs, raw=True), want)
            pointers = [model.regs[name] for model, name in zip(board.models, ("OUT_PTR_LO", "IN_PTR_LO"), strict=True)]
            assert pointers[0] == pointers[1]
    apart = Board(package, parts, shared=False)
    with Engines(package, devices=apart.devices) as engines:
        for inputs, want in frames(graph, 2, 5):
            assert right(engines.infer(inputs, raw=True), want)


def test_what_an_earlier_stage_does_not_make_is_copied(pipeline):
    _, package, _ = pipeline
    assert not in_place(*package.stages)  # the second one also reads an input of the whole


def test_engines_that_answer_at_once_take_the_drivers_own_time(pipeline):
    """Every register, buffer and hand-over is gone through; nothing is computed."""
    graph, package, _ = pipeline
    with Engines(package, devices=instant(package)) as engines:
        got = engines.infer_batch([inputs for inputs, _ in frames(graph, 1, 5)], raw=True)
        assert len(got) == 5 and all(one["y"].shape == (16,) for one in got)
        assert [one["infers"] for one in engines.health()["engines"]] == [5, 5]


def test_real_units(pipeline, seed):
    graph, package, parts = pipeline
    with Engines(package, devices=Board(package, parts).devices) as engines:
        (inputs, want), *_ = frames(graph, seed, 1)
        real = {n: (v * graph.tensors[n].scale).astype(np.float32) for n, v in inputs.items()}
        got = engines.infer(real)
    assert np.array_equal(got["y"], (want["y"] * graph.tensors["y"].scale).astype(np.float32))


@pytest.mark.parametrize("bad", [0, 1])
def test_an_error_is_of_its_observation_alone(pipeline, bad):
    graph, package, parts = pipeline
    board = Board(package, parts)
    some = frames(graph, 1, 3)
    with Engines(package, devices=board.devices) as engines:
        assert right(engines.infer(some[0][0], raw=True), some[0][1])
        board.models[bad].fail = "WATCHDOG"
        engines.submit(some[1][0], raw=True)
        while not engines.free():
            pass
        engines.submit(some[2][0], raw=True)
        with pytest.raises(EngineError, match="WATCHDOG"):
            engines.result()
        assert right(engines.result(), some[2][1]) and engines.health()["errors"] == 1


def test_what_the_next_stage_does_not_take_is_an_error_of_its_observation(tmp_path):
    """y is -3 where x is not positive, and the second stage is to get 0 at least."""
    package, models = several.pipeline(tmp_path / "chain.hwpkg", lo=0), several.pipeline_models()
    good, bad = ({"x": np.full(20, x, np.int8), "k": np.zeros((2, 3), np.uint8)} for x in (9, -1))
    with Engines(package, devices=[SimDirect(model) for model in models]) as engines:  # each in a memory of its own
        for inputs in (good, bad, good, bad):
            if inputs is bad:
                with pytest.raises(InputFault, match="holds -3, outside 0..127"):
                    engines.infer(inputs, raw=True)
            else:
                assert (engines.infer(inputs, raw=True)["w"] == 6).all()
        assert engines.health()["errors"] == 2


@pytest.mark.parametrize("bad", [0, 1])
def test_an_engine_that_hangs_is_given_up_and_comes_back(pipeline, bad):
    graph, package, parts = pipeline
    board = Board(package, parts)
    some = frames(graph, 1, 2)
    with Engines(package, devices=board.devices, clock=FakeClock()) as engines:
        board.models[bad].hang = True
        with pytest.raises(EngineTimeout):
            engines.infer(some[0][0], raw=True, timeout=0.05)
        board.models[bad].hang = False
        assert right(engines.infer(some[1][0], raw=True), some[1][1])


def test_an_interrupt_anywhere_mixes_no_answers(pipeline, seed):
    """Ctrl-C in any register access: what was in flight is given up, the next observation is answered right."""
    graph, package, parts = pipeline
    board, rng = Board(package, parts), np.random.default_rng(seed)
    some = frames(graph, seed, cases(30, 400))
    with Engines(package, devices=board.devices) as engines:
        for inputs, want in some:
            model, left = board.models[int(rng.integers(2))], [int(rng.integers(0, 12))]
            device = engines.engines[board.models.index(model)]._residency.current[0].engine
            read = device._read

            def interrupted(offset, read=read, left=left):
                left[0] -= 1
                if left[0] == 0:
                    raise KeyboardInterrupt
                return read(offset)

            device._read = interrupted
            try:
                assert right(engines.infer(inputs, raw=True), want)
            except KeyboardInterrupt:
                pass
            device._read = read
            assert right(engines.infer(inputs, raw=True), want)


def test_a_swap_changes_all_engines_or_none(tmp_path):
    graph, package, parts = chained(tmp_path / "a")
    other, new, new_parts = chained(tmp_path / "b", seed=2)
    board = Board(package, parts)
    some, others = frames(graph, 3, 2), frames(other, 4, 2)
    with Engines(package, devices=board.devices) as engines:
        engines.submit(some[0][0], raw=True)
        with pytest.raises(UsageError, match="1 submitted observations are in flight"):
            engines.swap(new)
        assert right(engines.result(), some[0][1])
        with pytest.raises(Exception, match="golden says"):  # the models compute the old weights: nobody changes
            engines.swap(new)
        assert engines.package is package and right(engines.infer(some[1][0], raw=True), some[1][1])
        for model, one, part in zip(board.models, new.engines, new_parts, strict=True):
            model.compute = computing(one, part)
        engines.swap(new)
        assert engines.package is new and right(engines.infer(others[0][0], raw=True), others[0][1])
        assert engines.health()["swaps"] == 1


def test_engines_that_do_not_come_back_from_a_swap_answer_nothing(tmp_path):
    """The first has the new package, the second refuses it, and the first cannot go back: no answer may mix two."""
    graph, package, parts = chained(tmp_path / "a")
    _, new, _ = chained(tmp_path / "b", seed=2)
    board = Board(package, parts)
    with Engines(package, devices=board.devices) as engines:
        second, swap = engines.engines[1], engines.engines[1].swap

        def refuse(*args, **more):
            board.models[0].fail_load = board.models[1].fail_load = "BAD_IMAGE"
            return swap(*args, **more)

        second.swap = refuse
        with pytest.raises(EngineError, match="BAD_IMAGE"):
            engines.swap(new, selftest=False)
        with pytest.raises(UsageError, match="are closed"):
            engines.infer(frames(graph, 1, 1)[0][0], raw=True)


def test_what_does_not_belong_is_refused(pipeline, tmp_path):
    graph, package, parts = pipeline
    board = Board(package, parts)
    with pytest.raises(UsageError, match="devices= are 1; give one for each of 2 engines"):
        Engines(package, devices=board.devices[:1])
    with pytest.raises(UsageError, match="devices= are SimDirect; give one for each of 2 engines"):
        Engines(package, devices=board.devices[0])
    with pytest.raises(UsageError, match="which hardware"):
        Engines(package)
    with pytest.raises(PackageError, match="several engines; open it with hwgen.runtime.Engines"):
        read_package(package.path)
    for wrong in (package, None):
        with pytest.raises(UsageError, match="the package is .*; give the path of a .hwpkg file"):
            Accelerator(wrong, device=board.devices[0])
    with Accelerator(package.stages[0], device=board.devices[0]) as alone:
        with pytest.raises(PackageError, match="several engines"):
            alone.swap(package.path)
        with pytest.raises(UsageError, match="the package is .*; give the path of a .hwpkg file"):
            alone.swap(package)
    engines = Engines(package, devices=board.devices)
    with pytest.raises(UsageError, match="nothing was submitted"):
        engines.result()
    with pytest.raises(InputFault, match="infer_batch is given dict; give a list"):
        engines.infer_batch({"x": np.zeros(24)})
    with pytest.raises(InputFault, match="late"):
        engines.infer({"x": np.zeros(24, np.int8)}, raw=True)
    engines.close()
    engines.close()
    with pytest.raises(UsageError, match="are closed"):
        engines.infer({}, raw=True)
    assert not board.devices[0].pool.live  # all memory is back


def test_the_golden_bytes_are_those_of_the_simulator(pipeline):
    """The models' bytes in and out are those that the RTL has (hwgen.evaluate.design_sim)."""
    graph, package, parts = pipeline
    inputs = random_inputs(parts[0], 1, 3)
    packed = pack_inputs(package.stages[0], inputs)
    compute = computing(package.stages[0], parts[0])
    want = golden.run(parts[0], inputs)
    for i, spec in enumerate(package.stages[0].outputs):
        got = spec.view(np.frombuffer(compute(packed[0].tobytes()), np.uint8))
        assert np.array_equal(got, want[spec.name][0]), i
