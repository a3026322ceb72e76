"""Reshape, Flatten, Transpose, Concat, Slice, Split, Gather and pooling."""

from __future__ import annotations

from math import prod

import numpy as np

from hwgen.graph.importer.context import Context, constant
from hwgen.graph.importer.elementwise import as_table
from hwgen.graph.importer.layers import window_pads
from hwgen.graph.importer.materialize import describe, emit_moves, narrow_source
from hwgen.graph.importer.model import OnnxNode
from hwgen.graph.importer.norm import mean_stat, reshaped_group, square_mean
from hwgen.graph.importer.schema import check_axes
from hwgen.graph.importer.values import Affine, Const, Joined, Move, Padded, SquareTable, Stat, Table, Value
from hwgen.graph.node import window_counts


def _ints(node: OnnxNode, args: list[Value], index: int, key: str, default=None) -> list[int] | None:
    """A list of integers that newer opsets give as an input and older ones as an attribute."""
    if len(args) > index and args[index] is not None:
        a = constant(args[index])
        if a is None:
            node.unsupported(f"its {key} is computed at run time; export the model with static shapes")
        return [int(v) for v in np.ravel(a)]
    given = node.attrs.get(key, default)
    return None if given is None else [int(v) for v in np.ravel(given)]


def _moved(ctx: Context, node: OnnxNode, x: Value, move: Move) -> Value:
    if isinstance(x, Table):
        same = move.kind == "reshape" and move.before == move.after
        return x if same else Table(emit_moves(ctx.builder, x.x, (move,)), x.fn, move.after)
    if not isinstance(x, Affine):
        node.unsupported(describe(x))
    return ctx.moved(x, move)


def to_shape(ctx: Context, node: OnnxNode, x: Value, full: list[int]) -> Value:
    """Reshape to a full ONNX shape, whose first axis must be the batch."""
    if not full or full[0] != ctx.batch:
        node.unsupported(
            f"it reshapes to {full}, which does not keep the batch axis ({ctx.batch}) first; keep batch a separate axis"
        )
    if prod(full[1:]) != prod(x.shape):
        node.unsupported(
            f"{tuple(full[1:])} does not have as many elements as {x.shape} (without batch); export it again"
        )
    if isinstance(x, Affine) and (group := reshaped_group(ctx, x, tuple(full[1:]))) is not None:
        return group
    return _moved(ctx, node, x, Move("reshape", tuple(x.shape), tuple(full[1:])))


