"""Where float32 ends, float64 takes over, and ranges that are stated hold at their ends."""

import numpy as np
import pytest

from hwgen.runtime.host import HostProgram, plan
from tests.runtime.host.compare import parsed
from tests.runtime.host.interpreter import interpret

INT32 = {"lo": -(2**31), "hi": 2**31 - 1}


def check(nodes: list[dict], arrays: dict, *inputs: tuple[str, list[int], int, int], seed: int = 0) -> HostProgram:
    """The last node's output equals golden's on extreme and random inputs, and lies within its stated range."""
    described = [dict(zip(("name", "shape", "lo", "hi"), given, strict=True)) for given in inputs]
    last = nodes[-1]["output"]
    description = {"format": 1, "inputs": described, "nodes": nodes, "outputs": [last]}
    program, rng = parsed(description, arrays), np.random.default_rng(seed)
    batches = {}
    for name, shape, lo, hi in inputs:
        any_, ends = rng.integers(lo, hi + 1, (20, *shape)), rng.choice([lo, hi], (20, *shape))
        batches[name] = np.concatenate([np.full((1, *shape), lo), np.full((1, *shape), hi), any_, ends])
    found, want = program.run_batch(batches)[last], interpret(description, arrays, batches)[last]
    np.testing.assert_array_equal(found, want)
    tensor = program.outputs[last]
    assert tensor.lo <= want.min() and want.max() <= tensor.hi
    return program


def requantize(*inputs: str, **entries) -> dict:
    lane = {"mult": [1] * len(inputs), "bias": 0, "shift": 0, "relu": False}
    return {"op": "Requantize", "inputs": list(inputs), "output": "y", **lane, **INT32, **entries}


@pytest.mark.parametrize("rows", [500, 1040, 1045, 5000], ids=lambda rows: f"{rows}")
def test_linear_sums_around_24_bits(rows, rng):
    """128 * 127 * 1032 is just below 2**24; single steps must count above it, too."""
    weight = np.full((rows, 7), 127, np.int8)
    weight[0] = rng.integers(-128, 128, 7)
    node = {"op": "Linear", "inputs": ["x"], "output": "y", "weight": "w"}
    check([node], {"w": weight}, ("x", [3, rows], -128, 127), seed=int(rng.integers(2**31)))


def test_conv_sums_above_24_bits(rng):
    weight = np.full((6, 500, 3), 127, np.int8)
    weight[:, 0] = rng.integers(-128, 128, (6, 3))
    window = {"stride": [2], "pads": [1, 2], "dilation": [1], "groups": 2}
    node = {"op": "Conv1D", "inputs": ["x"], "output": "y", "weight": "w", **window}
    check([node], {"w": weight}, ("x", [1000, 9], 0, 255))


