"""Post-training quantization: close to the float network, exact from golden model to QONNX, and what it refuses."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.errors import InputError, UnsupportedError  # noqa: E402
from hwgen.frontends.onnx_float import load  # noqa: E402
from hwgen.graph import golden, ops, qonnx_in, qonnx_out  # noqa: E402
from hwgen.quantize.accuracy import decibels  # noqa: E402
from hwgen.quantize.floats import FloatNet  # noqa: E402
from hwgen.quantize.post import Options, quantize  # noqa: E402
from tests.support import ROOT  # noqa: E402

TORCH = ROOT / "tests" / "data" / "torch"
LEAST = {"mlp": (24, 16), "resnet18": (35, 25), "vit": (34, 30), "decoder": (34, 26), "unet": (22, 14)}
"""dB of 8-bit and 4-bit weights on inputs that calibration did not see, about 3 dB below what was measured."""


def batch(graph, count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {k: rng.normal(size=(count, *shape)).astype(np.float32) for k, shape in graph.inputs.items()}


def sqnr(graph, found, inputs) -> float:
    """dB of the integer graph's first output."""
    ints = golden.run(found, golden.quantize_inputs(found, inputs))
    wanted, real = graph.run(inputs), golden.dequantize_outputs(found, ints)
    name = found.outputs[0]
    return decibels(np.mean(wanted[name] ** 2), np.mean((real[name] - wanted[name]) ** 2))


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", LEAST)
def test_networks_of_pytorch(name, bits, tmp_path):
    graph = load(TORCH / f"{name}-{'script20' if bits == 8 else 'dynamo18'}.onnx")
    result = quantize(graph, batch(graph, 64, 1), Options(bits=bits))
    unseen = batch(graph, 64, 2)
    assert sqnr(graph, result.graph, unseen) > LEAST[name][bits == 4]
    assert list(result.graph.inputs) == list(graph.inputs) and result.graph.outputs == ["y"]
    layers = [n for n in result.graph.nodes if isinstance(n, ops.WEIGHTED)]
    assert {n.weight_bits for n in layers} == {bits}
    qonnx_out.save(result.graph, tmp_path / "g.onnx")
    again = qonnx_in.load(tmp_path / "g.onnx")
    ints = golden.quantize_inputs(result.graph, unseen)
    assert (golden.run(result.graph, ints)["y"] == golden.run(again, ints)["y"]).all()


def linear_net(width: int = 16, seed: int = 0):
    rng = np.random.default_rng(seed)
    f = FloatNet("net")
    x = f.input("x", (width,))
    w = rng.normal(size=(width, width)).astype(np.float32)
    y = f.table(f.linear(x, w, rng.normal(size=width), "fc0"), "relu", "relu")
    f.output(f.linear(y, w, None, "fc1"), "y")
    return f.build(), w


def test_bias_correction_takes_the_mean_error_away():
    graph, _ = linear_net()
    data = batch(graph, 256, 3)

    def mean_error(correct: bool) -> float:
        found = quantize(graph, data, Options(bits=2, correct=correct)).graph
        ints = golden.run(found, golden.quantize_inputs(found, data))
        return np.abs((golden.dequantize_outputs(found, ints)["y"] - graph.run(data)["y"]).mean(0)).max()

    assert mean_error(True) < 0.1 * mean_error(False)


def test_shared_weights_stay_shared():
    graph, _ = linear_net()
    found = quantize(graph, batch(graph, 8, 4)).graph
    first, second = (n for n in found.nodes if isinstance(n, ops.Linear))
    assert first.weight is second.weight


def test_one_rounding_for_layer_relu_and_residual():
    f = FloatNet("net")
    x = f.input("x", (8,))
    y = f.table(f.linear(x, np.eye(8), np.ones(8), "fc"), "relu", "relu")
    f.output(f.add(x, y, "sum"), "y")
    found = quantize(f.build(), batch(f.graph, 32, 5)).graph
    assert [n.op for n in found.nodes] == ["Linear", "Requantize"]
    assert found.nodes[1].relu and len(found.nodes[1].inputs) == 2


def test_relu_behind_a_sum_and_clips_bound_what_comes_later():
    f = FloatNet("net")
    x = f.input("x", (8,))
    f.output(f.table(f.add(f.linear(x, np.eye(8), None, "fc"), x, "sum"), "relu", "r"), "r")
    f.output(f.clip(f.linear(x, np.eye(8), None, "fc2"), -0.5, 0.25, "c"), "c")
    graph = f.build()
    found = quantize(graph, {"x": np.full((4, 8), 0.1, np.float32) * np.arange(1, 5)[:, None]}, Options()).graph
    ints = golden.run(found, {"x": np.stack([np.full(8, v) for v in found_range(found)])})
    real = golden.dequantize_outputs(found, ints)
    assert (real["r"] >= 0).all()
    assert real["c"].max() <= 0.26 and real["c"].min() >= -0.51


