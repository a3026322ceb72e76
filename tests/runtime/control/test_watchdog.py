"""The safe action comes when the accelerator or the caller is late, and not before."""

import threading

import numpy as np
import pytest

from hwgen.runtime import UsageError
from hwgen.runtime.control import Watchdog, hold
from hwgen.runtime.control.watchdog import Guard

SAFE = np.zeros(3, np.float32)


def action(value):
    return np.full(3, value, np.float32)


class ManualClock:
    def __init__(self):
        self.time = 100.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


class Robot:
    def __init__(self):
        self.got, self.event = [], threading.Event()

    def __call__(self, act):
        self.got.append(float(act[0]))
        if act[0] == 0:
            self.event.set()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def robot():
    return Robot()


def test_nothing_happens_in_time(clock, robot):
    guard = Guard(robot, SAFE, 0.5, clock=clock)
    assert guard.check() is None  # not before the first action
    for i in range(1, 5):
        guard.deliver(action(i))
        clock.time += 0.4
        assert guard.check() == pytest.approx(0.1)
    assert robot.got == [1, 2, 3, 4] and guard.trips == {"accelerator": 0, "caller": 0}


def test_a_late_caller_gets_the_safe_action_until_it_is_back(clock, robot):
    guard = Guard(robot, SAFE, 0.5, clock=clock)
    guard.deliver(action(1))
    for _ in range(3):
        clock.time += 0.5
        assert guard.check() == pytest.approx(0.5)
        clock.time += 0.1
        guard.check()  # not due again yet
        clock.time -= 0.1
    assert robot.got == [1, 0, 0, 0] and guard.tripped and guard.trips["caller"] == 1
    assert guard.deliver(action(2)) and not guard.tripped
    clock.time += 0.4
    guard.check()
    assert robot.got == [1, 0, 0, 0, 2]


def test_latched_holds_back_until_it_is_rearmed(clock, robot):
    guard = Guard(robot, SAFE, 0.5, latched=True, clock=clock)
    guard.deliver(action(1))
    clock.time += 0.6
    guard.check()
    assert not guard.deliver(action(2)) and guard.tripped and robot.got == [1, 0]
    guard.rearm()
    assert guard.deliver(action(3)) and robot.got == [1, 0, 3]


def test_who_was_late(clock, robot):
    guard = Guard(robot, SAFE, 0.5, clock=clock)
    guard.deliver(action(1))

    def infer(x, *, y):
        clock.time += 0.7
        guard.check()  # as the thread does
        return x + y

    assert guard.watched(infer)(1, y=2) == 3
    guard.deliver(action(2))
    clock.time += 0.7
    guard.check()
    assert guard.trips == {"accelerator": 1, "caller": 1}
    assert [(t.cause, round(t.late, 3)) for t in guard.latest] == [("accelerator", 0.7), ("caller", 0.7)]


def test_the_memory_of_trips_is_bounded(clock, robot):
    guard = Guard(robot, SAFE, 0.5, clock=clock)
    for i in range(100):
        guard.deliver(action(i + 1))
        clock.time += 0.6
        guard.check()
    assert guard.trips["caller"] == 100 and len(guard.latest) == 16


def test_holding_the_last_action(clock, robot):
    guard = Guard(robot, hold, 0.5, clock=clock)
    guard.deliver(action(7))
    clock.time += 0.6
    guard.check()
    assert robot.got == [7, 7]
    with pytest.raises(UsageError, match="no last action to hold"):
        hold(None)


def test_a_robot_that_fails_on_the_safe_action_is_told(clock):
    def act(value):
        if value[0] == 0:
            raise OSError("no motors")

    guard = Guard(act, SAFE, 0.5, clock=clock)
    guard.deliver(action(1))
    clock.time += 0.6
    guard.check()
    with pytest.raises(OSError, match="no motors"):
        guard.deliver(action(2))
    assert guard.deliver(action(3))


def test_disarmed(clock, robot):
    guard = Guard(robot, SAFE, 0.5, clock=clock)
    guard.deliver(action(1))
    guard.disarm()
    clock.time += 10
    assert guard.check() is None and robot.got == [1]


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 1e9])
def test_a_timeout_out_of_range(robot, timeout):
    with pytest.raises(UsageError, match="the watchdog's timeout is"):
        Guard(robot, SAFE, timeout)


def test_the_thread_acts_and_ends(robot):
    before = threading.active_count()
    with Watchdog(robot, SAFE, 0.01) as watchdog:
        watchdog.deliver(action(1))
        assert robot.event.wait(30)
        watchdog.deliver(action(2))
    assert threading.active_count() == before and robot.got[0] == 1 and 2 in robot.got
    count = len(robot.got)
    watchdog.close()
    with pytest.raises(UsageError, match="closed"):
        watchdog.deliver(action(3))
    assert len(robot.got) == count


def test_no_thread_before_the_first_action(robot):
    before = threading.active_count()
    Watchdog(robot, SAFE, 0.01).close()
    assert threading.active_count() == before and not robot.got
