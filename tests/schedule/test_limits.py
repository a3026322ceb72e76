"""What no engine holds is told at once, with the node that asks for it."""

import numpy as np
import pytest

from hwgen.errors import FitError, UnsupportedError
from hwgen.graph import GraphBuilder
from hwgen.graph.net import Net
from hwgen.schedule import compile_graph


def vector(size: int):
    b = GraphBuilder("large")
    b.output(b.requantize(b.input("x", (size,), scale=2.0**-5), scale=2.0**-4, name="it"), "y")
    return b.build()


def attention(rows: int, width: int):
    net = Net("attention", samples=2)
    net.output(net.attention(net.input("x", (rows, width)), "it", 8), "y")
    return net.build()


def layers(count: int):
    """Each with a table of its own."""
    b, rng = GraphBuilder("layers"), np.random.default_rng(0)
    x = b.input("x", (16,), scale=2.0**-5)
    for i in range(count):
        x = b.lookup(x, rng.permutation(256) - 128, scale=2.0**-5, name=f"it{i}")
    b.output(x)
    return b.build()


def softmaxes(count: int):
    b = GraphBuilder("softmaxes")
    x = b.input("x", (4, 16), scale=2.0**-5)
    for i in range(count):
        x = b.requantize(b.softmax(x, gain=0.3 + 0.1 * i, name=f"it{i}"), scale=2.0**-7)
    b.output(x, "y")
    return b.build()


def group_norm(channels: int, positions: int, groups: int):
    b = GraphBuilder("groups")
    x = b.input("x", (channels, positions), scale=2.0**-5)
    b.output(b.requantize(b.groupnorm(x, groups, 1.0, scale=2.0**-5, name="it"), scale=2.0**-4), "y")
    return b.build()


def tall_image():
    b = GraphBuilder("tall")
    x = b.input("x", (64, 2000, 4), scale=2.0**-5)
    acc = b.conv(x, np.ones((8, 64, 3, 3), np.int8), 2.0**-5, pads=1)
    b.output(b.requantize(acc, scale=2.0**-2, channel_axis=-3), "it")
    return b.build()


def wide_image():
    """A change of a small image, as a bad export has it: its windows would take gigabytes."""
    b = GraphBuilder("wide")
    acc = b.conv(b.input("x", (5, 5, 1 << 20), scale=2.0**-5), np.ones((1, 5, 3, 3), np.int8), 2.0**-5, pads=1)
    b.output(b.requantize(acc, scale=2.0**-2, channel_axis=-3, name="it"), "y")
    return b.build()


def loop(steps: int):
    """The layers of a policy that runs far more steps than any engine has instructions for."""
    b, weight = GraphBuilder("loop"), np.ones((4, 4), np.int8)
    x = b.input("x", (4,), scale=2.0**-5)
    for i in range(steps):
        x = b.requantize(b.linear(x, weight, 2.0**-3), scale=2.0**-5, name=f"it{i}")
    b.output(x)
    return b.build()


CASES = {
    "image": (wide_image, "node 'y' .Requantize.: its result .* takes 83,886,080 bytes"),
    "input": (
        lambda: vector(1 << 40),
        "input 'x' of shape .* takes 1,099,511,627,776 bytes; a memory bank",
    ),
    "vector": (
        lambda: vector(1 << 20),
        "node 'y': with it the program needs param_depth = 131072.*reach 4096: use",
    ),
    "keys": (lambda: attention(300, 512), "node 'it.*with it the program needs kv_depth = 4864.*reach 4096"),
    "tables": (lambda: layers(17), "node 'it16'.*more than 16 different activation tables; give some"),
    "exponentials": (lambda: softmaxes(18), "node 'it17'.*more than 16 different tables of exponentials"),
    "channels": (
        lambda: group_norm(20_000, 3, 20_000),
        "node 'it': with it the program needs group_words = 1250",
    ),
    "steps": (lambda: loop(4100), "node 'it4096': with it the array needs 4,100 instructions or more.*fewer"),
    "coordinates": (tall_image, "node 'it': it is too large for one instruction .field 'y_last'.*larger --array"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_too_large_is_named(case):
    make, words = CASES[case]
    with pytest.raises(FitError, match=words) as caught:
        compile_graph(make(), 8, 8)
    assert "\n" not in str(caught.value)


def test_a_tensor_without_axes_is_named():
    b = GraphBuilder("scalar")
    b.output(b.requantize(b.input("x", ()), scale=2.0), "y")
    with pytest.raises(UnsupportedError, match="tensor 'x' has no axes; give it one of size 1"):
        compile_graph(b.build(), 8, 8)
