"""The driver on a register-level engine, with and without pynq: results, pipelining, zero copy, buffers, order of
calls.
"""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

from hwgen.runtime import Accelerator, InputFault, SelftestError, UsageError
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import samples
from tests.runtime.conftest import FakeClock, open_way
from tests.support import cases


def frame(rng):
    return {"x": rng.integers(-128, 128, 20).astype(np.int8), "k": rng.integers(0, 16, (2, 3)).astype(np.uint8)}


def golden(inputs):
    y, z = samples.golden(inputs["x"], inputs["k"].reshape(6))
    return {"y": y, "z": z}


def same(got, want):
    return set(got) == set(want) and all((got[n] == want[n]).all() and got[n].dtype == want[n].dtype for n in want)


def test_raw_frames(accelerator, rng):
    for _ in range(cases(20, 1000)):
        inputs = frame(rng)
        assert same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_real_units(accelerator, rng):
    x, k = rng.standard_normal(20).astype(np.float32) * 20, rng.uniform(-1, 6, (2, 3)).astype(np.float32)
    quantized = {
        "x": np.clip(np.round(x / np.float32(0.125)), -128, 127).astype(np.int8),
        "k": np.clip(np.round(k / np.float32(0.3)), 0, 15).astype(np.uint8),
    }
    y, z = golden(quantized).values()
    got = accelerator.infer({"x": x, "k": k})
    assert (got["y"] == (y * 0.25).astype(np.float32)).all() and got["y"].dtype == np.float32
    assert (got["z"] == (z * (0.001 * np.arange(1, 21))).astype(np.float32)).all()


def test_results_are_the_callers_own(accelerator, rng):
    first_in, second_in = frame(rng), frame(rng)
    first = accelerator.infer(first_in, raw=True)
    accelerator.infer(second_in, raw=True)
    assert same(first, golden(first_in))


def test_out_is_filled_and_returned(accelerator, rng):
    inputs, out = frame(rng), {"y": np.zeros(20, np.int8)}
    got = accelerator.infer(inputs, raw=True, out=out)
    assert got["y"] is out["y"] and same(got, golden(inputs))


def test_two_in_flight_come_back_in_order(accelerator, rng):
    frames = [frame(rng) for _ in range(cases(20, 500))]
    accelerator.submit(frames[0], raw=True)
    for before, inputs in zip(frames, frames[1:], strict=False):
        accelerator.submit(inputs, raw=True)
        assert same(accelerator.result(), golden(before))
    assert same(accelerator.result(out={"y": np.zeros(20, np.int8)}), golden(frames[-1]))
    assert accelerator.stats["infers"] == len(frames)


def test_submit_and_result_in_random_order(accelerator, rng):
    pending = []
    for _ in range(cases(60, 2000)):
        if len(pending) < 2 and rng.random() < 0.5:
            pending.append(frame(rng))
            accelerator.submit(pending[-1], raw=True)
        elif pending:
            accelerator.done()
            assert same(accelerator.result(), golden(pending.pop(0)))
    for inputs in pending:
        assert same(accelerator.result(), golden(inputs))


def test_done_turns_true(accelerator, rng):
    assert not accelerator.done()
    accelerator.submit(frame(rng), raw=True)
    while not accelerator.done():
        pass
    accelerator.result()
    assert not accelerator.done()


def test_a_third_submit_and_an_early_infer_are_refused(accelerator, rng):
    inputs = frame(rng)
    with pytest.raises(UsageError, match="nothing was submitted"):
        accelerator.result()
    accelerator.submit(inputs, raw=True)
    with pytest.raises(UsageError, match="1 submitted observations are in flight"):
        accelerator.infer(inputs, raw=True)
    accelerator.submit(inputs, raw=True)
    with pytest.raises(UsageError, match="2 observations are in flight; take one with result"):
        accelerator.submit(inputs, raw=True)
    assert same(accelerator.result(), golden(inputs)) and same(accelerator.result(), golden(inputs))
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))


def test_a_bad_submit_takes_no_slot(accelerator, rng):
    for _ in range(3):
        with pytest.raises(InputFault):
            accelerator.submit({"x": np.zeros(20)})
    inputs = frame(rng)
    accelerator.submit(inputs, raw=True)
    assert same(accelerator.result(), golden(inputs))


@pytest.mark.parametrize("slot", [0, 1])
def test_zero_copy(accelerator, rng, slot):
    inputs = frame(rng)
    for name, view in accelerator.input_views(slot).items():
        view[...] = inputs[name]
    assert accelerator.run(slot=slot) == 77
    views = accelerator.output_views(slot)
    assert (views["y"] == golden(inputs)["y"]).all() and views["z"].shape == (1, 3, 4, 8)
    with pytest.raises(ValueError, match="read-only"):
        views["y"][0] = 0


