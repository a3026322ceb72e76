"""Random faults of the cable: every answer is right or a clear error, and no call hangs. Time is the model's."""

import random

import numpy as np
import pytest

pytest.importorskip("hypothesis", reason="the pynq environments have none")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from hwgen.runtime import Accelerator, DeviceFault  # noqa: E402
from hwgen.runtime.serial import SerialPort  # noqa: E402
from tests.runtime import samples  # noqa: E402
from tests.runtime.serial.bridge import Board  # noqa: E402
from tests.support import cases  # noqa: E402

PATIENT = 60.0  # seconds of the model's time that any call may take; the driver's own limit is below


class Cable:
    """Faults of one direction: chunks lose, double, change or gain bytes, or come late, with probability `share`."""

    def __init__(self, rng: random.Random, share: float, delays: tuple[float, ...] = (0.001, 0.1, 0.5, 2.0)) -> None:
        self.rng, self.share, self.delays, self.on = rng, share, delays, True

    def __call__(self, data: bytes) -> list[tuple[float, bytes]]:
        if not self.on or self.rng.random() >= self.share:
            return [(0.0, data)]
        return getattr(self, self.rng.choice(("lose", "cut", "double", "change", "noise", "late")))(data)

    def lose(self, data):
        return []

    def cut(self, data):
        at = self.rng.randrange(len(data))
        return [(0.0, data[:at]), (self.rng.choice((0.0, 0.01)), data[at + 1 :])]

    def double(self, data):
        return [(0.0, data), (self.rng.choice((0.0, 0.2)), data)]

    def change(self, data):
        changed = bytearray(data)
        for _ in range(self.rng.choice((1, 1, 3, 20))):
            changed[self.rng.randrange(len(data))] ^= 1 << self.rng.randrange(8)
        return [(0.0, bytes(changed))]

    def noise(self, data):
        return [(0.0, self.rng.randbytes(self.rng.randrange(1, 50)) + data)]

    def late(self, data):
        return [(self.rng.choice(self.delays), data)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    small = samples.package(folder / "small.hwpkg")
    image, old = samples.image(beats=1500), samples.image
    samples.image = lambda *_: image
    big = samples.package(folder / "big.hwpkg")
    samples.image = old
    return small, big


def infer(accelerator, seed):
    data = samples.vectors(np.random.default_rng(seed), 1)
    got = accelerator.infer({"x": data["x"][0], "k": data["k"][0]}, raw=True)
    assert (got["y"] == data["y"][0]).all() and (got["z"] == data["z"][0]).all(), "a wrong answer"


def bounded(board, call):
    """Whether it came to an answer; an error is one, too, when it is the driver's."""
    begin = board.now()
    try:
        call()
        return True
    except DeviceFault as error:
        assert str(error)
        return False
    finally:
        assert board.now() - begin < PATIENT


@settings(max_examples=cases(60, 2000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.sampled_from([0.02, 0.1, 0.3, 0.7]), st.booleans())
def test_random_faults(packages, seed, share, large):
    rng, board = random.Random(seed), Board()
    cables = board.to_board, board.from_board = Cable(rng, share), Cable(rng, share * rng.random())
    opened = []
    for _ in range(3):
        if bounded(board, lambda: opened.append(SerialPort(board, clock=board))):
            break
    for cable in cables:
        cable.on = not opened or rng.random() < 0.8
    if not opened:
        return
    made = []
    if bounded(board, lambda: made.append(Accelerator(packages[large], device=opened[0], clock=board))):
        for step in range(8):
            if rng.random() < 0.1:
                board.reset()
            if not bounded(board, lambda step=step: infer(made[0], seed + step)):
                bounded(board, lambda: made[0].reset(download=True))
    for cable in cables:
        cable.on = False
    board.sleep(5 + max(0, *(end - board.now() for end in board.busy_until)))
    if made:  # the cable is good again: so is everything, after one reset
        made[0].reset(download=True)
        infer(made[0], seed)
        made[0].close()


@settings(max_examples=cases(20, 500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_few_faults_are_healed(packages, seed):
    """A line that damages a frame now and then shows in the counters only."""
    rng, board = random.Random(seed), Board()
    port = SerialPort(board, clock=board)
    board.to_board, board.from_board = Cable(rng, 0.03, (0.001, 0.1)), Cable(rng, 0.03, (0.001, 0.1))
    with Accelerator(packages[1], device=port, clock=board) as accelerator:
        for step in range(20):
            infer(accelerator, seed + step)
