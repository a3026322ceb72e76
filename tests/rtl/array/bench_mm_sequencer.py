"""cocotb bench of mm_sequencer: random programs; every step, pop, wait and end in its very clock."""

import cocotb
from cocotb.clock import Clock

from hwgen.runtime import abi
from hwgen.schedule.instructions import MM, Gate, Loop, Nop
from tests.rtl.array.support import count, draw, packed, settle, tick
from tests.schedule.decode import fields, steps

UNITS = tuple(abi.UNITS)
EVENT = {"DIN": 1, "MM": 2, "ROW": 4, "VEC": 4}  # bit of ev_wait_o; what is none of these counts as DIN


async def start(dut):
    for name in ("rst_ni", "clear_i", "run_i", "valid_i", "progress_i", "adds_i", "instr_i"):
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(2):
        await tick(dut)
    dut.rst_ni.value = 1
    await tick(dut)


def random_instruction(rng):
    """A loop nest of a few steps, or a NOP; gates and needs that a short run reaches."""
    gate = Gate(str(rng.choice(UNITS)), int(rng.integers(0, 60)))
    if rng.random() < 0.2:
        return Nop(gate)
    loops = [
        Loop(int(rng.integers(1, 4)), *(int(v) for v in rng.integers(-20, 20, 2)), int(rng.integers(0, 3)),
             *(int(v) for v in rng.integers(-20, 20, 2)), bool(rng.integers(2)),
             *(int(v) for v in rng.integers(-3, 4, 3)))
        for _ in range(rng.integers(1, 6))
    ]  # fmt: skip
    high = 1 << abi.ADDR_BITS
    a, w, o, r = (int(v) for v in rng.integers(0, high, 4))
    return MM(
        tuple(loops), str(rng.choice(UNITS)), int(rng.integers(0, 60)), 1, a, True, w, 2, o, int(rng.integers(4096)),
        -5, 9, residual=(3, r, False), gate=gate,
        inside=tuple(int(v) for v in rng.integers((-4, -4, 0, 0), 5)) if rng.integers(2) else None,
    )  # fmt: skip


class Model:
    """What the sequencer does, clock by clock."""

    def __init__(self, words):
        self.queue = [fields(abi.MM, word) for word in words]
        self.now, self.left, self.ended, self.seen = None, [], False, None  # instruction, its steps; last clock's step

    def reached(self, progress, unit, need):
        return unit == abi.UNITS["NONE"] or progress[unit] >= need

    def clock(self, progress, valid):
        """One clock: (pop, issue, waits); the step issued is in `seen`."""
        now, issue, retire, waits = self.now, False, False, 0
        if now:
            gate = self.reached(progress, now["gate_unit"], now["gate"])
            if now["opcode"] == abi.OPCODES["NOP"]:
                retire = gate
            else:
                step = self.left[0]
                issue = gate and (step["pad"] or self.reached(progress, now["dep_unit"], step["need"]))
                retire = issue and len(self.left) == 1
            waits = now["dep_unit" if gate else "gate_unit"]
        names = {code: name for name, code in abi.UNITS.items()}
        waits = 0 if issue or self.ended else EVENT.get(names[waits] if now else "DIN", 1)
        self.seen = (now, self.left.pop(0)) if issue else None
        ends = retire and now["last"]
        pop = not self.ended and not ends and valid and bool(self.queue) and (not now or retire)
        self.ended = self.ended or bool(ends)
        if retire:
            self.now = None
        if pop:
            self.now = self.queue.pop(0)
            self.left = list(steps(self.now))
        return pop, issue, waits


def check_step(dut, seen, clock):
    """The registered outputs, one clock after the issue."""
    assert bool(int(dut.step_o.value)) == (seen is not None), f"clock {clock}"
    if seen is None:
        assert not int(dut.last_o.value)
        return
    ins, step = seen
    for name in ("a", "w", "o", "r", "p", "first", "last", "pad"):
        assert int(getattr(dut, f"{name}_o").value) == step[name], f"clock {clock}: {name} of {step}"
    assert int(dut.ctl_o.value) & 15 == ins["opcode"]


