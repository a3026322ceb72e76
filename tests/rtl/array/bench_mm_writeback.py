"""cocotb bench of mm_writeback: every write, mask and count in its clock."""

import os

import cocotb
from cocotb.clock import Clock

from tests.rtl.array.support import count, draw, packed, settle, tick

M, V, WIDE = (int(os.environ[name]) for name in ("M", "V", "WIDE"))
PER_WORD, OCTETS = V // M, M // 8


def groups(rng, clocks):
    """Clock -> (wide, bank, address in M bytes, results); behind a wide one three clocks without."""
    out, clock = {}, 1
    while clock < clocks:
        if rng.random() < 0.6:
            wide = bool(WIDE and rng.integers(2))
            top = 1 << 20
            address = int(rng.integers(top // PER_WORD * PER_WORD - 4))
            out[clock] = wide, int(rng.integers(8)), address, [int.from_bytes(rng.bytes(4), "little") for _ in range(M)]
            clock += 3 * wide
        clock += 1
    return out


def planes(group):
    """The writes of a group: (bank, word, mask, bytes), one a clock."""
    wide, bank, address, results = group
    for k in range(4 if wide else 1):
        at = address + k
        mask = ((1 << OCTETS) - 1) << (at % PER_WORD * OCTETS)
        yield bank, at // PER_WORD, mask, packed([value >> (8 * k) for value in results], 8)


async def run(dut, rng, clocks):
    todo, due, total = groups(rng, clocks), {}, 0
    dut.run_i.value = 1
    for clock in range(clocks + 4):
        group = todo.get(clock)
        dut.valid_i.value = int(group is not None)
        if group:
            dut.wide_i.value, dut.bank_i.value, dut.addr_i.value = int(group[0]), group[1], group[2]
            dut.result_i.value = packed(group[3], 32)
            for k, write in enumerate(planes(group)):
                due[clock + k] = write, k == (3 if group[0] else 0)
        following = todo.get(clock + 1)
        dut.next_i.value = int(following is not None)
        dut.next_wide_i.value = int(following[0]) if following else int(rng.integers(2))
        await settle()
        write, last = due.pop(clock, (None, False))
        total += OCTETS * last
        assert bool(int(dut.wr_en_o.value)) == (write is not None), f"clock {clock}"
        if write:
            bank, word, mask, data = write
            got = int(dut.wr_bank_o.value), int(dut.wr_addr_o.value), int(dut.wr_mask_o.value)
            assert got == (bank, word % (1 << 17), mask), f"clock {clock}"
            for part in range(PER_WORD):  # every part carries the data, the mask picks one
                assert int(dut.wr_data_o.value) >> (8 * M * part) & ((1 << 8 * M) - 1) == data
        assert int(dut.count_o.value) == total, f"clock {clock}"
        ahead = bool(following and not following[0]) or due.get(clock + 1, (None, False))[1]
        assert bool(int(dut.counts_o.value)) == ahead, f"clock {clock}"
        await tick(dut)
    return total


async def start(dut):
    for name in ("rst_ni", "clear_i", "run_i", "next_i", "next_wide_i", "valid_i", "wide_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(2):
        await tick(dut)
    dut.rst_ni.value = 1


@cocotb.test()
async def writes_and_counts(dut):
    rng = draw()
    await start(dut)
    for _ in range(count(5)):
        assert await run(dut, rng, 300)
        dut.run_i.value = 0
        await tick(dut)
        assert not int(dut.count_o.value)


@cocotb.test()
async def a_flush_forgets(dut):
    """In the middle of a wide group, too."""
    rng = draw(1)
    await start(dut)
    for wait in range(6):
        dut.run_i.value, dut.valid_i.value, dut.wide_i.value = 1, 1, WIDE
        await tick(dut)
        dut.valid_i.value = 0
        for _ in range(wait):
            await tick(dut)
        dut.clear_i.value = 1
        await tick(dut)
        dut.clear_i.value = 0
        await settle()
        assert not int(dut.wr_en_o.value) and not int(dut.count_o.value)
        await tick(dut)
        assert await run(dut, rng, 50)
        dut.run_i.value = 0
        await tick(dut)
