"""What goes wrong on a robot: each fault ends in an error that names it, and leaves the device usable."""

import gc

import numpy as np
import pytest

from hwgen.runtime import Accelerator, EngineError, EngineTimeout, HashMismatch, NoEngineError, abi
from hwgen.runtime.engine import describe_status
from tests.runtime import samples
from tests.runtime.conftest import open_way
from tests.runtime.test_driver import frame, golden, same
from tests.support import cases

FAULTS = {
    "AXI_READ": "the bus answered a read with an error, ERROR_INFO 0x70000040; the address is not mapped",
    "AXI_WRITE": "the bus answered a write with an error",
    "BAD_INSTRUCTION": "unknown opcode",
    "WATCHDOG": "did not finish within WATCHDOG clocks",
    "PORT_CONFLICT": "one memory port",
}


@pytest.mark.parametrize("code", list(FAULTS))
def test_an_error_code_is_decoded_and_survived(accelerator, model, rng, code):
    inputs = frame(rng)
    model.fail = code
    with pytest.raises(
        EngineError, match=rf"policy.hwpkg: run failed, STATUS .*ERROR.*, {code}: .*{FAULTS[code]}"
    ) as caught:
        accelerator.infer(inputs, raw=True)
    assert (caught.value.code_name, caught.value.info, caught.value.recovered) == (code, 0x7000_0040, True)
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))
    assert accelerator.stats["errors"] == 1 and model.loads == 2


def test_a_run_that_never_ends(accelerator, model, rng):
    inputs = frame(rng)
    model.hang = True
    with pytest.raises(
        EngineTimeout, match=r"run not done after 0.01 s, STATUS 0x0012: BUSY\|LOADED; allow more time"
    ) as caught:
        accelerator.infer(inputs, raw=True, timeout=0.01)
    assert isinstance(caught.value, TimeoutError) and caught.value.recovered
    model.hang = False
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_an_engine_that_does_not_come_back(accelerator, model, rng):
    inputs = frame(rng)
    model.hang = model.stuck = True
    with pytest.raises(
        EngineTimeout, match=r"it did not come back: soft reset not done .*reset\(download=True\)"
    ) as caught:
        accelerator.infer(inputs, raw=True)
    assert not caught.value.recovered
    with pytest.raises(EngineTimeout, match="soft reset not done"):
        accelerator.infer(inputs, raw=True)
    model.hang = model.stuck = False
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_downloading_the_bitstream_is_the_last_resort(accelerator, model, rng):
    inputs = frame(rng)
    model.hang = model.stuck = True
    with pytest.raises(EngineTimeout):
        accelerator.infer(inputs, raw=True)
    model.hang = model.stuck = False
    before = model.resets
    accelerator.reset(download=True)
    assert model.resets == before + 1 and same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_memory_that_dma_may_still_write_is_kept(way, package, model, rng):
    accelerator = open_way(way, package, model, timeout=0.02)
    model.hang = model.stuck = True
    with pytest.raises(EngineTimeout):
        accelerator.infer(frame(rng), raw=True)
    pool = getattr(accelerator.port, "device", accelerator.port).pool
    accelerator.close()
    del accelerator
    gc.collect()
    assert len(pool.live) == 5


def test_close_stops_a_run_before_it_frees(way, package, model, rng):
    accelerator = open_way(way, package, model)
    model.hang = True
    accelerator.submit(frame(rng), raw=True)
    accelerator.close()
    assert ("CONTROL", 4) in model.log and not getattr(accelerator.port, "device", accelerator.port).pool.live


def test_an_error_belongs_to_its_own_observation(accelerator, model, rng):
    first, second = frame(rng), frame(rng)
    model.fail = "AXI_READ"
    accelerator.submit(first, raw=True)
    accelerator.submit(second, raw=True)
    with pytest.raises(EngineError, match="AXI_READ"):
        accelerator.result()
    assert same(accelerator.result(), golden(second))


def test_a_late_observation_is_given_up_and_the_next_one_runs(accelerator, model, rng):
    first, second = frame(rng), frame(rng)
    model.hang = True
    accelerator.submit(first, raw=True)
    accelerator.submit(second, raw=True)
    with pytest.raises(EngineTimeout):
        accelerator.result(0.01)
    model.hang = False
    assert same(accelerator.result(), golden(second))


def test_reset_forgets_what_was_submitted(accelerator, model, rng):
    inputs = frame(rng)
    model.hang = True
    accelerator.submit(inputs, raw=True)
    model.hang = False
    accelerator.reset()
    assert not accelerator.done() and same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_a_load_that_fails_at_open(way, package, model):
    model.fail_load = "AXI_READ"
    with pytest.raises(EngineError, match="policy.hwpkg: load failed, .*AXI_READ"):
        open_way(way, package, model)
    with open_way(way, package, model) as accelerator:
        accelerator.selftest()


def test_a_reload_that_fails_is_tried_again(accelerator, model, rng):
    inputs = frame(rng)
    model.fail, model.fail_load = "WATCHDOG", "AXI_READ"
    with pytest.raises(EngineError, match="WATCHDOG.*did not come back: .*load failed.*AXI_READ") as caught:
        accelerator.infer(inputs, raw=True)
    assert not caught.value.recovered
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_another_design(way, package, model):
    model.fixed["HASH_LO"] = 0xDEADBEEF
    with pytest.raises(
        HashMismatch, match="is design 01234567deadbeef, package policy.hwpkg was made for design 0123456789abcdef"
    ):
        open_way(way, package, model)


