"""The whole accelerator in the fast simulator: exact latency, and a usable engine after every failure."""

import numpy as np
import pytest

from hwgen.build import verilate
from hwgen.runtime import abi
from hwgen.runtime.simlib import SimError, SimLib
from tests.sim import designs
from tests.support import cases

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("sim_small")]

CODE = {name: code for code, (name, _) in abi.ERRORS.items()}
REG = {item.name: item.offset for item in abi.REGISTERS}
START, LOAD, SOFT_RESET, CLEAR_DONE, IRQ_ENABLE = 1, 2, 4, 8, 0x100


ARRAYS = [pytest.param((8, 8), id="8x8")]
ARRAYS += [pytest.param((n, m), id=f"{n}x{m}", marks=pytest.mark.full) for n, m in ((16, 32), (32, 16), (8, 64))]


@pytest.fixture(scope="module", params=ARRAYS)
def small(request, tmp_path_factory):
    small = designs.make(tmp_path_factory.mktemp("small"), np.random.default_rng(), *request.param)
    verilate.build(small.folder)
    return small


@pytest.fixture
def sim(small):
    with SimLib.open(small.folder) as sim:
        sim.load(small.image)
        yield sim
        assert sim.protocol_error is None


def status(sim) -> dict[str, int]:
    value = sim.read(REG["STATUS"])
    return {name: abi.field("STATUS", name, value) for name, *_ in abi.register("STATUS").fields}


def frames(sim, small, count=4, **options):
    """Run golden vectors and compare."""
    result = sim.run_frames(small.inputs[:count], small.out_bytes, counters=True, **options)
    assert small.same(result.outputs, slice(count))
    assert (result.latency == result.counters[:, 0]).all()
    return result


def recover(sim, small):
    """Soft reset, load, and a frame in exactly the predicted time: the engine is as new."""
    sim.write(REG["CONTROL"], SOFT_RESET)
    sim.wait(20_000)
    assert status(sim) == {"IDLE": 1, "BUSY": 0, "DONE": 0, "ERROR": 0, "LOADED": 0, "DRAINING": 0, "CODE": 0}
    sim.load(small.image)
    assert set(frames(sim, small, 2).latency) == {small.predicted}


def failed(sim, name):
    """The engine is in its error state with this code; returns ERROR_INFO."""
    sim.wait(20_000)
    now = status(sim)
    assert (now["ERROR"], now["CODE"], now["IDLE"], now["DONE"]) == (1, CODE[name], 0, 0), now
    return sim.read(REG["ERROR_INFO"])


def launch(sim, small, irq=False):
    """START on the first golden vector, without waiting."""
    where = sim.base + sim.size // 2
    sim.view(where, small.inputs.shape[1])[:] = small.inputs[0]
    for name, address in (("IN_PTR_LO", where), ("OUT_PTR_LO", where + 0x10000)):
        sim.write(REG[name], address & 0xFFFFFFFF)
        sim.write(REG[name] + 4, address >> 32)
    sim.write(REG["CONTROL"], START | (IRQ_ENABLE if irq else 0))
    return where, where + 0x10000


def load_fails(sim, image, name):
    with pytest.raises(SimError, match=f"code {name} "):
        sim.load(image)
    return failed(sim, name)


# --- it works ---------------------------------------------------------------------------------------------------------


