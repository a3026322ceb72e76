"""Weights from DDR: the same outputs as with all of them resident, in the clocks that the cycle model says."""

import numpy as np
import pytest

from hwgen.errors import FitError
from hwgen.graph import GraphBuilder, golden
from hwgen.schedule import compile_graph
from hwgen.schedule.image import image, pack_weights
from hwgen.schedule.instructions import Fetch
from hwgen.schedule.stream import pack, stream
from hwgen.schedule.timing import predict
from tests.schedule.interpreter import Engine


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
    config = design.config.resized(weight_depth=words, stream_ports=ports, prog_depth=64)
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