def reshape(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Another shape of the same elements"""
    x, target = args[0], _ints(node, args, 1, "shape")
    old = [ctx.batch, *x.shape]
    if target is None or target.count(-1) > 1 or 0 in target[len(old) :]:
        node.unsupported(f"its target shape {target} is not valid; export the model again")
    full = [old[i] if d == 0 and not node.attrs.get("allowzero", 0) else d for i, d in enumerate(target)]
    if -1 in full:
        known = -prod(full)
        if known == 0 or prod(old) % known:
            node.unsupported(f"its target shape {target} does not fit {old}")
        full[full.index(-1)] = prod(old) // known
    return to_shape(ctx, node, x, full)


def flatten(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Two axes: those before `axis`, and those from there on"""
    old = [ctx.batch, *args[0].shape]
    axis = int(node.attrs.get("axis", 1)) % (len(old) + 1)
    return to_shape(ctx, node, args[0], [prod(old[:axis]), prod(old[axis:])])


def squeeze(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Drop axes of length 1"""
    old = [ctx.batch, *args[0].shape]
    axes = _ints(node, args, 1, "axes")
    axes = [i for i, d in enumerate(old) if d == 1 and i] if axes is None else [node.axis(a, len(old)) for a in axes]
    if 0 in axes:
        node.unsupported("it drops the batch axis; keep it")
    return to_shape(ctx, node, args[0], [d for i, d in enumerate(old) if i not in axes])


def unsqueeze(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Insert axes of length 1"""
    old, axes = [ctx.batch, *args[0].shape], _ints(node, args, 1, "axes") or []
    rank = len(old) + len(axes)
    axes, rest = {node.axis(a, rank) for a in axes}, iter(old)
    return to_shape(ctx, node, args[0], [1 if i in axes else next(rest) for i in range(rank)])


def transpose(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Reorder axes; the batch stays first"""
    x = args[0]
    rank = len(x.shape) + 1
    perm = [int(p) for p in node.attrs.get("perm", reversed(range(rank)))]
    if perm[0] != 0 or sorted(perm) != list(range(rank)):
        node.unsupported(f"perm {perm} moves the batch axis; keep it first")
    perm = tuple(p - 1 for p in perm[1:])
    if perm == tuple(range(rank - 1)):
        return x
    return _moved(ctx, node, x, Move("transpose", tuple(x.shape), tuple(x.shape[p] for p in perm), perm))


def _one_slice(ctx: Context, node: OnnxNode, x: Value, axis: int, start: int, stop: int, step: int = 1) -> Value:
    n = x.shape[axis]
    at = range(*slice(start, stop, step).indices(n)) if step > 0 else ()
    if not at:
        node.unsupported(
            f"the slice {start}:{stop}:{step} of {n} elements is empty, backwards or of step 0; only forward ones work"
        )
    if len(at) == n:
        return x
    after = (*x.shape[:axis], len(at), *x.shape[axis + 1 :])
    return _moved(ctx, node, x, Move("slice", tuple(x.shape), after, (axis - len(x.shape), at[0], at[-1] + 1, step)))


def _axis(node: OnnxNode, axis: int, x: Value) -> int:
    """An ONNX axis without batch; raises when it is the batch."""
    axis = node.axis(axis, len(x.shape) + 1)
    if axis == 0:
        node.unsupported("it works along the batch axis; only the other axes are possible")
    return axis - 1


def slice_(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """x[start:stop:step] along some axes"""
    x = args[0]
    starts, ends = _ints(node, args, 1, "starts"), _ints(node, args, 2, "ends")
    for a, s, e, st in node.parts(starts, ends, _ints(node, args, 3, "axes"), _ints(node, args, 4, "steps")):
        if node.axis(a, len(x.shape) + 1) == 0 and st == 1 and s == 0 and e >= ctx.batch:
            continue
        x = _one_slice(ctx, node, x, _axis(node, a, x), s, e, st)
    return x


def split(ctx: Context, node: OnnxNode, args: list[Value]) -> list[Value]:
    """Parts along one axis"""
    x, axis = args[0], _axis(node, int(node.attrs.get("axis", 0)), args[0])
    n, count = x.shape[axis], len(node.outputs)
    sizes = _ints(node, args, 1, "split")
    if sizes is None:
        each = -(-n // count)
        sizes = [min(each, n - i * each) for i in range(count)]
    at = np.cumsum([0, *node.lengths(sizes, count, n)])
    return [_one_slice(ctx, node, x, axis, int(at[i]), int(at[i + 1])) for i in range(count)]


def gather(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """One index, or a run of indices, along one axis"""
    if isinstance(args[0], Const):
        return _table(ctx, node, args[0].array, args[1])
    x, at = args[0], constant(args[1])
    axis = _axis(node, int(node.attrs.get("axis", 0)), x)
    if at is None:
        node.unsupported("its indices are computed at run time; do the look-up on the host")
    flat = node.indices(at, x.shape[axis])
    if flat != list(range(flat[0], flat[0] + len(flat))) or at.ndim > 1:
        node.unsupported("it picks indices that are not one run; only a single index or a run is possible")
    y = _one_slice(ctx, node, x, axis, flat[0], flat[-1] + 1)
    return y if at.ndim else to_shape(ctx, node, y, [ctx.batch, *y.shape[:axis], *y.shape[axis + 1 :]])


def _table(ctx: Context, node: OnnxNode, data: np.ndarray, index: Value) -> Value:
    """A constant vector indexed by an activation: a table."""
    if data.ndim != 1:
        node.unsupported("it looks up vectors (an embedding); do the look-up on the host")
    t = as_table(ctx, node, index)
    data = np.asarray(data, np.float64)
    return Table(t.x, lambda v: data[np.clip(np.trunc(t.fn(v)), 0, len(data) - 1).astype(np.int64)], t.shape)


def concat(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Side by side; at once when all are of one type and scale, else when a Quant follows"""
    if any(isinstance(a, Const) for a in args):
        node.unsupported("it joins a constant; only quantized values can be joined")
    if len(args) == 1:
        return args[0]
    parts: list[Affine | Table] = []
    axis = _axis(node, int(node.attrs["axis"]), args[0])
    for a in args:
        if isinstance(a, Joined) and a.axis == axis:
            parts += a.parts
        elif isinstance(a, (Affine, Table)):
            parts.append(a)
        else:
            node.unsupported(describe(a))
    shape = (*parts[0].shape[:axis], sum(p.shape[axis] for p in parts), *parts[0].shape[axis + 1 :])
    plain = all(isinstance(p, Affine) and p.is_identity and p.only(str) and not p.moves for p in parts)
    if plain:
        tensors = [ctx.tensor(p.terms[0][0]) for p in parts]
        if len({(t.dtype, t.scale) for t in tensors if not t.per_channel}) == 1 and not tensors[0].dtype.is_wide:
            return ctx.value_of(ctx.builder.concat([t.name for t in tensors], axis, name=node.outputs[0]))
    return Joined(tuple(parts), axis, shape)


def max_pool(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Largest value of each window"""
    x = args[0]
    if isinstance(x, Table):
        node.unsupported(f"{describe(x)}, or move the pooling behind it")
    kernel, stride, pads = _window(node, x, [int(k) for k in node.attrs["kernel_shape"]])
    if any(d != 1 for d in node.attrs.get("dilations", ())):
        node.unsupported("dilated pooling is not possible; use dilation 1")
    if not isinstance(x, Affine):
        node.unsupported(describe(x))
    after = _pooled(node, x.shape, kernel, stride, pads)
    return _moved(ctx, node, x, Move("maxpool", tuple(x.shape), after, (kernel, stride, pads)))


def average_pool(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Mean of each window"""
    x = args[0]
    kernel, stride, pads = _window(node, x, [int(k) for k in node.attrs["kernel_shape"]])
    if any(pads) and not node.attrs.get("count_include_pad", 0):
        node.unsupported("at the border it averages over fewer values; set count_include_pad = 1 or use no pads")
    if any(d != 1 for d in node.attrs.get("dilations", ())):
        node.unsupported("dilated pooling is not possible; use dilation 1")
    extra = x.pads if isinstance(x, Padded) else (0,) * len(pads)
    x = x.value if isinstance(x, Padded) else x
    return _sums(ctx, node, x, kernel, stride, tuple(p + e for p, e in zip(pads, extra, strict=True)), 1 / prod(kernel))


def global_average_pool(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Mean over all spatial axes"""
    space = args[0].shape[1:]
    return _sums(ctx, node, args[0], space, space, (0,) * (2 * len(space)), 1 / prod(space))


def global_max_pool(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """Largest value over all spatial axes"""
    space = tuple(args[0].shape[1:])
    after = (args[0].shape[0], *(1,) * len(space))
    move = Move("maxpool", args[0].shape, after, (space, space, (0,) * (2 * len(space))))
    return _moved(ctx, node, args[0], move)


def _window(node: OnnxNode, x: Value, kernel: list[int]) -> tuple[tuple[int, ...], ...]:
    n = len(kernel)
    check_axes(node, len(x.shape) - 1)
    stride = tuple(int(s) for s in node.attrs.get("strides", (1,) * n))
    pads = window_pads(node, x.shape[1:], kernel, stride)
    if node.attrs.get("ceil_mode", 0):
        exact = all((x.shape[1 + i] + pads[i] + pads[n + i] - kernel[i]) % stride[i] == 0 for i in range(n))
        if not exact:
            node.unsupported("ceil_mode makes windows that reach outside; use ceil_mode = 0 and pads")
    return tuple(kernel), stride, tuple(int(p) for p in pads)


def _pooled(node: OnnxNode, shape, kernel, stride, pads) -> tuple[int, ...]:
    try:
        return (shape[0], *window_counts(list(shape[1:]), kernel, stride, pads))
    except ValueError as e:
        node.unsupported(f"{e}; check kernel and pads")


def _sums(ctx: Context, node: OnnxNode, x: Value, kernel, stride, pads, factor: float) -> Value:
    source, gain, bias = narrow_source(ctx.builder, x, node, "it averages a value that is not quantized")
    if np.any(bias) and (bias.ndim or any(pads)):
        node.unsupported("its input has an offset that is not quantized; insert a Quant node before it")
    _pooled(node, x.shape, kernel, stride, pads)
    acc = ctx.builder.sumpool(source, kernel, stride, pads, name=ctx.fresh(node.outputs[0]))
    return ctx.value_of(acc).scaled(np.float64(gain * factor)).shifted(bias * factor * prod(kernel))


def reduce(ctx: Context, node: OnnxNode, args: list[Value]) -> Value:
    """ReduceMean, ReduceSum: a step of a normalization, or pooling over the axes"""
    x = args[0]
    rank = len(x.shape)
    axes = _ints(node, args, 1, "axes")
    keep = bool(node.attrs.get("keepdims", 1))
    axes = list(range(1, rank + 1)) if axes is None else axes
    axes = sorted({_axis(node, a, x) for a in axes})
    if node.op == "ReduceMean" and axes == [rank - 1] and keep:
        if isinstance(x, SquareTable):
            return square_mean(ctx, x)
        if (s := mean_stat(node, x, keep)) is not None:
            return s
        if isinstance(x, Affine) and x.only(str) and x.is_identity and not x.moves:
            return Stat("mean", x, (*x.shape[:-1], 1))
    return pooled_reduce(ctx, node, x, axes, keep)


def pooled_reduce(ctx: Context, node: OnnxNode, x: Value, axes: list[int], keep: bool) -> Value:
    """Sum or mean over any axes: bring them to the end, pool over them, restore the shape."""
    shape, rank = x.shape, len(x.shape)
    if not isinstance(x, Affine):
        node.unsupported(describe(x))
    rest = [a for a in range(rank) if a not in axes]
    perm = (*rest, *axes)
    count = prod(shape[a] for a in axes)
    narrow_source(ctx.builder, x, node, "it sums a value that is not quantized")
    if perm != tuple(range(rank)):
        x = ctx.moved(x, Move("transpose", tuple(shape), tuple(shape[p] for p in perm), perm))
    if rest != [0] or rank not in (2, 3):  # else it is an image or a sequence as it stands
        x = ctx.moved(x, Move("reshape", tuple(x.shape), (prod(shape[a] for a in rest), count)))
    window = tuple(x.shape[1:])
    y = _sums(ctx, node, x, window, window, (0,) * (2 * len(window)), 1 / count if node.op == "ReduceMean" else 1.0)
    after = tuple((1 if a in axes else shape[a]) for a in range(rank) if keep or a not in axes)
    return ctx.moved(y, Move("reshape", tuple(y.shape), after))