async def run(dut, rng, program):
    """One run; returns its steps."""
    words = [ins.encode(i == len(program) - 1) for i, ins in enumerate(program)]
    model, progress = Model(words), [0] * len(abi.LANES)
    queue, seen, done, issued = list(words), None, False, 0
    rate = rng.uniform(0.05, 3, len(abi.LANES))
    dut.run_i.value = 1
    for clock in range(100_000):
        check_step(dut, seen, clock)
        assert bool(int(dut.done_o.value)) == done and not int(dut.bad_o.value)
        if done:
            break
        adds = [int(rng.poisson(r)) for r in rate]
        dut.progress_i.value, dut.adds_i.value = packed(progress, abi.NEED_BITS), packed(adds, abi.NEED_BITS)
        valid = bool(queue) and rng.random() < 0.8
        dut.valid_i.value = int(valid)
        dut.instr_i.value = (
            int.from_bytes(queue[0], "little")
            if valid
            else int.from_bytes(rng.bytes(16 * abi.beats(abi.MM)), "little") % (1 << abi.width(abi.MM))
        )
        await settle()
        pop, issue, waits = model.clock(progress, valid)
        got = tuple(int(getattr(dut, name).value) for name in ("pop_o", "ev_issue_o", "ev_wait_o"))
        assert got == (int(pop), int(issue), waits), f"clock {clock}: pop, issue, wait"
        if pop:
            queue.pop(0)
        seen, done, issued = model.seen, model.ended, issued + issue
        progress = [p + a for p, a in zip(progress, adds, strict=True)]
        await tick(dut)
    dut.valid_i.value = 0
    await tick(dut)
    assert int(dut.done_o.value)  # a level
    dut.run_i.value = 0
    await tick(dut)
    assert not int(dut.done_o.value)
    return issued


@cocotb.test()
async def programs(dut):
    rng = draw()
    await start(dut)
    issued = 0
    while issued < count(4000):
        issued += await run(dut, rng, [random_instruction(rng) for _ in range(rng.integers(1, 5))])
    dut._log.info(f"{issued} steps equal")


@cocotb.test()
async def a_bad_opcode_stays_told(dut):
    """Until the flush; nothing is issued, and the next run is clean."""
    rng = draw(1)
    await start(dut)
    for opcode in (0, 3, 15):
        word = abi.pack(abi.MM, opcode=opcode, gate_unit=abi.UNITS["NONE"], dep_unit=abi.UNITS["NONE"])
        dut.run_i.value, dut.valid_i.value, dut.instr_i.value = 1, 1, int.from_bytes(word, "little")
        await tick(dut)
        dut.valid_i.value = 0
        await tick(dut)
        for _ in range(5):
            assert int(dut.bad_o.value) and not int(dut.step_o.value) and not int(dut.done_o.value)
            await tick(dut)
        dut.run_i.value, dut.clear_i.value = 0, 1
        await tick(dut)
        assert not int(dut.bad_o.value)
        dut.clear_i.value = 0
        await run(dut, rng, [random_instruction(rng) for _ in range(3)])


@cocotb.test()
async def a_flush_stops_it_at_any_clock(dut):
    rng = draw(2)
    await start(dut)
    for _ in range(count(20)):
        word = random_instruction(rng).encode(False)
        dut.run_i.value, dut.valid_i.value, dut.instr_i.value = 1, 1, int.from_bytes(word, "little")
        dut.progress_i.value, dut.adds_i.value = packed([1000] * len(abi.LANES), abi.NEED_BITS), 0
        for _ in range(rng.integers(1, 10)):
            await tick(dut)
        dut.clear_i.value, dut.run_i.value, dut.valid_i.value = 1, 0, 0
        await tick(dut)
        dut.clear_i.value = 0
        assert not int(dut.step_o.value) and not int(dut.done_o.value)
        await run(dut, rng, [random_instruction(rng) for _ in range(2)])
