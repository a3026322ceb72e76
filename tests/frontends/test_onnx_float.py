"""Float ONNX as PyTorch writes it: the float network equals onnxruntime and PyTorch; what cannot be read is listed."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs the flow environment")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from hwgen.errors import HwgenError, InputError, UnsupportedError  # noqa: E402
from hwgen.frontends.onnx_float import is_float, load  # noqa: E402
from tests.support import ROOT, cases  # noqa: E402

TORCH = ROOT / "tests" / "data" / "torch"
FILES = sorted(file.name for file in TORCH.glob("*.onnx"))


def infer(file, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """onnxruntime's outputs, one observation at a time."""
    source = file if isinstance(file, bytes) else str(file)
    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    count = len(next(iter(inputs.values())))
    rows = [session.run(None, {k: x[i : i + 1] for k, x in inputs.items()}) for i in range(count)]
    return [np.concatenate(parts) for parts in zip(*rows, strict=True)]


def check_file(file: Path, inputs: dict[str, np.ndarray], wanted: np.ndarray | None = None) -> None:
    found = load(file).run(inputs)["y"]
    (expected,) = infer(file, inputs)
    assert np.abs(found - expected).max() < 1e-4
    assert np.abs(expected).max() > 0.01, "a network that gives zeros shows nothing"
    if wanted is not None:
        assert np.abs(found - wanted).max() < 1e-4


@pytest.mark.parametrize("file", FILES)
def test_files_of_pytorch(file):
    vectors = dict(np.load(TORCH / f"{file.partition('-')[0]}.npz"))
    wanted = vectors.pop("y")
    check_file(TORCH / file, vectors, wanted)


def test_both_exporters_and_several_opsets_are_there():
    assert len(FILES) == 20
    versions = {onnx.load(TORCH / file).opset_import[0].version for file in FILES}
    assert versions == {17, 18, 20}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("name", ["mlp", "resnet18", "vit", "decoder", "unet"])
def test_exporters_of_the_installed_torch(name, tmp_path):
    spec = importlib.util.spec_from_file_location("torch_export", TORCH / "export.py")
    script = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = script
    spec.loader.exec_module(script)
    script.save_vectors(name, tmp_path / "v.npz")
    vectors = dict(np.load(tmp_path / "v.npz"))
    wanted = vectors.pop("y")
    for kind in script.KINDS:
        script.export(name, kind, tmp_path / "model.onnx", batch=kind.endswith("18"))
        check_file(tmp_path / "model.onnx", vectors, wanted)


def model(nodes, shapes: dict[str, tuple], constants=None, opset=18, outputs=("y",)) -> bytes:
    """A model of these nodes; shapes: of its inputs, batch included."""
    inputs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, shape) for k, shape in shapes.items()]
    outs = [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs]
    held = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outs, held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return made.SerializeToString()


def node(op, inputs, outputs="y", **attrs):
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"n_{op}_{outputs.split()[0]}", **attrs)


F32 = np.float32
NORM = [
    node("ReduceMean", "x axis", "m", keepdims=1), node("Sub", "x m", "c"), node("Pow", "c two", "s"),
    node("ReduceMean", "s axis", "v", keepdims=1), node("Add", "v eps", "ve"), node("Sqrt", "ve", "d"),
    node("Div", "c d", "z"), node("Mul", "z gamma", "g"), node("Add", "g beta"),
]  # fmt: skip
NORM_CONSTANTS = {"axis": np.array([-1]), "two": F32(2), "eps": F32(1e-3), "gamma": np.arange(1, 7, dtype=F32),
                  "beta": np.arange(6, dtype=F32)}  # fmt: skip
