"""cocotb bench of mac_array: random sums against NumPy, each at exactly 4 + STAGES clocks."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock

from tests.rtl.array.support import count, draw, lanes, packed, tick

N, M, WW = (int(os.environ[name]) for name in ("N", "M", "WW"))
LATENCY = 4 + (N.bit_length()) // 2


def numbers(rng, lo, hi, shape):
    """Uniform, with extremes among them."""
    x = rng.integers(lo, hi + 1, shape)
    return np.where(rng.random(shape) < 0.2, rng.choice([lo, hi], shape), x)


@cocotb.test()
async def equals_numpy(dut):
    rng = draw()
    for name in ("rst_ni", "clear_i", "step_i", "first_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(2):
        await tick(dut)
    dut.rst_ni.value = 1
    acc, due, shown, late = None, {}, None, None
    for clock in range(count(1200)):
        shown = due.pop(clock, shown)
        if shown is not None:
            assert lanes(dut.acc_o, 32, M, is_signed=True) == shown.tolist(), f"clock {clock}"
        # the activations of the step before
        dut.a_i.value = packed(late[0] if late else rng.integers(0, 256, N), 8)
        dut.a_signed_i.value = late[1] if late else int(rng.integers(2))
        step = rng.random() < 0.8
        first = acc is None or rng.random() < 0.1
        w = numbers(rng, -(1 << (WW - 1)), (1 << (WW - 1)) - 1, (M, N))
        dut.step_i.value, dut.first_i.value, dut.w_i.value = int(step), int(first), packed(w.reshape(-1), WW)
        late = None
        if step:
            is_signed = int(rng.integers(2))
            a = numbers(rng, -128, 127, N) if is_signed else numbers(rng, 0, 255, N)
            late = a, is_signed
            acc = w @ a + (0 if first else acc)
            due[clock + LATENCY] = acc
        await tick(dut)


@cocotb.test()
async def a_flush_drops_what_is_on_its_way(dut):
    """No step begun before the flush reaches the accumulators."""
    rng = draw(1)
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for begun in range(1, LATENCY):
        dut.step_i.value, dut.first_i.value = 1, 1
        for _ in range(begun):
            dut.w_i.value, dut.a_i.value = packed(rng.integers(1, 2, M * N), WW), packed(rng.integers(1, 9, N), 8)
            await tick(dut)
        dut.step_i.value, dut.clear_i.value = 0, 1
        await tick(dut)
        before = int(dut.acc_o.value)
        dut.clear_i.value = 0
        for _ in range(2 * LATENCY):
            await tick(dut)
            assert int(dut.acc_o.value) == before
