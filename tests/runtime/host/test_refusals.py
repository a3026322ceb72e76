"""What is wrong with a host program is named; what is accepted computes what it says, whatever the file was."""

import copy
import json
import random

import numpy as np
import pytest

from hwgen.build.host_program import serialise
from hwgen.graph import Graph
from hwgen.graph.random_graphs import Limits, random_graph
from hwgen.graph.random_networks import Sizes, random_network
from hwgen.runtime.host import plan
from tests.runtime.host.compare import Refused, parsed
from tests.runtime.host.interpreter import interpret
from tests.support import cases

ARRAYS = {
    "w": np.ones((4, 3), np.int8),
    "k": np.ones((2, 1, 2), np.int8),
    "c": np.arange(10, dtype=np.int16).reshape(2, 5),
    "b": np.array([1, 2, 3], np.int16),
    "t": np.arange(256, dtype=np.int16),
    "e": np.array([1 << 23] * 256, np.int32),
}
LANE = {"mult": 1, "shift": 0, "lo": -128, "hi": 127}


def node(op, *inputs, **entries):
    return {"op": op, "inputs": list(inputs), "output": "y", **entries}


LINEAR = node("Linear", "x", weight="w")
CONV = node("Conv1D", "s", weight="k", stride=[1], pads=[0, 0], dilation=[1], groups=2)
REQUANTIZE = node("Requantize", "x", **LANE | {"mult": [1], "bias": 0, "relu": False})
ADD = node("Requantize", "x", "x", **LANE | {"mult": [1, 1], "bias": 0, "relu": False})
MUL = node("Mul", "x", "x", **LANE)
LOOKUP = node("Lookup", "x", offset=128, table="t")
NORM = node("LayerNorm", "x", gamma_mult=1, bias=0, shift=0, eps_int=1, rms=False, lo=-128, hi=127)
SOFTMAX = node("Softmax", "x", table="e", mult=1 << 16, shift=20, lo=0, hi=255)
POOL = node("SumPool", "s", kernel=[2], stride=[1], pads=[0, 0])
MAXPOOL = {**POOL, "op": "MaxPool", "fill": -128}
RESHAPE, TRANSPOSE = node("Reshape", "s", shape=[5, 2]), node("Transpose", "s", perm=[1, 0])
CONCAT, SLICE = node("Concat", "x", "x", axis=0), node("Slice", "x", axis=0, start=0, stop=2, step=1)
TRANSPOSED = node("ConvTranspose1D", "s", weight="k", stride=3, pads=[1, 0], output_padding=1, groups=2)
MATMUL, CONSTANT = node("MatMul", "m", "s"), node("Constant", value="c")
GROUPS = node("GroupNorm", "s", groups=1, gamma_mult=1, bias=0, shift=0, eps_int=1, lo=-128, hi=127)
WHOLE = [LINEAR, CONV, TRANSPOSED, MATMUL, CONSTANT, REQUANTIZE, ADD, MUL, LOOKUP, NORM, GROUPS, SOFTMAX, POOL, MAXPOOL,
         RESHAPE, TRANSPOSE, CONCAT, SLICE]  # fmt: skip


def program(*nodes, **changes):
    """One node between inputs x int8 [4], s int8 [2, 5], m int8 [3, 2], v int32 [4], q 0..255 [1, 4] and output y."""
    inputs = [("x", [4], -128, 127), ("s", [2, 5], -128, 127), ("m", [3, 2], -128, 127), ("q", [1, 4], 0, 255)]
    inputs.append(("v", [4], -(2**31), 2**31 - 1))
    described = [{"name": name, "shape": shape, "lo": lo, "hi": hi} for name, shape, lo, hi in inputs]
    return {"format": 1, "inputs": described, "nodes": list(nodes), "outputs": ["y"], **changes}


