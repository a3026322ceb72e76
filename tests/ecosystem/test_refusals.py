"""What a backend cannot take ends in one line that names the node, the reason and the way out, and writes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import onnx
import pytest

from hwgen import backends
from hwgen.backends.options import Options
from hwgen.errors import FitError, UnsupportedError
from tests.graph.foreign import Style, Writer

RNG = np.random.default_rng(3)
NONE = Options()
STREAM = Options(io="stream")
ALL = ("engine", "hls4ml", "finn")


class Model(Writer):
    """A Writer with short names for what the cases are made of."""

    def x(self, *shape: int, name: str = "x") -> str:
        return self.q(self.input(shape, name))

    def q(self, x: str, scale: float = 2.0**-4, **spec) -> str:
        return self.quant(x, scale, **spec)

    def fc(self, x: str, n: int, m: int) -> str:
        return self.linear(x, RNG.normal(0, 0.3, (n, m)), 2.0**-4, 4)

    def conv(self, x: str, *shape: int, **attrs) -> str:
        return self.op("Conv", x, self.q(self.const(RNG.normal(0, 0.3, shape)), bits=4), **attrs)

    def ints(self, *values: int) -> str:
        return self.const(values, np.int64)


Build = Callable[[Model], str]
NOWHERE: dict[str, tuple[Build, str]] = {
    "16-bit activation": (lambda m: m.q(m.fc(m.x(8), 8, 4), bits=16), "(Quant): activations of 16 bits; 2 to 8 bits"),
    "16-bit weights": (
        lambda m: m.linear(m.x(8), RNG.normal(0, 1, (8, 4)), 2.0**-12, 16),
        "(MatMul): its weights need",
    ),
    "float weights": (
        lambda m: m.op("MatMul", m.x(8), m.const(RNG.normal(0, 1, (8, 4)))),
        "(MatMul): its weights are not quantized; put a Quant node",
    ),
    "function of a sum": (
        lambda m: m.q(m.op("Sigmoid", m.fc(m.x(8), 8, 4))),
        "(Sigmoid): its input is not quantized: insert a Quant node before it",
    ),
    "zero point": (lambda m: m.q(m.fc(m.x(8), 8, 4), zero=3.0), "(Quant): its zero point is not 0; export"),
    "binary quantizer": (
        lambda m: m.op("BipolarQuant", m.x(8), m.const(1.0), domain="qonnx.custom_op.general"),
        "(BipolarQuant): 1-bit quantizers cannot be mapped; use Quant",
    ),
    "transposed convolution": (
        lambda m: m.op("ConvTranspose", m.x(2, 4, 4), m.q(m.const(RNG.normal(0, 1, (2, 3, 2, 2))), bits=4)),
        "(ConvTranspose): it has 2 spatial axes; 1 is possible, so use",
    ),
    "queries without a head axis": (
        lambda m: m.op("MatMul", m.x(4, 8), m.op("Transpose", m.x(2, 4, 8, name="k"), perm=[0, 1, 3, 2])),
        "(MatMul): it multiplies (4, 8) by (2, 8, 4) (without batch); leading axes must be equal",
    ),
}
"""What no backend takes: part of the message, the same from each."""

HERE: dict[str, tuple[str, Options, Build, str]] = {
    "hls4ml, attention": (
        "hls4ml", NONE,
        lambda m: m.q(m.op("MatMul", m.x(4, 8), m.op("Transpose", m.x(4, 8, name="k"), perm=[0, 2, 1]))),
        r"\(MatMul\): hls4ml has no product of two activations.*; use --backend engine",
    ),
    "finn, attention": (
        "finn", NONE,
        lambda m: m.q(m.op("MatMul", m.x(4, 8), m.op("Transpose", m.x(4, 8, name="k"), perm=[0, 2, 1]))),
        r"\(Transpose\): FINN's streams keep their order.*; use the backend engine",
    ),
    "hls4ml, group norm": (
        "hls4ml", NONE,
        lambda m: m.q(m.op("InstanceNormalization", m.x(4, 4, 4), m.const(np.ones(4)), m.const(np.zeros(4)))),
        r"\(GroupNorm\): hls4ml has no GroupNorm; use --backend engine",
    ),
    "finn, group norm": (
        "finn", NONE,
        lambda m: m.q(m.op("InstanceNormalization", m.x(4, 4, 4), m.const(np.ones(4)), m.const(np.zeros(4)))),
        r"\(GroupNorm\): FINN has no GroupNorm; use the backend engine",
    ),
    "finn, softmax": (
        "finn", NONE,
        lambda m: m.q(m.op("Softmax", m.x(8), axis=-1), 2.0**-8, signed=0),
        r"\(Softmax\): FINN has no softmax; use .*hls4ml",
    ),
    "finn, LayerNorm": (
        "finn", NONE,
        lambda m: m.q(m.op("LayerNormalization", m.x(8), m.const(np.ones(8)), axis=-1)),
        r"\(LayerNorm\): FINN has no LayerNorm for this board; use the backend engine",
    ),
    "finn, RMSNorm": (
        "finn", NONE,
        lambda m: m.q(m.op("Div", *(lambda x: (x, m.op("Sqrt", m.op("Add", m.op("ReduceMean", m.op("Mul", x, x),
                  axes=[-1], keepdims=1), m.const(1e-5)))))(m.x(8)))),
        r"\(LayerNorm\): FINN has no LayerNorm for this board; use the backend engine",
    ),
    "finn, transpose": (
        "finn", NONE,
        lambda m: m.fc(m.op("Transpose", m.q(m.fc(m.x(4, 8), 8, 6)), perm=[0, 2, 1]), 4, 3),
        r"\(Transpose\): FINN's streams keep their order.*; use the backend engine",
    ),
    "finn, slice": (
        "finn", NONE,
        lambda m: m.fc(m.op("Slice", m.x(8), m.ints(1), m.ints(5), m.ints(1)), 4, 3),
        r"\(Slice\): FINN has no slice of a stream; use the backend engine",
    ),
    "finn, a function that goes up and down": (
        "finn", NONE,
        lambda m: m.q(m.op("Sin", m.q(m.op("Mul", m.x(8), m.const(16.0)), 1.0)), 2.0**-7),
        r"\(Lookup\): its table rises and falls by \d+ in all.*; use the backend engine",
    ),
    "hls4ml, a vector too long for registers": (
        "hls4ml", NONE,
        lambda m: m.q(m.fc(m.x(5000), 5000, 2)),
        r"\w+.*5000.* elements, .*use the backend engine",
    ),
    "hls4ml, a packet too long for registers": (
        "hls4ml", STREAM,
        lambda m: m.q(m.fc(m.x(5000), 5000, 2)),
        r"\w+.*5000 elements, and io_stream keeps a packet .*use the backend engine",
    ),
    "hls4ml, a stream with many readers": (
        "hls4ml", STREAM,
        lambda m: (lambda x: m.q(m.op("Concat", *(m.q(m.fc(x, 8, 2)) for _ in range(8)), axis=1)))(m.x(8)),
        r"8 layers read its stream.*; use --io parallel, or the backend engine",
    ),
    "hls4ml, joining what has four axes": (
        "hls4ml", NONE,
        lambda m: m.q(m.op("Concat", *(m.op("Reshape", m.x(16, name=n), m.ints(1, 2, 2, 2, 2)) for n in "xz"), axis=2)),
        r"\(Concat\): its tensors have 4 axes; .*reshape around it, or use the backend engine",
    ),
}  # fmt: skip
"""What one backend does not take: (backend, options, model, message behind the node's name)."""

TOO_LARGE: dict[str, tuple[str, str]] = {
    "hls4ml": ("BRAM36|DSP|LUT", "a larger board or a smaller model"),
    "finn": ("bram18|BRAM|DSP|LUT", "a larger board or a smaller model"),
}
"""A model that no folding fits onto the board."""


def file_of(build: Build, tmp_path) -> tuple[onnx.ModelProto, object]:
    m = Model(Style(opset=15))
    model = m.model(build(m))
    onnx.save(model, str(tmp_path / "model.onnx"))
    return model, tmp_path / "model.onnx"


def refused(backend: str, options: Options, build: Build, tmp_path) -> str:
    model, file = file_of(build, tmp_path)
    with pytest.raises(UnsupportedError) as caught:
        backends.generate(file, "zcu104", backend, options, tmp_path / "out")
    message = str(caught.value)
    assert "\n" not in message and not (tmp_path / "out").exists()
    assert re.match(r"(node|tensor) '[^']+'", message), f"names neither node nor input: {message}"
    return message


@pytest.mark.parametrize("backend", ALL)
@pytest.mark.parametrize("case", NOWHERE)
def test_what_no_backend_takes(case, backend, tmp_path):
    build, words = NOWHERE[case]
    assert words in refused(backend, NONE, build, tmp_path)


@pytest.mark.parametrize("case", HERE)
def test_what_one_backend_does_not_take(case, tmp_path):
    backend, options, build, words = HERE[case]
    message = refused(backend, options, build, tmp_path)
    assert re.search(words, message), message


@pytest.mark.parametrize("backend", TOO_LARGE)
def test_what_fits_no_board(backend, tmp_path):
    resource, way_out = TOO_LARGE[backend]
    _, file = file_of(lambda m: m.q(m.fc(m.x(1024), 1024, 4096)), tmp_path)
    with pytest.raises(FitError, match=f"({resource}).*{way_out}"):
        backends.generate(file, "pynq-z2", backend, NONE, tmp_path / "out")
