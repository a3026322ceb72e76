"""The checks of a graph: each names the node and the reason."""

import re

import numpy as np
import pytest

from hwgen.errors import GraphError, UnsupportedError
from hwgen.graph import ACC, Graph, GraphBuilder, IntType, Tensor, ops
from hwgen.graph.activations import FUNCTIONS, activation_table
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from hwgen.graph.scaling import softmax_table


def one(v: int) -> np.ndarray:
    return np.array([v], np.int64)


def mlp() -> Graph:
    b = GraphBuilder("mlp")
    x = b.input("x", (3,))
    a = b.linear(x, np.ones((3, 2), int), 1.0, weight_bits=2, name="fc")
    b.output(b.requantize(a, scale=4.0, name="y"))
    return b.build()


def test_facts():
    g = mlp()
    assert g.macs() == 6 and g.producer("y").op == "Requantize" and g.producer("x") is None
    assert [n.name for n in g.consumers("fc")] == ["y"] and g.input_range("x") == (-128, 127)
    r = g.ranges()["fc"]
    assert r.lo.tolist() == [-384, -384] and r.hi.tolist() == [381, 381]
    assert str(IntType(4, False)) == "uint4" and ACC.is_wide and IntType(8).bounds(narrow=True) == (-127, 127)
    assert IntType(8, False).numpy == np.uint8 and ACC.numpy == np.int32


def broken(change) -> Graph:
    g = mlp()
    change(g)
    return g


