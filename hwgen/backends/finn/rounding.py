"""Requantize, Lookup and Mul -> sums of streams and thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwgen.backends.finn import product
from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.sums import Sum, Term, combine
from hwgen.backends.finn.thresholds import (
    NEVER,
    identity,
    levels,
    per_channel,
    reached_by,
    staircase,
    through_table,
)
from hwgen.backends.finn.value import Part, Value, kind_of, table_of
from hwgen.graph import ops

MAX_STEPS_BITS = 10
"""Widest half of a table that rises and falls: 2**10 - 1 thresholds."""


class Rounding(Part):
    """Whatever ends in thresholds."""

    def _requantize(self, node: ops.Requantize) -> None:
        x = self.values[node.inputs[0]]
        if node.relu and len(node.inputs) == 2:
            if node.is_wide:
                self.fail(node, "a relu inside a 32-bit sum has no layer in FINN")
            self._relu_then_add(node)
            return
        if node.is_wide:
            self._wide(node)
            return
        t = self.graph.tensors[node.output]
        stream, thresholds = self._summed(node, levels(node, kind_of(t), x.stream.channels))
        out, kind = node, kind_of(t)
        reader = self.sole(node.output)
        if isinstance(reader, ops.Lookup):
            table = table_of(reader, t)[node.lo - t.dtype.lo : node.hi - t.dtype.lo + 1]
            if (np.diff(table) >= 0).all():
                out, kind = reader, kind_of(self.graph.tensors[reader.output])
                steps = thresholds[:, node.lo - t.dtype.lo : node.hi - t.dtype.lo]
                thresholds = through_table(steps, node.lo, table, kind)
                self.done.add(reader.name)
        self.put(out, x, self.net.threshold(stream, thresholds, kind))

    def _sum(self, node: ops.Requantize) -> Sum:
        """The sum that a Requantize rounds: first input times its multiplier, plus a residual."""
        x = self.values[node.inputs[0]]
        self._check_axis(node, x)
        mult = [self._along(node, m, x) for m in node.mult]
        base = x.sum or Sum([Term(x.stream, np.ones(x.stream.channels, np.int64) * x.flip)])
        terms = [Term(t.stream, t.factor * mult[0]) for t in base.terms]
        if len(node.inputs) == 2:
            r = self.values[node.inputs[1]]
            if r.flat != x.flat:
                self.fail(node, "its residual lies in another order of channels")
            terms.append(Term(r.stream, mult[1]))
        return Sum(terms)

    def _summed(self, node: ops.Requantize, v: np.ndarray) -> tuple[Stream, np.ndarray]:
        """The stream to compare, and the thresholds on it, from thresholds v on golden's sum."""
        x = self.values[node.inputs[0]]
        total = combine(self.net, self._sum(node), x.sum.shape if x.sum else x.stream.shape)
        bias = self._along(node, node.bias, x)
        steps = reached_by(v, bias, total.divisor)
        moved = np.abs(steps) < NEVER
        return total.stream, np.where(moved, steps + total.offset[:, None], steps)

    def _along(self, node, values, x: Value) -> np.ndarray:
        return per_channel(values, x.stream.channels)

    def _check_axis(self, node: ops.Requantize, x: Value) -> None:
        arrays = [*node.mult, node.bias, node.shift]
        if all(np.size(a) == 1 for a in arrays):
            return
        rank = len(self.graph.tensors[node.output].shape)
        if x.flat or node.channel_axis % rank != x.axis % rank:
            self.fail(node, "its parameters run along an axis that is not the channels of FINN's stream")

    def _wide(self, node: ops.Requantize) -> None:
        """A 32-bit output: the sum itself, bias by a ChannelwiseOp."""
        x = self.values[node.inputs[0]]
        if node.relu or np.any(np.asarray(node.shift) != 0):
            self.fail(node, "a 32-bit output that is rounded or clipped has no layer in FINN; quantize it to 8 bits")
        total = combine(self.net, self._sum(node), x.sum.shape if x.sum else x.stream.shape)
        stream = self.net.affine(total.stream, "mul", total.divisor)
        bias = self._along(node, node.bias, x) - total.offset * total.divisor
        stream = self.net.affine(stream, "add", bias)
        self.put(node, x, stream)

    def _relu_then_add(self, node: ops.Requantize) -> None:
        """q(relu(u) + r) = max(q(u + r), q(r)), for q never falls: the second plus what the first has more."""
        x, r = (self.values[i] for i in node.inputs)
        kind = kind_of(self.graph.tensors[node.output])
        plain = replace(node, relu=False)
        full = self.net.threshold(*self._summed(plain, levels(plain, kind, x.stream.channels)), kind)
        least = Sum([Term(r.stream, self._along(node, node.mult[1], x))])
        total = combine(self.net, least, x.stream.shape)
        zero = np.zeros(x.stream.channels, np.int64)
        steps = reached_by(levels(plain, kind, x.stream.channels), zero, total.divisor)
        steps = np.where(np.abs(steps) < NEVER, steps + total.offset[:, None], steps)
        floor = self.net.threshold(total.stream, steps, kind)
        # More: 0 .. 2**bits - 1, as an unsigned stream; a signed floor is subtracted from minus that.
        more_kind = Kind(kind.bits, False)
        more = self.net.threshold(self.net.subtract(full, floor), identity(0, more_kind), more_kind)
        negative = self.net.affine(more, "mul", np.array([-1]))
        signed, offset = (floor, 0) if kind.signed else (self.net.affine(floor, "add", np.array([-1])), -1)
        best = self.net.subtract(signed, negative)
        self.put(node, x, self.net.threshold(best, identity(kind.lo, kind) + offset, kind))

    def _lookup(self, node: ops.Lookup) -> None:
        x, t = self.values[node.inputs[0]], self.graph.tensors[node.inputs[0]]
        kind, table = kind_of(self.graph.tensors[node.output]), table_of(node, t)
        own = identity(t.dtype.lo, kind_of(t))
        if (np.diff(table) >= 0).all():
            self.put(node, x, self.net.threshold(x.stream, through_table(own, t.dtype.lo, table, kind), kind))
            return
        up, down = staircase(table)
        bits = max(len(up), len(down)).bit_length()
        if bits > MAX_STEPS_BITS:
            self.fail(node, f"its table rises and falls by {len(up) + len(down)} in all, FINN's thresholds go to "
                            f"{2**MAX_STEPS_BITS - 1}")  # fmt: skip
        half = Kind(bits, False)
        sides = [self.net.threshold(x.stream, _filled(s + t.dtype.lo, half), half) for s in (up, down)]
        moved = identity(kind.lo, kind) - int(table[0])
        self.put(node, x, self.net.threshold(self.net.subtract(*sides), moved, kind))

    def _mul(self, node: ops.Mul) -> None:
        a, b = (self.values[i] for i in node.inputs)
        if a.flat or b.flat:
            self.fail(node, "a flattened image has no channels to multiply along")
        if np.prod(a.stream.shape) < np.prod(b.stream.shape):
            a, b = b, a
        if b.stream.shape not in (a.stream.shape, (*(1,) * (len(a.stream.shape) - 1), a.stream.channels)):
            self.fail(node, "FINN can repeat one vector of channels over an image, nothing else")
        total = product.product(self.net, a.stream, b.stream)
        shape, axis = total.shape, a.axis
        value = Value(a.stream, axis, sum=total)
        out = self.graph.tensors[node.output]
        if not out.dtype.is_wide:
            lane = ops.Requantize(name=node.name, inputs=(node.output,), output=node.output, mult=[node.mult],
                                  bias=np.zeros(1, np.int64), shift=node.shift, lo=node.lo, hi=node.hi,
                                  channel_axis=node.channel_axis)  # fmt: skip
            self.values[node.output] = replace(value, stream=Stream("", shape, a.stream.kind, 0, 0))
            self._requantize(lane)
            return
        if not isinstance(self.sole(node.output), ops.Requantize):
            self.fail(node, "a 32-bit product must be read by one Requantize")
        self.values[node.output] = value


def _filled(steps: np.ndarray, kind: Kind) -> np.ndarray:
    """All thresholds of an unsigned type: those given, then ones that nothing reaches."""
    return np.concatenate([steps, np.full(kind.hi - len(steps), NEVER)])[None]
