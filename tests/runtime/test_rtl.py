"""The driver on the real RTL, simulated: bit for bit, in the clocks predicted, and through every fault of the bus."""

import numpy as np
import pytest

from hwgen.runtime import EngineError, EngineTimeout, HashMismatch, abi, read_package
from hwgen.runtime.simbus import SimBus
from tests.runtime import samples
from tests.runtime.conftest import open_way
from tests.support import cases

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("runtime-rtl")]


@pytest.fixture
def bus(designs):
    with SimBus.open(designs[0]).sim as sim:
        yield SimBus(sim)
        assert sim.protocol_error is None


@pytest.fixture
def rtl(way, designs, bus):
    with open_way(way, designs[0] / "policy.hwpkg", bus, timeout=20) as accelerator:
        yield accelerator


def frames(folder, names=("state", "prior")):
    with np.load(folder / "frames.npz") as data:
        arrays = dict(data)
    for i in range(len(arrays["state"])):
        yield {n: arrays[n][i] for n in names}, {n: arrays[n][i] for n in arrays if n not in names}


def check(got, want):
    for name, array in want.items():
        assert (got[name] == array).all(), name


def test_selftest_in_the_predicted_clocks(rtl):
    report = rtl.selftest()
    assert report["vectors"] >= 32 and report["latency_cycles"] == report["predicted_cycles"]


def test_every_frame_equals_golden(rtl, designs):
    for inputs, want in frames(designs[0]):
        check(rtl.infer(inputs, raw=True), want)
    assert rtl.last_cycles == rtl.package.manifest["predicted_cycles"]


def test_two_in_flight(rtl, designs):
    waiting = []
    for inputs, want in frames(designs[0]):
        rtl.submit(inputs, raw=True)
        waiting.append(want)
        if len(waiting) == 2:
            check(rtl.result(), waiting.pop(0))
    check(rtl.result(), waiting.pop(0))


def test_stalls_change_the_time_and_nothing_else(rtl, bus, designs, seed):
    bus.sim.stalls(seed | 1, ar=0.3, r=0.3, aw=0.3, w=0.3, b=0.3)
    predicted, clocks = rtl.package.manifest["predicted_cycles"], []
    for (inputs, want), _ in zip(frames(designs[0]), range(cases(30, 1000)), strict=False):
        check(rtl.infer(inputs, raw=True), want)
        clocks.append(rtl.last_cycles)
    # A single frame may meet stalls only where the engine waits anyhow; thirty cannot.
    assert min(clocks) >= predicted and max(clocks) > predicted


def test_new_weights_need_no_new_hardware(way, designs, bus):
    first, second = (read_package(folder / "policy.hwpkg") for folder in designs)
    assert first.design_hash == second.design_hash and first.image != second.image
    for package, folder in ((first, designs[0]), (second, designs[1]), (first, designs[0])):
        with open_way(way, package, bus, timeout=20) as accelerator:
            accelerator.selftest()
            for (inputs, want), _ in zip(frames(folder), range(5), strict=False):
                check(accelerator.infer(inputs, raw=True), want)


@pytest.mark.parametrize("direction,code", [("read", "AXI_READ"), ("write", "AXI_WRITE")])
@pytest.mark.parametrize("kind", ["slverr", "decerr"])
def test_a_bus_error(rtl, bus, direction, code, kind):
    bus.sim.fault(direction, kind, burst=0)
    with pytest.raises(
        EngineError, match=f"run failed, .*{code}: the bus answered a {direction} with an error"
    ) as caught:
        rtl.infer({name: view * 0 for name, view in rtl.input_views().items()}, raw=True)
    slot = rtl._residency.current[1].slots[0]
    assert (
        caught.value.recovered
        and caught.value.info == (slot.source if direction == "read" else slot.target).address & 0xFFFFFFFF
    )
    assert rtl.selftest()["vectors"] >= 32


def test_a_bus_error_while_loading(way, designs, bus):
    bus.sim.fault("read", "slverr", burst=1)
    with pytest.raises(EngineError, match="load failed, .*AXI_READ"):
        open_way(way, designs[0] / "policy.hwpkg", bus, timeout=20)
    with open_way(way, designs[0] / "policy.hwpkg", bus, timeout=20) as accelerator:
        accelerator.selftest()


@pytest.mark.parametrize("direction", ["read", "write"])
def test_memory_that_never_answers(rtl, bus, direction):
    inputs = {name: view * 0 for name, view in rtl.input_views().items()}
    rtl.timeout = rtl._residency.current[0].engine.timeout = 1.0
    bus.sim.fault(direction, "hang", burst=0)
    with pytest.raises((EngineError, EngineTimeout), match="WATCHDOG|not done") as caught:
        rtl.infer(inputs, raw=True, timeout=20)
    assert not caught.value.recovered and "DRAINING" in str(caught.value)
    bus.sim.clear_faults()
    assert rtl.selftest()["vectors"] >= 32


