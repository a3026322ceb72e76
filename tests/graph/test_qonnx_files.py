"""Damaged models, and files that are none: the error says what is wrong, whatever the damage."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwgen.errors import GraphError, HwgenError, InputError, UnsupportedError
from hwgen.graph import qonnx_in
from tests.graph.foreign import Style, Writer


def mlp() -> onnx.ModelProto:
    w = Writer(Style())
    weight = w.quant(w.const(np.ones((4, 3)) * 0.5), scale=0.25, bits=4)
    return w.model(w.op("MatMul", w.quant(w.input((4,)), 0.125), weight))


def changed(change) -> onnx.ModelProto:
    model = mlp()
    change(model.graph)
    return model


def dims(*values):
    def change(g):
        for i, v in enumerate(values):
            d = g.input[0].type.tensor_type.shape.dim
            while len(d) < len(values):
                d.add()
            d[i].Clear()
            if isinstance(v, str):
                d[i].dim_param = v
            elif v is not None:
                d[i].dim_value = v
        del g.input[0].type.tensor_type.shape.dim[len(values) :]

    return change


def cycle(g):
    g.node[0].input[0] = g.node[-1].output[0]


def annotate(text):
    def change(g):
        kv = onnx.StringStringEntryProto(key="finn_datatype", value=text)
        g.quantization_annotation.append(
            onnx.TensorAnnotation(tensor_name=g.input[0].name, quant_parameter_tensor_names=[kv])
        )

    return change


FILES = {
    "dynamic axis": (dims(1, "n"), UnsupportedError, "input 'x'.*dynamic axis 1 .n..*static"),
    "unknown axis": (dims(1, None), UnsupportedError, "input 'x'.*dynamic axis 1"),
    "no batch": (dims(4), UnsupportedError, "input 'x' has 1 axes.*batch"),
    "cycle": (cycle, GraphError, "node 'MatMul.*cyclic"),
    "missing edge": (lambda g: g.node[-1].input.__setitem__(0, "gone"), GraphError, "'MatMul.*reads 'gone'.*damaged"),
    "missing output": (lambda g: setattr(g.output[0], "name", "gone"), GraphError, "'gone'.*nothing makes"),
    "no outputs": (lambda g: g.ClearField("output"), GraphError, "no outputs"),
    "made twice": (lambda g: g.node.append(g.node[-1]), GraphError, "both make"),
    "input is output": (lambda g: setattr(g.output[0], "name", "x"), UnsupportedError, "'x' is an input"),
    "unused input": (
        lambda g: g.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 4))),
        UnsupportedError,
        "input 'z' is used by no output",
    ),
    "two batches": (
        lambda g: g.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (3, 4))),
        UnsupportedError,
        "different batch sizes",
    ),
    "annotation": (annotate("FIXED<8,2>"), UnsupportedError, "input 'x' is annotated FIXED"),
    "annotated 16 bits": (annotate("INT16"), UnsupportedError, "input 'x' is annotated INT16; 2 to 8"),
    "sparse": (
        lambda g: g.sparse_initializer.append(onnx.SparseTensorProto(dims=[1])),
        UnsupportedError,
        "sparse initializers",
    ),
    "cut initializer": (lambda g: setattr(g.initializer[3], "raw_data", b"123"), InputError, "initializer"),
}


@pytest.mark.parametrize("case", FILES)
def test_damaged_models(case):
    change, error, words = FILES[case]
    with pytest.raises(error, match=words):
        qonnx_in.load(changed(change))


def test_control_flow_is_named():
    model = mlp()
    branch = helper.make_graph([], "b", [], [])
    node = helper.make_node(
        "If", [model.graph.node[0].output[0]], ["w"], name="choose", then_branch=branch, else_branch=branch
    )
    model.graph.node.append(node)
    with pytest.raises(UnsupportedError, match="'choose'.*control flow"):
        qonnx_in.load(model)


def test_truncated_files_never_escape(tmp_path, rng):
    data = mlp().SerializeToString()
    for cut in {0, 1, 10, len(data) - 1, *(int(v) for v in rng.integers(0, len(data), 30))}:
        path = tmp_path / "cut.onnx"
        path.write_bytes(data[:cut])
        try:
            graph = qonnx_in.load(path)
        except HwgenError as e:
            assert str(e)
        else:  # only what follows the graph in the file is missing
            assert graph.macs() == 12 and cut > len(data) - 40


def test_altered_bytes_load_or_say_why(rng):
    """Random damage gives a graph or an error of ours, never another exception."""
    data = mlp().SerializeToString()
    for _ in range(150):
        bad = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            bad[at] = rng.integers(0, 256)
        try:
            qonnx_in.load(bytes(bad))
        except HwgenError as e:
            assert str(e)


def test_files_that_are_no_model(tmp_path):
    (tmp_path / "text.onnx").write_text("not a model at all")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name, words in (("text.onnx", "not an ONNX"), ("empty.onnx", "empty"), ("gone.onnx", "no such file")):
        with pytest.raises(InputError, match=words):
            qonnx_in.load(tmp_path / name)
    with pytest.raises(InputError, match="folder"):
        qonnx_in.load(tmp_path)
