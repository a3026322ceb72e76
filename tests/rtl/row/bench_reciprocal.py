"""cocotb bench of the reciprocal: sums of every size equal golden, one a clock at most, in exactly the stated clock."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.graph.golden import reciprocal

LATENCY, MULT_SAMPLED = 6, 4


def draw(rng, n):
    """Values of 24 to 39 bits: around every power of two first, then uniform in the exponent."""
    near = [2**k + d for k in range(23, 39) for d in range(-3, 4)] + [2**39 - 1]
    near = [v for v in near if 2**23 <= v < 2**39]
    wide = np.minimum((2.0 ** (23 + rng.random(n) * 16)).astype(np.int64), 2**39 - 1)
    return np.concatenate([np.array(near, np.int64), wide])


@cocotb.test()
async def equals_formula(dut):
    rng = np.random.default_rng(int(os.environ["SEED"]))
    s = draw(rng, int(os.environ["CASES"]))
    mult = rng.integers(2**16, 2**17, len(s))
    mult[rng.random(len(s)) < 0.1] = rng.choice([2**16, 2**17 - 1])
    r0, e = reciprocal(s)
    r, e = ((r0 * mult + (1 << 15)) >> 16).tolist(), e.tolist()
    s, mult = s.tolist(), mult.tolist()
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    dut.rst_ni.value, dut.clear_i.value, dut.valid_i.value = 0, 0, 0
    for _ in range(8):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    history = []  # index sent in each clock, or the one before: results hold
    for clock in range(2 * len(s) + 40):
        i = history[clock - LATENCY] if clock >= LATENCY else -1
        if i >= 0:
            got = int(dut.r_o.value), int(dut.e_o.value)
            assert got == (r[i], e[i]), f"s={s[i]} mult={mult[i]}: {got}, expected {(r[i], e[i])}"
        sent = history[-1] if history else -1
        send = sent + 1 < len(s) and rng.random() < 0.8
        dut.valid_i.value = int(send)
        dut.s_i.value = s[sent + 1] if send else int(rng.integers(2**23, 2**39))
        sampled = history[clock - MULT_SAMPLED] if clock >= MULT_SAMPLED else -1
        dut.mult_i.value = mult[sampled] if sampled >= 0 else 0
        history.append(sent + send)
        await FallingEdge(dut.clk_i)
    assert history[-20] == len(s) - 1
