"""The table of success rates covers every policy and every control."""

import numpy as np
import pytest

from hwgen.evaluate.closed_loop import CONDITIONS
from hwgen.evaluate.robot.success import success_table
from hwgen.policies.demo import load_demo

pytestmark = [pytest.mark.policy, pytest.mark.xdist_group("robot")]


def test_every_control_for_every_policy():
    calls = []

    def up(images, state, text):
        return np.tile(np.float32([0, 0, 1]), (len(images), 8, 1))

    rows = success_table(
        load_demo(), {"up": up, "up too": up}, episodes=1, workers=1, progress=lambda *call: calls.append(call)
    )
    assert list(rows) == list(CONDITIONS)
    assert all(set(cells) == {"up", "up too"} and cells["up"]["success"] == 0.0 for cells in rows.values())
    assert len(calls) == 8
