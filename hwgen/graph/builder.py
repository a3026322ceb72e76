"""Build a graph node by node from real scales; multipliers, biases and shifts are computed here.

    b = GraphBuilder("head")
    x = b.input("obs", (32,), scale=2**-6)
    a = b.linear(x, w_int, w_scale, bias_real, weight_bits=4)
    y = b.requantize(a, bits=8, signed=False, scale=2**-5, relu=True)
    b.output(y)
    graph = b.build()

Every method returns the name of the tensor that it makes.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import ops
from hwgen.graph.activations import activation_table
from hwgen.graph.builder_edges import Edges, as_tuple, real_scale, scalar_if_one
from hwgen.graph.ranges import lane_bounds, norm_bound
from hwgen.graph.scaling import (
    clamp_code,
    fixed_norm_eps,
    fraction_bits,
    lane_params,
    softmax_scale,
    softmax_table,
)
from hwgen.graph.types import ACC, IntType

BYTE = 255
"""The largest value of a tensor that is not wide."""
NORM_SCALE = 2.0**-20
"""Scale of LayerNorm's normalized values."""
WIDE_BIAS_BITS = 8
"""A wide output gets at most this many bits below the accumulator's grid, to hold a bias that lies between."""
FLOAT_BITS = 24
"""... and no more than float32 holds, in which hosts read it and FINN passes it."""


