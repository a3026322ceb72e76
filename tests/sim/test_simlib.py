"""hwgen/runtime/simlib.py and the memory model, on a stand-in for the accelerator that copies memory."""

import subprocess
import sys

import numpy as np
import pytest

from hwgen.build import verilate
from hwgen.runtime.simlib import BASE, SimError, SimLib
from tests.sim.test_verilate import MOCK
from tests.support import ROOT

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("sim_mock")]

MODE, BEATS = 0x50, 0x38  # registers of the stand-in
ADDRESS, WLAST, DROP, DATA, SIZE, ENDLESS, FATAL, SILENT = (1 << i for i in range(8))


def split(beats: int) -> int:
    """Mode: read bursts of so many beats."""
    return beats << 8


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mock")
    (folder / "rtl").symlink_to(MOCK / "rtl")
    return verilate.build(folder)


@pytest.fixture
def sim(library):
    with SimLib.open(library, size=1 << 20) as sim:
        sim.write(BEATS, 32)
        yield sim


def copies(sim, rng, frames=20, beats=32, **options):
    data = rng.integers(0, 256, (frames, beats * 16), dtype=np.uint8)
    result = sim.run_frames(data, beats * 16, counters=True, **options)
    assert (result.outputs == data).all()
    assert (result.latency == result.counters[:, 0]).all()
    return result


# --- timing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beats", [1, 2, 32, 256])
def test_standard_model_to_the_clock(sim, rng, beats):
    sim.write(BEATS, beats)
    # START 0, AR 1, first beat 1+40, the last beats-1 later; then W, whose last beat is beats later; B 4 later, DONE 1
    expected = 1 + 40 + (beats - 1) + beats + 4 + 1
    assert set(copies(sim, rng, beats=beats).latency) == {expected}
    assert sim.protocol_error is None


def test_latencies_of_reads_overlap(sim, rng):
    one_burst = copies(sim, rng, 3).latency
    sim.write(MODE, split(2))  # 16 bursts of 2 beats
    assert (copies(sim, rng, 3).latency == one_burst).all()
    sim.memory_model(outstanding=1)  # the address of a burst waits for the last beat of the one before
    assert (copies(sim, rng, 3).latency > one_burst + 15 * 39).all()


@pytest.mark.parametrize("latency, response", [(1, 1), (100, 4), (40, 30)])
def test_memory_latency(sim, rng, latency, response):
    sim.memory_model(read_latency=latency, write_response=response)
    assert set(copies(sim, rng).latency) == {1 + latency + 31 + 32 + response + 1}


def test_jitter_and_stalls_slow_down_but_change_nothing(sim, rng, seed):
    sim.write(MODE, split(4))
    plain = copies(sim, rng).latency
    sim.memory_model(read_jitter=50)
    sim.stalls(seed)
    assert (copies(sim, rng).latency >= plain).all()
    sim.memory_model()
    sim.write(BEATS, 1)  # so that nothing hides a stall
    short = copies(sim, rng, 1, 1).latency
    for channel in ("ar", "r", "aw", "w", "b"):
        sim.stalls(seed, **{channel: 0.7})
        slow = copies(sim, rng, 40, 1).latency
        assert (slow >= short).all() and (slow > short).any()
    sim.write(BEATS, 32)
    sim.stalls(seed, ar=0.5, r=0.5, aw=0.5, w=0.5, b=0.5)
    first = copies(sim, rng).latency
    sim.stalls(seed, ar=0.5, r=0.5, aw=0.5, w=0.5, b=0.5)
    assert (copies(sim, rng).latency == first).all()
    sim.stalls(0)
    assert (copies(sim, rng).latency == plain).all() and sim.protocol_error is None


def test_time(sim):
    start, total = sim.clocks, sim.total_clocks
    assert sim.run(100, until_irq=False) == 100 and sim.clocks == start + 100
    sim.write(0x20, 0x101)  # START with IRQ_ENABLE
    assert 0 < sim.run(1000) < 200 and sim.irq
    assert sim.run(1000) == 0
    sim.write(0x20, 0)
    assert not sim.irq
    sim.reset()
    assert sim.clocks == 0 and sim.total_clocks > total + 100


def test_wait(sim):
    assert sim.wait() & 1
    sim.write(0x20, 1)
    assert sim.wait(max_clocks=10) & 2  # still busy
    assert sim.wait() & 4