@pytest.mark.parametrize(
    "inputs,reason",
    [
        ({}, "inputs are none; this accelerator takes x, k"),
        ({"x": np.zeros(20)}, "inputs are x; this accelerator takes x, k"),
        ({"x": np.zeros(20), "q": np.zeros((2, 3))}, "inputs are x, q"),
        ({"x": np.zeros(20), "k": np.zeros((2, 3)), "z": 0}, "inputs are x, k, z"),
        (np.zeros(20), "inputs are a ndarray; give a dict"),
        ({"x": np.zeros(21), "k": np.zeros((2, 3))}, r"input 'x' has shape \(21,\)"),
        ({"x": [[1.0], [1.0, 2.0]], "k": np.zeros((2, 3))}, "input 'x' (is no array|has)"),
        ({"x": np.full(20, np.nan), "k": np.zeros((2, 3))}, "input 'x' is nan at"),
        ({"x": np.zeros(20, int), "k": np.zeros((2, 3))}, "input 'x' has dtype int64"),
    ],
)
def test_bad_inputs_leave_the_accelerator_usable(accelerator, rng, inputs, reason):
    with pytest.raises(InputFault, match=reason):
        accelerator.infer(inputs)
    good = frame(rng)
    assert same(accelerator.infer(good, raw=True), golden(good))


def test_bad_out_is_found_before_the_run(accelerator, model, rng):
    with pytest.raises(InputFault, match="out has 'q'"):
        accelerator.infer(frame(rng), raw=True, out={"q": np.zeros(3)})
    with pytest.raises(InputFault, match=r"out\['y'\]"):
        accelerator.infer(frame(rng), raw=True, out={"y": np.zeros(20)})
    assert model.runs == 0


def test_infer_or_hands_out_the_safe_action(accelerator, model, rng):
    inputs, safe = frame(rng), {"y": np.zeros(20), "z": np.zeros(20)}
    assert same(accelerator.infer_or(inputs, safe, raw=True), golden(inputs)) and accelerator.last_error is None
    model.hang = True
    assert accelerator.infer_or(inputs, safe, raw=True) is safe and "not done after 0.05 s" in str(
        accelerator.last_error
    )
    model.hang = False
    assert accelerator.infer_or({"x": np.full(20, np.nan), "k": np.zeros((2, 3))}, safe) is safe
    assert same(accelerator.infer_or(inputs, safe, raw=True), golden(inputs)) and accelerator.last_error is None


def test_selftest(accelerator, model):
    assert accelerator.selftest() == {
        "vectors": 3,
        "policy_vectors": 0,
        "latency_cycles": 77,
        "predicted_cycles": 77,
    }
    model.compute = lambda data: samples.compute(data)[:50] + b"\x55" + samples.compute(data)[51:]
    with pytest.raises(SelftestError, match=r"vector 0 of 3, output 'z' at \(2,\) is .*, golden says"):
        accelerator.selftest()


def test_stats(accelerator, rng):
    accelerator.infer(frame(rng), raw=True)
    stats = accelerator.stats
    assert stats["latency"] == accelerator.last_cycles == 77
    assert (stats["infers"], stats["errors"], stats["loads"], stats["runs"], stats["predicted_cycles"]) == (
        1,
        0,
        1,
        1,
        77,
    )


def test_pointers_are_64_bit_and_aligned(accelerator, model, rng):
    accelerator.infer(frame(rng), raw=True)
    for name in ("LOAD_PTR", "IN_PTR", "OUT_PTR"):
        assert model.regs[name + "_HI"] == 8 and model.regs[name + "_LO"] % 4096 == 0
    assert model.regs["WATCHDOG"] == 4000


def test_pointers_are_written_once(accelerator, model, rng):
    accelerator.infer(frame(rng), raw=True)
    model.log.clear()
    accelerator.infer(frame(rng), raw=True)
    assert model.log == [("CONTROL", 1)]


