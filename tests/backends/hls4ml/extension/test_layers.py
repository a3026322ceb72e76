"""All our layers in one hls4ml project, compiled as hls4ml does it, for both io types."""

import numpy as np
import pytest

from hwgen.backends.hls4ml import extension
from hwgen.backends.hls4ml.extension import PARALLEL, STREAM
from hwgen.graph import golden, ops
from hwgen.graph.types import IntType, Tensor

INT8, UINT8, ACC = IntType(8), IntType(8, False), IntType(32)
IMAGE, ROWS = (1, 2, 0), None  # layouts: channels last, and as in the graph

# name: (shape, hls4ml type, layout)
INPUTS = {
    "x": ((4, 6, 4), "ap_fixed<8,5>", IMAGE),
    "g": ((4, 1, 1), "ap_fixed<8,5>", IMAGE),
    "t": ((3, 10), "ap_fixed<8,5>", ROWS),
}
EXP = np.round(2.0**23 * np.exp(-np.arange(256) / 16)).astype(np.int64)
SKIP = {"mult": [np.array([5, -3, 7, 64]), np.int64(9)], "bias": np.array([1, -40, 3, 0]), "shift": np.int64(3)}
NORM = {"gamma_mult": np.int64(900), "bias": np.int64(77), "shift": np.int64(24)}

# name: (operator, inputs, parameters, type, hls4ml type, layout)
NET = {
    "film": (ops.Mul, ["x", "g"], {"mult": np.int64(3), "shift": np.int64(8)}, INT8, "ap_fixed<8,2>", IMAGE),
    "skip": (ops.Requantize, ["film", "x"], SKIP | {"channel_axis": 0}, INT8, "ap_fixed<8,4>", IMAGE),
    "sum": (ops.SumPool, ["skip"], {"kernel": (3, 3), "stride": (1, 1), "pads": (1,) * 4}, ACC, "ap_int<12>", IMAGE),
    "mean": (ops.Requantize, ["sum"], {"mult": [np.int64(7282)], "bias": np.int64(0), "shift": np.int64(15)}, INT8,
             "ap_fixed<8,8>", IMAGE),
    "max": (ops.MaxPool, ["mean"], {"kernel": (2, 2), "stride": (2, 2), "pads": (0,) * 4}, INT8, "ap_int<8>", IMAGE),
    "slice": (ops.Slice, ["max"], {"axis": 0, "start": 1, "stop": 4, "step": 2}, INT8, "ap_fixed<8,1>", IMAGE),
    "table": (ops.Lookup, ["t"], {"table": np.arange(256) * 7 % 256 - 128}, INT8, "ap_fixed<8,1>", ROWS),
    "norm": (ops.LayerNorm, ["table"], NORM, INT8, "ap_fixed<8,3>", ROWS),
    "prob": (ops.Softmax, ["table"], {"table": EXP, "mult": 2**16, "shift": 31, "step": 1 / 16}, UINT8,
             "ap_ufixed<8,0>", ROWS),
}  # fmt: skip
OUTPUTS = {"slice": 2.0**-7, "norm": 2.0**-5, "prob": 2.0**-8}  # and what one step of it is in hls4ml's units


def nodes() -> dict[str, ops.Node]:
    return {k: op(name=k, inputs=tuple(i), output=k, **extra) for k, (op, i, extra, *_) in NET.items()}


def layer_list() -> list[dict]:
    """The whole net for hls4ml."""
    shapes, types, layers = {k: v[0] for k, v in INPUTS.items()}, dict.fromkeys(INPUTS, INT8), []
    for name, (shape, _, perm) in INPUTS.items():
        layers.append(
            {"class_name": "Input", "name": name, "input_shape": [shape[p] for p in perm or range(len(shape))]}
        )
    for name, node in nodes().items():
        _, inputs, _, types[name], hls, perm = NET[name]
        where = {"shapes": [shapes[i] for i in inputs], "types": [types[i] for i in inputs], "perm": perm}
        # What a sum pool makes needs 12 bits; its reader is told so.
        ranges = [(-9 * 128, 9 * 127) if i == "sum" else None for i in inputs]
        layers.append(extension.layer_dict(node, name=name, inputs=inputs, result=hls, ranges=ranges, **where))
        shapes[name] = node.out_shape(where["shapes"])
    return layers


def expected(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Golden's value of every tensor."""
    types = dict.fromkeys(INPUTS, INT8) | {k: v[3] for k, v in NET.items()}
    for name, node in nodes().items():
        tensors = [Tensor(i, values[i].shape[1:], types[i]) for i in node.inputs]
        values[name] = golden.EVAL[node.op](node, [values[i] for i in node.inputs], tensors)
    return values


@pytest.mark.parametrize("io", [PARALLEL, STREAM])
def test_a_project_of_all_layers_equals_golden(io, tmp_path):
    from hls4ml.backends import get_backend
    from hls4ml.model.graph import ModelGraph

    extension.register()
    extension.register()  # once more does no harm
    config = get_backend("Vitis").create_initial_config(part="xczu7ev-ffvc1156-2-e", io_type=io)
    config |= {"OutputDir": str(tmp_path), "ProjectName": "myproject", "Backend": "Vitis"}
    config["HLSConfig"] = {
        "Model": {"Precision": "ap_fixed<16,6>", "ReuseFactor": 1, "Strategy": "Latency"},
        "LayerName": {k: {"Precision": {"result": hls}} for k, (_, hls, _) in INPUTS.items()}
        | {"mean": {"ReuseFactor": 3}},
    }
    model = ModelGraph.from_layer_list(config, layer_list(), list(INPUTS), list(OUTPUTS))
    model.compile()

    rng = np.random.default_rng(3)
    values = expected({k: rng.integers(-128, 128, (40, *shape)) for k, (shape, _, _) in INPUTS.items()})
    laid_out = [
        values[k].transpose(0, *(p + 1 for p in perm)) if perm else values[k] for k, (_, _, perm) in INPUTS.items()
    ]
    got = model.predict([np.ascontiguousarray(x, np.float32) / 8 for x in laid_out])
    for (name, step), y in zip(OUTPUTS.items(), got, strict=True):
        want = values[name].transpose(0, 2, 3, 1) if name == "slice" else values[name]
        np.testing.assert_array_equal(np.round(y.reshape(want.shape) / step), want, err_msg=name)

    parameters = (tmp_path / "firmware" / "parameters.h").read_text()
    assert "reuse_factor = 3" in parameters  # as the config says
    assert (tmp_path / "firmware" / "nnet_utils" / "nnet_hwgen_common.h").is_file()
    used = {v.type.precision.definition_cpp() for v in model.output_vars.values() if v.name.startswith("layer")}
    assert "ap_fixed<8,4>" in used and "ap_ufixed<8,0>" in used  # nothing was inferred
