"""The product of two streams out of layers that FINN has: FINN v0.10.1 multiplies with constants only.

For unsigned a of n bits and bit i of b: a AND bit = max(0, a - (2**n - 1) * NOT bit), a difference and thresholds.
Eight copies of a against the eight bits of b, then a sum with the weights 1, 2, 4, ... (a window of eight taps for
VVAU), and the product is there. b's bits are made once per value of b: as an image is multiplied by a vector, at the
vector's rate. Bit i of u is floor(u / 2**i) - 2 * floor(u / 2**(i+1)), and both floors are thresholds.
"""

from __future__ import annotations

import numpy as np

from hwgen.backends.finn.kinds import Kind
from hwgen.backends.finn.net import Net
from hwgen.backends.finn.streams import Stream
from hwgen.backends.finn.sums import Sum, Term
from hwgen.backends.finn.thresholds import NEVER

BIT = Kind(1, False)


def product(net: Net, a: Stream, b: Stream) -> Sum:
    """a * b, b of a's shape or one pixel for all of them; a correction by b itself is left to the caller's sum."""
    base = a.kind.lo
    unsigned = net.affine(a, "add", np.array([-base])) if base else a
    bits = b.kind.bits
    copies = _repeated(net, unsigned, bits)
    mask = net.upsample(_inverted_bits(net, b), a.shape[1:3]) if a.shape != b.shape else _inverted_bits(net, b)
    top = (1 << a.kind.bits) - 1
    kind = Kind(a.kind.bits, False)
    masked = net.subtract(copies, net.affine(mask, "mul", np.array([top])))
    masked = net.threshold(masked, np.arange(1, top + 1, dtype=np.int64)[None], kind)
    weights = 1 << np.arange(bits)
    if b.kind.signed:
        weights[-1] = -weights[-1]
    taps = np.tile(weights.reshape(1, 1, 1, bits), (a.channels, 1, 1, 1))
    whole = net.depthwise(masked, taps, bits + (0 if b.kind.signed else 1), pe=a.channels)
    terms = [Term(whole, np.ones(a.channels, np.int64))]
    if base:
        terms.append(Term(b, np.full(a.channels, base)))
    return Sum(terms, a.shape)


def _repeated(net: Net, x: Stream, times: int) -> Stream:
    """The channels `times` times over."""
    return net.concat([x] * times) if times > 1 else x


def _inverted_bits(net: Net, b: Stream) -> Stream:
    """NOT bit 0 of all channels of b, NOT bit 1 of all channels, ...: bits of two's complement."""
    bits, channels = b.kind.bits, b.channels
    copies = _repeated(net, b, bits)
    lower = [_floors(b.kind, i + 1, channels) for i in range(bits)]
    kind = Kind(bits, False)
    whole = net.threshold(copies, np.concatenate([_floors(b.kind, i, channels) for i in range(bits)]), kind)
    half = net.threshold(copies, np.concatenate(lower), kind)
    # D = 2 * half - whole is 0 or -1 for a bit 0 or 1. The top bit of a signed b is inverted already in u = b - lo.
    sign = np.repeat(np.where(np.arange(bits) == bits - 1, -1 if b.kind.signed else 1, 1), channels)
    bit = net.subtract(net.affine(half, "mul", 2 * sign), net.affine(whole, "mul", sign))
    return net.threshold(bit, np.where(sign > 0, 0, 1)[:, None], BIT)


def _floors(kind: Kind, shift: int, channels: int) -> np.ndarray:
    """Thresholds of floor((b - kind.lo) / 2**shift) in kind.bits bits."""
    steps = np.arange(1, 1 << kind.bits, dtype=np.int64) << shift
    steps = np.where(steps < 1 << kind.bits, steps + kind.lo, NEVER)
    return np.broadcast_to(steps, (channels, len(steps)))
