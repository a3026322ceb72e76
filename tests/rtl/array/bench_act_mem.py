"""cocotb bench of act_mem: random reads and writes on all ports against a dictionary of bytes."""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock

from tests.rtl.array.support import count, draw, lanes, packed, tick

N, M, V, BANKS, D = (int(os.environ[name]) for name in ("N", "M", "V", "BANKS", "D"))
WIDTH = [N, M, V, V]  # bytes of each read port: A, R, ROW, DOUT
LATENCY = 3


async def start(dut):
    for name in ("rst_ni", "a_en_i", "a_zero_i", "r_en_i", "rd_en_i", "wr_en_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(3):
        await tick(dut)
    dut.rst_ni.value = 1
    await tick(dut)


def show_reads(dut, reads):
    """reads: for each port (bank, address in its units), or None."""
    for name, read in zip("ar", reads, strict=False):
        getattr(dut, f"{name}_en_i").value = int(read is not None)
        if read:
            getattr(dut, f"{name}_bank_i").value, getattr(dut, f"{name}_addr_i").value = read
    words = [read or (0, 0) for read in reads[2:]]
    dut.rd_en_i.value = packed([read is not None for read in reads[2:]], 1)
    dut.rd_bank_i.value = packed([bank for bank, _ in words], 3)
    dut.rd_addr_i.value = packed([at for _, at in words], 17)


def show_writes(dut, writes):
    """writes: for each port (bank, word, mask, bytes), or None."""
    some = [write or (0, 0, 0, bytes(V)) for write in writes]
    dut.wr_en_i.value = packed([write is not None for write in writes], 1)
    dut.wr_bank_i.value = packed([w[0] for w in some], 3)
    dut.wr_addr_i.value = packed([w[1] for w in some], 17)
    dut.wr_mask_i.value = packed([w[2] for w in some], V // 8)
    dut.wr_data_i.value = packed([int.from_bytes(w[3], "little") for w in some], 8 * V)


def outputs(dut):
    """The data of the four ports as bytes."""
    words = [int(dut.a_data_o.value), int(dut.r_data_o.value), *lanes(dut.rd_data_o, 8 * V, 2)]
    return [word.to_bytes(size, "little") for word, size in zip(words, WIDTH, strict=True)]


def write_of(rng, bank):
    return bank, int(rng.integers(D)), int(rng.integers(1 << V // 8)), rng.bytes(V)


def store(memory, write):
    bank, word, mask, data = write
    for octet in range(V // 8):
        if mask >> octet & 1:
            at = word * V + 8 * octet
            memory[bank, at : at + 8] = np.frombuffer(data[8 * octet : 8 * octet + 8], np.uint8)


async def clear(dut, memory):
    """Write every word, so that all is known."""
    rng = draw(9)
    for bank in range(BANKS):
        for word in range(D):
            write = bank, word, (1 << V // 8) - 1, rng.bytes(V)
            show_writes(dut, [write, None, None])
            store(memory, write)
            await tick(dut)
    show_writes(dut, [None] * 3)


@cocotb.test()
async def equals_a_dictionary(dut):
    """Every port in every clock, each bank taken at most once to read and once to write."""
    rng = draw()
    await start(dut)
    memory = np.zeros((BANKS, D * V), np.uint8)
    await clear(dut, memory)
    due, shown = {}, [None] * 4
    for clock in range(count(1500)):
        for port, data in due.pop(clock, {}).items():
            shown[port] = data
        for port, (got, want) in enumerate(zip(outputs(dut), shown, strict=True)):
            assert want is None or got == want, f"clock {clock}, port {port}"
        assert not int(dut.conflict_o.value)
        free = list(rng.permutation(BANKS))
        reads = [None] * 4
        for port in rng.permutation(4):
            if free and rng.random() < 0.7:
                size = WIDTH[port]
                reads[port] = bank, at = int(free.pop()), int(rng.integers(D * V // size))
                due.setdefault(clock + LATENCY, {})[port] = memory[bank, at * size : (at + 1) * size].tobytes()
        free = list(rng.permutation(BANKS))
        writes = [write_of(rng, int(free.pop())) if free and rng.random() < 0.6 else None for _ in range(3)]
        zero = reads[0] is None and rng.random() < 0.3
        if zero:
            due.setdefault(clock + LATENCY, {})[0] = bytes(N)
        dut.a_zero_i.value = int(zero)
        show_reads(dut, reads)
        show_writes(dut, writes)
        for write in filter(None, writes):
            store(memory, write)
        await tick(dut)


@cocotb.test()
async def conflicts_are_told(dut):
    """Two clocks after two units take one port of a bank, and only then."""
    rng = draw(1)
    await start(dut)
    told, late = False, False
    for clock in range(count(1500)):
        assert bool(int(dut.conflict_o.value)) == told, f"clock {clock}"
        reads = [(int(rng.integers(BANKS)), 0) if rng.random() < 0.3 else None for _ in range(4)]
        writes = [write_of(rng, int(rng.integers(BANKS))) if rng.random() < 0.3 else None for _ in range(3)]
        told, late = (
            late,
            any(
                len({x[0] for x in some}) < len(some) for some in map(list, (filter(None, reads), filter(None, writes)))
            ),
        )
        show_reads(dut, reads)
        show_writes(dut, writes)
        await tick(dut)
