"""The whole robot's budget adds up, and says by what it knows each figure."""

import json

import pytest

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.cli.common import graph_file
from hwgen.codesign import shared
from hwgen.codesign.plan import Camera, Host, plan
from hwgen.codesign.shared import Turn
from hwgen.errors import FitError, InputError
from hwgen.graph import qonnx_in
from hwgen.policies import zoo
from hwgen.schedule import fit


def test_the_budget_of_the_demo_adds_up(capsys):
    with graph_file("demo") as file:
        told = plan([file], Camera.parse("1x64x64@30"), "zcu104", Host(), 8, 25.0)
        chosen = generate.choose(qonnx_in.load(file), boards.load("zcu104"), None)
    assert sum(stage["ms"] for stage in told["stages"]) == pytest.approx(told["latency_ms"])
    assert told["accelerator_ms"] == pytest.approx(chosen.timing.latency / 250e3)
    assert told["rate_hz"] == 30 and told["binds"] == "sensor" and told["keeps_up"]
    assert told["chunk_ms"] == 320 and told["actions_a_second"] == 240
    shown = capsys.readouterr().out
    assert "30.0 observations a second" in shown and "the robot never waits" in shown
    assert all(stage["name"] in shown for stage in told["stages"])


def test_an_encoder_runs_for_each_camera_and_shares_the_engine(tmp_path, capsys):
    with (
        graph_file("zoo:octo-smallstem-128-small") as encoder,
        graph_file("zoo:octo-small-diffusion-head-small") as head,
    ):
        args = [encoder, head], Camera.parse("2x128x128@60"), "zcu104", Host(20.0, 1.0)
        told = plan(*args, as_json=True)
    assert json.loads(capsys.readouterr().out) == told
    names = [stage["name"] for stage in told["stages"]]
    assert names.index("host: transformer") == len(names) - 5  # load, DMA, array of the head, and the driver follow
    assert any("2 x " in stage["known_by"] for stage in told["stages"])
    assert told["binds"] == "host" and told["rate_hz"] == pytest.approx(
        1e3 / (told["host_ms"] + told["accelerator_ms"])
    )
    assert told["rate_hz"] < 1e3 / 21


def test_graphs_that_share_an_engine_are_compiled_for_it():
    turns = [Turn(zoo.graph(f"zoo:{name}"), runs) for name, runs in (("tdmpc-small", 2), ("mlperf-tiny-ad-small", 1))]
    board = boards.load("zcu104")
    designs = shared.engine(turns, board)
    assert designs[0].config == designs[1].config and not fit.over(designs[0].config, board)
    assert all(d.graph is turn.graph for d, turn in zip(designs, turns, strict=True))
    total = sum(d.timing.latency * turn.runs + shared.load(d) for d, turn in zip(designs, turns, strict=True))
    assert shared.clocks(turns, designs) == total
    with pytest.raises(FitError, match="no engine of ulx3s holds .* the nearest, "):
        shared.engine(turns, boards.load("ulx3s"))


@pytest.mark.parametrize("text", ["", "64x64@30", "0x64x64@30", "1x64x64", "1x64x64@0", "ax64x64@30", "1x64x64@1e9"])
def test_a_camera_that_is_none(text):
    with pytest.raises(InputError, match="is not COUNTxHEIGHTxWIDTH@FPS: give, for instance, 2x224x224@30"):
        Camera.parse(text)


def test_what_does_not_match_is_told():
    with graph_file("demo") as file:
        with pytest.raises(InputError, match="demo takes 1 picture, --camera gives 2: .*as two --policy"):
            plan([file], Camera.parse("2x64x64@30"), "zcu104", Host())
        with pytest.raises(InputError, match="--action-hz must be positive, not 0"):
            plan([file], Camera.parse("1x64x64@30"), "zcu104", Host(), 1, 0)
    for name, host in {"transformer": (-1.0,), "preprocess": (0.0, float("nan"))}.items():
        with pytest.raises(InputError, match=f"--host-{name}-ms must be 0 or more"):
            Host(*host)