def test_golden_in_the_predicted_time(sim, small):
    result = frames(sim, small, 32)
    assert set(result.latency) == {small.predicted}
    assert (result.counters[:, 7] == np.arange(1, 33)).all()
    beats = result.outputs.reshape(32, -1, 16)
    untouched = np.ones(beats.shape[1], bool)  # beats of no output; the padding of a planar one belongs to it
    for spec in small.package.outputs:
        untouched[spec.offset // 16 : -(-(spec.offset + spec.nbytes) // 16)] = False
    assert untouched.any() and (beats[:, untouched] == 0xA5).all()


def test_back_to_back(sim, small):
    """START in the very next access after DONE: the program may not be fetched again yet, the numbers are right."""
    for _ in range(20):
        _, out = launch(sim, small)
        while not sim.read(REG["STATUS"]) & 4:
            pass
        assert small.same(sim.view(out, small.out_bytes)[None], slice(1))
        sim.view(out, small.out_bytes)[:] = 0


def test_any_memory(sim, small, rng, seed):
    for i in range(cases(10, 200)):
        sim.memory_model(*(int(v) for v in rng.integers(1, [80, 20, 17])), read_jitter=int(rng.integers(40)))
        sim.stalls(
            seed + i,
            **{name: float(p) for name, p in zip(("ar", "r", "aw", "w", "b"), rng.random(5) * 0.9, strict=True)},
        )
        frames(sim, small)
    sim.memory_model()
    sim.stalls(0)
    assert set(frames(sim, small).latency) == {small.predicted}


def test_slower_memory_takes_exactly_so_much_longer(sim, small):
    """A read burst that comes later moves everything behind it."""
    sim.memory_model(read_latency=140)
    assert set(frames(sim, small).latency) == {small.predicted + 100}
    sim.memory_model(write_response=54)
    assert set(frames(sim, small).latency) == {small.predicted + 50}


def test_buffers_anywhere(sim, small, rng):
    for _ in range(cases(20, 200)):
        places = rng.choice(np.arange(1 << 10, 1 << 14), 2, replace=False) * 1024 + rng.integers(0, 64, 2) * 16
        frames(sim, small, 2, in_address=sim.base + int(places[0]), out_address=sim.base + int(places[1]))


def test_the_low_four_bits_of_a_pointer_are_ignored(sim, small, rng):
    where, out = sim.base + sim.size // 2, sim.base + sim.size // 2 + 0x10000
    image = sim.base + sim.size // 4
    sim.view(image, len(small.image))[:] = np.frombuffer(small.image, np.uint8)
    for name, address, command in (("LOAD_PTR", image, LOAD), ("IN_PTR", where, 0), ("OUT_PTR", out, 0)):
        given = address | int(rng.integers(1, 16))
        sim.write(REG[name + "_LO"], given & 0xFFFFFFFF)
        sim.write(REG[name + "_HI"], given >> 32)
        assert sim.read(REG[name + "_LO"]) == given & 0xFFFFFFFF
        sim.write(REG["CONTROL"], command)
        assert not command or sim.wait(20_000) & 4
    sim.view(where, small.inputs.shape[1])[:] = small.inputs[0]
    sim.write(REG["CONTROL"], START)
    assert sim.wait() & 4 and sim.read(REG["LATENCY"]) == small.predicted
    assert small.same(sim.view(out, small.out_bytes)[None], slice(1))


def test_next_pointers_may_be_written_during_a_run(sim, small):
    _, out = launch(sim, small)
    for name in ("IN_PTR_LO", "IN_PTR_HI", "OUT_PTR_LO", "OUT_PTR_HI"):
        sim.write(REG[name], 0)
    assert sim.wait() & 4
    assert small.same(sim.view(out, small.out_bytes)[None], slice(1))


def test_interrupt(sim, small):
    launch(sim, small, irq=True)
    assert not sim.irq and sim.run(10_000) < 10_000 and sim.irq
    sim.write(REG["CONTROL"], CLEAR_DONE | IRQ_ENABLE)
    assert not sim.irq and status(sim)["DONE"] == 0
    launch(sim, small)
    sim.wait()
    assert not sim.irq
    sim.write(REG["CONTROL"], IRQ_ENABLE)
    assert sim.irq


def test_two_policies_of_one_shape(sim, small, tmp_path):
    other = designs.make(tmp_path, np.random.default_rng(), *small.package.manifest["array"])
    assert other.image != small.image
    for design in (other, small, other):
        sim.load(design.image)
        assert set(frames(sim, design).latency) == {small.predicted}


# --- registers --------------------------------------------------------------------------------------------------------


def test_registers(sim, small, rng):
    manifest = small.package.manifest
    assert sim.read(REG["MAGIC"]) == abi.MAGIC and sim.read(REG["ABI"]) == abi.ABI_VERSION
    assert f"{sim.read(REG['HASH_HI']):08x}{sim.read(REG['HASH_LO']):08x}" == manifest["design_hash"]
    config = sim.read(REG["CONFIG"])
    assert [config & 255, config >> 8 & 255] == manifest["array"]
    constant = {item.name: sim.read(item.offset) for item in abi.REGISTERS if item.access == "ro"}
    for item in abi.REGISTERS:
        value = int(rng.integers(1 << 32))
        if item.name != "CONTROL":
            sim.write(item.offset, value)
            assert sim.read(item.offset) == (value if item.access == "rw" else constant[item.name]), item.name
    for offset in sorted(set(range(0, abi.REGISTER_WINDOW, 4)) - set(REG.values())):
        sim.write(offset, 0xFFFFFFFF)
        assert sim.read(offset) == 0
    sim.write(REG["WATCHDOG"], 0)
    frames(sim, small)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_start_without_a_program(sim, small):
    sim.write(REG["CONTROL"], SOFT_RESET)
    sim.wait()
    launch(sim, small)
    failed(sim, "NOT_LOADED")
    recover(sim, small)


def test_read_error_in_a_run(sim, small, rng):
    for beat in rng.choice(small.inputs.shape[1] // 16, cases(3, 5), replace=False):
        at = sim.base + sim.size // 2 + 16 * int(beat)
        sim.fault("read", ("slverr", "decerr")[beat % 2], address=(at, at + 16), beat=int(beat))
        launch(sim, small)
        assert failed(sim, "AXI_READ") == at & 0xFFFFFFFF
        recover(sim, small)


def test_write_error_in_a_run(sim, small):
    sim.fault("write", burst=0)
    _, out = launch(sim, small)
    assert failed(sim, "AXI_WRITE") == out & 0xFFFFFFFF
    recover(sim, small)


def test_buffers_outside_memory(sim, small):
    for name, error in (("IN_PTR_LO", "AXI_READ"), ("OUT_PTR_LO", "AXI_WRITE")):
        launch(sim, small)
        sim.wait()
        sim.write(REG[name], 0x1000)
        sim.write(REG[name] + 4, 0)
        sim.write(REG["CONTROL"], START)
        assert failed(sim, error) == 0x1000
        recover(sim, small)


def test_read_error_in_a_load(sim, small, rng):
    for beat in rng.integers(0, len(small.image) // 16, cases(5, 50)):
        at = sim.base + 16 * int(beat)
        sim.fault("read", address=(at, at + 16))
        load_fails(sim, small.image, "AXI_READ")
        recover(sim, small)


def test_image_of_another_design(sim, small):
    image = bytearray(small.image)
    image[8] ^= 1
    load_fails(sim, bytes(image), "HASH")
    recover(sim, small)


def test_malformed_images(sim, small, rng):
    where = designs.sections(small)
    headers = [0, *(at for at, _ in where.values())]
    for at in headers:
        image = bytearray(small.image)
        image[at] ^= 0xFF
        load_fails(sim, bytes(image), "BAD_IMAGE")
        recover(sim, small)
    end = where[abi.TARGETS["END"]][0]
    for length in {16, 32, end, *(int(v) * 16 for v in rng.integers(1, end // 16, cases(3, 30)))}:
        load_fails(sim, small.image[:length], "BAD_IMAGE")
        recover(sim, small)
    unknown = bytearray(small.image)
    unknown[headers[1] + 2] = 99
    load_fails(sim, bytes(unknown), "BAD_IMAGE")
    recover(sim, small)


def test_more_words_than_the_memory_has(sim, small):
    for at, size in designs.sections(small).values():
        if size:
            image = bytearray(small.image)
            image[at + 4 : at + 7] = b"\xff\xff\xff"  # `first`
            load_fails(sim, bytes(image), "BAD_IMAGE")
            recover(sim, small)


@pytest.mark.parametrize("unit", ["DIN", "MM", "ROW", "DOUT"])
def test_bad_instruction(sim, small, unit):
    at, size = designs.sections(small)[abi.TARGETS[f"PROG_{unit}"]]
    step = 16 * abi.beats(abi.INSTRUCTIONS[unit])
    for word in range(size // step):
        for opcode in (0, 3, 15):
            image = bytearray(small.image)
            image[at + 16 + word * step] = image[at + 16 + word * step] & 0xF0 | opcode
            sim.load(bytes(image))
            launch(sim, small)
            assert failed(sim, "BAD_INSTRUCTION") == abi.UNITS[unit] << 28 | word
            recover(sim, small)


def test_watchdog(sim, small):
    sim.write(REG["WATCHDOG"], small.predicted)
    frames(sim, small)
    sim.write(REG["WATCHDOG"], small.predicted - 1)
    launch(sim, small)
    failed(sim, "WATCHDOG")
    sim.write(REG["WATCHDOG"], 0)
    recover(sim, small)


@pytest.mark.parametrize("direction", ["read", "write"])
def test_a_bus_that_does_not_answer(sim, small, direction):
    """The watchdog ends the run; the engine is usable again once the bus has answered what was begun."""
    sim.write(REG["WATCHDOG"], 2000)
    sim.fault(direction, "hang", burst=0)
    launch(sim, small)
    sim.wait(10_000)
    now = status(sim)
    assert (now["ERROR"], now["CODE"], now["BUSY"], now["DRAINING"]) == (1, CODE["WATCHDOG"], 0, 1)
    sim.write(REG["CONTROL"], SOFT_RESET)
    sim.run(1000, until_irq=False)
    assert status(sim)["DRAINING"] == 1
    sim.clear_faults()
    recover(sim, small)


def test_a_dependency_that_never_comes(sim, small):
    """A program that waits for ever is ended by the watchdog."""
    at, _ = designs.sections(small)[abi.TARGETS["PROG_DOUT"]]
    size = 16 * abi.beats(abi.DOUT)
    word = abi.unpack(abi.DOUT, small.image[at + 16 : at + 16 + size]) | {
        "gate_unit": abi.UNITS["MM"],
        "gate": 0xFFFFFF,
    }
    sim.load(small.image[: at + 16] + abi.pack(abi.DOUT, **word) + small.image[at + 16 + size :])
    sim.write(REG["WATCHDOG"], 5000)
    launch(sim, small)
    failed(sim, "WATCHDOG")
    recover(sim, small)


def test_soft_reset_at_any_clock_of_a_run(sim, small, rng, seed):
    every = range(small.predicted + 10)
    for clock in every if cases(0, 1) else rng.choice(every, 40, replace=False):
        sim.stalls(seed + int(clock), r=0.2, w=0.2, b=0.3, ar=0.2, aw=0.2)
        launch(sim, small)
        sim.run(int(clock), until_irq=False)
        sim.write(REG["CONTROL"], SOFT_RESET)
        sim.stalls(0)
        recover(sim, small)


def test_soft_reset_at_any_clock_of_a_load(sim, small, rng):
    for clock in rng.integers(0, 700, cases(20, 300)):
        sim.write(REG["CONTROL"], LOAD)
        sim.run(int(clock), until_irq=False)
        recover(sim, small)


def test_an_error_and_a_soft_reset_meet(sim, small, rng):
    for clock in rng.integers(0, 120, cases(20, 200)):
        sim.fault("read", burst=0)
        launch(sim, small)
        sim.run(int(clock), until_irq=False)
        sim.write(REG["CONTROL"], SOFT_RESET)
        sim.clear_faults()
        recover(sim, small)


def test_commands_while_busy_are_ignored(sim, small):
    _, out = launch(sim, small)
    sim.write(REG["CONTROL"], START)
    sim.write(REG["CONTROL"], LOAD)
    assert sim.wait() & 4 and sim.read(REG["LATENCY"]) == small.predicted
    assert small.same(sim.view(out, small.out_bytes)[None], slice(1))


def test_reset_pin_in_the_middle(sim, small, rng):
    for clock in rng.integers(0, small.predicted, cases(10, 100)):
        launch(sim, small)
        sim.run(int(clock), until_irq=False)
        sim.reset()
        assert status(sim)["IDLE"] == 1 and status(sim)["LOADED"] == 0
        sim.load(small.image)
        frames(sim, small, 1)
