"""cocotb bench of requantize: one value a clock, every result equal to the formula, at exactly the stated latency."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

from hwgen.graph.golden import round_shift

RESIDUAL = int(os.environ["RESIDUAL"])
LATENCY = 5 + RESIDUAL


def pick(rng, n, bits, signed=True):
    """n integers of up to `bits` bits: extremes, small ones, and uniform in the exponent."""
    size = rng.integers(0, bits + (0 if signed else 1), n)
    value = (rng.random(n) * 2.0**size).astype(np.int64)
    top = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    value = np.where(rng.random(n) < 0.1, top, np.minimum(value, top))
    if signed:
        value = np.where(rng.random(n) < 0.5, -value, value)
        value = np.where(rng.random(n) < 0.05, -top - 1, value)
    return value


def draw(rng, n):
    """Random lanes' inputs within the contract: every sum below 2**51 in magnitude."""
    k = {
        "acc": pick(rng, n, 32),
        "mult": pick(rng, n, 18),
        "shift": rng.integers(0, 64, n),
        "bias": pick(rng, n, 48),
        "rmult": pick(rng, n, 27),
        "r": pick(rng, n, 9),
        "relu": rng.integers(0, 2, n),
        "wide": rng.integers(0, 8, n) == 0,
        "lo": rng.integers(-256, 1, n),
        "hi": rng.integers(0, 256, n),
    }
    # a third of the cases: exact ties and small distances from them, at all shifts
    tie = rng.random(n) < 0.34
    k["mult"] = np.where(tie, 1, k["mult"])
    k["r"] = np.where(tie, 0, k["r"])
    k["acc"] = np.where(tie, rng.integers(-2, 3, n), k["acc"])
    small = rng.integers(0, 40, n)
    whole = rng.integers(-300, 300, n)
    k["shift"] = np.where(tie, small, k["shift"])
    half = np.where(small > 0, np.int64(1) << np.maximum(small - 1, 0), 0)
    k["bias"] = np.where(tie, np.clip((whole << small) + half, -(2**47) + 1, 2**47 - 1), k["bias"])
    v = k["acc"] * k["mult"] + k["bias"]
    assert (np.abs(v) < 2**51).all()
    return k


def expected(k):
    """The lane's formula on arrays."""
    v = k["acc"] * k["mult"] + k["bias"]
    v = np.where(k["relu"] != 0, np.maximum(v, 0), v)
    if RESIDUAL:
        v = v + k["r"] * k["rmult"]
    assert (np.abs(v) < 2**51).all()
    lo = np.where(k["wide"], -(2**31), k["lo"])
    hi = np.where(k["wide"], 2**31 - 1, k["hi"])
    return np.clip(round_shift(v, k["shift"]), lo, hi)


@cocotb.test()
async def equals_formula(dut):
    rng = np.random.default_rng(int(os.environ["SEED"]))
    n = int(os.environ["CASES"])
    k = draw(rng, n)
    want = expected(k).tolist()
    k = {name: value.astype(np.int64).tolist() for name, value in k.items()}
    port = {name: getattr(dut, f"{name}_i") for name in k}
    width = {"mult": 18, "acc": 32, "bias": 48, "rmult": 27, "r": 9, "lo": 9, "hi": 9, "shift": 6}
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    await FallingEdge(dut.clk_i)
    for i in range(n + LATENCY):
        if i >= LATENCY:
            got, j = dut.y_o.value.to_signed(), i - LATENCY
            assert got == want[j], f"case {j}: {got}, expected {want[j]}: { {name: k[name][j] for name in k} }"
        if i < n:
            for name, handle in port.items():
                handle.value = k[name][i] & ((1 << width.get(name, 1)) - 1)
        await FallingEdge(dut.clk_i)