def used(description: dict) -> dict:
    """The arrays that a description names."""
    text = json.dumps(description.get("nodes", []))
    return {name: a for name, a in ARRAYS.items() if f'"{name}"' in text.replace('["x"', "")}


@pytest.mark.parametrize("entry", WHOLE, ids=[f"{n['op']}{len(n['inputs'])}" for n in WHOLE])
def test_the_nodes_to_be_spoilt_are_good(entry):
    assert parsed(program(entry), used(program(entry))).outputs["y"].shape


BAD_NODES = {
    "op": (node("Gemm", "x"), r"before\.nodes\[0\]\.op must be one of Linear"),
    "no inputs": (node("Linear", weight="w"), r"nodes\[0\]\.inputs must be a list of 1"),
    "unknown input": (node("Linear", "z", weight="w"), "inputs must be names of inputs or of outputs of earlier"),
    "two inputs": (node("Linear", "x", "x", weight="w"), "inputs must be a list of 1 to 1"),
    "one factor": (node("Mul", "x", **LANE), "inputs must be a list of 2 to 2"),
    "output twice": ({**LINEAR, "output": "x"}, "output must be a name that no other tensor has"),
    "unknown key": ({**LINEAR, "bias": 0}, "unknown key 'bias'"),
    "no array": ({**LINEAR, "weight": "other"}, "weight must name an array of the program, is 'other'"),
    "weight axes": ({**LINEAR, "weight": "b"}, "weight must be int8 with 2 axes"),
    "rows": (node("Linear", "s", weight="w"), "last axis is not its weight's 4 rows"),
    "sum": (node("Linear", "v", weight="w"), r"sums that can reach 2\*\*33.0, beyond 32 bits"),
    "conv axes": ({**CONV, "inputs": ["x"]}, r"reads shape \(4,\), which has not 2 axes"),
    "groups": ({**CONV, "groups": 1}, "reads 2 channels with a weight of shape"),
    "stride": ({**CONV, "stride": [0]}, "stride must be a list of 1 integers from 1"),
    "pads": ({**CONV, "pads": [0]}, "pads must be a list of 2 integers from 0"),
    "kernel": ({**CONV, "dilation": [5]}, "kernel of .6,., which does not fit"),
    "transposed axes": ({**TRANSPOSED, "inputs": ["x"]}, r"reads shape \[4\] with a weight of shape \(2, 1, 2\)"),
    "transposed groups": ({**TRANSPOSED, "groups": 3}, "groups must be an integer from 1 to 2"),
    "transposed pads": ({**TRANSPOSED, "pads": [9, 9]}, "cuts 9 and 9 off its 15 outputs, which leaves none"),
    "transposed stride": ({**TRANSPOSED, "stride": 0}, "stride must be an integer from 1"),
    "output padding": ({**TRANSPOSED, "output_padding": 3}, "output_padding must be an integer from 0 to 2"),
    "matrices": ({**MATMUL, "inputs": ["s", "m"]}, r"multiplies shapes \[2, 5\] and \[3, 2\], which are no matrices"),
    "vectors": ({**MATMUL, "inputs": ["x", "x"]}, "which are no matrices that fit"),
    "one factor of a matrix": ({**MATMUL, "inputs": ["m"]}, "inputs must be a list of 2 to 2"),
    "constant reads": ({**CONSTANT, "inputs": ["x"]}, "inputs must be a list of 0 to 0"),
    "constant": ({**CONSTANT, "value": 3}, "value must name an array of the program, is 3"),
    "group count": ({**GROUPS, "groups": 3}, "groups must be an integer from 1 to 2"),
    "odd groups": ({**GROUPS, "groups": 2, "inputs": ["m"]}, r"shape \[3, 2\], whose channels do not divide into 2"),
    "groups range": ({**GROUPS, "inputs": ["v"]}, "normalizes values up to 2147483648; 255"),
    "mult": ({**REQUANTIZE, "mult": [1 << 17]}, r"mult\[0\] must be from -131071 to 131071"),
    "mults": ({**REQUANTIZE, "mult": [1, 1]}, "mult must be a list of 1"),
    "bias": ({**REQUANTIZE, "bias": 1 << 47}, "bias must be from"),
    "bias size": ({**REQUANTIZE, "bias": "b", "channel_axis": 0}, "bias must be a number or 4 integers"),
    "axis missing": ({**REQUANTIZE, "bias": "b"}, "bias must be a number or 0 integers"),
    "axis": ({**REQUANTIZE, "channel_axis": 1}, "channel_axis must be an integer from 0 to 0"),
    "shift": ({**REQUANTIZE, "shift": 64}, "shift must be from 0 to 63"),
    "relu": ({**REQUANTIZE, "relu": 1}, "relu must be true or false"),
    "clamp": ({**REQUANTIZE, "lo": 5, "hi": 4}, "hi must be an integer from 5"),
    "wide clamp": ({**REQUANTIZE, "hi": 1 << 31}, "hi must be an integer from"),
    "residual": ({**ADD, "inputs": ["x", "s"]}, "which do not broadcast"),
    "residual grows": ({**ADD, "inputs": ["q", "s"]}, "which do not broadcast"),
    "lane": ({**ADD, "inputs": ["v", "v"], "mult": [1, (1 << 26) - 1]}, r"sums that can reach 2\*\*57.0"),
    "product": ({**MUL, "inputs": ["v", "x"]}, "a product beyond 32 bits"),
    "index": ({**LOOKUP, "offset": 0}, "values from -128 to 127 up in a table for 0 to 255"),
    "table": ({**LOOKUP, "table": "b"}, "table must be a number or 256 integers"),
    "norm range": ({**NORM, "inputs": ["v"]}, "normalizes values up to 2147483648; 255"),
    "eps": ({**NORM, "eps_int": 0}, "eps_int must be an integer from 1"),
    "softmax range": ({**SOFTMAX, "inputs": ["v"]}, "may span 256 at most"),
    "softmax table": ({**SOFTMAX, "table": "t"}, "does not fall from 2"),
    "softmax mult": ({**SOFTMAX, "mult": 1}, "mult must be an integer from 65536"),
    "pool axes": ({**POOL, "inputs": ["x"]}, "kernel must|which has not 2 axes"),
    "pool sum": ({**POOL, "inputs": ["w"]}, "names of inputs"),
    "fill": ({**MAXPOOL, "fill": -127}, "pads with -127, which can win over values from -128"),
    "reshape": ({**RESHAPE, "shape": [3, 3]}, "another number of elements"),
    "perm": ({**TRANSPOSE, "perm": [0, 0]}, "perm must be an order of 2 axes"),
    "concat": ({**CONCAT, "inputs": ["x", "s"]}, "which differ beside axis 0"),
    "concat axis": ({**CONCAT, "axis": -1}, "axis must be an integer from 0 to 0"),
    "slice": ({**SLICE, "stop": 5}, "stop must be an integer from 1 to 4"),
    "step": ({**SLICE, "step": 0}, "step must be an integer from 1"),
}