class GraphBuilder(Edges):
    """Collects nodes; see the module's example. Scales are real values per step, shapes leave out the batch."""

    # -- multiply-accumulate -----------------------------------------------------------------------------------

    def linear(self, x: str, weight: np.ndarray, weight_scale: float | np.ndarray, bias_real: np.ndarray | None = None,
               weight_bits: int = 8, name: str | None = None) -> str:  # fmt: skip
        """x[..., in] times integer weight[in, out] -> accumulator. weight_scale: one, or one per output channel.

        bias_real (real units, one per output channel) is added by the Requantize that reads the accumulator.
        """
        w = self._weight(weight, name or "linear")
        node = ops.Linear(**self._ids("linear", name, x), weight=w, weight_bits=weight_bits)
        return self._accumulate(node, weight_scale, bias_real, axis=-1)

    def conv(self, x: str, weight: np.ndarray, weight_scale: float | np.ndarray, bias_real: np.ndarray | None = None,
             weight_bits: int = 8, stride: int | tuple = 1, pads: int | tuple = 0, dilation: int | tuple = 1,
             groups: int = 1, name: str | None = None) -> str:  # fmt: skip
        """Integer weight[out, in / groups, *kernel] over x[C, T] or x[C, H, W] -> accumulator (channels first).

        stride, pads and dilation: one number for all axes, or a tuple (pads: begin of each axis, then end of each).
        """
        w = self._weight(weight, name or "conv")
        n = w.ndim - 2
        if n not in (1, 2):
            raise UnsupportedError(f"convolution {name or ''!r} has {n} spatial axes; 1 or 2 are possible")
        cls = ops.Conv1D if n == 1 else ops.Conv2D
        node = cls(**self._ids(cls.__name__.lower(), name, x), weight=w, weight_bits=weight_bits,
                   stride=as_tuple(stride, n), pads=as_tuple(pads, 2 * n), dilation=as_tuple(dilation, n),
                   groups=groups)  # fmt: skip
        return self._accumulate(node, weight_scale, bias_real, axis=-1 - n)

    conv1d = conv
    conv2d = conv

    def conv_transpose1d(self, x: str, weight: np.ndarray, weight_scale: float | np.ndarray,
                         bias_real: np.ndarray | None = None, weight_bits: int = 8, stride: int = 1,
                         pads: int | tuple = 0, output_padding: int = 0, groups: int = 1,
                         name: str | None = None) -> str:  # fmt: skip
        """Integer weight[in, out / groups, k] over x[C, T] -> accumulator; pads: cut off at begin and end."""
        w = self._weight(weight, name or "conv_transpose1d")
        if w.ndim != 3:
            raise UnsupportedError(
                f"transposed convolution {name or ''!r} has {w.ndim - 2} spatial axes; 1 is possible"
            )
        window = {"stride": int(stride), "pads": as_tuple(pads, 2), "output_padding": int(output_padding)}
        ids = self._ids("conv_transpose1d", name, x)
        node = ops.ConvTranspose1D(**ids, weight=w, weight_bits=weight_bits, groups=groups, **window)
        return self._accumulate(node, weight_scale, bias_real, axis=-2)

    def matmul(self, a: str, b: str, name: str | None = None) -> str:
        """a[..., i, k] times b[..., k, j], both activations with equal leading axes -> accumulator."""
        node = ops.MatMul(**self._ids("matmul", name, a, b))
        self._check_narrow(f"node {node.name!r} (MatMul)", a, b)
        return self._add(node, ACC, float(self.tensor(a).scale * self.tensor(b).scale))

    def _accumulate(self, node: ops.Node, weight_scale, bias_real, axis: int) -> str:
        weight_scale = np.asarray(weight_scale, np.float32).astype(np.float64)
        if not (np.isfinite(weight_scale).all() and (weight_scale > 0).all()):
            raise UnsupportedError(f"node {node.name!r}: weight scales must be positive and finite")
        scale = self.tensor(node.inputs[0]).scale * weight_scale
        out = self._add(node, ACC, scalar_if_one(scale), axis)
        if bias_real is not None:
            self._bias[out] = np.asarray(bias_real, np.float64)
        return out

    # -- requantize --------------------------------------------------------------------------------------------

    def requantize(self, x: str, bits: int = 8, signed: bool = True, scale: float = 1.0, relu: bool = False,
                   residual: str | None = None, narrow: bool = False, bias_real: np.ndarray | None = None,
                   gain: float | np.ndarray = 1.0, residual_gain: float | np.ndarray = 1.0, lo: int | None = None,
                   hi: int | None = None, channel_axis: int | None = None, name: str | None = None) -> str:  # fmt: skip
        """Round x * gain + bias [relu] [+ residual * residual_gain] to integers of `bits` bits with a scale.

        x: accumulator or narrow tensor; residual: narrow tensor. gains are real factors, one or one per channel.
        lo, hi: tighter clamp in output integers (Clip). channel_axis: of what is per channel (default: x's own).
        Raises UnsupportedError if the lane cannot do it.
        """
        self._check_type(name or x, bits, scale)
        dtype, scale = IntType(bits, signed), real_scale(scale)
        low, high = dtype.bounds(narrow)
        low, high = max(low, low if lo is None else lo), min(high, high if hi is None else hi)
        ids = self._ids("requantize", name, x, *([residual] if residual else []))
        node = self._lane_node(ids, scale, bias_real, gain, residual_gain, relu, low, high, channel_axis)
        return self._add(node, dtype, scale)

    def wide(self, x: str, relu: bool = False, residual: str | None = None, bias_real: np.ndarray | None = None,
             gain: float | np.ndarray = 1.0, residual_gain: float | np.ndarray = 1.0,
             channel_axis: int | None = None, per_tensor: bool = False, lo: float = -np.inf, hi: float = np.inf,
             name: str | None = None) -> str:  # fmt: skip
        """x * gain + bias [relu] [+ residual], clamped to real lo and hi, as 32-bit integers: no quantizer follows.

        The grid is the accumulator's (of each channel, unless per_tensor), refined as far as bias and residual need, by
        at most 2**8; what still lies between is rounded.
        """
        t = self.tensor(x)
        axis = t.channel_axis if channel_axis is None else channel_axis
        step = np.abs(np.asarray(t.scale, np.float64) * gain)
        step = np.where(step > 0, step, np.min(np.where(step > 0, step, np.max(t.scale))))
        step = np.full((), np.min(step)) if per_tensor else step
        offsets = [self._full_bias(x, bias_real, gain) / step]
        peak = self.ranges[x].bound * np.max(np.abs(t.scale * np.asarray(gain)) / step) + np.max(np.abs(offsets[0]))
        if residual:
            offsets.append(self.tensor(residual).scale * np.asarray(residual_gain) / step)
            peak += np.max(np.abs(offsets[1])) * self.ranges[residual].bound
        scale = step / 2.0 ** _wide_bits(offsets, peak)
        low = ACC.lo if lo in (-np.inf, 0) else max(ACC.lo, clamp_code(lo, float(scale)))
        low = 0 if lo == 0 and residual else low
        high = ACC.hi if hi == np.inf else min(ACC.hi, clamp_code(hi, float(scale)))
        ids = self._ids("requantize", name, x, *([residual] if residual else []))
        node = self._lane_node(ids, scale, bias_real, gain, residual_gain, relu, low, high, axis)
        return self._add(node, ACC, scalar_if_one(scale), axis)

    def even_scale(self, x: str) -> str:
        """A wide tensor with one scale for all channels: the smallest."""
        return self.wide(x, per_tensor=True)

    def _full_bias(self, x: str, bias_real, gain) -> np.ndarray:
        bias = self._bias.get(x, np.float64(0)) * np.asarray(gain, np.float64)
        return bias + (0 if bias_real is None else np.asarray(bias_real, np.float64))

    def _lane_node(self, ids, scale, bias_real, gain, residual_gain, relu, lo, hi, axis=None) -> ops.Requantize:
        ins = [self.tensor(i) for i in ids["inputs"]]
        axis = ins[0].channel_axis if axis is None else axis
        gains = (gain, residual_gain)
        ratios = [np.asarray(t.scale) * np.asarray(g, np.float64) / scale for t, g in zip(ins, gains, strict=False)]
        offset = self._full_bias(ids["inputs"][0], bias_real, gain) / scale
        if hi > BYTE and all(np.array_equal(r, np.round(r)) for r in ratios):
            offset = np.round(offset)  # only whole numbers are added to it, so it may be rounded first
        bounds = lane_bounds([self.ranges[i] for i in ids["inputs"]], axis == ins[0].channel_axis)
        p = lane_params(ratios, offset, bounds, max(abs(lo), abs(hi)), f"node {ids['name']!r} (Requantize)")
        return ops.Requantize(
            **ids, mult=p.mult, bias=p.bias, shift=p.shift, relu=relu, lo=lo, hi=hi, channel_axis=axis
        )

    # -- tables, norms, products -------------------------------------------------------------------------------

    def activation(self, x: str, fn, bits: int = 8, signed: bool = True, scale: float = 1.0, narrow: bool = False,
                   name: str | None = None) -> str:  # fmt: skip
        """A table: fn of every value of x, quantized. fn: a name of activations.FUNCTIONS, or float64 -> float64."""
        self._check_type(name or x, bits, scale)
        t, dtype, scale = self.tensor(x), IntType(bits, signed), real_scale(scale)
        if t.dtype.is_wide:
            raise UnsupportedError(f"activation on {x!r}: it is {t.dtype}; requantize it to 8 bits or less first")
        table = activation_table(fn, t.dtype, float(t.scale), float(scale), *dtype.bounds(narrow))
        label = fn if isinstance(fn, str) else "lookup"
        return self.lookup(x, table, bits, signed, scale, name=name or self._fresh(label), fn=label)

    def lookup(self, x: str, table: np.ndarray, bits: int = 8, signed: bool = True, scale: float = 1.0,
               name: str | None = None, fn: str = "") -> str:  # fmt: skip
        """A table of 256 integers (index x + 128 if x is signed, else x). fn: the function's name, if it has one."""
        node = ops.Lookup(**self._ids("lookup", name, x), table=np.asarray(table, np.int64), fn=fn)
        return self._add(node, IntType(bits, signed), real_scale(scale))

    def layernorm(self, x: str, gamma: np.ndarray | float, beta: np.ndarray | float = 0.0, eps: float = 1e-5,
                  bits: int = 8, signed: bool = True, scale: float = 1.0, rms: bool = False, narrow: bool = False,
                  lo: int | None = None, hi: int | None = None, name: str | None = None) -> str:  # fmt: skip
        """(x - mean) / sqrt(var + eps) * gamma + beta over the last axis, as integers with a scale (rms: RMSNorm)."""
        row = self.tensor(x).shape[-1]
        return self._norm(ops.LayerNorm, x, name, row, gamma, beta, eps, (bits, signed, scale, narrow, lo, hi), rms=rms)

    def groupnorm(self, x: str, groups: int, gamma: np.ndarray | float, beta: np.ndarray | float = 0.0,
                  eps: float = 1e-5, bits: int = 8, signed: bool = True, scale: float = 1.0, narrow: bool = False,
                  lo: int | None = None, hi: int | None = None, name: str | None = None) -> str:  # fmt: skip
        """LayerNorm over each group of channels of x[C, *space], all positions; gamma, beta: one or per channel."""
        row = self.tensor(x).size // max(groups, 1)
        form = (bits, signed, scale, narrow, lo, hi)
        return self._norm(ops.GroupNorm, x, name, row, gamma, beta, eps, form, groups=groups)

    def _norm(
        self, cls: type, x: str, name: str | None, row: int, gamma, beta, eps: float, form: tuple, **fields
    ) -> str:
        bits, signed, scale, narrow, lo, hi = form
        self._check_type(name or x, bits, scale)
        dtype, scale, kind = IntType(bits, signed), real_scale(scale), cls.__name__
        low, high = dtype.bounds(narrow)
        lo, hi = max(low, low if lo is None else lo), min(high, high if hi is None else hi)
        ids = self._ids(kind.lower(), name, x)
        where = f"node {ids['name']!r} ({kind})"
        self._check_narrow(where, x)
        if not 0 <= eps < np.inf:
            raise UnsupportedError(f"{where}: epsilon is {eps}; it must be 0 or more")
        ratio = np.asarray(gamma, np.float64) * NORM_SCALE / scale
        offset = np.asarray(beta, np.float64) / scale
        p = lane_params([ratio], offset, [norm_bound(row)], max(abs(lo), abs(hi)), where)
        eps_int = fixed_norm_eps(real_scale(eps), row, float(self.tensor(x).scale))
        lane = {"gamma_mult": p.mult[0], "bias": p.bias, "shift": p.shift, "lo": lo, "hi": hi}
        return self._add(cls(**ids, **lane, eps_int=eps_int, **fields), dtype, scale)

    def softmax(self, x: str, bits: int = 8, signed: bool = False, scale: float = 2.0**-8,
                narrow: bool = False, gain: float = 1.0, out_gain: float = 1.0, lo: int | None = None,
                hi: int | None = None, name: str | None = None) -> str:  # fmt: skip
        """softmax(x * gain) * out_gain over the last axis, as integers with a scale; gain (1 / temperature) > 0."""
        self._check_type(name or x, bits, scale)
        t, dtype, scale = self.tensor(x), IntType(bits, signed), real_scale(scale)
        low, high = dtype.bounds(narrow)
        lo, hi = max(low, low if lo is None else lo), min(high, high if hi is None else hi)
        ids = self._ids("softmax", name, x)
        where = f"node {ids['name']!r} (Softmax)"
        if not 0 < real_scale(gain) < np.inf:
            raise UnsupportedError(f"{where}: the factor on its input is {gain}; it must be positive and finite")
        step = float(t.scale) * real_scale(gain)
        mult, shift = softmax_scale(scale / out_gain, where)
        node = ops.Softmax(**ids, table=softmax_table(step), mult=mult, shift=shift, step=step, lo=lo, hi=hi)
        return self._add(node, dtype, scale)

    def mul(self, a: str, b: str, bits: int = 8, signed: bool = True, scale: float = 1.0, narrow: bool = False,
            gain: float | np.ndarray = 1.0, channel_axis: int = -1, name: str | None = None) -> str:  # fmt: skip
        """a * b * gain, broadcast as in ONNX, as integers with a scale."""
        self._check_type(name or a, bits, scale)
        dtype, scale = IntType(bits, signed), real_scale(scale)
        lo, hi = dtype.bounds(narrow)
        ids = self._ids("mul", name, a, b)
        ratio = self.tensor(a).scale * self.tensor(b).scale * np.asarray(gain, np.float64) / scale
        bound = self.ranges[a].bound * self.ranges[b].bound
        p = lane_params([ratio], 0.0, [bound], max(abs(lo), abs(hi)), f"node {ids['name']!r} (Mul)")
        node = ops.Mul(**ids, mult=p.mult[0], shift=p.shift, lo=lo, hi=hi, channel_axis=channel_axis)
        return self._add(node, dtype, float(scale))

    def product(self, a: str, b: str, name: str | None = None) -> str:
        """a * b unrounded, as a wide tensor that a Requantize reads."""
        one, zero = np.ones(1, np.int64), np.zeros(1, np.int64)
        node = ops.Mul(**self._ids("mul", name, a, b), mult=one, shift=zero, lo=ACC.lo, hi=ACC.hi)
        return self._add(node, ACC, float(self.tensor(a).scale * self.tensor(b).scale))

    def film(self, x: str, gamma: str, beta: str | None = None, bits: int = 8, signed: bool = True, scale: float = 1.0,
             narrow: bool = False, relu: bool = False, name: str | None = None) -> str:  # fmt: skip
        """x * gamma + beta (all integers, broadcast as in ONNX), rounded once."""
        wide = self.product(x, gamma, name=self._fresh(f"{name or 'film'}_product"))
        return self.requantize(wide, bits, signed, scale, narrow=narrow, relu=relu, residual=beta, name=name)

    # -- pooling and moves -------------------------------------------------------------------------------------

    def maxpool(self, x: str, kernel, stride=None, pads=0, name: str | None = None) -> str:
        """Largest value of each window of x[C, *space]."""
        return self._keep(ops.MaxPool(**self._ids("maxpool", name, x), **self._window(x, kernel, stride, pads)))

    def sumpool(self, x: str, kernel=None, stride=None, pads=0, name: str | None = None) -> str:
        """Sum of each window of x[C, *space] -> accumulator; without a kernel, of everything."""
        kernel = self.tensor(x).shape[1:] if kernel is None else kernel
        node = ops.SumPool(**self._ids("sumpool", name, x), **self._window(x, kernel, stride, pads))
        return self._add(node, ACC, float(self.tensor(x).scale), axis=-len(self.tensor(x).shape))

    def avgpool(self, x: str, kernel=None, stride=None, pads=0, bits: int = 8, signed: bool = True, scale: float = 1.0,
                name: str | None = None) -> str:  # fmt: skip
        """Mean of each window (padding counts), as integers with a scale; without a kernel, of everything."""
        acc = self.sumpool(x, kernel, stride, pads)
        count = float(np.prod(self.graph.nodes[-1].kernel))
        return self.requantize(acc, bits, signed, scale, gain=1.0 / count, name=name)

    def _window(self, x: str, kernel, stride, pads) -> dict:
        n = len(self.tensor(x).shape) - 1
        kernel = as_tuple(kernel, n)
        stride = kernel if stride is None else as_tuple(stride, n)
        return {"kernel": kernel, "stride": stride, "pads": as_tuple(pads, 2 * n)}

    def flatten(self, x: str, name: str | None = None) -> str:
        """All axes into one."""
        return self._keep(ops.Flatten(**self._ids("flatten", name, x)))

    def reshape(self, x: str, shape: tuple[int, ...], name: str | None = None) -> str:
        """The same integers in row-major order; one axis may be -1, which takes what is left."""
        rest = -int(np.prod(shape))
        shape = tuple(self.tensor(x).size // rest if n == -1 and rest > 0 else int(n) for n in shape)
        return self._keep(ops.Reshape(**self._ids("reshape", name, x), shape=shape))

    def transpose(self, x: str, perm: tuple[int, ...], name: str | None = None) -> str:
        """Reorder the axes (numbers without batch)."""
        return self._keep(ops.Transpose(**self._ids("transpose", name, x), perm=tuple(perm)))

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1, name: str | None = None) -> str:
        """x[start:stop:step] along one axis."""
        return self._keep(ops.Slice(**self._ids("slice", name, x), axis=axis, start=start, stop=stop, step=step))

    def concat(self, xs: list[str], axis: int = -1, name: str | None = None) -> str:
        """One after the other along an axis; types and scales must be equal."""
        return self._keep(ops.Concat(**self._ids("concat", name, *xs), axis=axis))


def _wide_bits(offsets: list[np.ndarray], peak: float) -> int:
    """How many bits a wide output's grid is refined by, so that offsets (in steps) lie on it and peak still fits."""
    room = min(WIDE_BIAS_BITS, FLOAT_BITS - int(np.ceil(np.log2(peak + 2))))
    if room <= 0:
        return 0
    # Bits that remain after rounding to the finest grid possible: then a second pass over the result changes nothing.
    return max(fraction_bits(np.round(o * 2.0**room) / 2.0**room) for a in offsets for o in np.ravel(a))
