import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hwgen.backends.hls4ml import convolution
from hwgen.graph import GraphBuilder, golden


@given(st.integers(0, 2**32 - 1))
def test_a_kernel_filled_with_zeros_computes_the_same(seed):
    rng = np.random.default_rng(seed)
    groups, n = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    ins, outs = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 3))
    kernel, dilation = rng.integers(1, 4, n).tolist(), rng.integers(1, 4, n).tolist()
    b = GraphBuilder("conv")
    x = b.input("x", (ins, *(11,) * n), 8)
    w = rng.integers(-8, 8, (outs, ins // groups, *kernel))
    stride, pads = rng.integers(1, 3, n).tolist(), rng.integers(0, 3, 2 * n).tolist()
    b.output(b.conv(x, w, 1.0, None, 4, stride, pads, dilation, groups), "y")
    node = b.graph.nodes[0]
    window = convolution.window(node, str(rng.choice(["io_parallel", "io_stream"])))
    plain = type(node)(
        name="p", inputs=node.inputs, output=node.output, weight=np.moveaxis(window.weight, (-2, -1), (1, 0)),
        weight_bits=4, stride=window.stride, pads=window.pads, dilation=(1,) * n,
    )  # fmt: skip
    x = rng.integers(-128, 128, (2, ins, *(11,) * n))
    assert (golden.conv(plain, [x], []) == golden.conv(node, [x], [])).all()


def test_a_stream_with_a_vertical_stride_has_no_kernel_of_height_one():
    b = GraphBuilder("conv")
    x = b.input("x", (2, 6, 7), 8)
    b.output(b.conv(x, np.ones((3, 2, 1, 3), int), 1.0, None, 2, (2, 1)), "y")
    node = b.graph.nodes[0]
    assert convolution.window(node, "io_parallel").weight.shape == (1, 3, 2, 3)
    high = convolution.window(node, "io_stream")
    assert high.weight.shape == (2, 3, 2, 3) and high.pads == (0, 0, 1, 0) and not high.weight[1].any()


def test_attributes_have_hls4mls_names():
    a = convolution.attributes((8, 9), (4, 5), (3, 2), (2, 1), (1, 0, 1, 2), 3, 7)
    assert (a["in_height"], a["in_width"], a["out_height"], a["out_width"]) == (8, 9, 4, 5)
    assert (a["pad_top"], a["pad_left"], a["pad_bottom"], a["pad_right"]) == (1, 0, 1, 2)
    assert (a["filt_height"], a["filt_width"], a["stride_height"], a["stride_width"]) == (3, 2, 2, 1)
    one = convolution.attributes((8,), (4,), (3,), (2,), (1, 2), 3, 7)
    assert (one["pad_left"], one["pad_right"], one["n_chan"], one["n_filt"]) == (1, 2, 3, 7)
    assert "in_height" not in one
