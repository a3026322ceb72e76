"""Where the clocks went, unit by unit: nothing is missing, nothing counted twice."""

from collections import Counter

import numpy as np
import pytest

from hwgen.errors import FitError
from hwgen.graph.random_networks import KINDS, Sizes, random_network
from hwgen.schedule import compile_graph, compile_onto
from hwgen.schedule.account import Account
from hwgen.schedule.instructions import Fetch
from hwgen.schedule.layers import layers
from tests.support import cases


def test_waits_and_work_in_order():
    account = Account(lost={"START": 2}, until=2)
    account.wait("DIN", 10)
    account.wait("ROW", 7)  # past: nothing
    account.work(np.array([12, 13, 20]), "MM")
    account.wait("END", 30)
    assert account.as_dict() == {"busy": 3, "idle": 27, "lost": {"START": 2, "DIN": 8, "MM": 8, "END": 9}}


@pytest.mark.parametrize("kind", KINDS)
def test_clocks_of_each_unit_add_up_to_the_latency(kind, seed):
    for i in range(cases(3, 60)):
        design = compile_graph(random_network(seed + i, kind, Sizes(layers=1, steps=2)), 8, 8)
        if i % 2:
            sizes = {"weight_depth": max(len(design.program.weights) * 3 // 4, 1), "stream_ports": 2}
            sizes |= {"prog_depth": 4096, "unit_prog_depth": 4096}
            try:
                design = compile_onto(design.graph, design.config.resized(**sizes))
            except FitError:  # not even most of the weights suffice
                continue
        check(design)


def check(design) -> None:
    timing, program = design.timing, design.program
    work = Counter()
    for span in timing.spans:
        work[span.unit] += span.work
    for unit, account in timing.units.items():
        assert account.busy + account.idle == timing.latency and min(account.lost.values()) >= 0, unit
        assert account.idle == sum(account.lost.values())
        assert unit == "DIN" or account.busy == work[unit], unit
    assert timing.units.keys() == work.keys()
    array = timing.units["MM"]
    lost = Counter()
    for layer in layers(timing):
        lost.update(layer.lost)
    assert array.busy == timing.issued and {k: v for k, v in lost.items() if v} == array.lost
    assert timing.units["DIN"].busy == beats(program.din) and timing.units["DOUT"].busy == beats(program.dout)
    words = sum(ins.words for ins in program.stream if isinstance(ins, Fetch))
    assert "STREAM" not in timing.units or timing.units["STREAM"].busy == words * design.config.stream_beats


def beats(instructions) -> int:
    return sum(getattr(ins, "beats", 0) for ins in instructions)
