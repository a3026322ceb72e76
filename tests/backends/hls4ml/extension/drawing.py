"""Random nodes with legal parameters, as cases of the harness."""

from __future__ import annotations

import numpy as np

from hwgen.backends.hls4ml.extension import PARALLEL, STREAM
from hwgen.backends.hls4ml.extension.spec import bits_of
from hwgen.graph import ops
from hwgen.graph.types import IntType
from tests.backends.hls4ml.extension.harness import Case


def integers(rng: np.random.Generator, lo: int, hi: int, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform, small or extreme integers of lo..hi, int64."""
    kind = rng.integers(3)
    if kind == 0:
        return rng.integers(lo, hi, shape, endpoint=True)
    if kind == 1:
        return np.clip(rng.integers(-3, 3, shape, endpoint=True), lo, hi)
    return rng.choice([lo, hi, max(lo, min(hi, 0))], shape)


def frames(rng: np.random.Generator, lo: int, hi: int, shape: tuple[int, ...], batch: int = 6) -> np.ndarray:
    """A batch of `integers`, each frame of a kind of its own."""
    return np.stack([integers(rng, lo, hi, shape) for _ in range(batch)])


def hls_type(rng: np.random.Generator, bits: int, signed: bool) -> str:
    """A type of ap_types of that width; the binary point lies anywhere."""
    u = "" if signed else "u"
    if rng.integers(3) == 0:
        return f"ap_{u}int<{bits}>"
    return f"ap_{u}fixed<{bits}, {int(rng.integers(-3, bits + 4))}>"


def io(rng: np.random.Generator) -> str:
    """io_parallel or io_stream."""
    return str(rng.choice([PARALLEL, STREAM]))


def activation(rng: np.random.Generator) -> IntType:
    """2 to 8 bits, signed or not."""
    return IntType(int(rng.integers(2, 9)), bool(rng.integers(2)))


def span(rng: np.random.Generator, t: IntType) -> tuple[int, int]:
    """(lo, hi) of what occurs in a tensor: the type's bounds, or part of them."""
    if rng.integers(3):
        return t.lo, t.hi
    lo, hi = sorted(int(v) for v in rng.integers(t.lo, t.hi, 2, endpoint=True))
    return lo, hi


def holder(rng: np.random.Generator, t: IntType, lo: int, hi: int) -> str:
    """An HLS type for lo..hi of a tensor of type t: t's own, a little more, or as little as it takes."""
    bits, signed = (t.bits + int(rng.integers(3)), t.signed) if rng.integers(2) else bits_of(lo, hi)
    return hls_type(rng, bits, signed)


def output(rng: np.random.Generator, wide: bool) -> tuple[dict[str, int], str]:
    """lo and hi of a lane, and an HLS type for it (at times wider than needed)."""
    t = IntType(32) if wide else activation(rng)
    lo, hi = t.bounds(narrow=bool(rng.integers(2)) and not wide)
    if rng.integers(5) == 0:  # any Clip
        lo, hi = sorted(int(v) for v in rng.integers(lo, hi, 2, endpoint=True))
    return {"lo": lo, "hi": hi}, hls_type(rng, t.bits + int(rng.integers(3)), t.signed)


def shape(rng: np.random.Generator, size: int = 5) -> tuple[int, ...]:
    """One to three axes of 1..size."""
    return tuple(int(n) for n in rng.integers(1, size, int(rng.integers(1, 4)), endpoint=True))


def magnitude(rng: np.random.Generator, bits: int, n: tuple[int, ...]) -> np.ndarray:
    """Integers of all magnitudes below 2**bits, of either sign; a third are powers of two."""
    size = rng.integers(0, bits, n)
    value = np.where(rng.integers(3, size=n) == 0, 1 << size, rng.integers(0, (2 << size) - 1, n, endpoint=True))
    return value * rng.choice([-1, 1, 1], n)


def channels(rng: np.random.Generator, out: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """A channel axis, and the shape of parameters along it: () for one per tensor."""
    axis = int(rng.integers(len(out)))
    return axis, () if rng.integers(2) else (out[axis],)


def broadcast(rng: np.random.Generator, out: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `out`; often `out` itself."""
    return out if rng.integers(2) else tuple(1 if rng.integers(2) else n for n in out)


def layout(rng: np.random.Generator, rank: int) -> tuple[int, ...] | None:
    """A permutation of the axes, or None."""
    return tuple(int(p) for p in rng.permutation(rank)) if rng.integers(2) else None


def case(
    rng: np.random.Generator,
    node: ops.Node,
    types: list[IntType],
    shapes: list[tuple[int, ...]],
    out_type: str,
    perm: tuple[int, ...] | None,
) -> Case:
    """The node with inputs of these types and shapes, of which at times only part of the range occurs."""
    ranges = [span(rng, t) for t in types]
    inputs = [frames(rng, lo, hi, s) for (lo, hi), s in zip(ranges, shapes, strict=True)]
    hls = [holder(rng, t, lo, hi) for t, (lo, hi) in zip(types, ranges, strict=True)]
    return Case(node, inputs, types, hls, out_type, io(rng), ranges=ranges, perm=perm)


def requantize(seed: int) -> Case:
    """A Requantize with every kind of parameter, within the lane's limits."""
    rng = np.random.default_rng(seed)
    out = shape(rng)
    axis, n = channels(rng, out)
    residual = bool(rng.integers(2))
    bits = int(rng.integers(2, 33))
    types = [IntType(bits, bool(rng.integers(2)))]
    if residual:
        types.append(IntType(32) if rng.integers(4) == 0 else activation(rng))
    room = [49 - t.bits for t in types]
    mult = [magnitude(rng, min(17, room[0]), n)] + ([magnitude(rng, min(26, room[1]), n)] if residual else [])
    bias = magnitude(rng, 47, n) >> rng.integers(0, 48)
    shift = rng.integers(0, 63, n, endpoint=True) if rng.integers(3) == 0 else rng.integers(0, 30, n)
    clamp, out_type = output(rng, wide=rng.integers(4) == 0)
    node = ops.Requantize(
        name="r", inputs=("a", "b")[: len(types)], output="y", mult=mult, bias=bias, shift=np.asarray(shift),
        relu=bool(rng.integers(2)), channel_axis=axis, **clamp,
    )  # fmt: skip
    return case(rng, node, types, [out, broadcast(rng, out)][: len(types)], out_type, layout(rng, len(out)))


def mul(seed: int) -> Case:
    """A Mul; operands broadcast in every way."""
    rng = np.random.default_rng(seed)
    out = shape(rng)
    axis, n = channels(rng, out)
    types = [activation(rng), activation(rng)]
    wide = rng.integers(4) == 0
    mult = magnitude(rng, 17, n)
    shift = rng.integers(0, 63, n, endpoint=True) if rng.integers(3) == 0 else rng.integers(0, 26, n)
    clamp, out_type = output(rng, wide)
    node = ops.Mul(
        name="m", inputs=("a", "b"), output="y", mult=mult, shift=np.asarray(shift), channel_axis=axis, **clamp
    )
    a, b = broadcast(rng, out), broadcast(rng, out)
    b = tuple(n if a[i] == 1 else b[i] for i, n in enumerate(out))  # what one lacks the other has
    shapes = [a, b] if rng.integers(2) else [b, a]
    return case(rng, node, types, shapes, out_type, layout(rng, len(out)))


def lookup(seed: int) -> Case:
    """A Lookup with any table."""
    rng = np.random.default_rng(seed)
    t, out, dims = activation(rng), activation(rng), shape(rng)
    table = rng.integers(out.lo, out.hi, 256, endpoint=True)
    node = ops.Lookup(name="l", inputs=("a",), output="y", table=table)
    return case(rng, node, [t], [dims], hls_type(rng, out.bits, out.signed), layout(rng, len(dims)))


def slice_(seed: int) -> Case:
    """A Slice of any axis."""
    rng = np.random.default_rng(seed)
    t, dims = activation(rng), shape(rng, 7)
    axis = int(rng.integers(len(dims)))
    start = int(rng.integers(dims[axis]))
    stop = int(rng.integers(start + 1, dims[axis] + 4))
    node = ops.Slice(
        name="s", inputs=("a",), output="y", axis=axis, start=start, stop=stop, step=int(rng.integers(1, 4))
    )
    return case(rng, node, [t], [dims], hls_type(rng, t.bits, t.signed), layout(rng, len(dims)))


def rows(rng: np.random.Generator, longest: int) -> tuple[int, ...]:
    """A shape whose last axis is a row of up to `longest`, short ones as often as long ones; many powers of two."""
    length = int(2 ** rng.choice([np.floor, np.asarray])(rng.uniform(0, np.log2(longest))))
    return (*(int(n) for n in rng.integers(1, 4, int(rng.integers(0, 3)))), length)


def row_layout(rng: np.random.Generator, rank: int) -> tuple[int, ...] | None:
    """A permutation that leaves the last axis where it is, or None."""
    return (*(int(p) for p in rng.permutation(rank - 1)), rank - 1) if rng.integers(2) else None


def constant_frame(case: Case) -> Case:
    """The case with one frame in which all values are equal: no variance, and ties in a softmax."""
    case.inputs[0][1] = case.inputs[0].flat[0]
    return case


def layernorm(seed: int) -> Case:
    """A LayerNorm or RMSNorm with any row length, eps, gamma and bias."""
    rng = np.random.default_rng(seed)
    t, dims = activation(rng), rows(rng, 300)
    n = () if rng.integers(2) else dims[-1:]
    shift = rng.integers(0, 63, n, endpoint=True) if rng.integers(4) == 0 else rng.integers(20, 40, n)
    clamp, out_type = output(rng, wide=rng.integers(4) == 0)
    node = ops.LayerNorm(
        name="n", inputs=("a",), output="y", gamma_mult=magnitude(rng, 17, n), shift=np.asarray(shift),
        bias=magnitude(rng, 47, n) >> rng.integers(0, 48), rms=bool(rng.integers(2)),
        eps_int=int(2 ** rng.uniform(0, 40)) if rng.integers(2) else 1, **clamp,
    )  # fmt: skip
    return constant_frame(case(rng, node, [t], [dims], out_type, row_layout(rng, len(dims))))


def softmax(seed: int) -> Case:
    """A Softmax with any row length, step and scale."""
    rng = np.random.default_rng(seed)
    t, dims = activation(rng), rows(rng, 300)
    step = float(2 ** rng.uniform(-10, 3))
    node = ops.Softmax(
        name="s", inputs=("a",), output="y", table=np.round(2.0**23 * np.exp(-step * np.arange(256))).astype(np.int64),
        mult=2**16 if rng.integers(2) else int(rng.integers(2**16, 2**17)), step=step,
        shift=int(rng.integers(24, 36)) if rng.integers(3) else int(rng.integers(1, 48)), lo=0, hi=255,
    )  # fmt: skip
    if dims[-1] & (dims[-1] - 1) == 0 and rng.integers(2):  # a row of equal values comes to half a step: a tie
        node.mult, node.shift = 2**16, 41 - dims[-1].bit_length()
    clamp, out_type = output(rng, wide=False)
    node.lo, node.hi = clamp["lo"], clamp["hi"]
    return constant_frame(case(rng, node, [t], [dims], out_type, row_layout(rng, len(dims))))


def pool(seed: int) -> Case:
    """A MaxPool or SumPool, 1-D or 2-D; overlapping windows, gaps, padding of any width, the whole image."""
    rng = np.random.default_rng(seed)
    t, n = activation(rng), int(rng.integers(1, 3))
    space = [int(v) for v in rng.integers(1, 8, n)]
    kernel = tuple(int(rng.choice([1, 2, 3, size])) for size in space)
    pads = tuple(int(v) for v in rng.integers(0, 3, 2 * n) * rng.integers(2))
    pads = tuple(max(p, k - s) for p, k, s in zip(pads, kernel * 2, space * 2, strict=True))
    kind = ops.MaxPool if rng.integers(2) else ops.SumPool
    node = kind(
        name="p", inputs=("a",), output="y", kernel=kernel, pads=pads,
        stride=tuple(int(v) for v in rng.integers(1, 5, n)),
    )  # fmt: skip
    out = IntType(t.bits if kind is ops.MaxPool else 16, t.signed)
    dims = (int(rng.integers(1, 4)), *space)
    return case(rng, node, [t], [dims], hls_type(rng, out.bits, out.signed), (*range(1, n + 1), 0))
