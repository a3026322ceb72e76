"""NumPy's random signs, written out, so that they never change.

`random_signs(seed, n)` is `np.random.default_rng(seed).choice([-1, 1], n)` of NumPy 1.17 to 2.x: SeedSequence, then the
generator PCG64 (M. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random
Number Generation", 2014; variant XSL RR 128/64). NumPy keeps the bits of PCG64 but promises nothing about `choice`,
and a robot's words must mean tomorrow what they meant in training.
"""

from __future__ import annotations

import numpy as np

_M32, _M64, _M128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1
_STEP = 0x2360ED051FC65DA44385DF649FCCF645  # multiplier of the 128-bit congruential generator


def random_signs(seed: int, count: int) -> np.ndarray:
    """`count` values of +-1 for a seed below 2**32: float32 [count]. Element k is the sign bit of a 32-bit draw."""
    words = _seed_words(seed)
    start, stream = (words[i] << 64 | words[i + 1] for i in (0, 2))
    increment = (stream << 1 | 1) & _M128
    state = ((increment + start) * _STEP + increment) & _M128
    signs = np.empty(count + count % 2, np.float32)
    for i in range(0, count, 2):
        state = (state * _STEP + increment) & _M128
        draw = _rotate((state >> 64 ^ state) & _M64, state >> 122)
        signs[i], signs[i + 1] = (2 * (draw >> bit & 1) - 1 for bit in (31, 63))  # the low half comes first
    return signs[:count]


def _rotate(value: int, by: int) -> int:
    """A 64-bit word, rotated to the right."""
    return (value >> by | value << (64 - by)) & _M64


def _seed_words(seed: int) -> list[int]:
    """SeedSequence(seed).generate_state(4, uint64): four 64-bit words from a pool of four 32-bit ones."""
    scramble = _Hash(0x43B0D7E5, 0x931E8875)
    pool = [scramble(value) for value in (seed, 0, 0, 0)]
    for source in range(4):
        for target in range(4):
            if source != target:
                mixed = (0xCA01F9DD * pool[target] - 0x4973F715 * scramble(pool[source])) & _M32
                pool[target] = mixed ^ mixed >> 16
    expand = _Hash(0x8B51F9DD, 0x58F38DED)
    halves = [expand(pool[i % 4]) for i in range(8)]
    return [halves[i] | halves[i + 1] << 32 for i in range(0, 8, 2)]


class _Hash:
    """SeedSequence's hash of 32-bit words; its constant moves on with each call."""

    def __init__(self, constant: int, factor: int) -> None:
        self.constant, self.factor = constant, factor

    def __call__(self, value: int) -> int:
        value ^= self.constant
        self.constant = self.constant * self.factor & _M32
        value = value * self.constant & _M32
        return value ^ value >> 16
