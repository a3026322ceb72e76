"""What the templates are instantiated with: widths, clocks, products, and what is refused."""

import numpy as np
import pytest

from hwgen.backends.hls4ml import extension
from hwgen.backends.hls4ml.extension import PARALLEL, STREAM, layer_dict, lower
from hwgen.backends.hls4ml.extension.place import strides
from hwgen.backends.hls4ml.extension.spec import bits_of, config_struct, precision
from hwgen.errors import UnsupportedError
from hwgen.graph import ops, ranges
from hwgen.graph.types import IntType, Tensor
from tests.backends.hls4ml.extension import drawing

INT8 = IntType(8)


def requantize(mult=1, bias=0, shift=0, inputs=("a",), **more) -> ops.Requantize:
    mult = [np.asarray(m, np.int64) for m in np.atleast_1d(np.array(mult, dtype=object))]
    parameters = {"mult": mult, "bias": np.asarray(bias, np.int64), "shift": np.asarray(shift, np.int64)}
    return ops.Requantize(name="rq", inputs=inputs, output="y", **parameters | more)


def layer(node, shapes, **more) -> dict:
    given = {"name": "l", "inputs": list(node.inputs), "types": [INT8] * len(shapes), "result": "ap_fixed<8,3>"}
    return layer_dict(node, shapes=shapes, **given | more)


@pytest.mark.parametrize(
    ("lo", "hi", "want"),
    [(0, 0, (1, False)), (0, 255, (8, False)), (0, 256, (9, False)), (-1, 0, (1, True)), (-128, 127, (8, True)),
     (-129, 0, (9, True)), (-1, 128, (9, True)), (-4, -4, (3, True))],
)  # fmt: skip
def test_bits_of_a_range(lo, hi, want):
    assert bits_of(lo, hi) == want


def test_precision_reads_strings_and_objects():
    from hls4ml.model.types import FixedPrecisionType

    assert precision("ap_ufixed<8, 3, AP_RND, AP_SAT>") == (8, False)
    assert precision("int<12>") == (12, True)
    assert precision(FixedPrecisionType(9, 2, signed=False)) == (9, False)
    with pytest.raises(UnsupportedError, match="float.*ap_"):
        precision("float")


def test_strides_repeat_axes_of_one():
    assert strides((2, 3, 4)) == (0, 12, 4, 1)
    assert strides((1, 3, 1)) == (0, 0, 1, 0)


def test_sums_are_as_wide_as_the_range_of_the_input_needs():
    # 100 * 5 + 24 + 4 (half of 2**3) = 528: 11 bits signed; int8 would need 12.
    node = requantize(mult=5, bias=24, shift=3)
    assert lower(node, [(4,)], [INT8], "int<8>", ranges=[(-100, 100)]).typedefs == {"sum_t": "ap_int<11>"}
    assert lower(requantize(mult=5, bias=24, shift=3, lo=-8, hi=7), [(4,)], [INT8], "int<4>").typedefs == {
        "sum_t": "ap_int<11>"
    }
    assert lower(requantize(mult=9, bias=24, shift=3), [(4,)], [INT8], "int<8>").typedefs == {"sum_t": "ap_int<12>"}


def test_a_clamp_that_nothing_reaches_costs_nothing():
    constants = lower(requantize(shift=1), [(4,)], [INT8], "int<8>").constants
    assert not constants["clamp_lo"] and not constants["clamp_hi"]
    constants = lower(requantize(bias=1), [(4,)], [INT8], "int<8>").constants
    assert not constants["clamp_lo"] and constants["clamp_hi"]


def test_channels_that_always_round_to_zero_cost_nothing():
    spec = lower(requantize(mult=np.array([[3, 7]])[0:1], shift=[2, 40]), [(2,)], [INT8], "int<8>")
    assert [p.tolist() for p in spec.parameters.values()] == [[3, 0], [2, 0], [2, 0]]


