"""Quantization and scaling equal the graph's, bit for bit; bad arrays are named."""

import warnings

import numpy as np
import pytest

from hwgen.runtime.convert import Packer, Unpacker
from hwgen.runtime.errors import InputFault
from hwgen.runtime.layout import TensorSpec, int32_to_planar, planar_to_int32
from tests.support import cases


def spec(shape=(5,), dtype="i1", scale=0.25, lo=None, hi=None, planar=0, offset=0):
    dtype = np.dtype(dtype)
    info = np.iinfo(dtype)
    scale = np.asarray(scale, float) if np.ndim(scale) else np.full((1,) * len(shape), float(scale))
    count = int(np.prod(shape))
    nbytes = count * dtype.itemsize if not planar else count // shape[-1] * -(-shape[-1] // planar) * 4 * planar
    lo, hi = info.min if lo is None else lo, info.max if hi is None else hi
    return TensorSpec(
        "t", tuple(shape), dtype, scale, offset, nbytes, int(lo), int(hi), tuple(range(len(shape))), planar
    )


def pack(value, raw=False, **options):
    s = spec(shape=np.shape(value), **options)
    buffer = np.zeros(s.nbytes + s.offset, np.uint8)
    packer = Packer(s, buffer)
    (packer.raw if raw else packer.real)(value)
    return packer.view


def test_another_order_of_axes_in_memory(rng):
    s = TensorSpec("t", (3, 4, 5), np.dtype("i1"), np.ones((1, 1, 1)), 16, 60, -128, 127, (1, 2, 0))
    buffer, values = np.zeros(96, np.uint8), rng.integers(-128, 128, (3, 4, 5)).astype(np.int8)
    Packer(s, buffer).real(values.astype(np.float32))
    assert (buffer[16:76].view(np.int8) == values.transpose(1, 2, 0).reshape(-1)).all()
    assert not buffer[:16].any() and not buffer[76:].any()
    assert (Unpacker(s, buffer)(True, None) == values).all()
    s.view(buffer)[2, 3, 4] = 7  # a view, not a copy
    assert buffer[16 + (3 * 5 + 4) * 3 + 2] == 7


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantization_is_round_half_to_even_of_the_quotient(rng, dtype):
    for _ in range(cases(50, 2000)):
        scale = 2.0 ** rng.integers(-12, 4) if rng.random() < 0.5 else float(rng.uniform(1e-4, 3))
        lo, hi = sorted(int(v) for v in rng.integers(-128, 128, 2))
        ties = rng.integers(-300, 300, 20) / 2 * scale
        x = np.concatenate([ties, rng.standard_normal(40) * 100 * scale, [0.0, -0.0, 1e30, -1e30]]).astype(dtype)
        want = np.clip(np.round(x / dtype(scale)), lo, hi)
        assert (pack(x, scale=scale, lo=lo, hi=hi) == want).all()


def test_quantization_equals_the_graphs(rng):
    graph = pytest.importorskip("hwgen.graph", reason="needs the flow environment")
    for _ in range(cases(20, 500)):
        scale = 2.0 ** rng.integers(-12, 4) if rng.random() < 0.5 else float(rng.uniform(1e-4, 3))
        bits, signed = int(rng.integers(2, 9)), bool(rng.integers(2))
        b = graph.GraphBuilder()
        x = b.input("x", (40,), bits=bits, signed=signed, scale=scale)
        b.output(b.requantize(x, bits=8, scale=1.0), "y")
        built = b.build()
        lo, hi = built.input_range("x")
        for dtype in (np.float32, np.float64):
            real = (rng.standard_normal(40) * 2**bits * scale).astype(dtype)
            want = graph.quantize_inputs(built, {"x": real[None]})["x"][0]
            assert (pack(real, scale=scale, lo=lo, hi=hi, dtype="i1" if signed else "u1") == want).all()


def test_float16_is_taken_as_float32():
    assert pack(np.array([0.5, -3.25, 1000], np.float16), scale=0.3).tolist() == [2, -11, 127]


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_the_order_of_bytes_changes_nothing(rng, kind):
    x = np.concatenate([[0.35], rng.normal(0, 1e3, 5000)])
    native, foreign = x.astype("<" + kind), x.astype(">" + kind)
    assert (pack(native, scale=0.1) == pack(foreign, scale=0.1)).all()


def test_saturation_of_the_largest_floats_is_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pack(np.array([3e38, -3e38, 1e-45], np.float32), scale=1e-3).tolist() == [127, -128, 0]
        assert pack(np.array([3e38, -3e38], np.float32), scale=2.0**-20, dtype="u1").tolist() == [255, 0]


def test_lists_scalars_and_strides_are_taken():
    assert pack([0.25, 0.5]).tolist() == [1, 2]
    assert pack(np.float32(0.5)).tolist() == 2
    assert pack(np.arange(12, dtype=np.float32).reshape(3, 4).T[::2]).tolist() == [[0, 16, 32], [8, 24, 40]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_named_with_its_place(bad):
    x = np.zeros((2, 3), np.float32)
    x[1, 2] = bad
    with pytest.raises(InputFault, match=r"input 't' is -?(nan|inf) at \(1, 2\)"):
        pack(x)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, bool, complex, object, "U3", np.longdouble])
