"""Float ONNX: operators that move numbers and compute none."""

from __future__ import annotations

from math import prod

import numpy as np

from hwgen.frontends.onnx_values import Const, Reader, Squeezed, Ten, Value
from hwgen.graph.importer.model import OnnxNode

MOST = 1 << 24
"""Numbers in a tensor that is repeated."""


def reshape(r: Reader, node: OnnxNode, args: list[Value]) -> Value:
    """Reshape, Flatten, Squeeze, Unsqueeze"""
    if isinstance(args[0], Squeezed) and _target(node, args[0].full, args[1:]) == args[0].stat.full:
        return args[0].stat
    x = r.tensor(args[0], node)
    return r.reshaped(x, _target(node, x.full, args[1:]), node)


def _target(node: OnnxNode, full: tuple[int, ...], args: list[Value]) -> tuple[int, ...]:
    if node.op == "Flatten":
        axis = int(node.attrs.get("axis", 1)) % (len(full) + 1)
        return (prod(full[:axis]), prod(full[axis:]))
    numbers = _constants(node, args, "axes")
    if node.op == "Squeeze":
        axes = {node.axis(a, len(full)) for a in numbers} if numbers else {i for i, n in enumerate(full) if n == 1}
        return tuple(n for i, n in enumerate(full) if i not in axes)
    if node.op == "Unsqueeze":
        rest, rank = list(full), len(full) + len(numbers)
        for axis in sorted(node.axis(a, rank) for a in numbers):
            rest.insert(axis, 1)
        return tuple(rest)
    keep = not node.attrs.get("allowzero", 0)
    shape = [full[i] if n == 0 and keep else n for i, n in enumerate(numbers)]
    rest = prod(n for n in shape if n != -1)
    return tuple(prod(full) // rest if n == -1 else n for n in shape)


def _constants(node: OnnxNode, args: list[Value], attr: str) -> list[int]:
    """A list of integers, from an input or (in old opsets) from an attribute."""
    if args and args[0] is not None:
        if not isinstance(args[0], Const):
            node.unsupported("its shape or axes are computed from data; export the model with static shapes")
        return [int(v) for v in np.ravel(args[0].array)]
    return [int(v) for v in node.attrs.get(attr, [])]


def transpose(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Transpose"""
    x = r.tensor(args[0], node)
    perm = tuple(node.attrs.get("perm", range(len(x.full))[::-1]))
    return r.transposed(x, perm, node)


def expand(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Expand, by a concatenation of copies along each axis that grows"""
    x = r.tensor(args[0], node)
    full = tuple(np.broadcast_shapes(x.full, tuple(_constants(node, args[1:], "shape"))))
    x = r.reshaped(x, (1,) * (len(full) - len(x.full)) + x.full, node)
    return _repeated(r, node, x, [n // before for n, before in zip(full, x.full, strict=True)])


def tile(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Tile, by a concatenation of copies along each axis"""
    x = r.tensor(args[0], node)
    times = _constants(node, args[1:], "repeats")
    if len(times) != len(x.full) or min(times, default=1) < 1:
        node.unsupported(f"it repeats {x.full} {times} times; give a number of 1 or more for each axis")
    return _repeated(r, node, x, times)


def _repeated(r: Reader, node: OnnxNode, x: Ten, times: list[int]) -> Ten:
    if prod(x.full) * prod(times) > MOST:
        node.unsupported(f"it repeats {x.full} {times} times, more than {MOST:,} numbers; repeat less")
    for axis, count in enumerate(times):
        if count > 1:
            x = _joined(r, node, [x] * count, axis)
    return x


def concat(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Concat"""
    parts = [r.tensor(a, node) for a in args]
    return _joined(r, node, parts, node.axis(int(node.attrs["axis"]), len(parts[0].full)))


def _joined(r: Reader, node: OnnxNode, parts: list[Ten], axis: int) -> Ten:
    full = list(parts[0].full)
    full[axis] = sum(p.full[axis] for p in parts)
    if any(p.full[0] == 1 for p in parts) and (axis == 0 or full[0] != 1):
        names = [r.net.reshape(p.name, p.full, r.fresh(f"{node.label}.row")) for p in parts]
    else:
        names = [p.name for p in parts]
    return Ten(r.net.concat(names, axis - len(full), r.fresh(node.label)), tuple(full))


def slice_(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Slice along any axes, forwards"""
    x = r.tensor(args[0], node)
    starts, ends = (_constants(node, args[i : i + 1], key) for i, key in ((1, "starts"), (2, "ends")))
    axes, steps = _constants(node, args[3:4], "axes"), _constants(node, args[4:5], "steps")
    for axis, start, stop, step in node.parts(starts, ends, axes, steps):
        if step < 1:
            node.unsupported(f"its step is {step}; only forward slices are possible")
        axis = node.axis(axis, len(x.full))
        x = cut(r, node, x, axis, *slice(start, stop, step).indices(x.full[axis]))
    return x


def cut(r: Reader, node: OnnxNode, x: Ten, axis: int, start: int, stop: int, step: int = 1) -> Ten:
    """x[start:stop:step] along one axis of the file's shape."""
    count = len(range(start, stop, step))
    if count == x.full[axis] and step == 1:
        return x
    if count < 1:
        node.unsupported(f"its slice {start}:{stop} of axis {axis} is empty; remove it")
    full = (*x.full[:axis], count, *x.full[axis + 1 :])
    name = r.net.slice(x.name, axis - len(x.full), start, stop, r.fresh(node.label), step)
    y = Ten(name, full)
    if axis == 0 and count == 1:  # the network's shape keeps the axis
        y = Ten(r.net.reshape(name, full[1:], r.fresh(node.label)), full)
    return y


def split(r: Reader, node: OnnxNode, args: list[Value]) -> list[Ten]:
    """Split into parts of equal or given lengths"""
    x = r.tensor(args[0], node)
    axis, n = node.axis(int(node.attrs.get("axis", 0)), len(x.full)), len(node.outputs)
    size = -(-x.full[axis] // n)
    given = _constants(node, args[1:], "split")
    sizes = node.lengths(given or [size] * (n - 1) + [x.full[axis] - size * (n - 1)], n, x.full[axis])
    ends = np.cumsum(sizes).tolist()
    return [cut(r, node, x, axis, end - length, end) for end, length in zip(ends, sizes, strict=True)]


def gather(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Gather one index, or a row of evenly spaced ones"""
    x, indices = r.tensor(args[0], node), args[1]
    axis = node.axis(int(node.attrs.get("axis", 0)), len(x.full))
    if not isinstance(indices, Const) or indices.array.ndim > 1:
        node.unsupported("its indices are computed or more than a list; only constant ones are possible")
    at = node.indices(indices.array, x.full[axis])
    steps = {b - a for a, b in zip(at, at[1:], strict=False)} or {1}
    if len(steps) > 1 or min(steps) < 1:
        node.unsupported("its indices are not evenly spaced; use slices")
    y = cut(r, node, x, axis, at[0], at[-1] + 1, steps.pop())
    return y if indices.array.ndim else r.reshaped(y, (*x.full[:axis], *x.full[axis + 1 :]), node)


def pad(r: Reader, node: OnnxNode, args: list[Value]) -> Ten:
    """Pad with zeros, by a part of a concatenation on each side"""
    x = r.tensor(args[0], node)
    pads = _constants(node, args[1:2], "pads")
    value = float(np.ravel(args[2].array)[0]) if len(args) > 2 and isinstance(args[2], Const) else 0.0
    if node.attrs.get("mode", "constant") != "constant" or value or min(pads) < 0 or len(args) > 3:
        node.unsupported("only zeros can be padded, on all axes at once; change the layer")
    rank = len(x.full)
    for axis in range(rank):
        parts = []
        for side, size in (("before", pads[axis]), ("behind", pads[axis + rank])):
            if size:
                zeros = np.zeros(
                    (*x.ours[: axis - rank], size, *x.ours[axis - rank + 1 :][: rank - axis - 1]), np.float32
                )
                parts.append((side, r.net.constant(zeros, r.fresh(f"{node.label}.{side}"))))
        if parts and axis == 0:
            node.unsupported("it pads the batch axis; keep the batch")
        if parts:
            names = [n for s, n in parts if s == "before"] + [x.name] + [n for s, n in parts if s == "behind"]
            full = (*x.full[:axis], x.full[axis] + pads[axis] + pads[axis + rank], *x.full[axis + 1 :])
            x = Ten(r.net.concat(names, axis - rank, r.fresh(node.label)), full)
    return x