def test_latency_counts_stages_groups_and_what_is_read_first():
    wiring = layer(requantize(mult=4, shift=3), [(5, 6)])
    assert extension.latency(wiring) == 2 and extension.multipliers(wiring) == 0
    assert extension.latency(wiring, STREAM) == 2 + 5 - 1
    product = layer(requantize(mult=5, shift=3), [(5, 6)])
    assert extension.latency(product, PARALLEL, 3) == 4 + 2 and extension.multipliers(product, PARALLEL, 4) == 8
    assert extension.latency(product, STREAM, 3) == 4 + 15 - 1 and extension.multipliers(product, STREAM) == 6
    wide = layer(requantize(mult=5, shift=24), [(5, 6)], types=[IntType(32)])
    assert extension.latency(wide) == 5
    film = layer(
        ops.Mul(name="m", inputs=("a", "b"), output="y", mult=np.int64(1), shift=np.int64(7)), [(5, 6), (1, 6)]
    )
    assert extension.latency(film) == 3 and extension.latency(film, STREAM) == 3 + 5 - 1 + 1
    cut = layer(ops.Slice(name="s", inputs=("a",), output="y", axis=0, start=1, stop=3), [(5, 6)])
    assert extension.latency(cut) == 0 and extension.latency(cut, STREAM) == 5


def test_reuse_factor_and_io_reach_the_config_struct():
    spec = layer(requantize(mult=[3, 5], inputs=("a", "b")), [(2, 2), (2, 2)])["spec"]
    text = config_struct(spec, "config7", PARALLEL, 4)
    assert "struct config7" in text and "reuse_factor = 4" in text and "multiplier_limit = 2" in text
    assert "r2 = 2;" in text and "rsize = 4" in text
    stream = config_struct(spec, "config7", STREAM)
    assert "r2 = 0;" in stream and "rsize = 2" in stream and "rheld = false" in stream


def test_every_operator_has_a_layer_class():
    from hwgen.backends.hls4ml.extension.layers import LAYERS

    assert {f"Hwgen{op}" for op in extension.OPS} == {c.__name__ for c in LAYERS}


NORM = ops.LayerNorm(name="ln", inputs=("a",), output="y", gamma_mult=np.int64(1), bias=np.int64(0), shift=np.int64(20))
POOL = ops.MaxPool(name="mp", inputs=("a",), output="y", kernel=(2,), stride=(2,), pads=(0, 0))


@pytest.mark.parametrize(
    ("node", "shapes", "more", "says"),
    [
        (ops.Flatten(name="f", inputs=("a",), output="y"), [(4,)], {}, "Flatten 'f' is none of our HLS operators"),
        (requantize(), [(1, 2, 1, 2, 1)], {}, "'rq' has 5 axes .*reshape"),
        (requantize(mult=5), [(4,)], {"result": "ap_fixed<6,2>"}, "'rq' makes values -128 to 127.*give it ap_int<8>"),
        (requantize(), [(4,)], {"result": "ap_ufixed<8,2>"}, "'rq' makes values -128 to 127"),
        (NORM, [(2, 3)], {"perm": (1, 0)}, "'ln' works on the last axis.*Transpose"),
        (POOL, [(2, 4)], {}, "'mp' has 1 axes of windows.*channels last"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(node, shapes, more, says):
    with pytest.raises(UnsupportedError, match=says):
        layer(node, shapes, **more)


@pytest.mark.parametrize("draw", [drawing.requantize, drawing.mul, drawing.layernorm], ids=lambda draw: draw.__name__)
def test_no_lane_is_wider_than_twice_its_peak(draw):
    """The peak as graph/ranges.py has it; the rounding half never doubles it."""
    for seed in range(300):
        case = draw(seed)
        tensors = [Tensor("t", x.shape[1:], t) for x, t in zip(case.inputs, case.types, strict=True)]
        inputs = [ranges.Range(t.lo, t.hi) for t in case.types]
        peak = int(2 * ranges.node_range(case.node, inputs, tensors).peak).bit_length()
        width = int(case.spec.typedefs["lane_t" if draw is drawing.layernorm else "sum_t"][7:-1])
        assert width <= max(peak, bits_of(case.node.lo, case.node.hi)[0]) + 1, f"{draw.__name__}({seed})"