CASES = {
    "layer norm spelled out": (NORM, (1, 3, 6), NORM_CONSTANTS, ["LayerNorm"]),
    "its square as a product": (
        [node("Mul", "c c", "s") if n.op_type == "Pow" else n for n in NORM], (1, 3, 6), NORM_CONSTANTS, ["LayerNorm"],
    ),
    "rms norm spelled out": (
        [node("Pow", "x two", "s"), node("ReduceMean", "s axis", "v", keepdims=1), node("Add", "v eps", "ve"),
         node("Sqrt", "ve", "d"), node("Reciprocal", "d", "r"), node("Mul", "x r", "z"), node("Mul", "z gamma")],
        (1, 3, 6), NORM_CONSTANTS, ["LayerNorm"],
    ),
    "a mean over tokens": ([node("ReduceMean", "x a", keepdims=0)], (1, 3, 6), {"a": np.array([1])}, None),
    "batch norm joins a convolution": (
        [node("Conv", "x w", "c", pads=[1, 1, 1, 1]), node("BatchNormalization", "c s b m v")], (1, 2, 5, 5),
        {"w": np.random.default_rng(0).normal(size=(3, 2, 3, 3)).astype(F32), "s": F32([1, 2, 3]), "b": F32([0, 1, 2]),
         "m": F32([1, 0, 1]), "v": F32([1, 4, 9])}, ["Conv"],
    ),
    "a gate": ([node("Sigmoid", "x", "g"), node("Mul", "x g")], (1, 6), {}, ["Table"]),
    "hard swish": ([node("HardSwish", "x")], (1, 6), {}, ["Table"]),
    "a constant times a tensor": (
        [node("MatMul", "w x")], (1, 3, 6), {"w": np.random.default_rng(1).normal(size=(4, 3)).astype(F32)}, None,
    ),
    "softmax over channels": ([node("Softmax", "x", axis=1)], (1, 3, 6), {}, None),
    "same padding": (
        [node("Conv", "x w", auto_pad="SAME_UPPER", strides=[2, 2])], (1, 1, 5, 4),
        {"w": np.random.default_rng(2).normal(size=(2, 1, 3, 3)).astype(F32)}, ["Conv"],
    ),
    "padding with zeros": (
        [node("Pad", "x p")], (1, 2, 3), {"p": np.array([0, 0, 1, 0, 0, 2])}, None,
    ),
    "a number minus, and divided": (
        [node("Sub", "one x", "a"), node("Div", "a two", "b"), node("Neg", "b")], (1, 6),
        {"one": F32(1), "two": F32(2)}, None,
    ),
    "max of a number": ([node("Max", "zero x", "a"), node("Min", "a one")], (1, 6), {"zero": F32(0), "one": F32(1)},
                        None),
    "gather every second": ([node("Gather", "x i", axis=2)], (1, 3, 6), {"i": np.array([0, 2, 4])}, ["Slice"]),
    "difference of two layers": (
        [node("MatMul", "x w", "a"), node("Tanh", "x", "b"), node("Sub", "a b")], (1, 6),
        {"w": np.eye(6, dtype=F32) * 2}, None,
    ),
    "a variance that gets its axis back": (
        [node("ReduceMean", "x axis", "m", keepdims=1), node("Sub", "x m", "c"), node("Mul", "c c", "s"),
         node("ReduceMean", "s axis", "f", keepdims=0), node("Reshape", "f shape", "v"), node("Add", "v eps", "ve"),
         node("Sqrt", "ve", "d"), node("Div", "c d")],
        (1, 3, 6), {**NORM_CONSTANTS, "shape": np.array([1, 3, 1])}, ["LayerNorm"],
    ),
    "einsum with a weight": ([node("Einsum", "x w", equation="btc,cd -> bdt")], (1, 3, 6),
                             {"w": np.random.default_rng(4).normal(size=(6, 4)).astype(F32)}, None),
    "einsum with a weight for each head": (
        [node("Einsum", "x w", equation="bthc,hcd->bthd")], (1, 3, 2, 6),
        {"w": np.random.default_rng(5).normal(size=(2, 6, 4)).astype(F32)}, None,
    ),
    "einsum of two tensors": (
        [node("Tanh", "x", "a"), node("Einsum", "x a", equation="bihd,bjhd->bhij")], (1, 5, 2, 6), {}, None,
    ),
    "einsum of rows with rows": (
        [node("Tanh", "x", "a"), node("Einsum", "x a", equation="bihd,bihd->hib")], (1, 5, 2, 6), {}, None,
    ),
    "a choice": ([node("Greater", "x one", "c"), node("Mul", "x x", "s"), node("Where", "c s two")], (1, 6),
                 {"one": F32(0.3), "two": F32(2)}, ["Table"]),
    "a slope for each channel": ([node("PRelu", "x slope")], (1, 3, 4),
                                 {"slope": F32([[0.25], [-0.5], [2]])}, None),
    "one slope": ([node("PRelu", "x slope")], (1, 3, 4), {"slope": F32([0.25])}, ["Table"]),
    "celu": ([node("Celu", "x", alpha=0.7)], (1, 6), {}, ["Table"]),
    "copies side by side": ([node("Tile", "x times")], (1, 3, 4), {"times": np.array([1, 2, 3])}, ["Concat", "Concat"]),
    "copies along a new axis": (
        [node("Expand", "x shape", "e"), node("Reshape", "e all")], (1, 3, 1, 4),
        {"shape": np.array([1, 3, 2, 4]), "all": np.array([1, 6, 4])}, ["Concat", "Reshape"],
    ),
    "max over positions": ([node("GlobalMaxPool", "x")], (1, 2, 4, 4), {}, None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_operators(case):
    nodes, shape, constants, ops = CASES[case]
    source = model(nodes, {"x": shape}, constants)
    graph = load(source)
    x = np.random.default_rng(3).normal(size=(4, *shape[1:])).astype(F32)
    found, (expected,) = graph.run({"x": x})["y"], infer(source, {"x": x})
    assert np.abs(found.reshape(expected.shape) - expected).max() < 1e-4
    if ops:
        assert [n.op for n in graph.nodes] == ops


ATTENTION = {
    "heads apart": ({}, (1, 2, 5, 4), (1, 2, 7, 4), (1, 2, 7, 3)),
    "heads side by side": ({"q_num_heads": 2, "kv_num_heads": 2, "scale": 0.3}, (1, 5, 8), (1, 7, 8), (1, 7, 6)),
}


@pytest.mark.parametrize("case", ATTENTION)
def test_attention_of_opset_23(case):
    attrs, *shapes = ATTENTION[case]
    shapes = dict(zip("qkv", shapes, strict=True))
    source = model([node("Attention", "q k v", **attrs)], shapes, opset=23)
    inputs = {k: np.random.default_rng(6).normal(size=(3, *shape[1:])).astype(F32) for k, shape in shapes.items()}
    found, (expected,) = load(source).run(inputs)["y"], infer(source, inputs)
    assert np.abs(found - expected).max() < 1e-4


def test_rms_norm_of_what_is_centred_is_a_layer_norm():
    nodes = [node("ReduceMean", "x axis", "m", keepdims=1), node("Sub", "x m", "c"),
             node("RMSNormalization", "c gamma", epsilon=1e-3)]  # fmt: skip
    source = model(nodes, {"x": (1, 3, 6)}, NORM_CONSTANTS, opset=23)
    graph, x = load(source), np.random.default_rng(7).normal(size=(4, 3, 6)).astype(F32)
    assert np.abs(graph.run({"x": x})["y"] - infer(source, {"x": x})[0]).max() < 1e-4
    assert [n.op for n in graph.nodes] == ["LayerNorm"]


@pytest.mark.parametrize(
    "nodes, told",
    [
        ([node("Attention", "x x x", is_causal=1)], "n_Attention_y.*is_causal"),
        ([node("Attention", "x x x mask")], "n_Attention_y.*a mask"),
        ([node("Einsum", "x x", equation="bhtd,bhtd->bhtd")], "n_Einsum_y.*bhtd,bhtd->bhtd"),
        ([node("Einsum", "x x", equation="bhtd,bhtt->bhd")], "n_Einsum_y.*each axis named once"),
        ([node("Tanh", "x", "a"), node("Softmax", "x", "b"), node("Greater", "a b", "c"), node("Where", "c a b")],
         "n_Greater_c.*several tensors"),
        ([node("Where", "maskb x mask")], "n_Where_y.*mask"),
        ([node("Tile", "x few")], "n_Tile_y.*a number of 1 or more for each axis"),
        ([node("Expand", "x huge")], "n_Expand_y.*more than 16,777,216 numbers"),
    ],
)  # fmt: skip
def test_products_and_choices_that_are_not_possible(nodes, told):
    constants = {"mask": np.zeros((4, 4), F32), "maskb": np.tri(4) > 0, "few": np.array([1, 2]),
                 "huge": np.array([1 << 40, 2, 4, 4])}  # fmt: skip
    with pytest.raises(UnsupportedError, match=told) as error:
        load(model(nodes, {"x": (1, 2, 4, 4)}, constants, opset=23))
    assert "\n" not in str(error.value)


def test_shared_weights_stay_one_array():
    w = np.eye(6, dtype=F32)
    graph = load(model([node("MatMul", "x w", "a"), node("Tanh", "a", "b"), node("MatMul", "b w")], {"x": (1, 6)},
                       {"w": w}))  # fmt: skip
    first, second = (n for n in graph.nodes if n.op == "Linear")
    assert first.weight is second.weight


def test_all_problems_at_once():
    nodes = [node("NonZero", "x", "a"), node("LSTM", "x w w", "b"), node("Relu", "b", "c"), node("Softmax", "x", "d"),
             node("Div", "d x")]  # fmt: skip
    with pytest.raises(UnsupportedError) as error:
        load(model(nodes, {"x": (1, 4, 4)}, {"w": np.zeros((1, 4, 4), F32)}, outputs=("a", "c", "y")))
    text = str(error.value)
    assert "3 problems of the model" in text and "\n" not in text
    assert all(name in text for name in ("n_NonZero_a", "n_LSTM_b", "n_Div_y"))
    assert "n_Relu_c" not in text, "what reads a broken node is not to blame"


@pytest.mark.parametrize(
    "shapes, opset, parts",
    [
        ({"x": (1, "t", 4), "z": ("n", 3, "w")}, 18, ("dynamic axis 1 (t)", "dynamic axis 2 (w)", "'z'")),
        ({"x": (4, 8)}, 18, ("batch of 4",)),
        ({"x": (8,)}, 18, ("1 axes",)),
        ({"x": (1, 8)}, 24, ("opset 24", "13 to 23")),
        ({"x": (1, 8)}, 9, ("opset 9",)),
    ],
)
def test_shapes_and_versions(shapes, opset, parts):
    with pytest.raises(UnsupportedError) as error:
        load(model([node("Relu", "x")], shapes, opset=opset))
    assert all(part in str(error.value) for part in parts)


def test_masks_are_refused():
    mask = np.where(np.tri(4) > 0, 0, -np.inf).astype(F32)[None]
    with pytest.raises(UnsupportedError, match="n_Add_y.*mask"):
        load(model([node("Add", "x mask")], {"x": (1, 4, 4)}, {"mask": mask}))


OTHERS = ["Relu", "Add", "MatMul", "Conv", "Transpose", "Concat", "Softmax", "Gather", "LayerNormalization", "Reshape",
          "Slice", "Split", "MaxPool", "Pad", "Einsum", "Attention", "Where", "PRelu", "Greater"]  # fmt: skip


def damaged(seed: int) -> onnx.ModelProto:
    """One of the files, with some of its nodes changed."""
    rng = np.random.default_rng(seed)
    proto = onnx.load(TORCH / FILES[rng.integers(len(FILES))])
    for _ in range(rng.integers(1, 4)):
        n = proto.graph.node[rng.integers(len(proto.graph.node))]
        kind = rng.integers(5)
        if kind == 0 and n.attribute:
            del n.attribute[int(rng.integers(len(n.attribute)))]
        elif kind == 1 and n.input:
            del n.input[int(rng.integers(len(n.input)))]
        elif kind == 2 and n.input:
            n.input[int(rng.integers(len(n.input)))] = str(rng.choice(["", *(i.name for i in proto.graph.initializer)]))
        elif kind == 3:
            n.op_type = str(rng.choice(OTHERS))
        elif n.attribute:
            a = n.attribute[int(rng.integers(len(n.attribute)))]
            a.i = int(rng.integers(-9, 9))
            a.ints[:] = rng.integers(-9, 9, rng.integers(0, 5)).tolist()
    return proto


@pytest.mark.parametrize("seed", range(cases(40, 2000)))
def test_damaged_files_end_in_errors_of_one_line(seed):
    try:
        graph = load(damaged(seed))
        graph.run({k: np.ones((2, *shape), F32) for k, shape in graph.inputs.items()})
    except HwgenError as error:
        assert "\n" not in str(error)


def test_what_is_no_model():
    with pytest.raises(InputError, match="not an ONNX model"):
        load((TORCH / "mlp-script17.onnx").read_bytes()[:900])


def test_float_models_are_told_from_quantized_ones():
    assert is_float(TORCH / FILES[0])
    proto = onnx.load(TORCH / FILES[0])
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    assert is_float(proto)
    with pytest.raises(UnsupportedError, match="is INT64; float networks take float inputs"):
        load(proto)
    quant = helper.make_node("Quant", ["x", "s", "z", "b"], ["y"], domain="qonnx.custom_op.general")
    source = model([quant], {"x": (1, 4)}, {"s": F32(1), "z": F32(0), "b": F32(8)})
    assert not is_float(source)