@pytest.mark.parametrize("name", BAD_NODES)
def test_a_bad_node_is_named(name):
    bad, message = BAD_NODES[name]
    with pytest.raises(Refused, match=message):
        parsed(program(bad), used(program(bad)))


X = {"name": "x", "shape": [4], "lo": -128, "hi": 127}
BAD_PROGRAMS = {
    "list": ([], "^before must be an object"),
    "format": (program(LINEAR, format=2), "format must be an integer from 1 to 1"),
    "unknown key": (program(LINEAR, name="p"), "unknown key 'name'"),
    "inputs": (program(LINEAR, inputs=[]), "inputs must be a list of 1 to 64"),
    "input twice": (program(LINEAR, inputs=[X, X]), r"inputs\[1\]\.name must be a name that no other input has"),
    "input name": (program(LINEAR, inputs=[{**X, "name": "a\nb"}]), "name must be a printable string"),
    "input shape": (program(LINEAR, inputs=[{**X, "shape": [0]}]), "shape must be a list"),
    "input range": (program(LINEAR, inputs=[{**X, "lo": -(2**31) - 1}]), "lo must be an integer from"),
    "input key": (program(LINEAR, inputs=[{**X, "scale": 1}]), "unknown key 'scale'"),
    "nodes": (program(LINEAR, nodes={}), "nodes must be a list"),
    "many nodes": (program(*[LINEAR] * 4097), "nodes must be a list of at most 4096"),
    "node": (program(7), r"nodes\[0\] must be an object"),
    "outputs": (program(LINEAR, outputs=[]), "outputs must be a list of 1"),
    "unknown output": (program(LINEAR, outputs=["z"]), "outputs must be names of tensors"),
    "output twice": (program(LINEAR, outputs=["y", "y"]), "outputs must be names of tensors, each once"),
}