def test_a_new_bitstream_frees_a_bus_that_never_answers(rtl, bus):
    inputs = {name: view * 0 for name, view in rtl.input_views().items()}
    rtl.timeout = rtl._residency.current[0].engine.timeout = 1.0
    bus.sim.fault("read", "hang", burst=0)
    with pytest.raises((EngineError, EngineTimeout)):
        rtl.infer(inputs, raw=True, timeout=20)
    bus.sim.clear_faults()
    rtl.reset(download=True)
    assert rtl.selftest()["vectors"] >= 32


def test_a_time_out_of_the_host(rtl, bus):
    rtl.infer({name: view * 0 for name, view in rtl.input_views().items()}, raw=True)
    bus.sim.memory_model(read_latency=50_000)
    with pytest.raises(EngineTimeout, match=r"run not done after 0 s, STATUS .*BUSY"):
        rtl.infer({name: view * 0 for name, view in rtl.input_views().items()}, raw=True, timeout=0)
    bus.sim.memory_model()
    assert rtl.selftest()["vectors"] >= 32


def test_the_package_of_another_design(way, designs, bus, tmp_path):
    with pytest.raises(HashMismatch, match="was made for design 0123456789abcdef"):
        open_way(way, samples.package(tmp_path / "other.hwpkg"), bus)


def section(image, target):
    """Byte offset of the first word of this section; weights that look like a section header are not expected."""
    for at in range(0, len(image), abi.BEAT_BYTES):
        header = abi.unpack(abi.SECTION_HEADER, bytes(image[at : at + abi.BEAT_BYTES]))
        if header["magic"] == abi.SECTION_MAGIC and header["target"] == abi.TARGETS[target] and header["words"]:
            return at + abi.BEAT_BYTES
    raise AssertionError(f"no section {target}")


@pytest.mark.parametrize("unit", ["DIN", "MM", "DOUT"])
def test_a_program_that_rots_in_memory(rtl, unit):
    buffer = rtl._residency.current[1].image
    at = section(buffer.array, f"PROG_{unit}")
    buffer.array[at] &= 0xF0  # opcode 0
    buffer.flush()
    rtl.reset()
    with pytest.raises(EngineError, match="BAD_INSTRUCTION: an instruction has an unknown opcode") as caught:
        rtl.infer({name: view * 0 for name, view in rtl.input_views().items()}, raw=True)
    assert caught.value.info == abi.UNITS[unit] << 28
    buffer.array[at] |= 1
    buffer.flush()
    rtl.reset()
    assert rtl.selftest()["vectors"] >= 32


@pytest.mark.parametrize("at,code", [(0, "BAD_IMAGE"), (4, "BAD_IMAGE"), (8, "HASH"), (16, "BAD_IMAGE")])
def test_an_image_that_rots_in_memory(rtl, at, code):
    buffer = rtl._residency.current[1].image
    buffer.array[at] ^= 0x55
    buffer.flush()
    with pytest.raises(EngineError, match=f"load failed, .*{code}"):
        rtl.reset()
    buffer.array[at] ^= 0x55
    buffer.flush()
    assert rtl.selftest()["vectors"] >= 32


def test_random_bus_faults(rtl, bus, designs, rng):
    """Every answer is right or a clear error, and the engine is usable to the end."""
    stream, answers = list(frames(designs[0])), 0
    for _ in range(cases(60, 1000)):
        inputs, want = stream[rng.integers(len(stream))]
        if rng.random() < 0.3:
            bus.sim.fault(
                str(rng.choice(["read", "write"])), str(rng.choice(["slverr", "decerr"])), burst=int(rng.integers(8))
            )
        if rng.random() < 0.3:
            bus.sim.stalls(
                int(rng.integers(1, 1 << 30)), **{c: float(rng.uniform(0, 0.5)) for c in ("ar", "r", "aw", "w", "b")}
            )
        try:
            got = rtl.infer(inputs, raw=True)
        except EngineError as error:
            assert error.code_name in ("AXI_READ", "AXI_WRITE")
            continue
        check(got, want)
        answers += 1
    bus.sim.clear_faults()
    assert answers and rtl.selftest()


@pytest.mark.pynq
def test_the_registers_by_name(way, designs, bus):
    if way == "direct":
        pytest.skip("names come from pynq")
    with open_way(way, designs[0] / "policy.hwpkg", bus) as accelerator:
        registers = accelerator.port.overlay.hwgen_top_0.register_map
        assert (int(registers.CONFIG.N), int(registers.CONFIG.M)) == (8, 8) and int(registers.MAGIC) == abi.MAGIC
