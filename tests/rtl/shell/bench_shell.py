"""cocotb bench of a shell around a made-up core; the engine's bench holds where it speaks of no program."""

from hwgen.backends import shell
from hwgen.runtime import abi
from tests.rtl.top.bench_top import (  # noqa: F401 (cocotb finds them here)
    bench,
    golden_vectors,
    golden_vectors_with_stalls,
    hash_mismatch,
    identity,
    interrupt,
    load_errors,
    load_with_stalls,
    memory_that_does_not_answer,
    reset_pin,
    soft_resets,
    start_without_a_program,
    watchdog,
)
from tests.rtl.top.rig import BASE, IN, OUT, START


def plan(rig) -> shell.ShellPlan:
    """How the tensors lie in DDR, and in which order they are read and written."""
    return shell.plan(shell.CoreDescription.from_dict(rig.small.package.manifest["core"]))


@bench
async def read_errors(rig):
    for stall in (0, 0.6):
        rig.stall(stall)
        port = rig.rng.choice(plan(rig).reads)
        at = IN + port.offset + 16 * rig.rng.randrange(port.ddr_beats)
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
        assert await rig.failed("AXI_WRITE") == (OUT + plan(rig).writes[0].offset) & 0xFFFFFFFF
        rig.memory.bad = range(0)
        await rig.recover()


@bench
async def memory_that_is_not_there(rig):
    await rig.start()
    await rig.settled()
    await rig.pointer("IN_PTR", BASE - 4096)
    await rig.write("CONTROL", START)
    assert await rig.failed("AXI_READ") == (BASE - 4096 + plan(rig).reads[0].offset) & 0xFFFFFFFF
    await rig.recover()


@bench
async def bad_images(rig):
    image = rig.small.image
    section = abi.pack(abi.SECTION_HEADER, magic=abi.SECTION_MAGIC, target=abi.TARGETS["PARAM"], first=0, words=1)
    for bad in (b"\0" + image[1:], image[:16] + section + bytes(16) + image[16:], image + bytes(16), image[:16]):
        await rig.load(bad)
        await rig.failed("BAD_IMAGE")
        await rig.recover()


@bench
async def counters(rig):
    """Every clock of a run is counted once."""
    for _ in range(2):
        await rig.frame()
        seen = {name: await rig.read(name) for name in ("LATENCY", "ISSUED", "WAIT_DIN", "TAIL", "COMPUTE")}
        assert seen["ISSUED"] + seen["WAIT_DIN"] + seen["TAIL"] == seen["LATENCY"] - 1, seen
        assert seen["COMPUTE"] == seen["ISSUED"] > 0, seen
        rig.stall(0.6)
