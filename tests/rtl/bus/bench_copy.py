"""cocotb bench of tb_copy on cocotbext-axi's models: load an image and copy data through the engine, with pauses."""

import os

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from hwgen.runtime import abi
from tests.rtl.bus import image
from tests.rtl.bus.axi_memory import BEAT
from tests.rtl.bus.engine_rig import ERROR, LOAD, REG, SOFT_RESET, START, instruction, word
from tests.rtl.clocked import cases, draw

PARTS = int(os.environ["V"]) // BEAT
IMAGE, IN, OUT, SIZE = 0x4_0000, 0x0_0000, 0x8_0000, 1 << 20


def pauses(rng):
    """An endless random pause pattern of random density."""
    share = rng.choice((0, 0.2, 0.5, 0.8))
    while True:
        yield rng.random() < share


def bounded(original):
    """The memory's access function, but failing outside the memory instead of wrapping around."""

    async def access(address, *args):
        if address >= SIZE:
            raise IndexError(address)
        return await original(address, *args)

    return access


async def set_up(dut, rng):
    cocotb.start_soon(Clock(dut.clk, 10, unit="ns").start())
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=SIZE)
    writer, reader = host.write_if, host.read_if
    for channel in (writer.aw_channel, writer.w_channel, writer.b_channel, reader.ar_channel, reader.r_channel):
        channel.set_pause_generator(pauses(rng))
    writer, reader = ram.write_if, ram.read_if
    for channel in (writer.aw_channel, writer.w_channel, writer.b_channel, reader.ar_channel, reader.r_channel):
        channel.set_pause_generator(pauses(rng))
    reader._read, writer._write = bounded(reader._read), bounded(writer._write)
    dut.rst.value = 1
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    return host, ram


async def command(host, value) -> int:
    """Give a command and poll until it has ended; returns STATUS."""
    await host.write_dword(REG["CONTROL"], value)
    while True:
        status = await host.read_dword(REG["STATUS"])
        if not abi.field("STATUS", "BUSY", status) and not abi.field("STATUS", "DRAINING", status):
            return status


def program(rng):
    """Random DIN pieces, and DOUT pieces that copy the whole of them elsewhere; returns (image beats, beats)."""
    din, dout, at = [], [], 0
    for _ in range(rng.randint(1, 10)):
        beats = rng.choice((1, rng.randint(1, 8), rng.randint(1, 200)))
        din.append(instruction(offset=at * BEAT, beats=beats, bank=1, addr=at + 3))
        at += beats
    done = 0
    while done < at:
        beats = min(rng.choice((1, rng.randint(1, 8), rng.randint(1, 200))), at - done)
        head = PARTS - (done + 3) % PARTS
        need = 2 * min(done + head, at)
        step = 2 * PARTS
        if need + step * ((done + 3) % PARTS + beats - 1 >> PARTS.bit_length() - 1) > 2 * at:
            need, step = 2 * at, 0
        values = {"offset": done * BEAT, "beats": beats, "bank": 1, "addr": done + 3, "dep_unit": 0}
        dout.append(instruction(**values, need=need, need_step=step))
        done += beats
    din[-1]["last"] = dout[-1]["last"] = 1

    def section(name, fields, rows):
        count = abi.beats(fields)
        values = [word(fields, row) for row in rows]
        data = [value >> 128 * i & (1 << 128) - 1 for value in values for i in range(count)]
        return image.Section(abi.TARGETS[name], 0, len(rows), data)

    beats = image.build(section("PROG_DIN", abi.DIN, din), section("PROG_DOUT", abi.DOUT, dout), image.end())
    return beats, at


async def load(host, ram, beats) -> int:
    ram.write(IMAGE, b"".join(b.to_bytes(BEAT, "little") for b in beats))
    await host.write_dwords(REG["LOAD_PTR_LO"], [IMAGE, 0, len(beats)])
    return await command(host, LOAD)


@cocotb.test()
async def copies(dut):
    rng = draw()
    host, ram = await set_up(dut, rng)
    for _ in cases(3):
        beats, count = program(rng)
        status = await load(host, ram, beats)
        assert abi.field("STATUS", "LOADED", status) and abi.field("STATUS", "DONE", status), hex(status)
        for _ in range(2):
            ram.write(0, rng.randbytes(IMAGE))
            ram.write(OUT, bytes(SIZE - OUT))
            source = IN + 64 * rng.randrange(200)
            target = OUT + 64 * rng.randrange(200)
            await host.write_dwords(REG["IN_PTR_LO"], [source, 0, target, 0])
            status = await command(host, START)
            assert abi.field("STATUS", "DONE", status) and not abi.field("STATUS", "ERROR", status), hex(status)
            want = bytes(target - OUT) + bytes(ram.read(source, count * BEAT))
            assert bytes(ram.read(OUT, SIZE - OUT)) == want + bytes(SIZE - OUT - len(want))


@cocotb.test()
async def outside_the_memory(dut):
    """The memory answers addresses that it lacks with an error: error status, and a usable engine after the reset."""
    rng = draw()
    host, ram = await set_up(dut, rng)
    beats, count = program(rng)
    for name, code in (("IN_PTR_LO", "AXI_READ"), ("OUT_PTR_LO", "AXI_WRITE")):
        await load(host, ram, beats)
        await host.write_dwords(REG["IN_PTR_LO"], [IN, 0, OUT, 0])
        await host.write_dwords(REG[name], [SIZE, 7])
        status = await command(host, START)
        assert abi.field("STATUS", "ERROR", status) and abi.field("STATUS", "CODE", status) == ERROR[code], hex(status)
        at = await host.read_dword(REG["ERROR_INFO"])
        assert SIZE <= at < SIZE + count * BEAT
        assert abi.field("STATUS", "IDLE", await command(host, SOFT_RESET))
