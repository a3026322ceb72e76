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
    demo = post_training.load_demo("demo-nonorm")
    rows = post_training.table(demo, {"float": 10, "W4A8": 9}, episodes=10)
    assert [row["points"] for row in rows.values()] == [0.0, 10.0]


def test_main_prints_the_rows_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(post_training, "run_episodes", lambda policy, seeds, **_: Report(0.5))
    rows = post_training.main(["--policy", "demo-nonorm", "--bits", "4", "--frames", "4", "--only", "W4A8", "float"])
    told = capsys.readouterr().out
    assert list(rows) == ["float", "W4A8"] and "W4A8" in told and "50.0 %" in told


def test_unknown_rows():
    with pytest.raises(InputError, match="no row W3A8; there are float, trained on, W8A8"):
        post_training.main(["--policy", "demo-nonorm", "--bits", "8", "--frames", "4", "--only", "W3A8"])
