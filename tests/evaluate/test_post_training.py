"""The table of what quantization after training costs: rows, points, unknown rows."""

import pytest

pytest.importorskip("safetensors", reason="needs the flow environment")

from hwgen.errors import InputError  # noqa: E402
from hwgen.evaluate import post_training  # noqa: E402


class Report:
    def __init__(self, success: float) -> None:
        self.success = success

    def summary(self) -> dict:
        return {"success": self.success, "steps_min": None, "steps_mean": None}


def test_points_lost_against_float(monkeypatch):
    monkeypatch.setattr(post_training, "run_episodes", lambda policy, seeds, **_: Report(policy / len(seeds)))
    demo = post_training.load_policy("demo-nonorm")
    rows = post_training.table(demo, {"float": 10, "W4A8": 9}, episodes=10)
    assert [row["points"] for row in rows.values()] == [0.0, 10.0]


def test_rows_tell_the_bits_of_their_weights():
    demo = post_training.load_policy("demo-nonorm")
    found = {
        name: post_training.stored(demo, name, policy)
        for name, policy in post_training.policies(demo, ["8", "auto"], 16).items()
    }
    assert (found["float"], found["QAT W4A8"], found["W8A8"]) == ("float", "4", "8")
    assert found["WautoA8"].startswith("4 in ") and ", 8 in " in found["WautoA8"]


def test_main_prints_the_rows_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(post_training, "run_episodes", lambda policy, seeds, **_: Report(0.5))
    rows = post_training.main(["--policy", "demo-nonorm", "--bits", "4", "--frames", "4", "--only", "W4A8", "float"])
    told = capsys.readouterr().out
    assert list(rows) == ["float", "W4A8"] and "W4A8" in told and "50.0 %" in told


def test_unknown_rows():
    with pytest.raises(InputError, match="no row W3A8; there are float, QAT W4A8, W8A8"):
        post_training.main(["--policy", "demo-nonorm", "--bits", "8", "--frames", "4", "--only", "W3A8"])
