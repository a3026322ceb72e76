"""The search finds what trying everything finds, never compiles in vain, and says why it refuses."""

import dataclasses
import json

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.engine import generate
from hwgen.backends.options import Options
from hwgen.codesign import space
from hwgen.codesign.search import Wish, search
from hwgen.errors import FitError
from hwgen.graph import GraphBuilder, qonnx_out
from hwgen.graph.random_graphs import Limits, random_graph
from hwgen.policies import zoo
from hwgen.schedule import compile_graph, fit
from hwgen.schedule.budget import fitted
from tests.support import cases

BOARDS = ("zcu104", "ultra96v2", "pynq-z2", "ulx3s")


def mlp(widths, bits=4, seed=1):
    rng, b = np.random.default_rng(seed), GraphBuilder("mlp")
    x, top = b.input("x", (widths[0],), bits=8, signed=True, scale=2**-6), 1 << (bits - 1)
    for n, m in zip(widths, widths[1:], strict=False):
        acc = b.linear(x, rng.integers(-top, top, (n, m)), 2**-4, rng.normal(0, 1, m), weight_bits=bits)
        x = b.requantize(acc, bits=8, signed=True, scale=2**-3)
    b.output(x, "y")
    return b.build()


def everything(graph, board, ports):
    """(clocks, cost) of every configuration that fits, by trying all."""
    out = []
    for n, m in space.arrays(board):
        try:
            design = compile_graph(graph, n, m)
        except FitError:
            continue
        for p, least in [(0, False), *((p, least) for p in range(1, ports + 1) for least in (False, True))]:
            try:
                found = fitted(design, board, p, least)
            except FitError:
                continue
            out.append((found.timing.latency, space.cost(found.config, board)))
    return out


def networks(seed):
    """Small ones, of all kinds."""
    for i in range(cases(3, 40)):
        yield f"random{i}", random_graph(seed + i, Limits())
    for name in cases(
        ("mlperf-tiny-ad-small",), ("mlperf-tiny-ad", "tdmpc-small", "vit-tiny-small", "resnet18-84-small")
    ):
        yield name, zoo.graph(f"zoo:{name}")


@pytest.mark.parametrize("board", BOARDS)
def test_it_is_as_good_as_trying_everything(board, seed):
    board = boards.load(board)
    ports = fit.stream_ports(board)
    for name, graph in networks(seed):
        every = everything(graph, board, ports)
        if not every:
            with pytest.raises(FitError, match=f"no array fits {board.name}"):
                search(graph, board, Wish(ports=ports))
            continue
        fastest = search(graph, board, Wish(ports=ports))
        assert fastest.chosen.clocks == fastest.design.timing.latency == min(every)[0], name
        assert not fit.over(fastest.design.config, board)
        limit = (min(every)[0] + max(every)[0]) // 2
        cheapest = search(graph, board, Wish(limit, ports))
        assert cheapest.chosen.cost == min(cost for clocks, cost in every if clocks <= limit), name
        assert cheapest.design.timing.latency <= limit
        for found in (fastest, cheapest):
            assert all(c.bound <= c.clocks for c in found.candidates if c.clocks is not None), name
            assert {(c.n, c.m) for c in found.candidates} == set(space.arrays(board))
            assert all(c.why for c in found.candidates if c.verdict != "chosen")


def test_what_cannot_win_is_not_compiled(monkeypatch):
    compiled = []
    monkeypatch.setattr(
        "hwgen.codesign.search.compile_graph", lambda g, n, m: compiled.append((n, m)) or compile_graph(g, n, m)
    )
    found = search(mlp((256, 512, 512)), boards.load("zcu104"), Wish(ports=3))
    assert 0 < len(compiled) < 8 and (8, 8) not in compiled and (64, 64) not in compiled
    bounded = [c for c in found.candidates if c.verdict == "bounded"]
    assert bounded and all(c.bound > found.chosen.clocks for c in bounded)