@pytest.mark.parametrize("name", BAD_PROGRAMS)
def test_a_bad_program_is_named(name):
    bad, message = BAD_PROGRAMS[name]
    with pytest.raises(Refused, match=message):
        parsed(bad, {"w": ARRAYS["w"]})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({**ARRAYS}, "comes with the array 'b', which no node reads"),
        ({"w": ARRAYS["w"].astype(np.float32)}, "must come with integer arrays"),
        ({"w": np.zeros((0, 3), np.int8)}, "must come with integer arrays"),
        ({"w": ARRAYS["w"].astype(np.int16)}, "weight must be int8 with 2 axes"),
        ([], "must come with integer arrays"),
    ],
    ids=["unused", "float", "empty", "int16", "list"],
)
def test_bad_arrays_are_named(arrays, message):
    with pytest.raises(Refused, match=message):
        parsed(program(LINEAR), arrays)


def one_input(shape: list[int]) -> list[dict]:
    return [{"name": "x", "shape": shape, "lo": 0, "hi": 1}]


def test_memory_is_bounded():
    with pytest.raises(Refused, match=f"needs more than the {plan.MAX_BYTES} bytes"):
        parsed(program(LINEAR, inputs=[X, {**X, "name": "big", "shape": [1 << 28]}]), used(program(LINEAR)))
    conv = node("Conv1D", "x", weight="k", stride=[1], pads=[1 << 16] * 2, dilation=[1], groups=1)
    with pytest.raises(Refused, match="bytes of memory"):
        parsed(program(conv, inputs=one_input([1, 10])), {"k": np.ones((5000, 1, 1), np.int8)})


def test_calls_are_bounded():
    pool = node("SumPool", "x", kernel=[60_000], stride=[1 << 16], pads=[0, 0])
    nodes = [{**pool, "output": f"y{k}"} for k in range(3)]
    with pytest.raises(Refused, match=f"more than the {plan.MAX_CALLS} calls"):
        parsed(program(*nodes, inputs=one_input([1, 60_000])), {})


LONG_POOL = node("MaxPool", "x", kernel=[32768], stride=[1], pads=[32767, 32767], fill=0)
LONG_CONV = node("Conv1D", "x", weight="k", stride=[1], pads=[0, 0], dilation=[1], groups=1)


@pytest.mark.parametrize("entry", [LONG_POOL, LONG_CONV], ids=["pool", "conv"])
def test_work_is_bounded(entry):
    """What fits into memory, but not into the time of a robot."""
    arrays = {"k": np.ones((300, 16, 32), np.int8)} if entry is LONG_CONV else {}
    with pytest.raises(Refused, match=f"more than the {plan.MAX_WORK} operations"):
        parsed(program(entry, inputs=one_input([16, 32768])), arrays)


