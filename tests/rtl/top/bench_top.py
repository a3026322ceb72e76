"""cocotb bench of a whole accelerator: golden bit for bit under stalls, and every failure leaves it usable."""

import functools
import os

import cocotb

from hwgen.runtime import abi
from tests.rtl.top.rig import BASE, CLEAR_DONE, IMAGE, IN, IRQ_ENABLE, LOAD, OUT, REG, SOFT_RESET, START, Rig
from tests.sim import designs

VECTORS = int(os.environ.get("VECTORS", "8"))


def bench(body):
    """A cocotb test on a rig that has the program loaded."""

    @cocotb.test(timeout_time=20, timeout_unit="ms")
    @functools.wraps(body)
    async def test(dut):
        rig = await Rig(dut).begin()
        assert (await rig.load())["LOADED"]
        await body(rig)

    return test


def changed(rig, target: str, at: int, value: int) -> bytes:
    """The image with one byte of a section changed; `at` counts from the section's header."""
    where, _ = designs.sections(rig.small)[abi.TARGETS[target]]
    image = bytearray(rig.small.image)
    image[where + at] = value
    return bytes(image)


@bench
async def golden_vectors(rig):
    for vector in range(VECTORS):
        await rig.frame(vector)


@bench
async def golden_vectors_with_stalls(rig):
    for vector in range(VECTORS):
        rig.stall(rig.rng.choice((0.3, 0.6, 0.9)))
        await rig.frame(vector)


@bench
async def load_with_stalls(rig):
    for _ in range(2):
        rig.stall(0.7)
        await rig.recover()


@bench
async def identity(rig):
    manifest = rig.small.package.manifest
    assert await rig.read("MAGIC") == abi.MAGIC and await rig.read("ABI") == abi.ABI_VERSION
    assert f"{await rig.read('HASH_HI'):08x}{await rig.read('HASH_LO'):08x}" == manifest["design_hash"]
    rig.stall(0.8)
    for name in ("IN_PTR_HI", "OUT_PTR_LO", "WATCHDOG"):
        value = rig.rng.getrandbits(32)
        await rig.write(name, value)
        assert await rig.read(name) == value
    await rig.lite.write(REG["WATCHDOG"] + 1, b"\x55\xaa")  # byte strobes
    assert await rig.read("WATCHDOG") == value & 0xFF0000FF | 0xAA5500
    await rig.write("MAGIC", 0)
    assert await rig.read("MAGIC") == abi.MAGIC


@bench
async def interrupt(rig):
    await rig.frame()
    assert int(rig.dut.irq_o.value) == 1
    await rig.write("CONTROL", CLEAR_DONE | IRQ_ENABLE)
    assert int(rig.dut.irq_o.value) == 0 and not (await rig.status())["DONE"]
    await rig.frame()
    await rig.write("CONTROL", 0)
    assert int(rig.dut.irq_o.value) == 0 and (await rig.status())["DONE"]


@bench
async def read_errors(rig):
    for stall in (0, 0.6):
        rig.stall(stall)
        at = IN + 16 * rig.rng.randrange(rig.small.inputs.shape[1] // 16)
        rig.memory.bad = range(at, at + 16)
        await rig.start()
        assert await rig.failed("AXI_READ") == at & 0xFFFFFFFF
        rig.memory.bad = range(0)
        await rig.recover()


@bench
async def write_errors(rig):
    for stall in (0, 0.6):
        rig.stall(stall)
        rig.memory.bad = range(OUT, OUT + rig.small.out_bytes)
        await rig.start()
        assert await rig.failed("AXI_WRITE") == OUT & 0xFFFFFFFF
        rig.memory.bad = range(0)
        await rig.recover()


@bench
async def load_errors(rig):
    at = IMAGE + 16 * rig.rng.randrange(len(rig.small.image) // 16)
    rig.memory.bad = range(at, at + 16)
    await rig.load()
    await rig.failed("AXI_READ")
    rig.memory.bad = range(0)
    await rig.recover()


@bench
async def memory_that_is_not_there(rig):
    await rig.start()
    await rig.settled()
    await rig.pointer("IN_PTR", BASE - 4096)
    await rig.write("CONTROL", START)
    assert await rig.failed("AXI_READ") == (BASE - 4096) & 0xFFFFFFFF
    await rig.recover()


@bench
async def hash_mismatch(rig):
    image = bytearray(rig.small.image)
    image[8 + rig.rng.randrange(8)] ^= 1 << rig.rng.randrange(8)
    assert not (await rig.load(bytes(image)))["LOADED"]
    await rig.failed("HASH")
    await rig.recover()


@bench
async def bad_images(rig):
    image = rig.small.image
    end = designs.sections(rig.small)[abi.TARGETS["END"]][0]
    for bad in (b"\0" + image[1:], changed(rig, "PARAM", 0, 0), changed(rig, "PROG_MM", 2, 77), image[:end]):
        await rig.load(bad)
        await rig.failed("BAD_IMAGE")
        await rig.recover()


@bench
async def bad_instructions(rig):
    for unit in ("DIN", "MM", "ROW", "DOUT"):
        if abi.TARGETS[f"PROG_{unit}"] not in designs.sections(rig.small):
            continue
        first = rig.small.image[designs.sections(rig.small)[abi.TARGETS[f"PROG_{unit}"]][0] + 16]
        assert (await rig.load(changed(rig, f"PROG_{unit}", 16, first & 0xF0)))["LOADED"]
        await rig.start()
        assert await rig.failed("BAD_INSTRUCTION") == abi.UNITS[unit] << 28
        await rig.recover()


@bench
async def start_without_a_program(rig):
    await rig.write("CONTROL", SOFT_RESET)
    await rig.settled()
    await rig.start()
    await rig.failed("NOT_LOADED")
    await rig.recover()


@bench
async def watchdog(rig):
    await rig.write("WATCHDOG", 20)
    await rig.start()
    await rig.failed("WATCHDOG")
    await rig.write("WATCHDOG", 0)
    await rig.recover()


@bench
async def memory_that_does_not_answer(rig):
    await rig.write("WATCHDOG", 500)
    rig.memory.open_.clear()
    await rig.start()
    await rig.clocks(600)
    now = await rig.status()
    assert now["ERROR"] and now["DRAINING"] and not now["BUSY"], now
    await rig.write("CONTROL", SOFT_RESET)
    await rig.clocks(200)
    assert (await rig.status())["DRAINING"]
    rig.memory.open_.set()
    await rig.write("WATCHDOG", 0)
    await rig.recover()


@bench
async def soft_resets(rig):
    for _ in range(VECTORS):
        rig.stall(rig.rng.choice((0, 0.5)))
        await rig.start()
        await rig.clocks(rig.rng.randrange(2 * rig.small.predicted))
        await rig.write("CONTROL", SOFT_RESET)
        await rig.recover()
    for _ in range(VECTORS // 2):
        await rig.write("CONTROL", LOAD)
        await rig.clocks(rig.rng.randrange(1000))
        await rig.recover()


@bench
async def reset_pin(rig):
    for _ in range(2):
        await rig.start()
        await rig.clocks(rig.rng.randrange(rig.small.predicted))
        await rig.reset()
        assert not (await rig.status())["LOADED"]
        assert (await rig.load())["LOADED"]
        await rig.frame()
