"""cocotb bench of din_unit with windows: images of random shapes, kernels, strides and pads, beside plain copies."""

import os

import cocotb
import numpy as np

from hwgen.runtime import abi
from hwgen.schedule.instructions import Din, Gate
from hwgen.schedule.windows import WRITE, Geometry, RingModel, Stream, Windows
from tests.rtl.clocked import Agent, Bench, Level, Stall, cases, draw

V, PORTS, RING = (int(os.environ[name]) for name in ("V", "PORTS", "RING"))
BEAT = abi.BEAT_BYTES
LATENCY = 12  # command -> first beat


class Program(Agent):
    """Shows the instructions, one after the other; `popped` are the clocks in which they went."""

    def __init__(self, dut, words: list[bytes], stall: Stall):
        self.dut, self.words, self.stall, self.popped, self.on = dut, list(words), stall, [], False

    def drive(self) -> None:
        self.on = bool(self.words) and (self.on or not self.stall())
        self.dut.valid_i.value = int(self.on)
        if self.on:
            word = int.from_bytes(self.words[0], "little")
            self.dut.instr_i.value = word & ((1 << abi.width(abi.DIN)) - 1)

    def see(self) -> None:
        if int(self.dut.pop_o.value):
            assert self.on
            self.words.pop(0)
            self.popped.append(self.bench.clock)
            self.on = False


class Memory(Agent):
    """The read master over some bytes: beats come LATENCY clocks after the command, or later."""

    def __init__(self, dut, data: bytes, stall: Stall):
        self.dut, self.data, self.stall, self.beats, self.on, self.taken = dut, data, stall, [], False, []
        self.first = None

    def drive(self) -> None:
        self.dut.cmd_ready_i.value = 1
        self.on = bool(self.beats) and self.beats[0][0] <= self.bench.clock and (self.on or not self.stall())
        self.dut.beat_valid_i.value = int(self.on)
        if self.on:
            at = self.beats[0][1]
            self.dut.beat_data_i.value = int.from_bytes(self.data[at : at + BEAT], "little")

    def see(self) -> None:
        if int(self.dut.cmd_valid_o.value):
            due = self.bench.clock + LATENCY
            at, count = int(self.dut.cmd_addr_o.value), int(self.dut.cmd_beats_o.value)
            self.beats += [(due, at + BEAT * i) for i in range(count)]
        if self.on and int(self.dut.beat_ready_o.value):
            self.beats.pop(0)
            self.taken.append(self.bench.clock)
            self.on = False


class Writes(Agent):
    """Keeps what is written, word by word, and the clock of each write; checks the counter."""

    def __init__(self, dut):
        self.dut, self.act, self.clocks, self.count, self.adds = dut, {}, [], 0, 0

    def see(self) -> None:
        mask = int(self.dut.wr_mask_o.value) if int(self.dut.wr_en_o.value) else 0
        self.count += self.adds
        assert int(self.dut.count_o.value) == self.count, f"clock {self.bench.clock}"
        assert bin(mask).count("1") == self.adds
        self.adds = int(self.dut.adds_o.value)
        if not mask:
            return
        place = int(self.dut.wr_bank_o.value), int(self.dut.wr_addr_o.value)
        data = int(self.dut.wr_data_o.value).to_bytes(V, "little")
        word = self.act.setdefault(place, bytearray(b"?" * V))
        for octet in range(V // 8):
            if mask >> octet & 1:
                word[8 * octet : 8 * octet + 8] = data[8 * octet : 8 * octet + 8]
        self.clocks.append(self.bench.clock)


def random_windows(rng) -> tuple[tuple, Geometry]:
    """((H, W, C, kh, kw, sy, sx, top, bottom, left, right), geometry) that this ring holds."""
    while True:
        c, kh, kw = rng.choice((1, 2, 3, 6, 9)), rng.choice((1, 2, 3, 5, 7, 8)), rng.choice((1, 3, 5, 7, 8))
        sy, sx = rng.randint(1, kh + 1), rng.randint(1, kw + 1)
        h, w = (1 if kh == 1 and rng.random() < 0.7 else rng.randint(kh, 12)), rng.randint(kw, 24)
        if rng.random() < 0.3:  # a patch embedding
            sy, sx = kh, kw
        top, bottom, left, right = (rng.randint(0, k - 1) for k in (kh, kh, kw, kw))
        cols, rows = (w + left + right - kw) // sx + 1, (h + top + bottom - kh) // sy + 1
        g = Geometry(h, w * c, kh, kw * c, sx * c, left * c, cols, sy, top, rows)
        if g.fits(V) and g.ring(V) <= RING:
            return (h, w, c, kh, kw, sy, sx, top, bottom, left, right), g


def windows_of(image: np.ndarray, shape: tuple) -> np.ndarray:
    """[windows, kh * kw * C] of an image [H, W, C], zero outside it."""
    *_, kh, kw, sy, sx, top, bottom, left, right = shape
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)))
    view = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(0, 1))[::sy, ::sx]
    return view.transpose(0, 1, 3, 4, 2).reshape(view.shape[0] * view.shape[1], -1)


