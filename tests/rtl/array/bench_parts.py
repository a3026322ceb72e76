"""cocotb benches of the small parts: memories, tables, multipliers, trees, delay lines; in every clock, at the stated
latency."""

from collections import deque

import cocotb
from cocotb.clock import Clock

from hwgen.runtime import abi
from tests.rtl.array.support import count, draw, lanes, load, packed, settle, signed, tick


async def start(dut):
    for name in ("rst_ni", "clear_i", "ram_we_i", "ram_re_i", "ld_we_i", "wide_re_i", "lut_re_i", "mac_en_i",
                 "tree_en_i", "line_i"):  # fmt: skip
        getattr(dut, name).value = 0
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    for _ in range(2):
        await tick(dut)


@cocotb.test()
async def ram_1r1w(dut):
    """Two clocks; holds without a read; the old word if it is written as it is read; in parts, or a clock before."""
    rng = draw(1)
    await start(dut)
    memory, late = {}, {}  # late: as the memory in parts has it, a clock later
    line, shown = deque([None, None]), None
    for clock in range(count(2000)):
        arrived = line.popleft()
        shown = shown if arrived is None else arrived
        if shown is not None:
            found = int(dut.ram_rdata_o.value), int(dut.ram_split_rdata_o.value)
            assert found == shown, f"clock {clock}"
        write, read = rng.random() < 0.5, rng.random() < 0.6
        at, to, data = int(rng.integers(14)), int(rng.integers(14)), int(rng.integers(1 << 13))
        read = read and at in late
        dut.ram_re_i.value, dut.ram_raddr_i.value = int(read), at
        dut.ram_we_i.value, dut.ram_waddr_i.value, dut.ram_wdata_i.value = int(write), to, data
        line.append((memory[at], late[at]) if read else None)
        late = dict(memory)
        if write:
            memory[to] = data
        await tick(dut)


@cocotb.test()
async def wide_mem(dut):
    """Beats of other targets leave it alone; a word is there two clocks after its read."""
    rng = draw(2)
    await start(dut)
    memory, line = {}, deque([None, None])
    mask = (1 << 72) - 1
    for clock in range(count(2000)):
        want = line.popleft()
        if want is not None:
            assert int(dut.wide_rdata_o.value) == want, f"clock {clock}"
        target = int(rng.choice([abi.TARGETS["PARAM"]] * 3 + [1, 3, 255]))
        word, beat, data = int(rng.integers(8)), int(rng.integers(4)), int.from_bytes(rng.bytes(16), "little")
        write, read, at = rng.random() < 0.7, rng.random() < 0.5, int(rng.integers(8))
        dut.ld_we_i.value, dut.ld_target_i.value = int(write), target
        dut.ld_word_i.value, dut.ld_beat_i.value, dut.ld_data_i.value = word, beat, data
        known = all((at, c) in memory for c in range(3))
        dut.wide_re_i.value, dut.wide_raddr_i.value = int(read), at
        line.append(sum(memory[at, c] << (72 * c) for c in range(3)) if read and known else None)
        if write and target == abi.TARGETS["PARAM"] and beat < 3:
            memory[word, beat] = data & mask
        await tick(dut)


@cocotb.test()
async def lookup_lane(dut):
    """Every entry of every table, one clock after it is asked for; other targets leave them alone."""
    rng = draw(3)
    await start(dut)
    tables = [rng.integers(0, 256, (slots, 256)) for slots in (1, 3, 16)]
    for i, table in enumerate(tables):
        dut.lut_pick_i.value = 1 << i
        await load(dut, "TABLE", [bytes(slot.tolist()) for slot in table])
        await load(dut, "PARAM", [rng.bytes(16 * 20) for _ in table])
    shown = [None] * 3
    for entry in rng.permutation(16 * 256).tolist():
        slots = [entry >> 8 if entry >> 8 < len(t) else int(rng.integers(len(t))) for t in tables]
        read = rng.random() < 0.9 or shown[0] is None
        dut.lut_re_i.value, dut.lut_x_i.value = int(read), entry & 255
        dut.lut_slot_i.value = packed(slots, 4)
        await tick(dut)
        if read:
            shown = [int(t[slot, entry & 255]) for t, slot in zip(tables, slots, strict=True)]
        assert lanes(dut.lut_y_o, 8, 3) == shown


