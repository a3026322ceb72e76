"""`hwgen sim`: the whole policy as RTL behind the driver moves the robot, and every answer is golden's."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from hwgen.errors import HwgenError
from hwgen.evaluate import main_job
from hwgen.policies.demo import load_demo
from hwgen.policies.embodiment import MAX_STEP, STATE_CENTRE
from hwgen.policies.loading import load_policy
from tests.support import FULL, cases, pynq_python

needs_pynq = pytest.mark.skipif(not pynq_python().exists(), reason="needs .venv-pynq (make env)")


@needs_pynq
@pytest.mark.rtl
@pytest.mark.policy
@pytest.mark.xdist_group("runtime-rtl")
@pytest.mark.parametrize(
    "board, policy", [("pynq-z2", "demo"), pytest.param("zcu104", "vit-flow", marks=pytest.mark.full)]
)
def test_the_whole_policy_as_rtl_moves_the_robot(board, policy, tmp_path):
    """Camera frame in, motions out, through pynq. The RTL equals golden in every frame of the loop, so golden's success
    is the RTL's; the full test shows it on all 300 scenes, and that it is within 2 points of the float policy's."""
    main_job.run(board, policy, episodes=cases(2, 300), frames=cases(8, 300), out=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    robot = report["robot"]
    assert report["hardware"] == "whole" and report["bit_exact"]
    assert report["latency_cycles"] == report["predicted_cycles"]
    assert robot["RTL"]["wrong_inferences"] == 0 and robot["RTL"]["inferences"] >= 2 * robot["RTL"]["episodes"]
    assert robot["integer"].items() <= robot["RTL"].items()
    if FULL:
        assert abs(robot["RTL"]["success"] - robot["float"]["success"]) <= 0.02
    for name in ("robot.png", "timeline.png", "robot.hwpkg"):
        assert (tmp_path / name).stat().st_size > 10_000


def test_a_board_without_room_runs_the_head(tmp_path):
    told = io.StringIO()
    console = Console(file=told, width=1000)
    assert main_job._generate(load_demo(), "ulx3s", tmp_path, console) == "head"
    first, second = told.getvalue().splitlines()
    assert first.startswith("the whole policy: no array fits ulx3s") and "bram36" in first
    assert "the head becomes hardware, the encoder runs on the robot's processor" in second


WHOLE = {"image": (3, 3, 64, 64), "text": (3, 32), "state": (3, 3)}


@pytest.mark.parametrize("name, part, shapes", [
    ("demo", "whole", WHOLE), ("demo", "head", {"vector": (3, 1059)}),
    ("vit-flow", "whole", WHOLE | {"noise": (3, 24)}), ("vit-flow", "head", {"seen": (3, 128), "noise": (3, 24)}),
])  # fmt: skip
def test_realistic_inputs_are_the_parts(name, part, shapes):
    inputs = load_policy(name).frames(part, 3, seed=1)
    assert {name: values.shape for name, values in inputs.items()} == shapes


class _Driver:
    """Answers as golden does, but for one number of one answer."""

    def __init__(self, demo, wrong):
        self.demo, self.wrong, self.answers = demo, wrong, 0

    def act(self, given):
        text = np.stack([self.demo.text_encoder(told) for told in given["instruction"]])
        state = main_job.normalize_state(given["state"])
        out = self.demo.integer_policy()(given["image"], state, text) * np.float32(MAX_STEP)
        for chunk in out:
            chunk[3, 1] += np.float32(MAX_STEP / 128) * (self.answers == self.wrong)
            self.answers += 1
        return out


def test_one_wrong_answer_is_counted_and_ends_the_job():
    demo = load_demo()
    images, states = demo.recorded["images"][:4], np.tile(STATE_CENTRE, (4, 1))
    for wrong, found in ((5, 1), (99, 0)):
        checked = main_job._Checked(_Driver(demo, wrong), demo)
        for _ in range(2):
            checked(images, states, np.array(["reach the red cube"] * 4))
        assert (checked.count, checked.wrong) == (8, found)
    with pytest.raises(HwgenError, match="1 of 8 inferences through the driver differ"):
        main_job._judge({"robot": {"RTL": {"inferences": 8, "wrong_inferences": 1}}})
