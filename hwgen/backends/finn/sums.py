"""Sums of streams times integers per channel, as few and as narrow FINN layers as possible."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from hwgen.backends.finn.net import Net
from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.thresholds import per_channel


@dataclass(frozen=True)
class Term:
    """A stream times one integer per channel. One pixel counts for a whole image."""

    stream: Stream
    factor: np.ndarray


@dataclass(frozen=True)
class Sum:
    """Terms to add; shape: of the result, where it is not the first term's."""

    terms: list[Term]
    shape: tuple[int, ...] = field(default=())


@dataclass(frozen=True)
class Total:
    """The sum of a Sum is divisor * (stream - offset), per channel; divisor >= 0."""

    stream: Stream
    divisor: np.ndarray
    offset: np.ndarray


def combine(net: Net, total: Sum, shape: tuple[int, ...]) -> Total:
    """Add the layers of a sum; its common divisor per channel is left to the thresholds behind it.

    Vectors that are repeated over an image are summed before they are repeated. A difference of streams has two types
    of one signedness, so factors change sign on the way and an unsigned stream beside signed ones starts at -1.
    """
    shape = total.shape or shape
    channels = shape[-1]
    factors = [per_channel(t.factor, channels) for t in total.terms]
    divisor = np.gcd.reduce(np.abs(factors), axis=0)
    terms = [Term(t.stream, f // np.maximum(divisor, 1)) for t, f in zip(total.terms, factors, strict=True)]
    large = [t for t in terms if prod(t.stream.shape) == prod(shape)]
    small = [t for t in terms if prod(t.stream.shape) != prod(shape)]
    parts = [_chain(net, large), _chain(net, small)]
    stream, offset = parts[0] or parts[1]
    if parts[0] and parts[1]:
        vector, moved = parts[1]
        vector, turned = _turned(net, vector)
        stream, offset = _minus(net, stream, offset, net.upsample(vector, shape[1:3]), -moved + turned)
    elif not parts[0]:
        stream = net.upsample(stream, shape[1:3])
    return Total(stream, divisor, np.broadcast_to(np.asarray(offset, np.int64), (channels,)))


def _chain(net: Net, terms: list[Term]) -> tuple[Stream, int] | None:
    """The sum of terms of one shape, and what is too much in it."""
    if not terms:
        return None
    if len(terms) == 2 and all((t.factor == 1).all() for t in terms) and terms[0].stream.kind == terms[1].stream.kind:
        return net.add(terms[0].stream, terms[1].stream), 0
    first, *rest = terms
    stream, offset = net.affine(first.stream, "mul", first.factor), 0
    for t in rest:
        stream, offset = _minus(net, stream, offset, net.affine(t.stream, "mul", -t.factor), 0)
    return stream, offset


def _turned(net: Net, x: Stream) -> tuple[Stream, int]:
    return net.affine(x, "mul", np.array([-1])), 0


def _minus(net: Net, a: Stream, a_offset: int, b: Stream, b_offset: int) -> tuple[Stream, int]:
    """a - b, both made signed unless both are unsigned."""
    if a.kind.signed != b.kind.signed:
        if not a.kind.signed:
            a, a_offset = net.affine(a, "add", np.array([-1])), a_offset - 1
        else:
            b, b_offset = net.affine(b, "add", np.array([-1])), b_offset - 1
    return net.subtract(a, b), a_offset - b_offset
