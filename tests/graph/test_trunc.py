"""Trunc nodes, as Brevitas' average pooling has them, against QONNX's executor: equal for every rounding mode."""

import numpy as np
import pytest

from hwgen.graph import dequantize_outputs, qonnx_in, qonnx_out, quantize_inputs, run
from tests.graph.executor import execute
from tests.graph.foreign import Style, Writer

MODES = ["ROUND", "FLOOR", "CEIL", "DOWN"]


def check(model, rng, signed: bool, steps: int = 0) -> None:
    """The graph, its export and the executor agree (by so many steps) on random images."""
    graph = qonnx_in.load(model)
    real = {"x": rng.normal(0, 3, (1, 2, 6, 6)).astype(np.float32)}
    real["x"] = real["x"] if signed else np.abs(real["x"])
    ints = quantize_inputs(graph, real)
    (y,) = graph.outputs
    want = execute(model, real)[y] / graph.tensors[y].scale
    again = run(qonnx_in.load(qonnx_out.to_model(graph)), ints)[y]
    assert np.array_equal(run(graph, ints)[y], again) and dequantize_outputs(graph, {y: again})[y].shape == want.shape
    assert np.abs(again - want).max() <= steps + 1e-3 and len(np.unique(again)) > 3


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scale", [2.0**-4, 0.0299868])
def test_average_pooling(mode, signed, scale, rng):
    if mode == "DOWN" and signed:
        pytest.skip("refused, see test_qonnx_errors")
    w = Writer(Style(opset=13, domain_version=2))
    x = w.quant(w.input((2, 6, 6)), scale, signed=int(signed))
    x = w.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    params = [w.const(v) for v in (np.float32(scale) / 4, 0.0, 10.0, np.float32(scale) * 2, 6.0)]
    y = w.op("Trunc", x, *params, domain=w.style.domain, rounding_mode=mode, signed=int(signed), narrow=0)
    check(w.model(y), rng, signed)


@pytest.mark.parametrize("window", [3, 5])
def test_window_that_is_no_power_of_two(window, rng):
    """Brevitas drops whole bits: the output's scale is not what the integers were divided by."""
    scale = np.float32(0.07)
    w = Writer(Style(opset=13, domain_version=2))
    x = w.op("AveragePool", w.quant(w.input((2, 6, 6)), scale), kernel_shape=[window] * 2)
    params = [w.const(v) for v in (scale / np.float32(window**2), 0.0, 12.0, scale, 8.0)]
    y = w.op("Trunc", x, *params, domain=w.style.domain, rounding_mode="ROUND", signed=1, narrow=0)
    model = w.model(w.quant(y, 0.02))
    check(model, rng, True, steps=1)


@pytest.mark.parametrize("signed", [True, False])
def test_first_version(signed, rng):
    """The value is divided, the scale stays; the sign is that of the input."""
    w = Writer(Style(opset=13))
    x = w.quant(w.input((2, 6, 6)), 2.0**-4, signed=int(signed))
    y = w.op("Trunc", x, *(w.const(v) for v in (2.0**-4, 0.0, 8.0, 5.0)), domain=w.style.domain, rounding_mode="FLOOR")
    model = w.model(y)
    check(model, rng, signed)
    dtype = qonnx_in.load(model).tensors[y].dtype
    assert (dtype.bits, dtype.signed) == (5, signed)
