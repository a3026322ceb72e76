"""cocotb bench of prog_queue: random programs and pops; the instructions in order, from the first again at the end."""

import os

import cocotb
from cocotb.clock import Clock

from tests.rtl.array.support import count, draw, load, tick

D, W, LAST = int(os.environ["D"]), int(os.environ["W"]), 4
FIRST = 4  # clocks from clear_i to valid_o


async def start(dut):
    for name in ("rst_ni", "clear_i", "enable_i", "pop_i", "ld_we_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    await tick(dut)
    await tick(dut)
    dut.rst_ni.value = 1
    await tick(dut)


def program(rng) -> list[int]:
    """Random instruction words; only the last has the mark."""
    words = [int.from_bytes(rng.bytes(32), "little") & ~(1 << LAST) for _ in range(rng.integers(1, D + 1))]
    words[-1] |= 1 << LAST
    return words


async def fill(dut, words):
    await load(dut, "PROG_MM", [word.to_bytes(32, "little") for word in words])
    await load(dut, "PROG_DIN", [b"\xff" * 32] * D)  # another queue's


async def restart(dut):
    """Flush; returns in the clock in which the first instruction must show."""
    dut.enable_i.value, dut.clear_i.value = 1, 1
    await tick(dut)
    dut.clear_i.value = 0
    for _ in range(FIRST - 1):
        assert not int(dut.valid_o.value)
        await tick(dut)
    assert int(dut.valid_o.value)


async def run(dut, rng, words, pops, rate):
    """Take `pops` instructions, each in a clock in which it is valid; returns the clocks in which none was."""
    taken = gaps = 0
    while taken < pops:
        assert int(dut.index_o.value) == taken
        valid = bool(int(dut.valid_o.value))  # registered: settled by the middle of the clock
        if valid:
            got, want = int(dut.instr_o.value), words[taken % len(words)] & ((1 << W) - 1)
            assert got == want, f"instruction {taken} of {len(words)}"
        pop = valid and rng.random() < rate
        dut.pop_i.value = int(pop)
        taken, gaps = taken + pop, gaps + (not valid)
        assert gaps <= 10 * (pops + 1)
        await tick(dut)
    dut.pop_i.value = 0
    return gaps


@cocotb.test()
async def in_order(dut):
    rng = draw()
    await start(dut)
    for _ in range(count(30)):
        words = program(rng)
        dut.enable_i.value = 0
        await fill(dut, words)
        await tick(dut)
        await restart(dut)
        await run(dut, rng, words, int(rng.integers(1, 4 * D)), rng.choice([0.1, 0.5, 1.0]))


@cocotb.test()
async def one_a_clock(dut):
    """Popped in every clock, a program has no gap; behind its end comes its beginning."""
    rng = draw(1)
    await start(dut)
    words = program(rng)
    words = [word & ~(1 << LAST) for word in (words * D)[:D]]
    words[-1] |= 1 << LAST
    await fill(dut, words)
    await restart(dut)
    assert await run(dut, rng, words, D, rate=1) == 0


@cocotb.test()
async def a_flush_drops_what_was_fetched(dut):
    """At any moment; the new program is seen, not the old one."""
    rng = draw(2)
    await start(dut)
    for _ in range(count(20)):
        old, new = program(rng), program(rng)
        await fill(dut, old)
        await restart(dut)
        await run(dut, rng, old, int(rng.integers(1, 10)), 0.7)
        for _ in range(rng.integers(0, 5)):
            await tick(dut)
        dut.enable_i.value = int(rng.integers(2))
        await fill(dut, new)
        await restart(dut)
        await run(dut, rng, new, 2 * D, 0.7)
