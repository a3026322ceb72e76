"""Every entry of the zoo: it is what the catalogue says, it is alive, and files and references keep its integers."""

import numpy as np
import pytest

from hwgen.graph import ops, qonnx_in, quantize_inputs, run
from hwgen.policies import zoo
from hwgen.policies.demo import load_demo
from hwgen.policies.zoo.catalogue import ENTRIES, SMALL
from hwgen.policies.zoo.show import tensors, weights
from hwgen.reference.verification import verify
from hwgen.schedule.compile import compile_graph
from tests.support import FULL, cases

QUICK = 50_000_000
"""Full sizes of at most so many multiplications are run in make test, too."""
SMALLS = [entry.name + SMALL for entry in ENTRIES]
REFERENCED = cases(list({e.module: e.name + SMALL for e in reversed(ENTRIES)}.values()), SMALLS)
"""One of each module in make test, for compiling the references takes long."""
NAMES = SMALLS + [entry.name for entry in ENTRIES if FULL or entry.full.macs <= QUICK]


def random_inputs(graph, rng, count):
    """Uniformly random integers, other than the ones that scales were set from; for the trained demo, what it saw."""
    if "demo" in graph.name:
        seen = load_demo().recorded
        rows = rng.choice(len(seen["images"]), count, replace=False)
        pictures, text = seen["images"][rows].transpose(0, 3, 1, 2) / 255, seen["text"][rows % len(seen["text"])]
        return quantize_inputs(graph, {"image": pictures, "state": seen["state"][rows], "text": text})
    shapes = {name: graph.tensors[name].shape for name in graph.inputs}
    ranges = {name: graph.input_range(name) for name in graph.inputs}
    return {name: rng.integers(*ranges[name], (count, *shapes[name]), endpoint=True) for name in graph.inputs}


def entropy(values):
    """Bits of the distribution of integers."""
    share = np.bincount((values - values.min()).ravel()) / values.size
    share = share[share > 0]
    return -(share * np.log2(share)).sum()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_what_the_catalogue_says_and_alive(name, rng):
    """Outputs take many values, few of them saturated, and depend on the inputs; so does every tensor on the way."""
    chosen = zoo.find(name)
    graph = chosen.build()
    found = tensors(graph, graph.inputs), tensors(graph, graph.outputs), graph.macs(), weights(graph)
    assert found == (chosen.size.inputs, chosen.size.outputs, chosen.size.macs, chosen.size.weights)
    values = run(graph, random_inputs(graph, rng, 4), keep=True)
    for output in graph.outputs:
        assert entropy(values[output]) > 3, output
    for node in graph.nodes:
        y, dtype = values[node.output], graph.tensors[node.output].dtype
        if dtype.is_wide or node.op == "Constant":
            continue
        if node.output.endswith((".step.next", ".step.noisy")):
            continue  # a diffusion model clips these
        ends = (y == dtype.hi).mean() + (y == dtype.lo).mean() * dtype.signed
        assert ends < (0.5 if chosen.entry.name == "demo" else 0.25), f"{node.output}: {ends:.0%} saturated"
        assert (y != 0).mean() > 0.05, f"{node.output}: dead"
    first, *others = (np.concatenate([values[o][i].ravel() for o in graph.outputs]) for i in range(4))
    assert all((first != other).mean() > 0.3 for other in others)


@pytest.mark.parametrize("name", REFERENCED)
def test_a_file_and_a_reference_keep_every_integer(name, rng, tmp_path):
    graph = zoo.graph(name)
    inputs = random_inputs(graph, rng, 3)
    again = qonnx_in.load(zoo.save(name, tmp_path))
    want = run(graph, inputs)
    for output, values in run(again, inputs).items():
        np.testing.assert_array_equal(values, want[output])
    report = verify(graph, ["jax-int"], inputs)
    assert report.ok and report.exact[0].values > 0, report.exact


