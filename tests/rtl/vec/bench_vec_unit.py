"""cocotb bench of vec_unit: random programs; addresses, results, write clocks and the counter, all exact.

The activation memory is a fixed random one, so that a result depends on its addresses alone. Which clock a step is
issued in is the sequencer's matter (its own bench); everything behind the issue is asserted from the stated latency.
"""

import os
from collections import Counter

import cocotb
import numpy as np
from cocotb.clock import Clock

from hwgen.graph.golden import round_shift
from hwgen.runtime import abi
from tests.rtl.array.support import count, draw, load, packed, settle, tick
from tests.schedule.decode import fields, lane_word, steps

V, PARAM_DEPTH, PROG_DEPTH, RESIDUAL = (int(os.environ[n]) for n in ("V", "PARAM_DEPTH", "PROG_DEPTH", "RESIDUAL"))
MUL, MAXPOOL = (abi.VEC_OPS[name] for name in ("MUL", "MAXPOOL"))
PIPE = 10 + RESIDUAL
WORDS = 64  # of the memory played here, in each bank
NONE = abi.UNITS["NONE"]


class Memories:
    """Random contents; the parameters are loaded over the loader bus."""

    def __init__(self, rng):
        self.param_words = [b"".join(self.channel(rng) for _ in range(V)) for _ in range(PARAM_DEPTH)]
        self.params = [lane_word(word) for word in self.param_words]
        self.act = rng.integers(0, 256, (8, WORDS, V), np.uint8)

    @staticmethod
    def channel(rng):
        shift = int(rng.integers(0, 30))
        bias = (int(rng.integers(-300, 300)) << shift) + int(rng.integers(-1000, 1000))
        mult, rmult = (int(rng.integers(-(1 << b), 1 << b)) for b in rng.integers(1, [18, 27]))
        return abi.pack(abi.PARAM, mult=mult, shift=shift, bias=max(-(2**47), min(2**47 - 1, bias)), rmult=rmult)

    def read(self, bank, address):
        return self.act[bank, address % WORDS]


def value(data, is_signed):
    return (data.view(np.int8) if is_signed else data).astype(np.int64)


def random_instruction(rng, last):
    """An instruction as a word: any loops, the inner of which are the taps."""
    if rng.random() < 0.15:
        gate = {"gate_unit": abi.UNITS["MM"], "gate": int(rng.integers(0, 50))}
        return abi.pack(abi.VEC, opcode=abi.OPCODES["NOP"], last=last, **gate)
    op = int(rng.choice([MUL, MAXPOOL]))
    residual = int(op == MUL and RESIDUAL and rng.integers(2))
    inner = rng.integers(1, 4, rng.integers(0, 3)) if op == MAXPOOL else [2] if residual else []
    counts = [*inner, *rng.integers(1, 5, rng.integers(1, 4))]
    lo, hi = sorted(int(v) for v in rng.integers(-256, 256, 2))
    relu = int(rng.integers(2))
    values = {name: int(rng.integers(1 << min(size, 8))) for name, _, size in abi.VEC}
    values |= {name: int(rng.integers(0, 9)) for name in values if "_step" in name}
    values |= {f"count{i}": int(counts[i]) - 1 if i < len(counts) else 0 for i in range(abi.LEVELS)}
    values |= {
        "opcode": abi.OPCODES["EXEC"], "last": last, "op": op, "red_mask": (1 << len(inner)) - 1, "residual": residual,
        "relu": relu, "lo": min(lo, 0) if relu else lo, "hi": max(hi, 0) if relu else hi,
        "gate_unit": abi.UNITS["MM"] if rng.integers(2) else NONE, "gate": int(rng.integers(0, 30)),
        "dep_unit": abi.UNITS["MM"] if rng.integers(2) else NONE, "need": int(rng.integers(0, 30)),
    }  # fmt: skip
    coordinates = ("y", "x", "y_last", "x_last", *(f"{c}_step{i}" for c in "yx" for i in range(abi.LEVELS)))
    values |= dict.fromkeys(coordinates, 0)
    if op == MAXPOOL:
        values |= {name: int(rng.integers(0, 3)) for name in coordinates}
        values |= {"y": -int(rng.integers(0, 3)), "x": -int(rng.integers(0, 3))}
    return abi.pack(abi.VEC, **values)


class Expected:
    """What must be seen when, given the clocks of issue."""

    def __init__(self, memories, words):
        self.memories = memories
        code = [fields(abi.VEC, word) for word in words]
        self.todo = [(ins, step) for ins in code if ins["opcode"] == abi.OPCODES["EXEC"] for step in steps(ins)]
        self.reads, self.writes, self.counts = ({}, {}), {}, Counter()
        self.u, self.padded = None, 0

    def issue(self, clock):
        ins, step = self.todo.pop(0)
        a = self.memories.read(ins["a_bank"], step["a"])
        r = np.zeros(V, np.int64)
        if ins["op"] == MAXPOOL:
            self.padded += step["pad"]
            lowest = np.full(V, 128 if ins["a_signed"] else 0, np.uint8)
            u = value(lowest if step["pad"] else a, ins["a_signed"])
            self.u = u if step["first"] else np.maximum(self.u, u)
            if not step["pad"]:
                self.reads[0][clock + 1] = ins["a_bank"], step["a"]
        elif step["first"]:
            b = self.memories.read(ins["b_bank"], step["w"])
            self.u = value(a, ins["a_signed"]) * value(b, ins["b_signed"])
            self.reads[0][clock + 1] = ins["a_bank"], step["a"]
            self.reads[1][clock + 1] = ins["b_bank"], step["w"]
        else:
            r = value(self.memories.read(ins["r_bank"], step["r"]), ins["r_signed"])
            self.reads[1][clock + 1] = ins["r_bank"], step["r"]
        if step["last"]:
            p = self.memories.params[step["p"] % PARAM_DEPTH]
            v = self.u * p["mult"] + p["bias"]
            v = (np.maximum(v, 0) if ins["relu"] else v) + r * p["rmult"]
            y = np.clip(round_shift(v, p["shift"]), ins["lo"], ins["hi"])
            self.writes[clock + PIPE] = ins["o_bank"], step["o"] % (1 << 17), packed(y, 8)
            self.counts[clock + PIPE] += V // 8