def test_real_units_are_floats(dtype):
    if np.dtype(dtype).itemsize == 8 and np.dtype(dtype).kind == "f":
        pytest.skip("long double is float64 here")
    with pytest.raises(InputFault, match="has dtype .*raw=True"):
        pack(np.zeros(3, dtype))


def test_shape_is_named_with_a_hint():
    packer = Packer(spec(), np.zeros(5, np.uint8))
    for check in (packer.real, packer.raw):
        with pytest.raises(InputFault, match=r"shape \(4,\); this accelerator takes \(5,\)$"):
            check(np.zeros(4))
        with pytest.raises(InputFault, match="drop the batch axis"):
            check(np.zeros((1, 5)))


def test_raw_integers(rng):
    x = rng.integers(-128, 128, 30)
    assert (pack(x, raw=True) == x).all() and (pack(x.astype(np.int8), raw=True) == x).all()
    with pytest.raises(InputFault, match="holds 128, outside -128..127"):
        pack(np.array([0, 128]), raw=True)
    with pytest.raises(InputFault, match="holds -1, outside 0..15"):
        pack(np.array([-1, 3]), raw=True, dtype="u1", lo=0, hi=15)
    with pytest.raises(InputFault, match="holds 9, outside -8..7"):
        pack(np.array([9], np.int8), raw=True, lo=-8, hi=7)
    with pytest.raises(InputFault, match="raw input 't' has dtype float64"):
        pack(np.zeros(2), raw=True)


def test_only_the_tensors_own_bytes_are_written():
    s, buffer = spec(offset=3), np.zeros(16, np.uint8)
    Packer(s, buffer).real(np.full(5, 9.0))
    assert buffer[3:8].all() and not buffer[:3].any() and not buffer[8:].any()


def test_planar_is_its_own_inverse(rng):
    for _ in range(cases(30, 300)):
        rows, channels, lanes = (int(v) for v in rng.integers(1, 40, 3))
        values = rng.integers(-(2**31), 2**31, (rows, channels)).astype(np.int32)
        planes = int32_to_planar(values, lanes)
        assert planes.shape == (rows, -(-channels // lanes), 4, lanes)
        assert (planar_to_int32(planes, channels) == values).all()


def test_planar_bytes_lie_where_the_contract_says(rng):
    values, lanes = rng.integers(-(2**31), 2**31, (1, 20)).astype(np.int32), 8
    flat = int32_to_planar(values, lanes).reshape(-1)
    for channel in range(20):
        for k in range(4):
            at = (4 * (channel // lanes) + k) * lanes + channel % lanes
            assert flat[at] == int(values[0, channel]) >> 8 * k & 255


def test_a_planar_image_has_its_channels_innermost(rng):
    values = rng.integers(-(2**31), 2**31, (20, 2, 3)).astype(np.int32)
    s = TensorSpec("t", (20, 2, 3), np.dtype("<i4"), np.ones(1), 0, 6 * 3 * 32, -(2**31), 2**31 - 1, (1, 2, 0), 8)
    rows = values.transpose(1, 2, 0).reshape(6, 20)
    assert (Unpacker(s, int32_to_planar(rows, 8).reshape(-1))(True, None) == values).all()


@pytest.mark.parametrize("planar", [0, 8])
def test_outputs_are_scaled_once(rng, planar):
    scale = rng.uniform(1e-3, 1, 20)
    s = spec((3, 20), "<i4", scale.reshape(1, 20), planar=planar)
    values = rng.integers(-(2**31), 2**31, (3, 20)).astype(np.int32)
    buffer = np.zeros(s.nbytes, np.uint8)
    buffer[:] = (int32_to_planar(values, 8) if planar else values).reshape(-1).view(np.uint8)
    read = Unpacker(s, buffer)
    want = (values * scale).astype(np.float32)
    assert (
        (read(True, None) == values).all()
        and (read(False, None) == want).all()
        and read(False, None).dtype == np.float32
    )
    out = np.empty((3, 20), np.float32)
    assert read(False, out) is out and (out == want).all()


@pytest.mark.parametrize(
    "raw,out", [(False, np.zeros(5)), (True, np.zeros(5, "f4")), (False, np.zeros(4, "f4")), (False, [0.0] * 5)]
)
def test_out_that_does_not_fit_is_named(raw, out):
    with pytest.raises(InputFault, match=r"out\['t'\] is .*; give a writeable"):
        Unpacker(spec(), np.zeros(5, np.uint8)).check(raw, out)


def test_out_that_is_read_only_is_refused():
    out = np.zeros(5, np.float32)
    out.flags.writeable = False
    with pytest.raises(InputFault, match="writeable"):
        Unpacker(spec(), np.zeros(5, np.uint8)).check(False, out)
