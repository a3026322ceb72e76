"""Multiplier, bias and shift against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hwgen.errors import UnsupportedError
from hwgen.graph.graph import BIAS_LIMIT, MULT_LIMITS, SUM_LIMIT
from hwgen.graph.scaling import clamp_code, fixed_norm_eps, fraction_bits, lane_params, quantize_array
from tests.support import cases

ACC = 2**20


def exact(ratios, offset: float, relu: bool, ins: tuple[int, ...]) -> int:
    """round_half_even of the wanted real value, in rationals, clamped to 255."""
    v = ins[0] * Fraction(ratios[0]) + Fraction(offset)
    v = max(v, Fraction(0)) if relu else v
    v += sum((i * Fraction(r) for i, r in zip(ins[1:], ratios[1:], strict=True)), Fraction(0))
    return max(-255, min(255, round(v)))


def lane(p, relu: bool, ins: tuple[int, ...]) -> int:
    """The requantize lane in Python integers, clamped to 255."""
    v = ins[0] * int(p.mult[0][0]) + int(p.bias[0])
    v = max(v, 0) if relu else v
    v += sum(i * int(m[0]) for i, m in zip(ins[1:], p.mult[1:], strict=True))
    return max(-255, min(255, round(Fraction(v, 2 ** int(p.shift[0])))))


exponents = st.integers(-15, 6)
offsets = st.one_of(
    st.integers(-300, 300).map(lambda n: n / 2),
    st.floats(-300, 300, allow_nan=False),
    st.tuples(st.integers(-600, 600), st.integers(20, 45)).map(lambda t: t[0] / 2 + 2.0 ** -t[1]),
)


@settings(max_examples=cases(300, 10000))
@given(exponents, st.one_of(st.none(), exponents), offsets, st.booleans(), st.data())
def test_powers_of_two_are_exact_ties_included(e0, e1, offset, relu, data):
    ratios = [2.0**e0] + ([2.0**e1] if e1 is not None else [])
    # The multiplier holds 17 bits: the first ratio may be 2**15 times the finest grid needed (one bit is for the tail).
    assume(e0 - min(e0, e1 if e1 is not None else e0, 0) <= 15)
    p = lane_params(ratios, offset, [ACC, 255][: len(ratios)], 255, "test")
    assert p.exact
    for _ in range(10):
        tie = data.draw(st.integers(-400, 400))
        # Inputs at and beside the point where the output is tie + 1/2.
        x0 = int((tie + 0.5 - offset) / ratios[0]) + data.draw(st.integers(-1, 1))
        ins = (max(-ACC, min(ACC, x0)), data.draw(st.integers(-128, 255)))[: len(ratios)]
        assert lane(p, relu, ins) == exact(ratios, offset, relu, ins)


@settings(max_examples=cases(300, 10000))
@given(st.floats(1e-6, 30), st.one_of(st.none(), st.floats(1e-3, 8)), st.floats(-300, 300), st.booleans(), st.data())
def test_any_scale_is_within_one_step_and_almost_always_exact(r0, r1, offset, relu, data):
    ratios = [r0] + ([r1] if r1 is not None else [])
    p = lane_params(ratios, offset, [ACC, 255][: len(ratios)], 255, "test")
    for _ in range(5):
        x0 = int((data.draw(st.floats(-300, 300)) - offset) / r0)
        ins = (max(-ACC, min(ACC, x0)), data.draw(st.integers(-128, 255)))[: len(ratios)]
        assert abs(lane(p, relu, ins) - exact(ratios, offset, relu, ins)) <= 1


@settings(max_examples=cases(200, 3000))
@given(
    st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=2),
    st.floats(-1e300, 1e300),
    st.integers(1, 2**28),
    st.sampled_from([127, 2**31]),
)
def test_widths_always_hold(ratios, offset, bound, out_bound):
    p = lane_params(ratios, offset, [bound, 255][: len(ratios)], out_bound, "test")
    for m, limit in zip(p.mult, MULT_LIMITS, strict=False):
        assert abs(int(m[0])) < limit
    assert abs(int(p.bias[0])) < BIAS_LIMIT and 0 <= int(p.shift[0]) <= 62
    peak = abs(int(p.bias[0])) + sum(abs(int(m[0])) * b for m, b in zip(p.mult, [bound, 255], strict=False))
    assert peak < SUM_LIMIT


def test_equal_channels_share_parameters_and_lowest_terms():
    p = lane_params([np.array([0.25, 0.5, 0.25])], 0.0, [1000], 127, "test")
    assert p.mult[0].tolist() == [1, 1, 1] and p.shift.tolist() == [2, 1, 2] and p.bias.tolist() == [0, 0, 0]


def test_a_huge_bias_still_saturates():
    p = lane_params([2.0**-10], 1e30, [ACC], 127, "test")
    assert lane(p, False, (-ACC,)) >= 127


@settings(max_examples=cases(200, 3000))
@given(st.floats(3e4, 1e12), st.booleans(), st.floats(-1e12, 1e12), st.integers(-3, 3), st.data())
def test_steep_lines_are_exact(ratio, negative, offset, near, data):
    ratio = -ratio if negative else ratio
    offset = offset if data.draw(st.booleans()) else -round(offset / ratio) * ratio + data.draw(st.floats(-200, 200))
    x = round(-offset / ratio) + near
    if abs(x) <= ACC:
        p = lane_params([ratio], offset, [ACC], 255, "test")
        assert lane(p, False, (x,)) == exact([ratio], offset, False, (x,))


@pytest.mark.parametrize("ratio", [2.0**17, 1e9, np.nan, np.inf])
def test_impossible_ratios_name_the_place(ratio):
    with pytest.raises(UnsupportedError, match="node 'fc'"):
        lane_params([ratio, 1.0], 0.0, [100, 100], 127, "node 'fc'")


def test_fraction_bits():
    assert [fraction_bits(v) for v in (3.0, 0.5, 0.75, 2.0**-20, 0.0)] == [0, 1, 2, 20, 0]


def test_constants_are_quantized_in_float32_half_to_even():
    assert quantize_array(np.array([0.5, 1.5, 2.5, -0.5, 99, -99]), 1.0, -8, 7).tolist() == [0, 2, 2, 0, 7, -8]
    # 0.3 / 0.1 is 3.0000001 in float32, not 2.9999999999999996 as in float64
    assert quantize_array(np.array([0.35], np.float32), np.float32(0.1), -8, 7).tolist() == [4]


def test_clamp_code_and_eps():
    assert clamp_code(np.inf, 0.1) == 2**62 and clamp_code(1.25, 0.5) == 2
    assert fixed_norm_eps(0.0, 10, 0.1) == 1 and fixed_norm_eps(1.0, 65535, 1e-9) == 2**40 - 1
    assert fixed_norm_eps(1e-5, 512, 2.0**-5) == round(1e-5 * 512**2 * 2**10)