def found_range(found) -> tuple[int, int]:
    dtype = found.tensors["x"].dtype
    return dtype.lo, dtype.hi


def test_keys_and_values_are_signed():
    f = FloatNet("net")
    x = f.input("x", (4, 8))
    k = f.table(f.linear(x, np.eye(8), None, "k"), "relu", "positive")
    f.output(f.attention(f.linear(x, np.eye(8), None, "q"), k, k, 2, "attention"), "y")
    found = quantize(f.build(), batch(f.graph, 16, 6)).graph
    for node in found.nodes:
        if node.op == "MatMul":
            assert found.tensors[node.inputs[1]].dtype.signed


def test_pixels_are_bytes():
    f = FloatNet("net")
    f.output(f.linear(f.input("image", (6,), pixels=True), np.eye(6), None, "fc"), "y")
    rng = np.random.default_rng(0)
    found = quantize(f.build(), {"image": rng.uniform(0, 0.4, (8, 6)).astype(np.float32)}).graph
    t = found.tensors["image"]
    assert not t.dtype.signed and t.scale == pytest.approx(1 / 255)


def test_several_outputs_one_of_them_read_on():
    f = FloatNet("net")
    x = f.input("x", (8,))
    h = f.output(f.linear(x, np.eye(8) * 2, None, "fc"), "h")
    f.output(f.linear(h, np.eye(8), np.ones(8), "fc2"), "y")
    f.output(h, "same")
    graph = f.build()
    result = quantize(graph, batch(graph, 32, 7))
    assert result.graph.outputs == ["h", "y", "same"] and [row.name for row in result.outputs] == ["h", "y", "same"]
    unseen = batch(graph, 32, 7)
    assert sqnr(graph, result.graph, unseen) > 30


def test_mixed_precision_keeps_what_hurts():
    """Weights of -1 and 1 do with 4 bits; those of different magnitudes within a channel do not."""
    f = FloatNet("net")
    rng = np.random.default_rng(8)
    x = f.input("x", (32,))
    easy = np.where(rng.random((32, 32)) < 0.5, -1.0, 1.0)
    hard = rng.normal(size=(32, 32)) * np.where(np.arange(32) == 0, 30, 1)[:, None]
    f.output(f.linear(f.linear(x, easy, None, "easy"), hard, None, "hard"), "y")
    graph = f.build()
    result = quantize(graph, batch(graph, 32, 9), Options(bits="auto", target=25))
    assert {n.name: n.weight_bits for n in result.graph.nodes if isinstance(n, ops.Linear)} == {"easy": 4, "hard": 8}


def test_table_names_layers_and_their_worst_channel():
    graph, w = linear_net()
    graph.nodes[0].weight = w = w.copy()
    data = batch(graph, 64, 10)
    result = quantize(graph, data)
    assert [(row.name, row.op, row.bits) for row in result.layers] == [("relu", "Linear", 8), ("fc1", "Linear", 8)]
    assert all(row.worst_sqnr <= row.sqnr for row in result.layers)
    assert result.outputs[0].sqnr == pytest.approx(sqnr(graph, result.graph, data), abs=0.01)


def test_all_that_cannot_be_mapped_at_once():
    f = FloatNet("net")
    x = f.input("x", (4, 1))
    y = f.reshape(x, (1, 4), "row")
    f.output(f.add(x, y, "both"), "a")
    f.output(f.linear(y, np.full((4, 2), np.nan), None, "broken"), "b")
    with pytest.raises(UnsupportedError) as error:
        quantize(f.build(), batch(f.graph, 4, 11))
    assert "'both'" in str(error.value) and "'broken'" in str(error.value)


def test_numbers_that_are_none_are_named():
    f = FloatNet("net")
    x = f.input("x", (4,))
    y = f.linear(x, np.full((4, 2), np.nan), None, "first")
    f.output(f.linear(y, np.full((2, 2), np.inf), None, "second"), "a")
    y = f.table(f.linear(x, np.eye(4) * 1e30, None, "large"), lambda v: v * 1e30, "over")
    f.output(f.linear(y, np.eye(4), None, "behind"), "b")
    with pytest.raises(UnsupportedError, match="3 problems") as error:
        quantize(f.build(), batch(f.graph, 4, 12))
    text = str(error.value)
    assert "'first' (Linear): its weights" in text and "'second' (Linear): its weights" in text
    assert "'over' (Table): it gives NaN or infinity for the calibration data" in text and "'behind'" not in text


def test_wrong_options():
    graph, _ = linear_net()
    with pytest.raises(InputError) as error:
        quantize(graph, batch(graph, 4, 12), Options(bits=5, method="best", percentile=10, target=float("nan")))
    assert all(part in str(error.value) for part in ("bits is 5", "'best'", "percentile is 10", "target is nan"))
