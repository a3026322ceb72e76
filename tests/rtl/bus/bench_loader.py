"""cocotb bench of loader: memories written, rate, and every kind of malformed image."""

import cocotb

from hwgen.runtime import abi
from tests.rtl.bus import image
from tests.rtl.clocked import Agent, Bench, Level, Sink, Source, Stall, cases, draw

BAD_IMAGE, HASH = 3, 4
BASE = 0x7_1234_5000


class Bus(Agent):
    """Collects the writes of the loader bus; a place written twice counts its last value."""

    def __init__(self, dut):
        self.dut, self.memory, self.clocks = dut, {}, []

    def see(self) -> None:
        d = self.dut
        if int(d.ld_we_o.value):
            target, data = int(d.ld_target_o.value), int(d.ld_data_o.value)
            if target == abi.TARGETS["TABLE"]:
                data &= 0xFF
            self.memory[target, int(d.ld_word_o.value), int(d.ld_beat_o.value)] = data
            self.clocks.append(self.bench.clock)


async def load(dut, rng, beats, length=None, share=0.0):
    """Load the image; returns (bus, source, error code or 0, info)."""
    length = len(beats) if length is None else length
    go, bus = Level(dut.load_i), Bus(dut)
    base, count = Level(dut.base_i, BASE), Level(dut.beats_i, length)
    command = Sink(dut.cmd_valid_o, dut.cmd_ready_i, (dut.cmd_addr_o, dut.cmd_beats_o), Stall(rng, share))
    # What follows the image in memory must not matter: the read command has its length.
    data = [(b,) for b in (beats + [rng.getrandbits(128) for _ in range(length)])[:length]]
    source = Source(dut.beat_valid_i, dut.beat_ready_o, (dut.beat_data_i,), Stall(rng, share), data)
    bench = Bench(dut, go, base, count, command, source, bus)
    await bench.reset()
    await bench.step(2)
    go.value, source.enabled = 1, False
    await bench.until(lambda: command.got or int(dut.err_o.value), 2_000, "the read command")
    source.enabled = True
    await bench.until(lambda: int(dut.done_o.value) or int(dut.err_o.value), 200_000, "the end of the load")
    done, error = int(dut.done_o.value), int(dut.err_o.value)
    assert done + error == 1
    code, info = (int(dut.err_code_o.value), int(dut.err_info_o.value)) if error else (0, 0)
    if length:
        assert [item for _, item in command.got] == [(BASE, length)]
        assert bench.clock - source.sent[-1][0] in (2, 3), "done or error: two clocks behind a word, three a header"
        assert int(dut.beats_taken_o.value) == len(source.sent)
    else:
        assert not command.got
    writes = len(bus.clocks)
    await bench.step(3)
    assert (int(dut.done_o.value), int(dut.err_o.value)) == (done, error), "done and error hold"
    assert len(bus.clocks) == writes
    go.value = 0
    await bench.step(2)
    assert not int(dut.done_o.value) and not int(dut.err_o.value)
    return bus, source, code, info


@cocotb.test()
async def good_images(dut):
    rng = draw()
    for _ in cases(12):
        names = rng.choices(sorted(image.TARGETS), k=rng.randint(0, 10))
        sections = [image.section(rng, name) for name in names]
        bus, source, code, _ = await load(
            dut, rng, image.build(*sections, image.end()), share=rng.choice((0, 0.3, 0.7))
        )
        assert code == 0
        assert bus.memory == image.memories(*sections)


@cocotb.test()
async def rate(dut):
    """One beat a clock, on the bus one clock later; a header takes three clocks, a table beat 16."""
    rng = draw()
    s = [image.section(rng, "WEIGHT", 0, 20), image.section(rng, "PROG_MM", 0, 6)]
    _, source, code, _ = await load(dut, rng, image.build(*s, image.end()))
    clocks = [clock for clock, _ in source.sent]
    gaps = [b - a for a, b in zip(clocks, clocks[1:], strict=False)]
    heads = {0, 1, 1 + len(s[0].beats())}
    assert code == 0 and gaps == [3 if i in heads else 1 for i in range(len(gaps))]
    s = [image.section(rng, "TABLE", 0, 2)]
    bus, source, code, _ = await load(dut, rng, image.build(*s, image.end()))
    clocks = [clock for clock, _ in source.sent]
    assert code == 0 and bus.clocks == list(range(clocks[2] + 1, clocks[2] + 1 + 512))
    assert [b - a for a, b in zip(clocks[2:-1], clocks[3:], strict=True)] == [16] * 32


@cocotb.test()
async def bad_images(dut):
    """Each malformed image: its code, and the beat at which it was seen."""
    rng = draw()
    make, sec, end = image.build, image.section, image.end
    weights = sec(rng, "WEIGHT", 3, 2)  # 9 beats with its header
    unknown = [t for t in range(256) if t not in abi.TARGETS.values()]
    over = [image.Section(abi.TARGETS[name], depth, 1) for name, (depth, _) in image.TARGETS.items()]
    wide = [image.Section(abi.TARGETS[name], 0, depth + 1) for name, (depth, _) in image.TARGETS.items()]
    images = [
        (make(end(), magic=abi.IMAGE_MAGIC ^ 1 << rng.randrange(32)), BAD_IMAGE, 0),
        (make(end(), version=abi.ABI_VERSION + 1), BAD_IMAGE, 0),
        (make(end(), design=image.HASH ^ 1 << rng.randrange(64)), HASH, 0),
        (make(), BAD_IMAGE, 0),
        (make(weights), BAD_IMAGE, 9),  # END is missing
        (make(weights, end())[:-4], BAD_IMAGE, 6),  # truncated
        (make(weights, end()) + [0], BAD_IMAGE, 10),  # END, then more
        (make(image.Section(abi.TARGETS["WEIGHT"], 0, 1, [], 0x5349), end()), BAD_IMAGE, 1),
        (make(weights, image.Section(rng.choice(unknown), 0, 0), end()), BAD_IMAGE, 10),
        (make(image.Section(0, 0, 0), end()), BAD_IMAGE, 1),
        (make(image.Section(abi.TARGETS["WEIGHT"], 0xFFFFFF, 0xFFFFFF), end()), BAD_IMAGE, 1),
        *((make(s, end()), BAD_IMAGE, 1) for s in over + wide),
    ]
    for beats, code, info in images:
        _, source, got, at = await load(dut, rng, beats, share=rng.choice((0, 0.4)))
        assert (got, at) == (code, info), (images.index((beats, code, info)), got, at)
    _, _, code, info = await load(dut, rng, [], 0)
    assert (code, info) == (BAD_IMAGE, 0)
    # and a good one afterwards
    _, _, code, _ = await load(dut, rng, make(weights, end()))
    assert code == 0


@cocotb.test()
async def flipped_bits(dut):
    """One flipped bit in a header is either harmless by the format or an error, never a hang or a write outside."""
    rng = draw()
    depth = {abi.TARGETS[name]: d for name, (d, _) in image.TARGETS.items()}
    for _ in cases(60):
        sections = [image.section(rng, n) for n in rng.choices(sorted(image.TARGETS), k=3)]
        beats = image.build(*sections, image.end())
        starts = [0, 1]
        for s in sections:
            starts.append(starts[-1] + 1 + len(s.data))
        at = rng.choice(starts)
        beats[at] ^= 1 << rng.randrange(128)
        bus, _, code, _ = await load(dut, rng, beats)
        assert code in (0, BAD_IMAGE, HASH)
        assert all(word < depth[target] for target, word, _ in bus.memory)