@pytest.mark.parametrize("name", SMALLS)
def test_a_small_one_is_small(name):
    """At most 30,000 clocks on a 16x16 array, so that simulating its RTL takes seconds."""
    assert compile_graph(zoo.graph(name), 16, 16).timing.latency <= 30_000


PUBLISHED = [
    # Name, multiplications, weights, and how far ours may be off: biases, norms, embeddings are not counted.
    # The layers of arXiv:2206.11791, table 2.
    ("mlperf-tiny-kws", 490 * 256 + 2 * 256 * 256 + 256 * 12, 490 * 256 + 2 * 256 * 256 + 256 * 12, 0.0),
    ("mlperf-tiny-ad", 20_736, 2 * 64 * 72 + 2 * 72 * 72 + 2 * 72 * 8, 0.0),
    # torchvision's resnet18: 1.814 GMACs at 224, 11,689,512 parameters, 513,000 of them the classifier's.
    ("resnet18-84,image=224", 1.814e9, 11_689_512 - 513_000, 0.002),
    # timm's deit_tiny_patch16_224: 1.258 GMACs, 5,717,416 parameters.
    ("deit-tiny-224", 1.258e9, 5_717_416, 0.0125),
    # The parameters of DiffusionActionHead, 20 times but for the token's part of the first layer and the step's.
    ("octo-small-diffusion-head", 20 * 1_591_328, 1_703_564, 0.011),
    # 302 MB in bfloat16, and eight rows.
    ("oft-l1-head", 8 * 151.1e6, 151.1e6, 0.001),
]


def macs_with_padding(graph):
    """As others count them: a convolution multiplies its padding, too."""
    total = graph.macs()
    for node in graph.nodes:
        if isinstance(node, ops.Conv2D):
            positions = np.prod(graph.tensors[node.output].shape[1:])
            total += positions * node.weight.size - node.macs(graph.in_shapes(node))
    return total


@pytest.mark.parametrize(("name", "macs", "parameters", "bound"), PUBLISHED, ids=[p[0] for p in PUBLISHED])
def test_published_figures(name, macs, parameters, bound):
    if name == "oft-l1-head":  # it takes 2 GB: the catalogue's figures, which the full tests compare
        size = zoo.find(name).size
        assert (size.macs, size.weights) == pytest.approx((macs, parameters), rel=bound)
        return
    graph = zoo.graph(name)
    assert macs_with_padding(graph) == pytest.approx(macs, rel=bound)
    assert weights(graph) == pytest.approx(parameters, rel=bound)


def test_the_same_name_gives_the_same_graph_and_other_bits_another():
    x = random_inputs(zoo.graph("tdmpc-small"), np.random.default_rng(1), 2)
    first, again, other = (
        run(zoo.graph(text), x)["action"] for text in ("tdmpc-small", "tdmpc-small", "tdmpc-small,bits=4")
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", ["resnet18-84-small", "vit-tiny-small", "octo-small-diffusion-head-small"])
def test_steps_and_blocks_are_alive_with_four_bits(name, rng):
    graph = zoo.graph(f"{name},bits=4")
    first, *others = run(graph, random_inputs(graph, rng, 4))[graph.outputs[0]]
    assert entropy(first) > 3 and all((first != other).mean() > 0.3 for other in others)


def test_weights_have_the_bits_that_were_asked_for():
    for bits in zoo.WEIGHT_BITS:
        layers = [n for n in zoo.graph(f"mlperf-tiny-ad,bits={bits}").nodes if n.op == "Linear"]
        assert {n.weight_bits for n in layers} == {bits}
        assert max(np.abs(n.weight).max() for n in layers) == 2 ** (bits - 1) - 1


def test_golden_is_what_scales_were_set_with():
    """The batch that a net keeps while it grows is golden's."""
    from hwgen.graph.net import Net

    net = Net("check")
    x = net.input("x", (5, 8))
    y = net.output(net.dense(net.layernorm(x, "ln"), 6, "fc", "silu", residual=None), "y")
    np.testing.assert_array_equal(run(net.build(), {"x": net.values["x"]})["y"], net.values[y])
