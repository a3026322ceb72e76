"""cocotb bench of rsqrt: results equal to golden's formula at the stated latency, values SPACING clocks apart."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.graph.golden import reciprocal_sqrt

LATENCY = 6


def draw(rng, n):
    """Values of 1 to 49 bits: around every power of two first, then uniform in the exponent."""
    near = [2**k + d for k in range(49) for d in range(-3, 4)] + list(range(1, 64)) + [2**49 - 1]
    near = [v for v in near if 1 <= v < 2**49]
    wide = np.minimum((2.0 ** (rng.random(n) * 49)).astype(np.int64), 2**49 - 1)
    return np.concatenate([np.array(near, np.int64), wide])


@cocotb.test()
async def equals_formula(dut):
    rng = np.random.default_rng(int(os.environ["SEED"]))
    v = draw(rng, int(os.environ["CASES"]))
    r, e = (a.tolist() for a in reciprocal_sqrt(v))
    v = v.tolist()
    group = [-(-(4 + x) // 8) - 1 for x in e]
    scale = [ri << (8 * (g + 1) - 4 - x) for ri, x, g in zip(r, e, group, strict=True)]
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    dut.rst_ni.value, dut.clear_i.value, dut.valid_i.value = 0, 0, 0
    for _ in range(8):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    history = []  # index sent in each clock, or the one before: results hold
    for clock in range(2 * len(v) + 40):
        for port, want in (dut.scale_o, scale), (dut.group_o, group):
            i = history[clock - LATENCY] if clock >= LATENCY else -1
            if i >= 0:
                assert port.value.to_unsigned() == want[i], f"v={v[i]}: {port._name}, expected {want[i]}"
        sent = history[-1] if history else -1
        send = sent + 1 < len(v) and rng.random() < 0.8
        dut.valid_i.value = int(send)
        dut.v_i.value = v[sent + 1] if send else 0
        history.append(sent + send)
        await FallingEdge(dut.clk_i)
    assert history[-20] == len(v) - 1
