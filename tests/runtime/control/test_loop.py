"""The control loop on a clock of its own: its rate, its statistics, faults, overruns, new instructions."""

import threading

import numpy as np
import pytest

from hwgen.runtime import DeviceFault, InputFault, UsageError
from hwgen.runtime.control import ControlLoop, ExecuteChunk, TemporalEnsemble
from hwgen.runtime.errors import DeadlineMissed
from tests.runtime import policy_samples, samples
from tests.runtime.conftest import open_way
from tests.runtime.control.test_watchdog import ManualClock
from tests.runtime.test_policy import golden, observation

RATE = 10.0


class World:
    """A robot and a policy that take their time on a clock: `busy` seconds for each inference, in turn."""

    def __init__(self, busy=(), act_time=0.0):
        self.clock, self.busy, self.act_time = ManualClock(), list(busy), act_time
        self.acts, self.observed, self.faults = [], 0, []

    def observe(self):
        self.observed += 1
        return {"instruction": "reach"}

    def infer(self, _):
        self.clock.time += self.busy.pop(0) if self.busy else 0.0
        if self.faults and (fault := self.faults.pop(0)):
            raise fault
        return np.full((8, 3), self.observed, np.float32)

    def act(self, action):
        self.clock.time += self.act_time
        self.acts.append((round(self.clock.time - 100, 6), float(action[0])))

    def loop(self, **options):
        options = {"rate_hz": RATE, "chunks": ExecuteChunk(1), "clock": self.clock, **options}
        return ControlLoop(self.infer, self.observe, self.act, **options)


def test_the_rate_does_not_drift():
    world = World(busy=[0.03, 0.09, 0.0] * 100)
    stats = world.loop().run(ticks=300)
    assert [t for t, _ in world.acts[::3]] == pytest.approx([0.1 * k + 0.03 for k in range(0, 300, 3)])
    assert (stats.ticks, stats.misses, stats.skipped) == (300, 0, 0) and stats.jitter.largest < 1e-9


def test_chunks_are_carried_out_before_the_next_look():
    world = World()
    stats = world.loop(chunks=ExecuteChunk(4)).run(ticks=10)
    assert [a for _, a in world.acts] == [1] * 4 + [2] * 4 + [3] * 2 and stats.chunks == 3


def test_skipped_ticks_stay_on_the_grid():
    world = World(busy=[0.0, 0.25, 0.0, 0.0])
    stats = world.loop().run(ticks=4)
    assert [t for t, _ in world.acts] == pytest.approx([0.0, 0.35, 0.4, 0.5])
    assert (stats.misses, stats.skipped) == (1, 2) and stats.latency.largest == pytest.approx(0.25)


def test_missed_ticks_are_made_up_for():
    world = World(busy=[0.0, 0.25, 0.0, 0.0, 0.0])
    stats = world.loop(overrun="catch_up").run(ticks=5)
    assert [t for t, _ in world.acts] == pytest.approx([0.0, 0.35, 0.35, 0.35, 0.4])
    assert stats.skipped == 0 and stats.misses == 2 and stats.jitter.largest == pytest.approx(0.15)


def test_not_more_than_ten_are_made_up_for():
    world = World(busy=[5.0])
    stats = world.loop(overrun="catch_up").run(ticks=3)
    assert stats.skipped == 49 and world.acts[1][0] == pytest.approx(5.0)


def test_overrun_that_stops():
    world = World(busy=[0.0, 0.25])
    with pytest.raises(DeadlineMissed, match="tick 1 ended 150.0 ms after the next one was due; lower rate_hz"):
        world.loop(overrun="stop", safe_action=np.zeros(3, np.float32)).run(ticks=4)
    assert [a for _, a in world.acts] == [1, 2, 0]


def test_a_deadline_of_its_own():
    world = World(busy=[0.02, 0.04] * 5)
    assert world.loop(deadline=0.03).run(ticks=10).misses == 5


@pytest.mark.parametrize("fault", [InputFault("NaN"), DeviceFault("late")])
def test_a_fault_hands_out_the_safe_action_and_looks_again(fault):
    world = World()
    world.faults = [None, fault, None]
    loop = world.loop(chunks=ExecuteChunk(2), safe_action=np.full(3, -1, np.float32))
    stats = loop.run(ticks=5)
    assert [a for _, a in world.acts] == [1, 1, -1, 3, 3, -1] and stats.faults == 1 and loop.last_error is fault


def test_a_fault_without_a_safe_action_is_raised():
    world = World()
    world.faults = [None, DeviceFault("late")]
    with pytest.raises(DeviceFault, match="late"):
        world.loop().run(ticks=3)
    assert [a for _, a in world.acts] == [1]


def test_the_robot_gets_the_safe_action_when_observing_fails():
    world = World()
    loop = world.loop(safe_action=np.full(3, -1, np.float32))

    def broken():
        if world.observed == 2:
            raise KeyboardInterrupt
        return World.observe(world)

    loop._observe = broken
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert [a for _, a in world.acts] == [1, 2, -1]


def test_stop_and_reset_from_within():
    world = World()
    loop = world.loop(chunks=ExecuteChunk(8))

    def act(action):
        world.act(action)
        if len(world.acts) == 3:
            loop.reset()
        if len(world.acts) == 6:
            loop.stop()

    loop._act = act
    loop.run()
    assert [a for _, a in world.acts] == [1, 1, 1, 2, 2, 2]