def test_the_interrupt_enable_is_put_back(sim, rng):
    for value in (0, 0x100):
        sim.write(0x20, value)
        copies(sim, rng, 1)
        assert sim.read(0x20) == value


# --- memory -----------------------------------------------------------------------------------------------------------


def test_memory_of_the_caller(library, rng):
    memory = np.zeros(1 << 16, np.uint8)
    with SimLib.open(library, base=0x1000, memory=memory) as sim:
        sim.write(BEATS, 4)
        copies(sim, rng, 1, 4, in_address=0x1000, out_address=0x2000)
        assert memory[:64].any() and (memory[:64] == memory[0x1000:0x1040]).all()
        sim.view(0x3000, 4)[:] = 7
        assert (memory[0x2000:0x2004] == 7).all()


def test_views_outlive_the_simulation(library):
    sim = SimLib.open(library, size=1 << 16)
    view = sim.view(BASE, 16)
    sim.close()
    view[:] = 1
    with pytest.raises(SimError, match="closed"):
        sim.read(0)


def test_outside_the_window(sim, rng):
    data = np.zeros((1, 512), np.uint8)
    with pytest.raises(SimError, match="outside"):
        sim.run_frames(data, 512, in_address=sim.base + sim.size)
    with pytest.raises(SimError, match="outside"):
        sim.view(sim.base - 1, 1)
    for low, at in ((0x40, sim.base - 4096), (0x48, sim.base + sim.size)):
        for register in (0x40, 0x48):
            sim.write(register, sim.base & 0xFFFFFFFF)
            sim.write(register + 4, sim.base >> 32)
        sim.write(low, at & 0xFFFFFFFF)
        sim.write(low + 4, at >> 32)
        before = sim.memory.copy()
        sim.write(0x20, 1)
        assert sim.wait() & 8  # DECERR, which the stand-in takes for an error
        assert low == 0x40 or (sim.memory == before).all()
    sim.write(0x20, 4)
    copies(sim, rng, 1)


def test_two_simulations_do_not_meet(library, rng):
    with SimLib.open(library, size=1 << 16) as a, SimLib.open(library, size=1 << 16) as b:
        a.write(BEATS, 8)
        b.write(BEATS, 9)
        copies(a, rng, 2, 8)
        assert b.read(BEATS) == 9 and not b.memory.any() and b.traffic()["read_beats"] == 0


# --- faults -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["read", "write"])
@pytest.mark.parametrize("kind", ["slverr", "decerr"])
def test_error_responses(sim, rng, direction, kind):
    data = rng.integers(0, 256, (3, 512), dtype=np.uint8)
    sim.fault(direction, kind, burst=1)
    with pytest.raises(SimError, match="frame 1 of 3, .*ERROR"):
        sim.run_frames(data, 512)
    sim.write(0x20, 4)
    copies(sim, rng)


def test_error_on_an_address_and_on_a_beat(sim, rng):
    at = sim.base + sim.size // 2
    sim.write(MODE, split(4))
    sim.fault("read", address=(at + 100, at + 101), beat=3)
    with pytest.raises(SimError, match="frame 0"):
        sim.run_frames(rng.integers(0, 256, (1, 512), dtype=np.uint8), 512)
    sim.write(0x20, 4)
    copies(sim, rng, 2)  # once only
    sim.fault("read", address=(at + 100, at + 101), times=-1)
    for _ in range(2):
        with pytest.raises(SimError, match="frame 0"):
            sim.run_frames(np.zeros((1, 512), np.uint8), 512)
    sim.clear_faults()
    sim.write(0x20, 4)
    copies(sim, rng, 2)


@pytest.mark.parametrize("direction", ["read", "write"])
def test_no_answer(sim, rng, direction):
    data = rng.integers(0, 256, (2, 512), dtype=np.uint8)
    sim.fault(direction, "hang", burst=0)
    with pytest.raises(SimError, match="not finished after 3000 clocks .*frame 0 of 2.*BUSY"):
        sim.run_frames(data, 512, max_clocks=3000)
    sim.clear_faults()
    assert sim.wait() & 4
    copies(sim, rng)