BROKEN = {
    "no outputs": (lambda g: g.outputs.clear(), "no outputs"),
    "no inputs": (lambda g: g.inputs.clear(), "no inputs"),
    "unknown output": (lambda g: g.outputs.append("z"), "output 'z'.*made by no node"),
    "order": (lambda g: g.nodes.reverse(), "'y' reads 'fc', which no earlier node makes.*cycle"),
    "twice": (lambda g: g.nodes.append(g.nodes[-1]), "named 'y'"),
    "made twice": (lambda g: setattr(g.nodes[1], "output", "fc"), "'y' makes 'fc', which exists"),
    "no entry": (lambda g: g.tensors.pop("fc"), "'fc' has no entry"),
    "shape": (lambda g: setattr(g.tensors["fc"], "shape", (5,)), r"'fc' \(Linear\): it makes shape \(2,\)"),
    "rows": (lambda g: setattr(g.tensors["x"], "shape", (5,)), "'fc'.*weight has 3 rows"),
    "arity": (lambda g: setattr(g.nodes[0], "inputs", ("x", "x")), "'fc'.*2 inputs"),
    "weight range": (lambda g: setattr(g.nodes[0], "weight", np.full((3, 2), 5, np.int8)), "'fc'.*within 2 bits"),
    "weight bits": (lambda g: setattr(g.nodes[0], "weight_bits", 9), "'fc'.*weights of 9 bits"),
    "no weight bits": (lambda g: setattr(g.nodes[0], "weight_bits", 0), "'fc'.*weights of 0 bits"),
    "channel axis": (lambda g: setattr(g.nodes[1], "channel_axis", 1), "'y'.*axis 1; shape .2,. has none"),
    "empty": (lambda g: setattr(g.tensors["x"], "shape", (0,)), "input 'x' has shape .0,.; each axis needs one"),
    "acc type": (lambda g: setattr(g.tensors["fc"], "dtype", IntType(8)), "'fc'.*must be int32"),
    "scale": (lambda g: setattr(g.tensors["y"], "scale", 0.0), "'y'.*scale.*positive"),
    "channel scale": (lambda g: setattr(g.tensors["y"], "scale", np.ones(2)), "'y'.*scale per channel"),
    "mult": (lambda g: g.nodes[1].mult.__setitem__(0, one(2**17)), "'y'.*multiplier 0 reaches"),
    "mults": (lambda g: g.nodes[1].mult.append(one(1)), "'y'.*2 multipliers for 1 inputs"),
    "mult dtype": (lambda g: g.nodes[1].mult.__setitem__(0, np.ones(1)), "'y'.*multiplier 0 must be integers"),
    "mult length": (lambda g: g.nodes[1].mult.__setitem__(0, np.ones(3, int)), "'y'.*one or 2"),
    "bias": (lambda g: setattr(g.nodes[1], "bias", one(2**47)), "'y'.*bias reaches"),
    "shift": (lambda g: setattr(g.nodes[1], "shift", one(64)), "'y'.*shift"),
    "clamp": (lambda g: setattr(g.nodes[1], "hi", 128), "'y'.*clamp -128 to 128"),
    "wide read": (lambda g: setattr(g.tensors["x"], "dtype", ACC), "'fc'.*cannot read the int32"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_named(case):
    change, words = BROKEN[case]
    with pytest.raises(GraphError, match=words):
        broken(change).validate()


def single(node: ops.Node, *ins: Tensor, out: Tensor) -> Graph:
    tensors = {t.name: t for t in (*ins, out)}
    return Graph("g", [t.name for t in ins], [out.name], tensors, [node])


X, Y = Tensor("x", (4,), IntType(8), 1.0), Tensor("y", (4,), IntType(8), 1.0)
KW = {"name": "n", "inputs": ("x",), "output": "y"}


def softmax(**change) -> ops.Softmax:
    """A valid node over KW's tensors, with some fields changed."""
    return ops.Softmax(
        **{**KW, "table": softmax_table(0.1), "mult": 1 << 16, "shift": 31, "step": 0.1, "hi": 127, **change}
    )


BAD_NODES = {
    "eps": (ops.LayerNorm(**KW, gamma_mult=one(1), bias=one(0), shift=one(0), eps_int=0), "eps_int 0"),
    "table size": (ops.Lookup(**KW, table=np.zeros(16, int)), "256 entries"),
    "table range": (ops.Lookup(**KW, table=np.full(256, 200)), "range of int8"),
    "softmax table size": (softmax(table=np.zeros(16, int)), "256 entries"),
    "softmax table": (softmax(table=softmax_table(0.1)[::-1]), "must fall from 2..23"),
    "softmax multiplier": (softmax(mult=1 << 17), "multiplier is 131072"),
    "softmax shift": (softmax(shift=48), "shift is 48"),
    "softmax step": (softmax(step=0.0), "step is 0.0"),
    "softmax clamp": (softmax(hi=255), "clamp 0 to 255 is not within int8"),
    "slice": (ops.Slice(**KW, axis=0, start=4, stop=9), "empty"),
    "perm": (ops.Transpose(**KW, perm=(1,)), "perm"),
    "reshape": (ops.Reshape(**KW, shape=(3,)), "elements"),
    "pool": (ops.MaxPool(**KW, kernel=(2,), stride=(1,), pads=(0, 0)), "kernel"),
    "conv": (ops.Conv1D(**KW, weight=np.ones((1, 1, 1), np.int8)), "channels first"),
}


@pytest.mark.parametrize("case", BAD_NODES)
def test_bad_nodes(case):
    node, words = BAD_NODES[case]
    with pytest.raises(GraphError, match=f"'n'.*{words}"):
        single(node, X, out=Y).validate()


def test_rows_have_a_longest():
    long = Tensor("x", (65536,), IntType(8), 1.0)
    with pytest.raises(GraphError, match=r"'n'.*\(65536,\).*at most 65535"):
        single(softmax(), long, out=Tensor("y", (65536,), IntType(8), 1.0)).validate()


def test_sums_that_overflow_are_found():
    b = GraphBuilder()
    w = np.full((65536 * 4, 1), -128)
    b.output(b.wide(b.linear(b.input("x", (len(w),)), w, 1.0, name="fc")), "y")
    with pytest.raises(GraphError, match="'fc'.*beyond int32"):
        b.build()


def test_lane_sums_that_overflow_are_found():
    node = ops.Requantize(**KW, mult=[one(2**16)], bias=one(0), shift=one(0))
    g = single(node, Tensor("x", (4,), ACC, 1.0), out=Y)
    g.tensors["x"].dtype = ACC
    assert g.ranges()["y"].peak == 2.0**47
    node.mult[0], node.bias = one(2**17 - 1), one(2**47 - 1)
    assert g.validate()  # the widths of the lane leave room for every single input
    node.inputs, node.mult = ("x", "x"), [one(2**17 - 1), one(2**26 - 1)]
    with pytest.raises(GraphError, match="cannot read the int32"):
        g.validate()


def test_concat_needs_one_type_and_scale():
    b = GraphBuilder()
    x, z = b.input("x", (2,)), b.input("z", (2,), scale=0.5)
    b.output(b.concat([x, z]), "y")
    with pytest.raises(GraphError, match="Concat.*different scales"):
        b.build()
    b = GraphBuilder()
    x, z = b.input("x", (2,)), b.input("z", (2,), bits=4)
    b.output(b.concat([x, z]), "y")
    with pytest.raises(GraphError, match="cannot change"):
        b.build()


def image(b: GraphBuilder) -> str:
    return b.input("image", (2, 5, 5))


def conv(b: GraphBuilder, **how) -> str:
    return b.conv(image(b), np.ones((3, 2, 3, 3), int), 1.0, name="conv", **how)


BUILDER = {
    "bits": (lambda b: b.requantize("x", bits=16), UnsupportedError, "16 bits"),
    "scale": (lambda b: b.requantize("x", scale=0.0), UnsupportedError, "positive"),
    "nan scale": (lambda b: b.input("z", (1,), scale=np.nan), UnsupportedError, "positive"),
    "weight scale": (lambda b: b.linear("x", np.ones((3, 1), int), -1.0, name="fc"), UnsupportedError, "'fc'"),
    "float weight": (lambda b: b.linear("x", np.ones((3, 1)), 1.0, name="fc"), GraphError, "'fc'.*integers"),
    "unknown tensor": (lambda b: b.requantize("nothing"), GraphError, "'nothing'"),
    "unknown function": (lambda b: b.activation("x", "magic"), UnsupportedError, "'magic'.*gelu"),
    "nan function": (lambda b: b.activation("x", np.log), UnsupportedError, "NaN"),
    "wide activation": (
        lambda b: b.activation(b.linear("x", np.ones((3, 1), int), 1), "relu"),
        UnsupportedError,
        "int32",
    ),
    "eps": (lambda b: b.layernorm("x", 1.0, eps=-1.0), UnsupportedError, "epsilon"),
    "softmax gain": (lambda b: b.softmax("x", gain=-1.0, name="p"), UnsupportedError, "'p'.*positive"),
    "softmax scale": (lambda b: b.softmax("x", scale=1000.0, name="p"), UnsupportedError, "'p'.*1000.*near 2"),
    "shapes": (lambda b: b.requantize("x", residual=b.input("z", (4,))), GraphError, "broadcast"),
    "3-D conv": (lambda b: b.conv("x", np.ones((1, 1, 1, 1, 1), int), 1.0), UnsupportedError, "3 spatial"),
    "rename": (lambda b: b.output("x", "w"), GraphError, "input"),
    "empty input": (lambda b: b.input("z", (4, 0)), GraphError, "input 'z' has shape .4, 0."),
    "empty weight": (lambda b: b.linear("x", np.ones((3, 0), int), 1.0, name="fc"), GraphError, "'fc'.*no number"),
    "nothing to join": (lambda b: b.concat([], name="both"), GraphError, "'both' .Concat.*no inputs"),
    "joined axis": (lambda b: b.concat(["x", "x"], 3, name="both"), GraphError, "'both' .Concat.*no axis 3"),
    "cut axis": (lambda b: b.slice("x", 1, 0, 2, name="cut"), GraphError, "'cut' .Slice.*no axis 1"),
    "no stride": (lambda b: b.maxpool(image(b), 2, 0, name="most"), GraphError, "'most' .MaxPool.*stride .0, 0."),
    "no kernel": (lambda b: b.maxpool(image(b), 0, name="most"), GraphError, "'most' .MaxPool.*kernel .0, 0."),
    "pads": (lambda b: conv(b, pads=-1), GraphError, "'conv' .Conv2D.*pads .-1"),
    "dilation": (lambda b: conv(b, dilation=0), GraphError, "'conv' .Conv2D.*dilation .0, 0."),
    "groups": (lambda b: conv(b, groups=0), GraphError, "'conv' .Conv2D.*groups 0"),
}


@pytest.mark.parametrize("case", BUILDER)
def test_builder_says_what_is_wrong(case):
    call, error, words = BUILDER[case]
    b = GraphBuilder()
    b.input("x", (3,))
    with pytest.raises(error, match=words):
        call(b)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_tables_round_the_function(name):
    x = np.arange(-128, 128)
    table = activation_table(name, IntType(8), 2.0**-5, 2.0**-6, -128, 127)
    want = np.round(np.clip(np.float32(FUNCTIONS[name](x / 32)) * 64, -128, 127))
    assert np.array_equal(table, want)


def test_narrow_types_fill_their_table():
    table = activation_table("identity", IntType(4, False), 1.0, 1.0, 0, 255)
    assert table[:16].tolist() == list(range(16)) and (table[16:] == 15).all()


def test_random_graphs_repeat_and_respect_limits():
    limits = Limits(vectors=True, max_width=9)
    a, b = random_graph(5, limits), random_graph(5, limits)
    assert [repr(n) for n in a.nodes] == [repr(n) for n in b.nodes]
    for seed in range(30):
        g = random_graph(seed, limits)
        assert {n.op for n in g.nodes} <= {"Linear", "Requantize", "Lookup", "LayerNorm"}
        assert all(len(t.shape) == 1 and t.shape[0] <= 9 for t in g.tensors.values())
        assert all(re.fullmatch(r"\w+", n.name) for n in g.nodes)
        assert random_inputs(g, seed, 3)["x"].shape == (3, *g.tensors["x"].shape)