def test_weights_come_from_ddr_where_the_chip_is_too_small():
    found = search(mlp((2048, 4096, 2048)), boards.load("kv260"), Wish(ports=3))
    assert found.chosen.ports == 3 == found.design.config.stream_ports
    with pytest.raises(FitError, match=r"no memory port|with weights from DDR \(--weights auto\)"):
        search(mlp((2048, 4096, 2048)), boards.load("kv260"), Wish())


def test_no_more_multipliers_than_allowed():
    found = search(mlp((64, 64, 64)), boards.load("zcu104"), Wish(multipliers=512))
    assert found.chosen.n * found.chosen.m <= 512
    with pytest.raises(FitError, match="the smallest is 8x8, allow 64"):
        search(mlp((64, 64, 64)), boards.load("zcu104"), Wish(multipliers=63))


def test_a_deadline_below_the_bound_states_it():
    graph, board = mlp((512, 512, 512)), boards.load("zcu104")
    fastest = search(graph, board, Wish()).chosen.clocks
    with pytest.raises(
        FitError, match=rf"within 50 clocks .*takes {fastest} \(.* us\), and the bound.* is \d+"
    ) as told:
        search(graph, board, Wish(50))
    assert "\n" not in str(told.value)
    assert search(graph, board, Wish(fastest)).chosen.clocks == fastest


def test_what_fits_nowhere_says_by_how_much_and_what_would_help():
    small = dataclasses.replace(boards.load("zcu104").resources, bram36=30, uram=0)
    board = dataclasses.replace(boards.load("zcu104"), resources=small, name="tiny")
    would = r"it would fit with weights from DDR .*, with weights of 4 bits \(\d+x\d+\), on kr260, .*on zcu104"
    with pytest.raises(FitError, match=rf"no array fits tiny\. The nearest, \d+x\d+: bram36 \d+ of 30.* {would}"):
        search(mlp((256, 256, 256), bits=8), board, Wish())


@pytest.fixture
def onnx(tmp_path):
    qonnx_out.save(mlp((64, 128, 64)), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_generate_takes_and_reports_what_is_found(onnx, tmp_path):
    out = backends.generate(onnx, "zcu104", "engine", Options(), tmp_path / "net")
    report = json.loads((out / "report.json").read_text())
    (chosen,) = [c for c in report["search"]["candidates"] if c["verdict"] == "chosen"]
    assert chosen["array"] == report["array"] and chosen["predicted_cycles"] == report["predicted_cycles"]
    assert chosen["resources"] == report["resources"] and report["search"]["gap_cycles"] == 0
    assert report["search"]["objective"] == "latency" and report["search"]["limit_cycles"] is None
    asked = backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8)), tmp_path / "asked")
    assert "search" not in json.loads((asked / "report.json").read_text())


def test_generate_meets_a_deadline_or_a_rate(onnx, tmp_path):
    limits = {"deadline_us": Options(deadline_us=2.0), "rate_hz": Options(rate_hz=500_000)}
    for name, options in limits.items():
        out = backends.generate(onnx, "zcu104", "engine", options, tmp_path / name)
        report = json.loads((out / "report.json").read_text())
        assert report["predicted_cycles"] <= report["search"]["limit_cycles"] == 500
        assert report["search"]["objective"] == "cost"
    with pytest.raises(FitError, match="8x8 array takes .* clocks, the deadline allows 25 .*leave --array and --like"):
        backends.generate(onnx, "zcu104", "engine", Options(array=(8, 8), deadline_us=0.1), tmp_path / "late")
    assert not (tmp_path / "late").exists()


def test_the_space_is_that_of_the_family():
    assert len(space.arrays(boards.load("zcu104"))) == 16 and space.arrays(boards.load("ulx3s")) == [(8, 8)]
    assert generate.find(mlp((16, 16)), boards.load("ulx3s"), Options()).chosen.name == "8x8"
