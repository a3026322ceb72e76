"""Weights that stay in DDR: the engine finds them where the driver put them, those of the package in charge."""

from dataclasses import replace

import numpy as np
import pytest

from hwgen.runtime import EngineError, EngineTimeout, SelftestError, UsageError, write_package
from hwgen.runtime.instant import InstantBus
from hwgen.runtime.package import read_package
from hwgen.runtime.simbus import SimBus
from tests.runtime import samples
from tests.runtime.conftest import FakeClock, open_way
from tests.runtime.test_driver import frame, golden, same
from tests.runtime.test_rtl import check, frames

BUFFERS = 6  # image, streamed weights, two inputs, two outputs


def write(path, mark, **changes):
    manifest, vectors = {**samples.manifest(), **samples.STREAMS, **changes}, samples.vectors(np.random.default_rng(1))
    return write_package(path, manifest, samples.image(), vectors, stream=samples.stream(mark))


@pytest.fixture
def model():
    return samples.model(stream_bytes=samples.STREAMS["stream_bytes"])


@pytest.fixture
def streamed(way, tmp_path, model):
    with open_way(way, write(tmp_path / "one.hwpkg", 1), model, timeout=0.05, clock=FakeClock()) as opened:
        yield opened


def live(accelerator):
    return getattr(accelerator.port, "device", accelerator.port).pool.live


def test_every_run_finds_them(streamed, model, rng):
    for _ in range(3):
        inputs = frame(rng)
        assert same(streamed.infer(inputs, raw=True), golden(inputs)) and model.streamed == samples.stream(1)
    assert model.regs["STREAM_PTR_LO"] % 64 == 0 and len(live(streamed)) == BUFFERS
    names = [name for name, _ in model.log]
    assert names.count("STREAM_PTR_LO") == 1 and names.index("STREAM_PTR_LO") < names.index("CONTROL")


def test_a_swap_takes_them_along(streamed, model, tmp_path, rng):
    inputs = frame(rng)
    streamed.swap(write(tmp_path / "two.hwpkg", 2))
    streamed.infer(inputs, raw=True)
    assert model.streamed == samples.stream(2) and len(live(streamed)) == BUFFERS
    streamed.swap(samples.package(tmp_path / "resident.hwpkg"), selftest=False)
    assert len(live(streamed)) == BUFFERS - 1


def test_after_a_reset_and_after_a_swap_that_failed(streamed, model, tmp_path, rng):
    inputs = frame(rng)
    model.fail_load = "BAD_IMAGE"
    with pytest.raises(EngineError):
        streamed.swap(write(tmp_path / "two.hwpkg", 2))
    streamed.infer(inputs, raw=True)
    assert model.streamed == samples.stream(1) and len(live(streamed)) == BUFFERS
    streamed.reset(download=True)
    streamed.infer(inputs, raw=True)
    assert model.streamed == samples.stream(1)


def test_their_buffer_goes_back(way, tmp_path, model):
    with open_way(way, write(tmp_path / "one.hwpkg", 1), model, timeout=0.05) as accelerator:
        pool = live(accelerator)
        accelerator._residency.current[1].stream.free()
        with pytest.raises(UsageError, match="the buffer of streamed weights was freed; open the Accelerator again"):
            accelerator.reset()
    assert not pool


def test_memory_for_two_packages(tmp_path):
    package = read_package(write(tmp_path / "one.hwpkg", 1))
    bus = InstantBus(package)
    bus.ddr[:] = 1
    with open_way("direct", package, bus) as accelerator:
        accelerator.swap(write(tmp_path / "two.hwpkg", 2), selftest=False)
    big = replace(package, stream=bytes(80 << 20))
    assert SimBus.size_for(big) >= 2 * len(big.stream)


@pytest.fixture
def rtl_bus(streamed_designs):
    with SimBus.open(streamed_designs[0]).sim as sim:
        yield SimBus(sim)
        assert sim.protocol_error is None


@pytest.mark.rtl
@pytest.mark.xdist_group("runtime-rtl")
def test_on_the_simulated_rtl(way, streamed_designs, rtl_bus):
    """Two sets of weights in turn, each in the clocks predicted; then an error, and a port that never answers."""
    packages = [read_package(folder / "policy.hwpkg") for folder in streamed_designs]
    with open_way(way, packages[0], rtl_bus, timeout=20) as accelerator:
        for package, folder in zip(packages * 2, streamed_designs * 2, strict=True):
            accelerator.swap(package)
            report = accelerator.selftest()
            assert report["latency_cycles"] == report["predicted_cycles"]
            for (inputs, want), _ in zip(frames(folder), range(5), strict=False):
                check(accelerator.infer(inputs, raw=True), want)
        buffer = accelerator._residency.current[1].stream
        rtl_bus.sim.fault("read", "decerr", burst=1, beat=3, port=1)
        with pytest.raises(
            EngineError, match="run failed, .*AXI_READ: the bus answered a read with an error"
        ) as caught:
            accelerator.infer(inputs, raw=True)
        assert 0 < caught.value.info - (buffer.address & 0xFFFFFFFF) < len(packages[1].stream)
        assert caught.value.recovered
        check(accelerator.infer(inputs, raw=True), want)
        accelerator.timeout = accelerator._residency.current[0].engine.timeout = 1.0
        rtl_bus.sim.fault("read", "hang", burst=2, port=1)
        with pytest.raises((EngineError, EngineTimeout), match="WATCHDOG|not done") as caught:
            accelerator.infer(inputs, raw=True, timeout=20)
        assert not caught.value.recovered and "DRAINING" in str(caught.value)
        rtl_bus.sim.clear_faults()
        check(accelerator.infer(inputs, raw=True), want)


@pytest.mark.rtl
@pytest.mark.xdist_group("runtime-rtl")
def test_a_stream_that_rots_in_memory_is_found(streamed_designs, rtl_bus):
    """The engine checks nothing of it; the golden vectors do."""
    with open_way("direct", streamed_designs[0] / "policy.hwpkg", rtl_bus, timeout=20) as accelerator:
        buffer = accelerator._residency.current[1].stream
        buffer.array[: len(buffer.array) // 2] ^= 0x77
        buffer.flush()
        with pytest.raises(SelftestError):
            accelerator.selftest()