@pytest.mark.parametrize("entry", WHOLE, ids=[f"{n['op']}{len(n['inputs'])}" for n in WHOLE])
def test_no_call_is_free(entry, monkeypatch):
    calls = parsed(program(entry), used(program(entry)))._calls
    monkeypatch.setattr(plan, "MAX_WORK", 8 * len(calls) - 1)  # each call touches an element at least
    if calls:
        with pytest.raises(Refused, match="operations allowed"):
            parsed(program(entry), used(program(entry)))
    else:
        assert entry["op"] in ("Reshape", "Constant") or entry is REQUANTIZE


def any_graph(rng: random.Random) -> Graph:
    """Single operators with all their corners, or a network of a kind."""
    if rng.random() < 0.3:
        return random_network(rng.getrandbits(32), sizes=Sizes(width=8, image=6, tokens=4, layers=1, steps=2))
    return random_graph(rng.getrandbits(32), Limits(vectors=rng.random() < 0.5, softmax=True, max_width=16, blocks=4))


def spoil(value: object, rng: random.Random) -> object:
    """A JSON value with one thing changed."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.93:
        made = copy.copy(value)
        key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if rng.random() < 0.04:
            del made[key]
        else:
            made[key] = spoil(value[key], rng)
        return made
    if isinstance(value, bool):
        return not value
    if isinstance(value, int) and rng.random() < 0.85:
        return rng.choice([0, 1, -value, value + 1, value - 1, 2 * value, 255, 127, -128, 1 << 16, 1 << 31, 1 << 46])
    return rng.choice([None, True, -1, 1.5, "x", "", [], {}, [1], 1 << 70, value])


def spoil_arrays(arrays: dict, rng: random.Random) -> dict:
    """The arrays, one of them with a changed number, dtype or shape."""
    name = rng.choice(list(arrays))
    array = arrays[name].copy()
    kind = rng.random()
    if kind < 0.8:
        info = np.iinfo(array.dtype)
        array.flat[rng.randrange(array.size)] = rng.choice([info.min, info.max, 0, rng.randint(info.min, info.max)])
    else:
        array = rng.choice([array.astype(np.int64), array[:-1], array.ravel(), array[None], array.T])
    return {**arrays, name: array}


def test_what_is_accepted_computes_what_it_says(seed):
    """Spoilt programs are refused, or they equal the interpreter on extreme and random inputs, within their ranges."""
    rng, accepted = random.Random(seed), 0
    for k in range(cases(1500, 60_000)):
        if k % 25 == 0:
            graph = any_graph(rng)
            good, arrays = serialise(graph)
            good["outputs"] = [entry["output"] for entry in good["nodes"]][-64:]
        description, spoilt = good, arrays
        if arrays and rng.random() < 0.3:
            spoilt = spoil_arrays(arrays, rng)
        else:
            description = spoil(good, rng)
        try:
            made = parsed(description, spoilt)
        except Refused:
            continue
        if made.work > 1 << 23:  # right or wrong, too long to tell
            continue
        accepted += 1
        inputs = {name: values(t, rng) for name, t in made.inputs.items()}
        want, found = interpret(description, spoilt, inputs), made.run_batch(inputs)
        for name, tensor in made.outputs.items():
            np.testing.assert_array_equal(found[name], want[name], err_msg=json.dumps(description))
            assert tensor.lo <= want[name].min() and want[name].max() <= tensor.hi
    print(f"{accepted} accepted")
    assert accepted > cases(100, 5000)


def values(tensor, rng: random.Random) -> np.ndarray:
    """[4, *shape]: the lowest, the highest, one of both, any."""
    draw = np.random.default_rng(rng.getrandbits(32))
    any_ = draw.integers(tensor.lo, tensor.hi + 1, tensor.shape)
    ends = np.where(draw.integers(0, 2, tensor.shape) == 1, tensor.lo, tensor.hi)
    return np.stack([np.full(tensor.shape, tensor.lo), np.full(tensor.shape, tensor.hi), ends, any_])
