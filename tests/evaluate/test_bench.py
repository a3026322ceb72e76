"""`hwgen bench`: the figures are of the simulated RTL, and those of docs/zoo.md are as high as they should be."""

import json

import pytest

from hwgen.cli.common import graph_file
from hwgen.evaluate import bench
from hwgen.policies.zoo.catalogue import ENTRIES
from tests.support import ROOT

BOUNDS = {
    "zoo:octo-smallstem-128": 0.80,
    "zoo:resnet18-84,bits=4": 0.80,
    "zoo:vit-tiny": 0.70,
    "zoo:deit-tiny-224,bits=4": 0.75,
    "zoo:octo-small-diffusion-head": 0.75,
}
BOUNDS_OF_POSSIBLE = {"zoo:resnet18-84": 0.80, "zoo:oft-l1-head,width=1024": 0.80}
"""Where weights stream from DDR: of the larger of what array and memory ports need."""
TOO_LARGE = ("oft-l1-head",)  # 151 MB of weights
OTHERS = [f"zoo:{entry.name}" for entry in ENTRIES if entry.name not in TOO_LARGE]

pytestmark = pytest.mark.rtl


def facts_of(network, array, folder, opener=graph_file):
    assert bench.bench([network], "zcu104", array, folder, opener), "a bit or a clock differs"
    (facts,) = json.loads((folder / "bench.json").read_text())
    return facts


def test_figures_are_those_of_the_simulation(tmp_path, capsys):
    facts = facts_of("zoo:mlperf-tiny-ad-small", (8, 8), tmp_path)
    assert bench.exact(facts) and facts["vectors"] == bench.FRAMES
    assert facts["utilization"] == 4608 / 64 / facts["latency_cycles"]
    assert sum(layer["busy"] + layer["idle"] for layer in facts["layers"]) == facts["latency_cycles"]
    assert facts["bound_cycles"] == 72 and facts["over"] == []
    told = capsys.readouterr()
    assert "zoo:mlperf-tiny-ad-small" in told.out and f"{facts['utilization']:.1%}" in told.out
    assert f"{facts['latency_cycles']:,} clocks" in told.err


@pytest.mark.parametrize("change", [{"bit_exact": False}, {"latency_cycles": 9}, {"latency_cycles_min": 9}])
def test_what_differs_is_told(change, capsys, monkeypatch, tmp_path):
    good = {"network": "x", "array": [8, 8], "weight_bits": 8, "latency_cycles": 10, "latency_cycles_min": 10,
            "predicted_cycles": 10, "streamed_bytes": 0, "cycles": {"array_busy": 5}, "utilization": 0.5,
            "share_of_bound": 0.5, "bit_exact": True, "over": ["dsp 2 of 1"]}  # fmt: skip
    monkeypatch.setattr(bench, "measure", lambda *_: good | change)
    assert not bench.bench(["demo:head"], "zcu104", None, None, graph_file)
    assert "NO" in capsys.readouterr().out
    monkeypatch.setattr(bench, "measure", lambda *_: good)
    assert bench.bench(["demo:head"], "zcu104", None, None, graph_file)
    told = capsys.readouterr().out
    assert "NO" not in told and "dsp 2 of 1" in told


def test_a_bound_of_the_memory_ports():
    """Weights that stream come 16 bytes a clock and port; the first port brings none."""
    assert bench.bound({"ideal_cycles": 100, "streamed_bytes": 0, "ddr_ports": 1}) == 100
    assert bench.bound({"ideal_cycles": 100, "streamed_bytes": 6401, "ddr_ports": 3}) == 201


def test_the_page_has_the_table():
    page = (ROOT / "docs/zoo.md").read_text()
    assert bench.ARRAYS.keys() == BOUNDS.keys() | BOUNDS_OF_POSSIBLE.keys()
    for network, (n, m) in bench.ARRAYS.items():
        assert f"| `{network.removeprefix('zoo:')}` | {n}x{m} |" in page, network


@pytest.mark.full
@pytest.mark.parametrize("network", sorted({*OTHERS, *bench.ARRAYS}))
def test_real_sizes_are_exact_and_keep_the_array_busy(network, tmp_path):
    facts = facts_of(network, bench.ARRAYS.get(network, bench.OTHERS), tmp_path)
    print(f"{network}: {facts['utilization']:.1%} in {facts['latency_cycles']:,} clocks")
    assert facts["utilization"] >= BOUNDS.get(network, 0)
    assert facts["share_of_bound"] >= BOUNDS_OF_POSSIBLE.get(network, 0)
