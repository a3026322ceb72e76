"""cocotb bench of the row unit: random programs, every read, write, pop, count and done compared in every clock.

What must happen when is predicted by `Timing`, from the stated latencies alone; what must be written, by golden.
"""

import os

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from hwgen.runtime import abi
from tests.rtl.row.row_program import NONE, Program, draw_params, draw_tables

V = int(os.environ["V"])
DEPTH = int(os.environ["PARAM_DEPTH"])
SLOTS = int(os.environ["SOFTMAX_SLOTS"])
LONGEST = int(os.environ["LONGEST"])
OCTETS = V // 8
GROUP_WORDS = int(os.environ["GROUP_WORDS"])
STATS, MOST, SUM, GROUPS, WRITE = 11, 4, 9, 17, 12
LANES = abi.LANES  # order of the counters


class Timing:
    """What the unit must do in each clock, from the stated latencies only."""

    def __init__(self, program):
        self.program = program
        self.todo = list(program.instructions)
        self.ins = None
        self.row = self.k = 0
        self.next_go = 0  # or the next start
        self.reads, self.writes = {}, {}  # clock -> (bank, address[, word])
        self.done_at = None
        self.last_write = -1

    def __repr__(self):
        return f"next go {self.next_go}, row {self.row}, word {self.k} of {self.ins}, then {self.todo[:1]}"

    @property
    def finished(self):
        return self.ins is None and not self.todo

    def done(self, c):
        return self.done_at is not None and c >= self.done_at

    def reached(self, progress, unit, need):
        return unit == NONE or progress[LANES[unit]] >= need

    def clock(self, c, progress, valid):
        """Advance to clock c, in which the queue shows its head or not; returns whether the unit pops in it."""
        if c < self.next_go or self.finished:
            return False
        if self.ins is None:
            if not valid:
                return False
            head = self.todo[0]
            if not self.reached(progress, head.gate_unit, head.gate):
                return False
            self.todo.pop(0)
            self.next_go = c + 1
            if head.opcode == abi.OPCODES["EXEC"]:
                self.ins, self.row, self.k = head, 0, 0
            elif not self.todo:
                self.done_at = max(c, self.last_write) + 1
            return True
        ins = self.ins
        if not self.reached(progress, ins.dep_unit, ins.need + (self.row * ins.words + self.k) * ins.need_step):
            return False
        src, dst = ins.src + self.row * ins.src_stride, ins.dst + self.row * ins.dst_stride
        self.reads[c + 1] = (ins.src_bank, src + self.k)
        self.next_go = c + 1
        self.k += 1
        if self.k < ins.words:
            return False
        if ins.op == abi.ROW_OPS["GROUPNORM"]:
            if self.row + 1 == ins.rows:
                last_go = self.grouped(c + (ins.group + ins.length) // (1 if ins.group % 4 else 4) + GROUPS)
        else:
            softmax = ins.op == abi.ROW_OPS["SOFTMAX"]
            last_pass = c + (MOST + ins.words - 1 + SUM if softmax else STATS)  # go of its first word
            last_go = self.write(last_pass, dst, self.program.result_words(ins, [self.row])[0])
        self.row, self.k = self.row + 1, 0
        if self.row == ins.rows:
            self.last_write = last_go + WRITE
            self.next_go = last_go + 1
            self.ins = None
            if not self.todo:
                self.done_at = self.last_write + 1
        return False

    def write(self, go, dst, words):
        """A row's last pass, from this clock on; returns the go of its last word."""
        for k, word in enumerate(words):
            self.writes[go + k + WRITE] = (self.ins.dst_bank, dst + k, word)
        return go + len(words) - 1

    def grouped(self, go):
        """GroupNorm's last pass over all rows, which it reads again."""
        ins = self.ins
        for row, words in enumerate(self.program.result_words(ins, range(ins.rows))):
            for k in range(ins.words):
                self.reads[go + k + 1] = (ins.src_bank, ins.src + row * ins.src_stride + k)
            go = self.write(go, ins.dst + row * ins.dst_stride, words) + 1
        return go - 1


async def load_params(dut, params):
    """Write all channel parameters over the loader bus."""
    dut.ld_we_i.value = 1
    dut.ld_target_i.value = abi.TARGETS["ROW_PARAM"]
    for i in range(DEPTH * V):
        dut.ld_word_i.value, dut.ld_beat_i.value = i // V, i % V
        word = abi.pack(abi.PARAM, **{name: int(values[i]) for name, values in params.items()})
        dut.ld_data_i.value = int.from_bytes(word, "little")
        await FallingEdge(dut.clk_i)
    dut.ld_we_i.value = 0


async def load_tables(dut, tables):
    """Write all tables of exponentials over the loader bus."""
    dut.ld_we_i.value = 1
    dut.ld_target_i.value = abi.TARGETS["SOFTMAX_TABLE"]
    for slot, entry in np.ndindex(tables.shape):
        dut.ld_word_i.value, dut.ld_beat_i.value, dut.ld_data_i.value = slot, entry, int(tables[slot, entry])
        await FallingEdge(dut.clk_i)
    dut.ld_we_i.value = 0


def packed(ins):
    names = {name for name, _, _ in abi.ROW}
    return int.from_bytes(abi.pack(abi.ROW, **{k: v for k, v in ins.fields.items() if k in names}), "little")


def check_outputs(dut, program, timing, c, count, data):
    """Compare the registered outputs of clock c; returns the octets written in it. Read data is scheduled in `data`."""
    read, write, more = timing.reads.get(c), timing.writes.get(c), 0
    assert bool(dut.rd_en_o.value) == (read is not None), f"clock {c}: read expected: {read}, {timing}"
    if read:
        assert (int(dut.rd_bank_o.value), int(dut.rd_addr_o.value)) == read, f"clock {c}: read, expected {read}"
        data[c + 3] = program.memory[read[0]].get(read[1], 0)
    assert bool(dut.wr_en_o.value) == (write is not None), f"clock {c}: write expected: {write}, {timing}"
    if write:
        bank, address, word = write
        assert (int(dut.wr_bank_o.value), int(dut.wr_addr_o.value)) == (bank, address), f"clock {c}: expected {write}"
        got = int(dut.wr_data_o.value)
        assert got == word, f"clock {c}: wrote {got:0{2 * V}x}, expected {word:0{2 * V}x}, {timing}"
        assert int(dut.wr_mask_o.value) == (1 << OCTETS) - 1
        program.memory[bank][address] = word
        more = OCTETS
    assert int(dut.count_o.value) == count + more, f"clock {c}: count {int(dut.count_o.value)}, expected {count + more}"
    assert bool(dut.done_o.value) == timing.done(c), f"clock {c}: done, expected in {timing.done_at}"
    assert not int(dut.bad_instr_o.value)
    return more


async def run_program(dut, rng, program):
    """One run; returns the number of rows."""
    timing = Timing(program)
    queue = list(program.instructions)
    progress = dict.fromkeys(LANES, 0)
    rate = {"din": rng.random(), "mm": rng.random() ** 2}
    pace = max(1, LONGEST // 4096)  # so that the longest rows, too, have come in a million clocks
    step = {"din": 2 * pace, "mm": pace * int(rng.choice([1, 2, 4, 8]))}
    data = {}  # clock -> read data
    count, told = 0, 0  # told: the clock before says that the counter grows
    show_head = 0  # clock in which the queue shows its head
    dut.valid_i.value = 0
    dut.run_i.value = 1
    c = 0
    while True:
        more = check_outputs(dut, program, timing, c, count, data)
        count += more
        assert bool(more) == bool(told), f"clock {c}: counts_o"
        if timing.done(c):
            break
        # this clock's inputs
        for unit in ("din", "mm"):
            if rng.random() < rate[unit] * (0.9 if c % 64 < 40 else 0.1) + 0.02:
                progress[unit] += step[unit]
        progress["row"] = count
        dut.progress_i.value = sum(progress[name] << (24 * i) for i, name in enumerate(LANES))
        dut.rd_data_i.value = data.pop(c) if c in data else int.from_bytes(rng.bytes(V), "little")
        valid = bool(queue) and c >= show_head
        dut.valid_i.value = int(valid)
        if c == show_head:
            dut.instr_i.value = packed(queue[0]) if queue else 0
        await Timer(1, "ns")
        pop = timing.clock(c, progress, valid)
        assert bool(dut.pop_o.value) == pop, f"clock {c}: pop {dut.pop_o.value}, expected {pop}, {timing}"
        if pop:
            queue.pop(0)
            show_head = c + 1 + int(rng.choice([0, 0, 0, 1, 5, 20]))
        told = int(dut.counts_o.value)
        c += 1
        assert c < 1_000_000
        await FallingEdge(dut.clk_i)
    await FallingEdge(dut.clk_i)
    assert dut.done_o.value == 1  # a level
    dut.run_i.value = 0
    dut.valid_i.value = 0
    await FallingEdge(dut.clk_i)
    assert not int(dut.done_o.value) and not int(dut.count_o.value)
    return sum(ins.fields.get("rows", 0) for ins in program.instructions)


async def reset(dut):
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for name in ("rst_ni", "clear_i", "run_i", "valid_i", "ld_we_i", "progress_i", "rd_data_i", "instr_i"):
        getattr(dut, name).value = 0
    for _ in range(3):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    await FallingEdge(dut.clk_i)


@cocotb.test()
async def programs(dut):
    """Random programs until enough rows have been compared."""
    rng = np.random.default_rng(int(os.environ["SEED"]))
    await reset(dut)
    rows = 0
    while rows < int(os.environ["ROWS"]):
        params, tables = draw_params(rng, DEPTH * V), draw_tables(rng, SLOTS)
        await load_params(dut, params)
        await load_tables(dut, tables)
        for _ in range(20):
            rows += await run_program(dut, rng, Program(rng, params, tables, V, DEPTH, LONGEST, GROUP_WORDS))
    dut._log.info(f"{rows} rows equal")


@cocotb.test()
async def faults(dut):
    """A bad instruction is flagged until clear_i; a flush in the middle of a row leaves nothing behind."""
    rng = np.random.default_rng(int(os.environ["SEED"]) + 1)
    await reset(dut)
    params, tables = draw_params(rng, DEPTH * V), draw_tables(rng, SLOTS)
    await load_params(dut, params)
    await load_tables(dut, tables)

    def program():
        return Program(rng, params, tables, V, DEPTH, LONGEST, GROUP_WORDS)

    bad = ({"opcode": 0}, {"opcode": 5}, {"op": 0}, {"op": 7}, {"length": 0}, {"words": 0}, {"rows": 0})
    bad += ({"op": 4, "group": 1, "elements": 1},) * (GROUP_WORDS == 0) + ({"op": 4, "group": 0, "elements": 1},)
    bad += ({"op": 3},) * (SLOTS == 0) + ({"op": 1}, {"op": 2}) * (DEPTH == 0)  # parts that are not there
    for change in bad:
        ins = next(i for i in program().instructions if i.opcode == abi.OPCODES["EXEC"])
        ins.fields |= {"gate_unit": NONE, **change}
        dut.run_i.value, dut.valid_i.value, dut.instr_i.value = 1, 1, packed(ins)
        await Timer(1, "ns")
        assert not int(dut.pop_o.value) and not int(dut.bad_instr_o.value)
        for _ in range(20):
            await FallingEdge(dut.clk_i)
            assert int(dut.bad_instr_o.value) and not int(dut.done_o.value) and not int(dut.pop_o.value)
        dut.run_i.value = 0
        await FallingEdge(dut.clk_i)
        assert int(dut.bad_instr_o.value)
        dut.clear_i.value = 1
        await FallingEdge(dut.clk_i)
        assert not int(dut.bad_instr_o.value)
        dut.clear_i.value = 0
        await run_program(dut, rng, program())
    for _ in range(10):
        ins = next(i for i in program().instructions if i.opcode == abi.OPCODES["EXEC"])
        ins.fields |= {"gate_unit": NONE, "dep_unit": NONE}
        dut.run_i.value, dut.valid_i.value, dut.instr_i.value = 1, 1, packed(ins)
        for _ in range(int(rng.integers(1, 60))):
            await FallingEdge(dut.clk_i)
        dut.clear_i.value = 1
        await FallingEdge(dut.clk_i)
        dut.clear_i.value, dut.run_i.value, dut.valid_i.value = 0, 0, 0
        for _ in range(40 if rng.random() < 0.5 else 1):
            assert not int(dut.wr_en_o.value) and not int(dut.count_o.value)
            await FallingEdge(dut.clk_i)
        await run_program(dut, rng, program())
