"""The best folding is the best of all, and the engine beats it by as much as it should."""

import itertools

import numpy as np
import pytest
from rich.console import Console

from hwgen.codesign.foldings import Block, best, blocks, compare
from hwgen.errors import FitError, HwgenError
from hwgen.graph import GraphBuilder, qonnx_out
from hwgen.policies import zoo
from tests.support import cases


def head(widths, tmp_path):
    rng, b = np.random.default_rng(1), GraphBuilder("head")
    x = b.input("x", (widths[0],), bits=8, signed=True, scale=2**-6)
    for n, m in itertools.pairwise(widths):
        acc = b.linear(x, rng.integers(-8, 8, (n, m)), 2**-4, rng.normal(0, 1, m), weight_bits=4)
        x = b.requantize(acc, bits=8, signed=True, scale=2**-3)
    b.output(x, "y")
    qonnx_out.save(b.build(), tmp_path / "head.onnx")
    return tmp_path / "head.onnx"


def test_no_other_folding_is_faster(rng):
    for _ in range(cases(5, 100)):
        layers = [Block(str(i), *(int(n) for n in rng.integers(1, 13, 3))) for i in range(3)]
        most = int(rng.integers(3, 40))
        found = best(layers, most)
        every = []
        for pes in itertools.product(*([d for d in range(1, 13) if x.mh % d == 0] for x in layers)):
            for simds in itertools.product(*([d for d in range(1, 13) if x.mw % d == 0] for x in layers)):
                if sum(p * s for p, s in zip(pes, simds, strict=True)) <= most:
                    folded = zip(layers, pes, simds, strict=True)
                    every.append(sum(x.positions * (x.mh // p) * (x.mw // s) for x, p, s in folded))
        assert found.clocks == min(every) and found.multipliers <= most and found.gap == 0
        assert all(f.block.mh % f.pe == f.block.mw % f.simd == 0 for f in found)


@pytest.mark.parametrize(
    ("widths", "multipliers", "most", "times"),
    [
        ((512, 512, 512, 512, 512), 1024, 1365, 3.0),
        ((512, 512, 512, 512, 32), 1024, 1045, 3.0),
        ((490, 256, 256, 256, 12), 512, 600, 2.5),
        ((64, 72, 72, 8, 72, 72, 64), 256, 220, 1.9),
    ],
    ids=["head-512", "head-512-32", "keyword-spotting", "anomaly-detection"],
)
def test_the_engine_beats_a_block_per_layer(widths, multipliers, most, times, tmp_path):
    told = compare(head(widths, tmp_path), "zcu104", multipliers, Console(quiet=True))
    n, m = told["engine"]["array"]
    assert n * m <= multipliers and told["foldings"]["multipliers"] <= multipliers and told["foldings"]["gap"] == 0
    assert told["engine"]["clocks"] <= most
    assert told["foldings"]["clocks"] >= times * told["engine"]["clocks"]


def test_every_layer_is_a_block_and_a_loop_shares_them():
    graph = zoo.graph("zoo:octo-small-diffusion-head-small")
    once = blocks(graph)
    steps = [node for node in graph.nodes if node.op == "Linear"]
    assert len(once) < len(steps) and max(block.positions for block in once) > 1
    assert sum(block.mw * block.mh * block.positions for block in once) == graph.macs()


def test_too_few_multipliers_and_nothing_to_fold():
    with pytest.raises(FitError, match="2 multipliers for 3 layers: a block per layer needs one each, allow 3"):
        best([Block(str(i), 4, 4, 1) for i in range(3)], 2)
    b = GraphBuilder("table")
    x = b.input("x", (8,), bits=8, signed=True, scale=2**-6)
    b.output(b.lookup(x, np.arange(-128, 128)), "y")
    with pytest.raises(HwgenError, match="nothing to fold"):
        blocks(b.build())
