"""cocotb bench of mm_unit: random programs; addresses, results, write clocks and the counter, all exact.

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
from hwgen.schedule import EngineConfig
from hwgen.schedule.instructions import MM, Gate, Loop, Nop
from tests.rtl.array.support import count, draw, load, packed, settle, tick
from tests.schedule.decode import fields, lane_word, steps, weight_word

NAMES = ("N", "M", "WW", "WEIGHT_DEPTH", "PARAM_DEPTH", "SLOTS", "PROG_DEPTH", "RESIDUAL", "WIDE", "KV_DEPTH")
CONFIG = EngineConfig(**{name.lower(): int(os.environ[name]) for name in NAMES})
N, M, V = CONFIG.n, CONFIG.m, CONFIG.v
ACC = 7 + CONFIG.tree_stages
BANK = 4096  # bytes of the memory played here


class Memories:
    """Random contents, loaded over the loader bus."""

    def __init__(self, rng):
        c = CONFIG
        raw = rng.bytes(c.weight_depth * c.weight_beats * 16)
        size = c.weight_beats * 16
        self.weight_words = [raw[i : i + size] for i in range(0, len(raw), size)]
        self.param_words = [b"".join(self.channel(rng) for _ in range(M)) for _ in range(c.param_depth)]
        self.table_words = [rng.bytes(256) for _ in range(c.slots)]
        self.weights = [weight_word(word, c) for word in self.weight_words]
        self.params = [lane_word(word) for word in self.param_words]
        self.act = rng.integers(0, 256, (8, BANK), np.uint8)
        self.kv = np.zeros((CONFIG.kv_depth, M, N), np.uint8)  # after `fill`

    @staticmethod
    def channel(rng):
        shift = int(rng.integers(0, 40))
        whole = int(rng.integers(-300, 300)) << shift
        bias = max(-(2**47), min(2**47 - 1, whole + int(rng.integers(-1000, 1000))))
        mult, rmult = (int(rng.integers(-(1 << b), 1 << b)) for b in rng.integers(1, [18, 27]))
        return abi.pack(abi.PARAM, mult=mult, shift=shift, bias=bias, rmult=rmult)

    def read(self, bank, address, size):
        at = address * size % BANK
        return self.act[bank, at : at + size]


def random_program(rng):
    """A few instructions; behind a group that is written in several clocks three steps that end none."""
    out, slow = [], False
    for _ in range(rng.integers(1, 7)):
        if rng.random() < 0.15:
            out.append(Nop(Gate("DIN", int(rng.integers(0, 50)))))
            continue
        wide = bool(CONFIG.wide and rng.random() < 0.3)
        inner = [int(v) for v in rng.integers(1, 5, rng.integers(0, 3))]
        kind = str(rng.choice(list(abi.O_KINDS))) if CONFIG.kv_depth and not wide else "ACTIVATIONS"
        slow_one = wide or (kind == "KEYS" and CONFIG.keys_clocks > 1)
        inner = [4, *inner[:1]] if slow_one or slow else inner
        outer = [int(v) for v in rng.integers(1, 5, rng.integers(1, 3))]
        moves = rng.integers(0, 9, (6, 5))
        loops = tuple(
            Loop(n, *(int(v) for v in moves[i]), reduce=i < len(inner), y=int(moves[i, 0]) % 4)
            for i, n in enumerate([*inner, *outer])
        )
        relu = bool(rng.integers(2))
        lo, hi = sorted(int(v) for v in rng.integers(-256, 256, 2))
        residual = (int(rng.integers(8)), int(rng.integers(99)), bool(rng.integers(2)))
        out.append(
            MM(
                loops, "DIN", int(rng.integers(0, 40)), int(rng.integers(8)), int(rng.integers(99)),
                bool(rng.integers(2)), int(rng.integers(99)), int(rng.integers(8)), int(rng.integers(1 << 19)),
                int(rng.integers(99)), min(lo, 0) if relu else lo, max(hi, 0) if relu else hi, relu, wide,
                int(rng.integers(CONFIG.slots)) if CONFIG.slots and not wide and rng.integers(2) else None,
                residual if CONFIG.residual and rng.integers(2) else None,
                inside=(-1, 0, int(rng.integers(5)), 0) if CONFIG.padded and rng.integers(2) else None,
                w_bank=str(rng.choice(list(abi.W_BANKS))) if CONFIG.kv_depth else "WEIGHTS", o_kind=kind,
            )
        )  # fmt: skip
        slow = slow_one
    return out


def fill():
    """A program that writes the whole KV memory."""
    loops = (Loop(N * CONFIG.kv_depth, a=1, w=1, o=1, p=1),)
    return [MM(loops, "NONE", 0, 0, 0, True, 0, 0, 0, 0, -128, 127, o_kind="VALUES")]


def kv_writes(kind, address):
    """(word, index of [m, n], which of the group's bytes) of each clock of a group's write."""
    if kind == abi.O_KINDS["VALUES"]:
        yield address // N % CONFIG.kv_depth, (slice(None), address % N), slice(None)
        return
    parts = max(N // M, 1)  # of M bytes in a column
    column, begin = address // parts % M, address % parts * M
    for j in range(CONFIG.keys_clocks):
        word = address // (parts * M) * CONFIG.keys_clocks + j
        yield word % CONFIG.kv_depth, (column, slice(begin, begin + min(M, N))), slice(j * N, (j + 1) * N)


def result(memories, ins, p, acc, r):
    """The requantized group."""
    p = memories.params[p % CONFIG.param_depth]
    v = acc * p["mult"] + p["bias"]
    v = np.maximum(v, 0) if ins["relu"] else v
    if ins["residual"]:
        v = v + (r.view(np.int8) if ins["r_signed"] else r).astype(np.int64) * p["rmult"]
    lo, hi = (-(2**31), 2**31 - 1) if ins["wide"] else (ins["lo"], ins["hi"])
    y = np.clip(round_shift(v, p["shift"]), lo, hi)
    return np.frombuffer(memories.table_words[ins["slot"]], np.uint8)[y & 255] if ins["lookup"] else y


class Expected:
    """What must be seen when, given the clocks of issue."""

    def __init__(self, memories, words):
        self.memories = memories
        code = [fields(abi.MM, word) for word in words]
        self.todo = [(ins, step) for ins in code if ins["opcode"] == abi.OPCODES["EXEC"] for step in steps(ins)]
        self.reads, self.residuals, self.writes, self.counts = {}, {}, {}, Counter()
        self.kv_due = []  # (clock, word, where, bytes), in order
        self.acc = None

    def issue(self, clock):
        ins, step = self.todo.pop(0)
        m = self.memories
        a = np.zeros(N, np.uint8)  # padding
        if not step["pad"]:
            self.reads[clock + 1] = ins["a_bank"], step["a"]
            a = m.read(ins["a_bank"], step["a"], N)
        weights = m.weights[step["w"] % CONFIG.weight_depth]
        if ins["w_bank"]:  # read in the next clock, at the end of which this one's writes are seen
            self.settle(clock)
            weights = m.kv[step["w"] % CONFIG.kv_depth].view(np.int8).astype(int)
        product = weights @ (a.view(np.int8) if ins["a_signed"] else a).astype(int)
        self.acc = product if step["first"] else self.acc + product
        if not step["last"]:
            return
        r = m.read(ins["r_bank"], step["r"], M)
        if ins["residual"]:
            self.residuals[clock + ACC - 3] = ins["r_bank"], step["r"]
        y = result(m, ins, step["p"], self.acc, r)
        if ins["o_kind"]:
            for j, (word, where, part) in enumerate(kv_writes(ins["o_kind"], step["o"])):
                self.kv_due.append((clock + CONFIG.pipe + j, word, where, (y & 255).astype(np.uint8)[part]))
            self.counts[clock + CONFIG.pipe + j] += M // 8
            return
        planes = 4 if ins["wide"] else 1
        for k in range(planes):
            self.writes[clock + CONFIG.pipe + k] = (
                ins["o_bank"],
                (step["o"] + k) % (1 << 20),
                [int(v) >> (8 * k) & 255 for v in y],
            )
        self.counts[clock + CONFIG.pipe + planes - 1] += M // 8

    def settle(self, clock):
        """The KV memory at the end of a clock."""
        while self.kv_due and self.kv_due[0][0] <= clock:
            _, word, where, data = self.kv_due.pop(0)
            self.memories.kv[word][where] = data


def check(dut, expected, clock):
    """The registered outputs of this clock against what is expected in it."""
    assert not (int(dut.a_zero_o.value) and int(dut.a_en_o.value))
    for port, want in (("a", expected.reads.pop(clock, None)), ("r", expected.residuals.pop(clock, None))):
        assert bool(int(getattr(dut, f"{port}_en_o").value)) == (want is not None), f"clock {clock}: read {port}"
        if want:
            got = int(getattr(dut, f"{port}_bank_o").value), int(getattr(dut, f"{port}_addr_o").value)
            assert got == want, f"clock {clock}: read {port}"
    write = expected.writes.pop(clock, None)
    assert bool(int(dut.wr_en_o.value)) == (write is not None), f"clock {clock}: write {write}"
    if write:
        bank, at, data = write
        assert (int(dut.wr_bank_o.value), int(dut.wr_addr_o.value)) == (bank, at * M // V % (1 << 17)), f"clock {clock}"
        part = at % (V // M)
        assert int(dut.wr_mask_o.value) == ((1 << M // 8) - 1) << (part * M // 8)
        got = int(dut.wr_data_o.value) >> (8 * M * part) & ((1 << 8 * M) - 1)
        assert got == packed(data, 8), f"clock {clock}: {got:x}"


async def run(dut, rng, memories, program):
    """Load a program, run it twice; returns the steps."""
    words = [ins.encode(i == len(program) - 1) for i, ins in enumerate(program)]
    dut.enable_i.value = 0
    await load(dut, "PROG_MM", words)
    dut.enable_i.value = 1
    for _ in range(5):
        await tick(dut)
    steps_done = 0
    for _ in range(2):
        expected, data, total, progress, rate = Expected(memories, words), {}, 0, 0, rng.uniform(0.1, 4)
        steps_done += len(expected.todo)
        dut.run_i.value = 1
        for clock in range(10_000):
            check(dut, expected, clock)
            total += expected.counts.pop(clock, 0)
            assert int(dut.count_o.value) == total, f"clock {clock}"
            assert bool(int(dut.counts_o.value)) == (clock + 1 in expected.counts), f"clock {clock}"
            if int(dut.done_o.value):
                break
            if int(dut.a_zero_o.value):
                data["a", clock + 3] = bytes(N)
            for port, size in (("a", N), ("r", M)):
                if int(getattr(dut, f"{port}_en_o").value):
                    bank, at = int(getattr(dut, f"{port}_bank_o").value), int(getattr(dut, f"{port}_addr_o").value)
                    data[port, clock + 3] = memories.read(bank, at, size).tobytes()
                shown = data.pop((port, clock), None) or rng.bytes(size)
                getattr(dut, f"{port}_data_i").value = int.from_bytes(shown, "little")
            adds, at = int(rng.poisson(rate)), abi.NEED_BITS * abi.LANES.index("din")
            dut.progress_i.value, dut.adds_i.value = progress << at, adds << at
            progress += adds
            await settle()
            if int(dut.ev_issue_o.value):
                expected.issue(clock)
            await tick(dut)
        assert clock < 9_999, "never done"
        assert not expected.todo and not expected.writes, "done before its end"
        expected.settle(clock + CONFIG.keys_clocks)
        for _ in range(CONFIG.keys_clocks):
            await tick(dut)
        assert int(dut.done_o.value) and not int(dut.bad_instr_o.value)
        dut.run_i.value = 0
        await tick(dut)
        assert not int(dut.count_o.value)
    return steps_done


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
    done = 0
    while done < count(2000):
        memories = Memories(rng)
        await load(dut, "WEIGHT", memories.weight_words)
        await load(dut, "PARAM", memories.param_words)
        await load(dut, "TABLE", memories.table_words)
        if CONFIG.kv_depth:
            await run(dut, rng, memories, fill())
        for _ in range(5):
            done += await run(dut, rng, memories, random_program(rng))
    dut._log.info(f"{done} steps equal")


@cocotb.test()
async def a_flush_leaves_nothing_behind(dut):
    rng = draw(1)
    await start(dut)
    memories = Memories(rng)
    await load(dut, "WEIGHT", memories.weight_words)
    await load(dut, "PARAM", memories.param_words)
    await load(dut, "TABLE", memories.table_words)
    for _ in range(count(10)):
        dut.enable_i.value, dut.run_i.value = 1, 1
        dut.progress_i.value, dut.adds_i.value = (1 << 4 * abi.NEED_BITS) - 1, 0
        for _ in range(rng.integers(1, 40)):
            await tick(dut)
        dut.clear_i.value, dut.run_i.value, dut.enable_i.value = 1, 0, 0
        await tick(dut)
        dut.clear_i.value = 0
        for _ in range(CONFIG.pipe + 5):
            assert not int(dut.wr_en_o.value) and not int(dut.a_en_o.value) and not int(dut.count_o.value)
            await tick(dut)
        if CONFIG.kv_depth:
            await run(dut, rng, memories, fill())
        await run(dut, rng, memories, random_program(rng))