def check(dut, expected, clock):
    """The registered outputs of this clock against what is expected in it."""
    banks, addresses = int(dut.rd_bank_o.value), int(dut.rd_addr_o.value)
    for port, reads in enumerate(expected.reads):
        want = reads.pop(clock, None)
        assert int(dut.rd_en_o.value) >> port & 1 == (want is not None), f"clock {clock}: read {port}"
        if want:
            got = banks >> (abi.BANK_BITS * port) & 7, addresses >> (17 * port) & 0x1FFFF
            assert got == (want[0], want[1] % (1 << 17)), f"clock {clock}: read {port}"
    write = expected.writes.pop(clock, None)
    assert bool(int(dut.wr_en_o.value)) == (write is not None), f"clock {clock}: write {write}"
    if write:
        got = int(dut.wr_bank_o.value), int(dut.wr_addr_o.value), int(dut.wr_data_o.value)
        assert got == write, f"clock {clock}"
        assert int(dut.wr_mask_o.value) == (1 << V // 8) - 1


async def run(dut, rng, memories, words):
    """Load a program and run it; returns the steps and how many of them were padding."""
    dut.enable_i.value = 0
    await load(dut, "PROG_VEC", words)
    dut.enable_i.value = 1
    for _ in range(5):
        await tick(dut)
    expected, data, total, progress, rate = Expected(memories, words), {}, 0, 0, rng.uniform(0.1, 4)
    number = len(expected.todo)
    dut.run_i.value = 1
    for clock in range(20_000):
        check(dut, expected, clock)
        total += expected.counts.pop(clock, 0)
        assert int(dut.count_o.value) == total, f"clock {clock}"
        assert bool(int(dut.counts_o.value)) == (clock + 1 in expected.counts), f"clock {clock}"
        if int(dut.done_o.value):
            break
        for port in range(2):
            if int(dut.rd_en_o.value) >> port & 1:
                bank = int(dut.rd_bank_o.value) >> (abi.BANK_BITS * port) & 7
                data[port, clock + 3] = memories.read(bank, int(dut.rd_addr_o.value) >> (17 * port) & 0x1FFFF).tobytes()
        shown = [data.pop((port, clock), None) or rng.bytes(V) for port in range(2)]
        dut.rd_data_i.value = int.from_bytes(b"".join(shown), "little")
        adds, at = int(rng.poisson(rate)), abi.NEED_BITS * abi.LANES.index("mm")
        dut.progress_i.value, dut.adds_i.value = progress << at, adds << at
        progress += adds
        await settle()
        if int(dut.issue.value):
            expected.issue(clock)
        await tick(dut)
    assert clock < 19_999, "never done"
    assert not expected.todo and not expected.writes, "done before its end"
    await tick(dut)
    assert int(dut.done_o.value) and not int(dut.bad_instr_o.value)
    dut.run_i.value = 0
    await tick(dut)
    assert not int(dut.count_o.value)
    return number, expected.padded


async def start(dut):
    for name in ("rst_ni", "clear_i", "enable_i", "run_i", "ld_we_i", "progress_i", "adds_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(4):
        await tick(dut)
    dut.rst_ni.value = 1
    await tick(dut)


@cocotb.test()
async def programs(dut):
    rng = draw()
    await start(dut)
    done = padded = 0
    while done < count(1500) or not padded:
        memories = Memories(rng)
        await load(dut, "VEC_PARAM", memories.param_words)
        for _ in range(4):
            number = int(rng.integers(1, PROG_DEPTH + 1))
            words = [random_instruction(rng, int(i == number - 1)) for i in range(number)]
            more = await run(dut, rng, memories, words)
            done, padded = done + more[0], padded + more[1]


@cocotb.test()
async def faults(dut):
    """A bad opcode or operation is flagged until clear_i, and what follows runs as ever."""
    rng = draw(1)
    await start(dut)
    memories = Memories(rng)
    await load(dut, "VEC_PARAM", memories.param_words)
    for change in ({"opcode": 0}, {"opcode": 9}, {"op": 0}, {"op": 3}):
        bad = {"opcode": abi.OPCODES["EXEC"], "op": MUL, "last": 1, "gate_unit": NONE, "dep_unit": NONE} | change
        dut.enable_i.value = 0
        await load(dut, "PROG_VEC", [abi.pack(abi.VEC, **bad)])
        dut.enable_i.value, dut.run_i.value = 1, 1
        for _ in range(20):
            await tick(dut)
        assert int(dut.bad_instr_o.value)
        dut.run_i.value, dut.clear_i.value = 0, 1
        await tick(dut)
        dut.clear_i.value = 0
        await tick(dut)
        assert not int(dut.bad_instr_o.value)
        assert await run(dut, rng, memories, [random_instruction(rng, 0), random_instruction(rng, 1)])
