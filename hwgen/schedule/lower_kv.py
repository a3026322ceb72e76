"""Products of two activations: the second operand is copied into the KV memory, where the array reads it as weights."""

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
    if not second.signed:
        raise UnsupportedError(
            f"node {node.name!r} (MatMul): its second operand {node.inputs[1]!r} is unsigned, and the engine "
            f"multiplies signed weights only; quantize it to int8"
        )
    a, b = graph.in_shapes(node)
    heads = int(np.prod(a[:-2]))
    if heads * (a[-2] + b[-1]) > 1 << 16:
        raise UnsupportedError(f"node {node.name!r} (MatMul): {a} times {b} is too large for one instruction; split it")
    words = _store(low, node, second, second.positions.reshape(heads, *b[-2:]))
    view, positions = views.plain(first, first.positions.reshape(-1, a[-1]), f"{node.name}.rows")
    (rows, at, pattern), *_ = weights.alike(positions, low.n)
    chunks = np.arange(-(-len(pattern) // low.n))
    part = Part(
        rows, weights.inside(at), weights.inside(chunks * low.n), np.zeros(words.layout.outputs, np.int64), None
    )
    return view, [part], replace(words, heads=np.repeat(np.arange(heads), a[-2]))


def _store(low, node: ops.MatMul, view: View, matrices: np.ndarray) -> Words:
    """Copy matrices [heads, terms, outputs] of byte positions into the KV memory."""
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
