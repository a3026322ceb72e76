"""cocotb bench of kv_mem: random writes in both layouts beside random reads, against plain keys and values."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock

from tests.rtl.array.support import count, draw, packed, settle, tick

N, M, D = (int(os.environ[name]) for name in ("N", "M", "D"))
R, P = max(M // N, 1), max(N // M, 1)  # words of a group of keys; groups of a column


class Model:
    """memory[word, m, n], and when its bytes are written."""

    def __init__(self, rng):
        self.rng, self.memory, self.known = rng, np.zeros((D, M, N), np.uint8), np.zeros((D, M, N), bool)
        self.due, self.busy = {}, 0  # clock -> what is written at its end; clocks in which no write may be shown

    def keys(self, clock, data):
        """One row of a K: M channels into one column. Returns its address."""
        column, part, word = (int(self.rng.integers(high)) for high in (M, P, D // R))
        for j in range(R):
            span = slice(part * M, part * M + min(M, N))
            self.due[clock + j] = (word * R + j, column, span), data[j * N : (j + 1) * N]
        self.busy = R - 1
        return (word * M + column) * P + part

    def values(self, clock, data):
        """One row of a V: M channels into one byte of every column."""
        byte, word = int(self.rng.integers(N)), int(self.rng.integers(D))
        self.due[clock] = (word, slice(None), byte), data
        return word * N + byte

    def end(self, clock):
        """Words touched in this clock."""
        if clock not in self.due:
            return set()
        at, data = self.due.pop(clock)
        self.memory[at], self.known[at] = data, True
        return {at[0]}


def write(dut, model, rng, clock):
    """Perhaps show a write."""
    dut.wr_en_i.value = 0
    dut.wr_addr_i.value, dut.wr_data_i.value = int(rng.integers(1 << 20)), int.from_bytes(rng.bytes(M), "little")
    dut.wr_keys_i.value = int(rng.integers(2))
    if model.busy:
        model.busy -= 1
    elif rng.random() < 0.7:
        data, keys = rng.integers(0, 256, M, np.uint8), bool(rng.integers(2))
        dut.wr_en_i.value, dut.wr_keys_i.value, dut.wr_data_i.value = 1, int(keys), packed(data, 8)
        dut.wr_addr_i.value = (model.keys if keys else model.values)(clock, data)


@cocotb.test()
async def both_layouts(dut):
    rng = draw()
    model = Model(rng)
    for name in ("rst_ni", "clear_i", "wr_en_i", "re_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(2):
        await tick(dut)
    dut.rst_ni.value = 1
    seen, line, compared = None, [], 0  # line: what was read one and two clocks ago
    for clock in range(count(4000)):
        write(dut, model, rng, clock)
        address = int(rng.integers(D))
        dut.re_i.value, dut.raddr_i.value = 1, address
        line.append(
            (model.memory[address].copy(), model.known[address].copy())
        )  # what is written in this clock is not seen
        await settle()
        if len(line) > 2:
            seen, known = line.pop(0)
            got = np.frombuffer(int(dut.rdata_o.value).to_bytes(M * N, "little"), np.uint8).reshape(M, N)
            assert np.array_equal(got[known], seen[known]), f"clock {clock}"
            compared += int(known.sum())
        model.end(clock)
        await tick(dut)
    assert compared > 1000 and model.known.all()