def test_a_stop_before_the_run_is_not_lost():
    world = World()
    loop = world.loop()
    loop.stop()
    assert loop.run(ticks=5).ticks == 0 and loop.run(ticks=5).ticks == 5
    with pytest.raises(UsageError, match="seconds is nan"):
        loop.run(seconds=float("nan"))


def test_a_function_that_gives_no_safe_action():
    world = World()
    world.faults = [None, DeviceFault("late")]
    with pytest.raises(UsageError, match="the safe action is .*; give 3 finite numbers"):
        world.loop(safe_action=lambda last: last[:2]).run(ticks=3)


def test_skipped_ticks_pass_in_the_ensemble_too():
    """A policy that says where to be at each moment, however late it says so: all chunks agree."""
    world = World(busy=[0.0, 0.25])

    def infer(_):
        moment = round((world.clock.time - 100) * RATE)
        world.infer(None)
        return (moment + np.arange(8, dtype=np.float32))[:, None] * np.ones(3, np.float32)

    loop = ControlLoop(
        infer, world.observe, world.act, rate_hz=RATE, chunks=TemporalEnsemble(8, 0.0), clock=world.clock
    )
    stats = loop.run(ticks=6)
    assert stats.skipped == 2 and [a for _, a in world.acts] == [0, 1, 4, 5, 6, 7]


def test_seconds_are_counted_in_ticks():
    world = World()
    assert world.loop().run(seconds=2).ticks == 20


@pytest.mark.parametrize(
    "options,reason",
    [
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"rate_hz": "10"}, "rate_hz is '10'"),
        ({"deadline": float("nan")}, "deadline is nan"),
        ({"deadline": -1}, "deadline is -1"),
        ({"safe_action": [np.nan] * 3}, "the safe action is .*finite numbers"),
        ({"safe_action": np.zeros((1, 3))}, "the safe action is .*one dimension"),
        ({"safe_action": "stop"}, "the safe action is no array"),
        ({"rate_hz": None}, "rate_hz is not given, and the package tells none"),
        ({"chunks": None}, "chunks is not given"),
        ({"overrun": "wait"}, "overrun is 'wait'; choose from skip, catch_up, stop"),
        ({"watchdog": 0.5}, "safe_action is not given"),
    ],
)
def test_what_does_not_fit_is_named(options, reason):
    with pytest.raises(UsageError, match=reason):
        World().loop(**options)


def test_the_watchdog_acts_while_inference_hangs():
    """On the real clock: inference waits until the robot got the safe action."""
    safe = threading.Event()
    got = []

    def act(action):
        got.append(float(action[0]))
        if action[0] == 0:
            safe.set()

    def infer(_):
        if got:
            assert safe.wait(30)
        return np.ones((1, 3), np.float32)

    before = threading.active_count()
    options = {"rate_hz": 1000.0, "chunks": ExecuteChunk(1), "watchdog": 0.5, "safe_action": np.zeros(3, np.float32)}
    with ControlLoop(infer, lambda: {}, act, **options) as loop:
        loop.run(ticks=2)
        assert loop.watchdog.trips["accelerator"] >= 1 and got[:2] == [1, 0] and got[-1] == 0
    assert threading.active_count() == before


def test_a_package_tells_rate_chunk_and_safe_action(way, tmp_path, rng):
    given, acts = [], []

    def observe():
        given.append({**observation(rng), "instruction": "reach" if len(given) < 3 else "the red cube"})
        return given[-1]

    clock = ManualClock()
    with open_way(way, policy_samples.write(tmp_path / "p.hwpkg"), samples.model()) as policy:
        loop = ControlLoop(policy, observe, lambda action: acts.append(action.copy()), clock=clock)
        assert loop.run(seconds=1.0).summary()["chunks"] == 5
        want = [golden(o)[k] for o in given for k in range(2)]
        assert (np.array(acts[:-1]) == want).all() and (acts[-1] == 0).all()
        chunks = TemporalEnsemble(policy.policy.chunk)
        acts.clear(), given.clear()
        ControlLoop(policy, observe, lambda action: acts.append(action.copy()), chunks=chunks, clock=clock).run(ticks=5)
        assert (acts[0] == golden(given[0])[0]).all()
        assert (acts[3] == golden(given[3])[0]).all()  # the instruction changed
        assert not (acts[2] == golden(given[2])[0]).all()


def test_an_instruction_that_is_no_text_gets_the_safe_action(tmp_path, rng):
    acts, texts = [], ["reach", np.array(["reach", "red"]), np.array(["reach", "red"]), "reach"]
    with open_way("direct", policy_samples.write(tmp_path / "p.hwpkg"), samples.model()) as policy:
        loop = ControlLoop(
            policy, lambda: {**observation(rng), "instruction": texts.pop(0)}, lambda a: acts.append(a.copy()),
            chunks=ExecuteChunk(1), clock=ManualClock(),
        )  # fmt: skip
        stats = loop.run(ticks=4)
    assert stats.faults == 2 and stats.chunks == 2 and (np.array(acts[1:3]) == 0).all()


def test_the_safe_action_of_another_robot(tmp_path):
    with open_way("direct", policy_samples.write(tmp_path / "p.hwpkg"), samples.model()) as policy:
        with pytest.raises(UsageError, match="the safe action is .*; give 3 finite numbers"):
            ControlLoop(policy, dict, print, safe_action=np.zeros(7))