def test_another_abi(way, package, model):
    model.fixed["ABI"] = 9
    with pytest.raises(NoEngineError, match=f"has ABI 9, package policy.hwpkg needs {abi.ABI_VERSION}"):
        open_way(way, package, model)


@pytest.mark.parametrize("value", [0, 0xFFFFFFFF])
def test_nothing_answers(way, package, model, value):
    model.fixed["MAGIC"] = value
    with pytest.raises(NoEngineError, match="no hwgen engine answers at .*MAGIC reads"):
        open_way(way, package, model)


def test_a_killed_process_left_the_engine_running(way, package, model, rng):
    accelerator = open_way(way, package, model)
    model.hang = True
    accelerator.submit(frame(rng), raw=True)
    model.hang = False
    with open_way(way, package, model) as second:
        second.selftest()


def test_random_faults(accelerator, model, rng):
    answers = 0
    for _ in range(cases(100, 2000)):
        inputs, dice = frame(rng), rng.random()
        model.fail = str(rng.choice(list(FAULTS))) if dice < 0.2 else None
        model.fail_load = "AXI_READ" if dice > 0.9 else None
        model.hang = 0.2 < dice < 0.25
        try:
            got = accelerator.infer(inputs, raw=True, timeout=0.002)
        except (EngineError, EngineTimeout):
            continue
        answers += 1
        assert same(got, golden(inputs))
    model.hang, model.fail_load = False, None
    assert answers and same(accelerator.infer(inputs := frame(rng), raw=True), golden(inputs))


def test_status_in_words():
    assert describe_status(0x0011) == "STATUS 0x0011: IDLE|LOADED"
    assert describe_status(0, 0) == "STATUS 0x0000: no flag"
    assert "code 200: a code this driver does not know, ERROR_INFO 0x5" in describe_status(200 << 8 | 8, 5)


@pytest.mark.pynq
class TestOverlays:
    """Bitstreams that do not fit, through pynq."""

    def test_missing_bitstream(self, package):
        with pytest.raises(NoEngineError, match="nowhere.bit: no such file"):
            Accelerator(package, bitstream="nowhere.bit")

    def test_no_handoff_file(self, package, model):
        from hwgen.runtime.sim_device import open_sim

        device, bitstream = open_sim(model)
        bitstream.with_suffix(".hwh").unlink()
        with pytest.raises(NoEngineError, match="could not be loaded on this board .*is its .hwh beside it"):
            Accelerator(package, bitstream=bitstream, device=device)

    def test_no_engine_in_the_bitstream(self, package, model):
        from hwgen.runtime.hwh import make_hwh
        from hwgen.runtime.sim_device import open_sim

        device, bitstream = open_sim(model)
        bitstream.with_suffix(".hwh").write_text(make_hwh(instances=["blinky"], vlnv="acme.org:ip:blinky:1.0"))
        with pytest.raises(NoEngineError, match=r"no hwgen engine among its blocks \(.*blinky.*\); load the bitstream"):
            Accelerator(package, bitstream=bitstream, device=device)

    def test_an_overlay_of_the_callers_own(self, package, model):
        import pynq

        from hwgen.runtime.sim_device import open_sim

        device, bitstream = open_sim(model)
        overlay = pynq.Overlay(str(bitstream), device=device)
        assert int(overlay.hwgen_top_0.register_map.MAGIC) == model.fixed["MAGIC"]
        with Accelerator(package, overlay=overlay, ip="hwgen_top_0") as accelerator:
            accelerator.selftest()
        with pytest.raises(NoEngineError, match="no hwgen engine 'other'"):
            Accelerator(package, overlay=overlay, ip="other")

    def test_the_bitstream_beside_the_package(self, package, model, monkeypatch):
        import pynq

        from hwgen.runtime.sim_device import open_sim

        device, bitstream = open_sim(model)
        for suffix in (".bit", ".hwh"):
            package.with_suffix(suffix).write_bytes(bitstream.with_suffix(suffix).read_bytes())
        monkeypatch.setattr(pynq.pl_server.device.DeviceMeta, "_active_device", device, raising=False)
        with Accelerator(package) as accelerator:
            accelerator.selftest()

    def test_a_forgotten_flush_or_invalidate_shows(self, package, model, rng, monkeypatch):
        from hwgen.runtime.sim_device import SimBuffer

        inputs = {"x": np.arange(20, dtype=np.int8) + 1, "k": np.ones((2, 3), np.uint8)}
        for name in ("flush", "invalidate"):
            with open_way("pynq", package, samples.model()) as accelerator:
                with monkeypatch.context() as patch:
                    for slot in accelerator._residency.current[1].slots:
                        patch.setattr(slot.source if name == "flush" else slot.target, name, lambda: None)
                    assert not same(accelerator.infer(inputs, raw=True), golden(inputs))
                assert hasattr(SimBuffer, name) and same(accelerator.infer(inputs, raw=True), golden(inputs))