def test_padding_is_zero_where_no_input_is(rng):
    """Inputs of 5 to 10 alone would never give what a window half on padding does."""
    window = {"stride": [1, 1], "pads": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    conv = {"op": "Conv2D", "inputs": ["x"], "output": "y", "weight": "w", **window}
    check([conv], {"w": np.ones((1, 2, 3, 3), np.int8)}, ("x", [2, 4, 4], 5, 10))
    pool = {"op": "SumPool", "inputs": ["x"], "output": "y", "kernel": [3, 3], "stride": [1, 1], "pads": [1, 1, 1, 1]}
    check([pool], {}, ("x", [2, 4, 4], 5, 10))
    check([pool], {}, ("x", [2, 4, 4], -10, -5))


def test_pool_sums_above_24_bits():
    pool = {"op": "SumPool", "inputs": ["x"], "output": "y", "kernel": [300, 300], "stride": [1, 1], "pads": [0] * 4}
    check([pool], {}, ("x", [1, 301, 300], 0, 255))


@pytest.mark.parametrize("hi", [1000, 2**24, 2**24 + 1, 2**31 - 1])
@pytest.mark.parametrize("shift", [0, 1, 7, 63])
def test_lanes_of_any_width(hi, shift, rng):
    """Odd multipliers and biases: every bit of the sum decides how it is rounded."""
    low = -hi - 1 if hi == 2**31 - 1 else -hi
    arrays = {"m": rng.integers(-(2**17) + 1, 2**17, 5) | 1, "b": rng.integers(-(2**46), 2**46, 5) | 1}
    small = {"m": np.array([1, -1, 3, 5, 2]), "b": np.arange(5), "s": np.array([0, 1, 2, 3, 4])}
    mult = {"mult": ["m"], "bias": "b", "channel_axis": 1}
    check([requantize("x", shift=shift, **mult)], arrays, ("x", [4, 5], low, hi), seed=int(rng.integers(2**31)))
    check([requantize("x", shift="s", relu=True, lo=-128, hi=127, **mult)], small, ("x", [4, 5], low, hi))


def test_ties_are_rounded_to_even():
    x = ("x", [4000], -2000, 2000)
    for shift in (1, 2, 5):
        check([requantize("x", shift=shift)], {}, x)
        check([requantize("x", shift=shift + 20, mult=[1 << 16], bias=1 << (19 + shift))], {}, x)


def test_residuals(rng):
    big = (1 << 26) - 1
    inputs = (("x", [3, 4], -(2**31), 2**31 - 1), ("r", [3, 1], -128, 127))
    check([requantize("x", "r", mult=[99_999, big], bias=-12345, shift=9, relu=True)], {}, *inputs)
    check([requantize("x", "r", mult=[1, 16], shift=4, lo=0, hi=255)], {}, ("x", [3, 4], -500, 9000), inputs[1])
    rows = {"m": np.array([1, 20, 300], np.int32)}  # of an axis that this residual has not
    node = requantize("x", "r", mult=[1, "m"], shift=4, channel_axis=0)
    check([node], rows, ("x", [3, 4], -500, 9000), ("r", [1, 4], -128, 127))


def test_products():
    mul = {"op": "Mul", "inputs": ["a", "b"], "output": "y", "mult": 131_071, "shift": 3, **INT32}
    check([mul], {}, ("a", [3, 1], -128, 127), ("b", [1, 4], 0, 255))
    check([{**mul, "mult": 1, "shift": 0}], {}, ("a", [3, 4], -46340, 46340), ("b", [3, 4], -46340, 46340))


@pytest.mark.parametrize("rms", [False, True])
@pytest.mark.parametrize("row", [1, 2, 3, 4, 8, 16, 100, 4096])
def test_norms_to_the_last_bit(row, rms):
    """z itself, through a lane that does nothing: half steps are rounded up."""
    norm = {"op": "LayerNorm", "inputs": ["x"], "output": "y", "gamma_mult": 1, "bias": 0, "shift": 0, "rms": rms}
    for eps, lo, hi in ((1, -128, 127), (100, 0, 3), (1 << 39, -128, 127)):
        check([{**norm, "eps_int": eps, **INT32}], {}, ("x", [20, row], lo, hi))


def test_softmax_of_long_rows():
    table = np.round(2.0**23 * np.exp(-np.arange(256) / 40)).astype(np.int32)
    softmax = {"op": "Softmax", "inputs": ["x"], "output": "y", "table": "t", "mult": 1 << 16, "shift": 31}
    for row, shift, hi in ((1, 31, 255), (2, 23, 2**20), (5000, 20, 2**20)):
        check([{**softmax, "shift": shift, "lo": 0, "hi": hi}], {"t": table}, ("x", [3, row], -128, 127))


def test_concat_of_different_ranges():
    concat = {"op": "Concat", "inputs": ["a", "b", "a"], "output": "y", "axis": 1}
    program = check([concat], {}, ("a", [2, 3], 0, 255), ("b", [2, 1], -(2**31), 5))
    assert (program.outputs["y"].lo, program.outputs["y"].hi) == (-(2**31), 255)


def test_windows_on_padding_alone():
    pool = {"op": "MaxPool", "inputs": ["x"], "output": "y", "kernel": [2], "stride": [1], "pads": [3, 2], "fill": -7}
    program = check([pool], {}, ("x", [2, 4], -3, 6))
    assert program.outputs["y"].lo == -7


def test_an_input_may_be_an_output(rng):
    node = {"op": "Flatten", "inputs": ["x"], "output": "y"}
    inputs = [{"name": "x", "shape": [2, 2], "lo": 0, "hi": 9}]
    program = parsed({"format": 1, "inputs": inputs, "nodes": [node], "outputs": ["x", "y"]}, {})
    x = rng.integers(0, 10, (2, 2))
    found = program.run({"x": x})
    np.testing.assert_array_equal(found["x"], x)
    np.testing.assert_array_equal(found["y"], x.ravel())


def test_float32_is_left_where_it_ends():
    assert [plan.exact_float(bound) for bound in (0, 2**24, 2**24 + 1)] == [np.float32, np.float32, np.float64]
    assert np.float32(2**24) + np.float32(1) == np.float32(2**24)
