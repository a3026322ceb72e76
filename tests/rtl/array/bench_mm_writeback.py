"""cocotb bench of mm_writeback: every write, mask and count in its clock."""

import os

import cocotb
from cocotb.clock import Clock

from hwgen.runtime import abi
from tests.rtl.array.support import count, draw, packed, settle, tick

M, V, WIDE, KEYS_CLOCKS = (int(os.environ[name]) for name in ("M", "V", "WIDE", "KEYS_CLOCKS"))
ACTIVATIONS, KEYS, VALUES = (abi.O_KINDS[name] for name in ("ACTIVATIONS", "KEYS", "VALUES"))
PER_WORD, OCTETS = V // M, M // 8


def groups(rng, clocks):
    """Clock -> (wide, kind, bank, address in M bytes, results); behind a wide one three clocks without, behind keys as
    many as their write still takes."""
    out, clock = {}, 1
    while clock < clocks:
        if rng.random() < 0.6:
            wide = bool(WIDE and rng.integers(2))
            kind = int(rng.integers(3)) if KEYS_CLOCKS and not wide else ACTIVATIONS
            top = 1 << 20
            address = int(rng.integers(top // PER_WORD * PER_WORD - 4))
            results = [int.from_bytes(rng.bytes(4), "little") for _ in range(M)]
            out[clock] = wide, kind, int(rng.integers(8)), address, results
            clock += 3 * wide + (KEYS_CLOCKS - 1) * (kind == KEYS)
        clock += 1
    return out


def planes(group):
    """The writes of a group: (bank, word, mask, bytes), one a clock; None where the KV memory writes."""
    wide, kind, bank, address, results = group
    if kind != ACTIVATIONS:
        yield from [None] * (KEYS_CLOCKS if kind == KEYS else 1)
        return
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
            wide, kind, bank, address, results = group
            dut.wide_i.value, dut.kind_i.value, dut.bank_i.value, dut.addr_i.value = int(wide), kind, bank, address
            dut.result_i.value = packed(results, 32)
            writes = list(planes(group))
            due |= {clock + k: (write, k == len(writes) - 1) for k, write in enumerate(writes)}
        following = todo.get(clock + 1)
        dut.next_i.value = int(following is not None)
        dut.next_wide_i.value = int(following[0]) if following else int(rng.integers(2))
        dut.next_kind_i.value = following[1] if following else int(rng.integers(3))
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
        offered = KEYS_CLOCKS and group and group[1] != ACTIVATIONS
        assert bool(int(dut.kv_en_o.value)) == bool(offered), f"clock {clock}"
        assert not offered or int(dut.kv_keys_o.value) == (group[1] == KEYS), f"clock {clock}"
        assert int(dut.count_o.value) == total, f"clock {clock}"
        ahead = bool(following and len(list(planes(following))) == 1) or due.get(clock + 1, (None, False))[1]
        assert bool(int(dut.counts_o.value)) == ahead, f"clock {clock}"
        await tick(dut)
    return total


async def start(dut):
    for name in ("rst_ni", "clear_i", "run_i", "next_i", "next_wide_i", "next_kind_i", "valid_i", "wide_i", "kind_i"):
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
        dut.run_i.value, dut.valid_i.value = 1, 1
        dut.wide_i.value, dut.kind_i.value = WIDE, 0 if WIDE else int(rng.integers(3))
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