def extreme(rng, bits: int) -> int:
    """A signed number, often the smallest or the largest."""
    lo, hi = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return int(rng.choice([lo, hi, 0, -1])) if rng.random() < 0.3 else int(rng.integers(lo, hi + 1))


@cocotb.test()
async def mac_pair(dut):
    """Both products exact in every way to make them; three clocks from the weights, held without enables."""
    rng = draw(4)
    await start(dut)
    on = deque([False] * 3)
    weights, work = deque([None] * 3), None  # (w0, w1) shown 1..3 clocks ago
    activations = deque([0] * 2)
    for clock in range(count(4000)):
        if on[0]:
            work = weights[0], activations[0]
        if work is not None:
            (w0, w1), a = work
            p0, p1 = lanes(dut.mac_p0_o, 17, 9, is_signed=True), lanes(dut.mac_p1_o, 17, 9, is_signed=True)
            for i, ww in enumerate((2, 5, 8) * 3):
                want = signed(w0 % 2**ww, ww) * a, signed(w1 % 2**ww, ww) * a
                assert (p0[i], p1[i]) == want, f"clock {clock}, {ww} bits, way {i // 3}"
        step = rng.random() < 0.7
        w0, w1, a = extreme(rng, 8), extreme(rng, 8), extreme(rng, 9)
        dut.mac_en_i.value = packed([step, on[-1], on[-2]], 1)
        dut.mac_w0_i.value, dut.mac_w1_i.value, dut.mac_a_i.value = w0 & 255, w1 & 255, a & 511
        weights.append((w0, w1)), activations.append(a), on.append(step)
        weights.popleft(), activations.popleft(), on.popleft()
        await tick(dut)


@cocotb.test()
async def adder_tree(dut):
    """The sum after ceil(log2(N) / 2) clocks; an idle tree holds it."""
    rng = draw(5)
    await start(dut)
    sizes = [2 << i for i in range(6)]
    stages = [(size.bit_length()) // 2 for size in sizes]
    assert stages == [1, 1, 2, 2, 3, 3]
    valid, inputs, shown = deque([False] * 3), deque([None] * 3), [None] * 6
    for clock in range(count(1500)):
        sums = lanes(dut.tree_sum_o, 23, 6, is_signed=True)
        for i, (size, stage) in enumerate(zip(sizes, stages, strict=True)):
            if valid[-stage]:
                shown[i] = sum(inputs[-stage][:size])
            assert shown[i] is None or sums[i] == shown[i], f"clock {clock}: N={size}"
        go, d = rng.random() < 0.7, [extreme(rng, 17) for _ in range(64)]
        dut.tree_en_i.value = packed([go, valid[-1], valid[-2]], 1)
        dut.tree_d_i.value = packed(d, 17)
        valid.append(go), inputs.append(d), valid.popleft(), inputs.popleft()
        await tick(dut)


@cocotb.test()
async def delay_lines(dut):
    """delay: 0 and 3 clocks; delay_valid: every stage, emptied by a flush and by reset."""
    rng = draw(6)
    await start(dut)
    history, valid = deque([0] * 3), [0] * 4
    for clock in range(count(1000)):
        line, clear, reset = int(rng.integers(32)), rng.random() < 0.05, rng.random() < 0.02
        dut.line_i.value, dut.clear_i.value, dut.rst_ni.value = line, int(clear), int(not reset)
        await settle()
        assert int(dut.line0_o.value) == line
        assert clock < 3 or int(dut.line3_o.value) == history[0]
        assert lanes(dut.valid_o, 1, 5) == [line & 1, *valid], f"clock {clock}"
        history.append(line), history.popleft()
        valid = [0] * 4 if clear or reset else [line & 1, *valid[:3]]
        await tick(dut)