def scene(rng, bands: bool):
    """(input bytes, instructions, {(bank, word): bytes}): copies first, then images, each behind the next's stream."""
    data, copies, streams, walks, want, streamed = bytearray(), [], [], [], {}, 0
    word = rng.randint(0, 5)
    for _ in range(rng.randint(0, 2)):
        beats = rng.randint(1, 9)
        part = rng.randbytes(beats * BEAT)
        copies.append(Din(len(data), beats, 1, word * (V // BEAT)))
        data += part
        part += b"?" * (-len(part) % V)
        want |= {(1, word + k): part[k * V : k * V + V] for k in range(len(part) // V)}
        word += len(part) // V
    for _ in range(rng.randint(1, 3)):
        shape, g = random_windows(rng)
        image = np.frombuffer(rng.randbytes(int(np.prod(shape[:3]))), np.uint8).reshape(shape[:3])
        rows = windows_of(image, shape)
        padded = np.zeros((len(rows), g.words(V) * V), np.uint8)
        padded[:, : g.size] = rows
        part = image.tobytes()
        streams.append(Stream(len(data), g.beats))
        data += part + bytes(-len(part) % BEAT)
        bank, row, mine = rng.randint(0, 3), 0, []
        while row < g.rows:
            count = min(rng.randint(1, g.rows) if bands else g.rows, g.rows - row)
            mine.append(Windows(g, V, streamed * BEAT, streamed + g.beats, bank, word * (V // BEAT), row, count))
            band = padded[row * g.cols : (row + count) * g.cols].reshape(-1, V)
            want |= {(bank, word + k): one.tobytes() for k, one in enumerate(band)}
            word, row = word + len(band), row + count
        walks.append(mine)
        streamed += g.beats
    program = [*copies, streams[0]]
    for i, mine in enumerate(walks):
        program += [*streams[i + 1 : i + 2], *mine]
    return bytes(data), program, want


class Results(Agent):
    """The array's progress counter: an octet a clock."""

    def __init__(self, dut):
        self.dut = dut

    def drive(self) -> None:
        self.dut.progress_i.value = self.bench.clock << abi.NEED_BITS
        self.dut.adds_i.value = 1 << abi.NEED_BITS


async def run(dut, rng, data, program, density):
    """Run a program; returns (program, memory, writes)."""
    words = [ins.encode(i == len(program) - 1) for i, ins in enumerate(program)]
    stall = [Stall(rng, density) for _ in range(2)]
    memory, writes, code = Memory(dut, data, stall[0]), Writes(dut), Program(dut, words, stall[1])
    levels = [Level(signal) for signal in (dut.clear_i, dut.base_i)]
    bench = Bench(dut, code, memory, writes, Results(dut), Level(dut.run_i, 1), *levels)
    await bench.reset()
    await bench.until(lambda: bench.clock and int(dut.done_o.value), 40_000, "the end")
    await bench.step()
    assert not int(dut.bad_instr_o.value)
    return code, memory, writes


@cocotb.test()
async def words_are_right(dut):
    """With pauses of the memory and of the program, in bands with gates."""
    rng = draw()
    for _ in cases(12):
        data, program, want = scene(rng, bands=True)
        for ins in program:
            if isinstance(ins, Windows) and rng.random() < 0.5:
                ins.gate = Gate("MM", rng.randint(1, 300))
        _, _, writes = await run(dut, rng, data, program, rng.choice((0, 0.3, 0.7)))
        assert writes.act == want, program


@cocotb.test()
async def clocks_are_right(dut):
    """Without pauses, each word comes when the model says."""
    rng = draw()
    for _ in cases(10):
        data, program, want = scene(rng, bands=rng.random() < 0.5)
        code, memory, writes = await run(dut, rng, data, program, 0)
        assert writes.act == want, program
        head = next(i for i, ins in enumerate(program) if isinstance(ins, Stream))
        model, at, took = RingModel(RING), code.popped[head] + 1, []  # an instruction begins behind its pop
        free = memory.taken[sum(ins.beats for ins in program[:head])]  # behind the copied beats
        for ins in program[head:]:
            began = at
            if isinstance(ins, Stream):
                model.stream(ins.beats, max(at + LATENCY, free))
                at += 1
            else:
                words, last = model.windows(ins, PORTS, at)
                took += list(words)
                at = last + 1
        got = writes.clocks[-len(took) :]
        assert got == took, (program, next(i for i in range(len(took)) if got[i] != took[i]), WRITE)
        assert code.popped[-1] == began - 1
        assert memory.taken[-len(model.taken) :] == list(model.taken)
