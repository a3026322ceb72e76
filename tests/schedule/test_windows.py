"""Images that arrive as windows: the geometry against NumPy, and whole graphs on the interpreter, clock by clock."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.graph import GraphBuilder
from hwgen.schedule import compile_graph, windows
from hwgen.schedule.windows import Geometry, RingModel, Stream, Windows
from tests.schedule.cameras import camera_graph
from tests.schedule.strategies import arrays, seeds
from tests.schedule.test_image_meaning import check
from tests.support import cases


@settings(max_examples=cases(25, 1000))
@given(seeds, arrays)
def test_outputs_and_clocks(seed, array):
    design = compile_graph(camera_graph(seed), *array)
    result = check(design, seed, frames=1)
    assert result.latency == design.timing.latency
    assert result.issued == design.timing.issued


@settings(max_examples=cases(8, 300))
@given(seeds, arrays, st.floats(0.05, 0.5))
def test_a_slow_memory_changes_no_bit(seed, array, often):
    rng = np.random.default_rng(seed)
    design = compile_graph(camera_graph(seed, 150), *array)
    check(design, seed, lambda: int(rng.integers(1, 20)) if rng.random() < often else 0, frames=1)


@settings(max_examples=cases(15, 600))
@given(seeds, arrays, st.sampled_from([64, 500, 2000]))
def test_windows_in_bands(seed, array, most):
    """Bands take turns in two places, and none is written before the array has read what lay there."""
    with mock.patch.object(windows, "BAND_BYTES", most):
        design = compile_graph(camera_graph(seed, 250), *array)
        for image in design.plan.images.values():
            row = image.geometry.cols * image.pitch
            assert image.bytes <= 2 * max(most, row) or image.band == image.geometry.rows
        assert check(design, seed, frames=2).latency == design.timing.latency


def conv(channels, size, kernel, stride, pad, outputs=32):
    b = GraphBuilder("conv")
    x = b.input("x", (channels, size, size), bits=8, signed=False, scale=2.0**-8)
    weight = np.ones((outputs, channels, kernel, kernel), np.int64)
    acc = b.conv2d(x, weight, 2.0**-4, stride=(stride, stride), pads=(pad,) * 4)
    b.output(b.requantize(acc, bits=8, scale=2.0**-2), "y")
    return b.build()


@pytest.mark.parametrize(
    "shape, size, words, ring",
    [((6, 128, 3, 2, 1), 54, 2, 4096), ((3, 84, 7, 2, 3), 147, 5, 4096), ((3, 64, 8, 8, 0), 192, 6, 4096),
     ((3, 224, 16, 16, 0), 768, 24, 32768), ((3, 256, 3, 2, 1), 27, 1, 4096)],
)  # fmt: skip
def test_first_layers_of_policies(shape, size, words, ring):
    """Packed, none of them needs more words than its bytes fill; the array takes one chunk a clock."""
    graph = conv(*shape)
    (node,) = (node for node in graph.nodes if node.op == "Conv2D")
    g = windows.of_conv(node, graph.tensors["x"].shape)
    assert (g.size, g.words(32), g.ring(32)) == (size, words, ring)
    assert g.fits(32)


def test_starts_on_the_first_rows():
    """The array begins when the first window's rows are there, long before the image is."""
    timing = compile_graph(conv(6, 64, 3, 2, 1), 16, 32).timing
    assert timing.first_issue < 43 + 3 * 64 * 6 // 16 + 10
    assert timing.last_issue - timing.first_issue < 32 * 32 * 4 + 64  # four chunks a window, and no waiting


@pytest.mark.parametrize(
    "change", [{"groups": 2}, {"dilation": (2, 2)}, {"pads": (3, 3, 3, 3)}], ids=["groups", "dilation", "far pads"]
)  # fmt: skip
def test_what_windows_are_not_for(change):
    b = GraphBuilder("conv")
    x = b.input("x", (6, 9, 9), bits=8, signed=True, scale=2.0**-7)
    weight = np.ones((4, 6 // change.get("groups", 1), 3, 3), np.int64)
    b.output(b.requantize(b.conv2d(x, weight, 2.0**-4, **change), bits=8, scale=2.0**-2), "y")
    design = compile_graph(b.build(), 16, 16)
    assert not design.plan.images and design.config.win_ring == 0
    check(design, 1, frames=1)


def test_ports_reach_a_word_a_clock_only_where_the_array_needs_it():
    g = Geometry(84, 252, 7, 21, 6, 9, 42, 2, 3, 42)
    spent = [int(g.steps(32, n).sum()) for n in (1, 2, 3)]
    assert spent == [11, 7, 5]
    assert [windows.ports(g, 32, clocks) for clocks in (20, 11, 10, 7, 5, 1)] == [1, 1, 2, 2, 3, 3]


def test_a_ring_that_is_too_small_never_ends():
    """The model says so rather than giving a number."""
    g = Geometry(16, 96, 3, 18, 12, 6, 8, 2, 1, 8)
    ring = RingModel(g.ring(32) // 4)
    ring.stream(g.beats, 42)
    assert ring.windows(Windows(g, 32, 0, g.beats, 0, 0, 0, g.rows), 1, 1) is None


def test_fields_that_overflow_are_refused():
    with pytest.raises(ValueError, match="beats"):
        Stream(0, 1 << 21).encode(True)