def test_bad_fault(sim):
    for arguments in (("read",), ("sideways", "slverr"), ("read", "smoke")):
        with pytest.raises(SimError, match="fault"):
            sim.fault(*arguments, **({} if len(arguments) == 1 else {"burst": 0}))
    with pytest.raises(SimError, match="no channel 'x'"):
        sim.stalls(1, x=0.5)
    with pytest.raises(SimError, match="at least 1"):
        sim.memory_model(outstanding=0)


# --- protocol ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, message",
    [
        (ADDRESS, "no multiple of 16"),
        (WLAST, "WLAST"),
        (DROP, "ARVALID dropped"),
        (DATA, "W changed"),
        (SIZE, "size 3"),
    ],
)
def test_violations_are_seen(sim, mode, message):
    sim.write(MODE, mode)
    sim.stalls(1, ar=0.8, w=0.8)
    sim.run_frames(np.zeros((4, 512), np.uint8), 512)
    assert message in sim.protocol_error and "clock" in sim.protocol_error
    sim.clear_protocol_error()
    assert sim.protocol_error is None


def test_page_crossing_is_seen(sim, rng):
    at = sim.base + 4096 - 16 * 31
    copies(sim, rng, 1, in_address=at - 16, out_address=sim.base + 0x8000)
    assert sim.protocol_error is None
    copies(sim, rng, 1, in_address=at, out_address=sim.base + 0x8000)
    assert "read burst of 32 beats" in sim.protocol_error and "4 KiB" in sim.protocol_error


# --- failures ---------------------------------------------------------------------------------------------------------


def test_register_that_does_not_answer(sim):
    sim.write(MODE, SILENT)
    with pytest.raises(SimError, match="write of register 0x040 was not answered in 10000 clocks"):
        sim.write(0x40, 1)
    sim.reset()
    sim.write(0x40, 1)


def test_rtl_that_stops(sim):
    sim.write(MODE, FATAL)
    with pytest.raises(SimError, match="asked for|hwgen_top.sv"):
        sim.write(0x20, 1)


def test_wrong_arrays(sim):
    with pytest.raises(SimError, match=r"inputs are float64 of shape \(2, 512\)"):
        sim.run_frames(np.zeros((2, 512)), 512)
    with pytest.raises(SimError, match=r"outputs is uint8 of shape \(2, 511\)"):
        sim.run_frames(np.zeros((2, 512), np.uint8), 512, outputs=np.zeros((2, 511), np.uint8))
    with pytest.raises(SimError, match="memory is float64"):
        SimLib.open(sim.path, memory=np.zeros(4096))
    with pytest.raises(SimError, match="multiple of 4096"):
        SimLib.open(sim.path, base=12)


def test_missing_or_foreign_library(tmp_path):
    with pytest.raises(SimError, match="hwgen simulate"):
        SimLib.open(tmp_path)
    (tmp_path / "x.so").write_bytes(b"no library")
    with pytest.raises(SimError, match="cannot be loaded"):
        SimLib.open(tmp_path / "x.so")


def test_waves(tmp_path, rng):
    (tmp_path / "rtl").symlink_to(MOCK / "rtl")
    plain = verilate.build(tmp_path)
    verilate.build(tmp_path, waves=True)
    with SimLib.open(tmp_path, waves=tmp_path / "all.vcd") as sim:
        assert sim.wave_format == "vcd"
        sim.write(BEATS, 32)
        copies(sim, rng, 1)
        sim.waves(None)
        size = (tmp_path / "all.vcd").stat().st_size
        copies(sim, rng, 1)
        assert (tmp_path / "all.vcd").stat().st_size == size
    text = (tmp_path / "all.vcd").read_text()
    assert "m_axi_arvalid" in text and "latency_q" in text
    with SimLib.open(plain) as sim, pytest.raises(SimError, match="without waves"):
        sim.waves(tmp_path / "no.vcd")


def test_runtime_alone_is_enough(library):
    """The pynq environment has neither Verilator nor the rest of hwgen's dependencies."""
    code = (
        "import sys; from hwgen.runtime.simlib import SimLib;"
        "s = SimLib.open(sys.argv[1]); s.write(0x38, 3); assert s.read(0x38) == 3;"
        "assert not [m for m in sys.modules if m.startswith('hwgen.') and not m.startswith('hwgen.runtime')]"
    )
    subprocess.run([sys.executable, "-c", code, str(library)], check=True, cwd=ROOT)