def test_every_method_refuses_a_closed_accelerator(way, package, model, rng):
    accelerator = open_way(way, package, model)
    accelerator.close()
    accelerator.close()
    calls = [
        lambda: accelerator.infer(frame(rng), raw=True), lambda: accelerator.submit(frame(rng), raw=True),
        accelerator.result, accelerator.run, accelerator.input_views, accelerator.output_views, accelerator.selftest,
        accelerator.reset,
        accelerator.done, lambda: accelerator.stats, lambda: accelerator.last_cycles,
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(UsageError, match="closed; open the package again"):
            call()


class Cable:
    """A bus that can be pulled: from then on each access fails, and says how many did before."""

    def __init__(self, bus, left=10_000):
        self.ddr, self.ddr_base, self.reset = bus.ddr, bus.ddr_base, bus.reset
        self._bus, self.left = bus, left

    def read(self, offset):
        self._use()
        return self._bus.read(offset)

    def write(self, offset, value):
        self._use()
        self._bus.write(offset, value)

    def _use(self):
        self.left -= 1
        if self.left < 0:
            raise OSError(f"pulled, {-1 - self.left} before")


def test_closing_does_not_hide_the_first_error(way, package, model):
    cable = Cable(model)
    with pytest.raises(ZeroDivisionError), open_way(way, package, cable):
        cable.left = 0
        _ = 1 / 0
    cable = Cable(model)
    with pytest.raises(OSError, match="pulled, 0 before"), open_way(way, package, cable):
        cable.left = 0  # nothing else went wrong: what close() meets is told


def test_an_opening_that_fails_tells_the_first_error(way, package, model):
    for left in range(8):
        with pytest.raises(OSError, match="pulled, 0 before"):
            open_way(way, package, Cable(model, left))


def test_memory_is_given_back(way, package, model, rng):
    with open_way(way, package, model) as accelerator:
        pool = getattr(accelerator.port, "device", accelerator.port).pool
        accelerator.infer(frame(rng), raw=True)
        assert len(pool.live) == 5  # image, two inputs, two outputs
    assert not pool.live


@pytest.mark.parametrize("which", ["source", "target"])
def test_a_buffer_freed_too_early_is_named(accelerator, rng, which):
    getattr(accelerator._residency.current[1].slots[0], which)._buffer.freebuffer()
    with pytest.raises(UsageError, match=r"put buffer 0 was freed; open the Accelerator again"):
        accelerator.infer(frame(rng), raw=True)


def test_no_memory_left(way, package):
    small = samples.model()
    small.ddr = small.ddr[: 3 * 4096]
    with pytest.raises(Exception, match="no DMA memory for the .* buffer .*; free other buffers or enlarge CMA"):
        open_way(way, package, small)


def test_misaligned_memory_is_refused(package, model):
    device = SimDirect(model)
    take = device.pool.take
    device.pool.take = lambda nbytes: take(nbytes + 4096) + 32
    device.pool.give_back = lambda address: None
    with pytest.raises(Exception, match="multiples of 64"):
        Accelerator(package, device=device)


def test_threads_take_turns(accelerator, rng):
    frames, failures = [frame(rng) for _ in range(cases(40, 400))], []

    def work(part):
        for inputs in part:
            if not same(accelerator.infer(inputs, raw=True), golden(inputs)):
                failures.append(inputs)

    threads = [threading.Thread(target=work, args=(frames[i::4],)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_interrupted_run_is_cleared_away(accelerator, model, rng, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    inputs = frame(rng)
    with monkeypatch.context() as patch:
        patch.setattr(accelerator._residency.current[0].engine, "wait", interrupt)
        with pytest.raises(KeyboardInterrupt):
            accelerator.infer(inputs, raw=True)
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))
    assert accelerator.stats["loads"] == 2


def test_where_is_the_hardware(package):
    with pytest.raises(UsageError, match="which hardware"):
        Accelerator(package)
    with pytest.raises(UsageError, match="not both"):
        Accelerator(package, bitstream="x.bit", overlay=object())
    with pytest.raises(UsageError, match="give it alone"):
        Accelerator(package, bitstream="x.bit", device=SimDirect(samples.model()))
    with pytest.raises(UsageError, match="device= is the text 'sim:build/demo'; give a device"):
        Accelerator(package, device="sim:build/demo")


def test_memory_does_not_grow(accelerator, model, rng):
    inputs, out = frame(rng), {"y": np.zeros(20, np.int8), "z": np.zeros(20, np.int32)}

    def work(count):
        for i in range(count):
            model.fail = "AXI_READ" if i % 7 == 0 else None
            accelerator.infer_or(inputs, out, raw=True, out=out)
        model.log.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = work(50)
        assert work(cases(200, 5000)) - before < 4000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("timeout", [float("nan"), -1, float("inf"), "soon"])
def test_a_timeout_that_would_never_come_is_refused(accelerator, package, rng, timeout):
    inputs = frame(rng)
    with pytest.raises(UsageError, match="timeout is .*; give seconds from 0"):
        accelerator.infer(inputs, raw=True, timeout=timeout)
    with pytest.raises(UsageError, match="timeout is"):
        Accelerator(package, device=SimDirect(samples.model()), timeout=timeout)
    assert same(accelerator.infer(inputs, raw=True), golden(inputs))


@pytest.mark.parametrize("slot", [2, -1, 5])
def test_a_slot_that_does_not_exist(accelerator, slot):
    for call in (accelerator.input_views, accelerator.output_views, lambda number: accelerator.run(slot=number)):
        with pytest.raises(UsageError, match="does not exist; there are slots 0 to 1"):
            call(slot)


def test_time_that_passed_unseen_is_not_the_engines_fault(package, model, rng):
    """The process slept between two polls for longer than the time-out; the run had ended."""
    clock = FakeClock(step=10.0)
    model.polls = 2  # done at the second look
    with open_way("direct", package, model, timeout=1.0, clock=clock) as accelerator:
        inputs = frame(rng)
        assert same(accelerator.infer(inputs, raw=True), golden(inputs)) and accelerator.stats["timeouts"] == 0
