"""Products of two activations: the second operand goes to the KV memory, where the array reads it as weights.

What makes the operand writes it there at once where nothing else reads it and its heads are whole words; otherwise it
is copied.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import ops
from hwgen.schedule import weights
from hwgen.schedule.kv import Layout, Words
from hwgen.schedule.plan import Buffer, Lane, MatOp, Part, Target, View


def operand(low, node: ops.MatMul) -> tuple[View, list[Part], Words]:
    """(first operand, its part, where the second operand lies) of a product. Raises UnsupportedError."""
    graph, views = low.graph, low.views
    first, second = (low.tensor(name) for name in node.inputs)
    if graph.tensors[node.inputs[1]].dtype.hi > 127:
        raise UnsupportedError(
            f"node {node.name!r} (MatMul): its second operand {node.inputs[1]!r} is unsigned with 8 bits, and the "
            f"engine multiplies signed weights only; quantize it to int8, or to 7 bits"
        )
    a, b = graph.in_shapes(node)
    heads = int(np.prod(a[:-2]))
    if heads * (a[-2] + b[-1]) > 1 << 16:
        raise UnsupportedError(f"node {node.name!r} (MatMul): {a} times {b} is too large for one instruction; split it")
    view, positions = views.plain(first, first.positions.reshape(-1, a[-1]), f"{node.name}.rows")
    padded = _padded_with_zeros(low, view, positions)
    words = _store(low, node, second, second.positions.reshape(heads, *b[-2:]), padded)
    (rows, at, pattern), *_ = weights.alike(positions, low.n)
    chunks = np.arange(-(-len(pattern) // low.n))
    part = Part(
        rows, weights.inside(at), weights.inside(chunks * low.n), np.zeros(words.layout.outputs, np.int64), None
    )
    return view, [part], replace(words, heads=np.repeat(np.arange(heads), a[-2]))


def _padded_with_zeros(low, view: View, positions: np.ndarray) -> bool:
    """Whether the bytes behind each row are zeros: rows of a matrix operation or a softmax, whole."""
    makers = [op for op in low.plan.ops if op.out.buffer == view.buffer]
    if len(makers) != 1 or not (isinstance(makers[0], MatOp) or getattr(makers[0], "softmax", None)):
        return False
    out = makers[0].out
    return out.channels == positions.shape[1] and not ((positions[:, 0] - out.start) % out.pitch).any()


def _maker(low, node: ops.MatMul, rows: np.ndarray) -> MatOp | None:
    """The operation that makes the second operand for this product only, all heads [heads, rows, channels] side by side
    in whole words; None when there is none."""
    graph, name, (heads, count, channels) = low.graph, node.inputs[1], rows.shape
    while name not in graph.outputs and len(graph.consumers(name)) == 1:
        producer = graph.producer(name)
        if not isinstance(producer, (ops.Reshape, ops.Transpose)):
            break
        name = producer.inputs[0]
    else:
        return None
    makers = [op for op in low.plan.ops if op.out.buffer == low.views.of[name].buffer]
    if len(makers) != 1 or not isinstance(makers[0], MatOp) or makers[0].wide or makers[0].into is not None:
        return None
    out = makers[0].out
    if channels % low.v or (out.rows, out.channels) != (count, heads * channels):
        return None
    expected = out.positions().reshape(count, heads, channels).transpose(1, 0, 2)
    return makers[0] if np.array_equal(rows, expected) else None


def _store(low, node: ops.MatMul, view: View, matrices: np.ndarray, padded: bool) -> Words:
    """Have matrices [heads, terms, outputs] of byte positions in the KV memory. padded: terms beyond the last meet
    zeros."""
    heads, terms, outputs = matrices.shape
    in_rows = outputs > 1 and matrices[0, 0, 1] - matrices[0, 0, 0] == 1
    rows = matrices if in_rows else matrices.transpose(0, 2, 1)
    channels = rows.shape[2]
    layout = Layout(
        "VALUES" if in_rows else "KEYS", low.n, low.m, rows.shape[1], low.views.groups(channels),
        low.views.groups(outputs), heads,
    )  # fmt: skip
    name = f"{node.name}.{layout.kind.lower()}"
    low.plan.buffers[name] = Buffer(name, kv=heads * layout.words)
    maker = _maker(low, node, rows)
    if maker is not None and (padded or not in_rows or layout.rows % low.n == 0):
        del low.plan.buffers[maker.out.buffer]
        maker.into = replace(layout, joined=True)
        maker.out = replace(maker.out, buffer=name, start=0)
        return Words(name, layout)
    parts = low.views.select(rows.reshape(-1, channels))
    more = layout.padded_rows - layout.rows
    index = np.arange(heads)[:, None] * layout.padded_rows
    for part in parts:
        part.rows = (index + np.arange(layout.rows)).reshape(-1)[part.rows]
    if more:
        empty = (index + layout.rows + np.arange(more)).reshape(-1)
        zero = np.zeros((layout.groups, 1, low.m, low.n), np.int8)
        at = np.repeat(parts[0].at[:1], len(empty), axis=0)
        parts.append(Part(empty, at, weights.inside(np.zeros(1, np.int64)), np.zeros(layout.groups, np.int64), zero))
    ones, zeros = np.ones(channels, np.int64), np.zeros(channels, np.int64)
    target = Target(name, 0, heads * layout.padded_rows, channels, 0)
    op = MatOp(name, View(view.buffer, rows.reshape(-1), True), parts, Lane(ones, zeros, zeros, -128, 127), target)
    op.into = layout
    low.plan.ops.append(op)
    return Words(name, layout)
