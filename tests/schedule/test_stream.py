"""Weights from DDR: the same outputs as with all of them resident, in the clocks that the cycle model says."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder, golden
from hwgen.graph.random_graphs import random_inputs
from hwgen.policies import zoo
from hwgen.schedule import compile_graph, compile_onto
from hwgen.schedule.budget import usable
from hwgen.schedule.compile import with_streams
from hwgen.schedule.image import image, pack_weights
from hwgen.schedule.instructions import Fetch
from hwgen.schedule.stream import pack, stream
from hwgen.schedule.timing import predict
from tests.schedule import support
from tests.schedule.interpreter import Engine
from tests.support import cases


def layers(rng, rows: int, widths: tuple[int, ...]):
    """Linear layers over some rows."""
    b = GraphBuilder("layers")
    x = b.input("x", (rows, widths[0]), bits=8, signed=True, scale=2**-6)
    for n, m in zip(widths, widths[1:], strict=False):
        acc = b.linear(x, rng.integers(-127, 128, (n, m)), 2**-9, rng.normal(0, 1, m), weight_bits=8)
        x = b.requantize(acc, bits=8, signed=True, scale=2**-5)
    b.output(x, "y")
    return b.build()


def on(design, words: int, ports: int):
    """(configuration, program) of the design with so many weight words and ports."""
    config = design.config.resized(weight_depth=words, stream_ports=ports, prog_depth=64, unit_prog_depth=64)
    return config, stream(design.program, config)


@pytest.mark.parametrize("words, ports", [(40, 1), (40, 2), (44, 1), (50, 2)])
def test_streamed_weights_change_no_output(words, ports, rng):
    graph = layers(rng, 3, (40, 24, 32, 16, 40, 32))
    design = compile_graph(graph, 8, 8)
    assert len(design.program.weights) > words
    config, program = on(design, words, ports)
    assert program.stream and len(program.weights) < words
    x = rng.integers(-128, 128, (1, 3, 40)).astype(np.int8)
    want = golden.run(graph, {"x": x})["y"]
    data = pack(program, config, pack_weights(program.streamed, config))
    engine = Engine(image(program, config, 0), config, rng, streamed=data)
    result = engine.run(x.tobytes(), design.plan.out_bytes)
    assert np.array_equal(np.frombuffer(bytes(result.output[: want.size]), np.int8), want.ravel())
    timing = predict(program, config)
    assert (result.latency, result.issued) == (timing.latency, timing.issued)
    assert result.latency >= design.timing.latency
    slow = Engine(image(program, config, 0), config, rng, lambda: int(rng.integers(0, 30)), data)
    assert slow.run(x.tobytes(), design.plan.out_bytes).output == result.output


def assert_golden(design, seed: int) -> None:
    """On the interpreter: golden's outputs, in the clocks predicted."""
    inputs = random_inputs(design.graph, seed, 1)
    got, result = support.run(design, support.engine(design, seed), {name: x[0] for name, x in inputs.items()})
    for name, want in golden.run(design.graph, inputs).items():
        np.testing.assert_array_equal(got[name], want[0], err_msg=name)
    assert (result.latency, result.issued) == (design.timing.latency, design.timing.issued)


NETWORKS = ("resnet18-84", "oft-l1-head", "octo-small-diffusion-head", "vit-tiny", "tdmpc")


@settings(max_examples=cases(3, 100), deadline=None, phases=[Phase.generate])  # nothing smaller is simpler here
@given(
    st.integers(0, 2**16), st.sampled_from(NETWORKS), st.sampled_from([(8, 8), (16, 16), (8, 16), (16, 8)]),
    st.integers(1, 4), st.floats(0.1, 0.9),
)  # fmt: skip
def test_networks_from_ddr(seed, name, array, ports, share):
    """Convolutions in windows, norms, attention and a loop whose rounds share weights, in blocks of groups."""
    design = compile_graph(zoo.graph(f"zoo:{name}-small"), *array)
    words = int(len(design.program.weights) * share)
    try:
        streamed = with_streams(design, words, usable(design, ports))
    except FitError as error:
        assert "a ring of" in str(error)
        return
    assert streamed.stream and streamed.streamed_bytes and len(streamed.program.weights) < words
    assert_golden(streamed, seed)
    again = compile_onto(design.graph, streamed.config)
    assert again.config == streamed.config and again.timing.latency == streamed.timing.latency


def test_rounds_of_a_loop_do_not_bring_what_still_lies_there():
    """Blocks that fit the ring together come once, in all rounds."""
    rng, b = np.random.default_rng(0), GraphBuilder("loop")
    x, weight = b.input("x", (64,), bits=8, signed=True, scale=2**-6), rng.integers(-8, 8, (64, 64)).astype(np.int8)
    for _ in range(5):
        x = b.requantize(b.linear(x, weight, 2**-6, np.ones(64), weight_bits=4), bits=8, signed=True, scale=2**-6)
    b.output(b.requantize(b.linear(x, rng.integers(-8, 8, (64, 192)).astype(np.int8), 2**-6, np.ones(192),
                                   weight_bits=4), bits=8, signed=True, scale=2**-6), "y")  # fmt: skip
    design = compile_graph(b.build(), 8, 8)
    streamed = with_streams(design, 160, 1)
    beats = design.config.weight_beats * 16
    assert streamed.streamed_bytes <= len(design.program.weights) * beats
    assert_golden(streamed, 1)


def test_blocks_come_while_the_array_works(rng):
    """A ring for two blocks at least: but for the first, which nothing hides, long operations wait for none."""
    graph = layers(rng, 40, (32, 32, 32, 32, 32))
    design = compile_graph(graph, 8, 8)
    config, program = on(design, 32, 4)
    fetches = [ins for ins in program.stream if isinstance(ins, Fetch)]
    assert len(fetches) == 4 and fetches[2].gate.unit == "MM"
    assert predict(program, config).latency <= design.timing.latency + 150


def test_all_resident_where_they_fit(rng):
    design = compile_graph(layers(rng, 2, (16, 24, 16)), 8, 8)
    config, program = on(design, 64, 1)
    assert not program.stream and len(program.weights) == len(design.program.weights)


def test_a_memory_without_room_for_two_blocks_is_refused(rng):
    design = compile_graph(layers(rng, 2, (64, 64, 64)), 8, 8)
    with pytest.raises(FitError, match="the weight memory has 100 words; .* a ring of 128"):
        on(design, 100, 1)
