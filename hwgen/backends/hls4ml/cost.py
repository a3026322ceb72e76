"""What a layer takes, as formulas: clocks, multiplications per clock, DSP, LUT, block RAM for each way to fold it.

Clocks. hls4ml's templates say how often each loop runs (templates/vivado and templates/vitis of hls4ml 1.3.0):

- Dense, Latency (nnet_dense_latency.h): everything unrolled: the depth of the pipeline.
- Dense, Resource (nnet_dense_resource.h): `ReuseLoop` runs reuse-factor times at II=1: reuse - 1 + depth.
- Conv, io_parallel (nnet_conv2d_latency.h, _resource.h): `PartitionLoop` runs positions / parallelization times; the
  unrolled one starts a position every clock: positions - 1 + depth; the folded one finishes each before the next:
  positions * (reuse - 1 + depth).
- Conv, io_stream (nnet_conv2d_stream.h): a loop over all pixels, padding included. Latency: one a clock. Resource: a
  pixel that completes a window takes reuse - 1 + depth, the others one clock.
- A stream brings a vector in packets; Dense reads them all first, one a clock.
- Our own layers state their clocks themselves (extension.latency).

Depth: one clock to read, one to multiply, and an adder tree of which `ADDER_LEVELS` levels pass in a clock. Handshakes
between layers are not counted. Vitis decides in the end; after `make hls` the report has its figures.

Resources. A product goes into a DSP slice when an operand is wider than `LUT_OPERAND` bits, else into LUTs: that is
what Vitis does with small integer products (hls4ml's users see the same edge: DSPs vanish below about 10 bits). One of
a x b bits takes about 5/8 a b LUTs (8 x 8: 40), adding it to its sum one LUT a bit. An unrolled product has a constant
weight: one adder for each nonzero digit of the weight (canonical signed digits) but the first, nothing for a weight of
zero. Folded weights lie in block RAM, 72 bits wide and 512 deep.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2

import numpy as np

from hwgen.backends.hls4ml.types import HlsType

ADDER_LEVELS = 2  # of a tree that pass in one clock at 200 MHz
LUT_OPERAND = 10  # bits; a wider operand makes Vitis take a DSP slice
BRAM_BITS, BRAM_WORDS = 72, 512
LANE_LUT = 4  # LUTs a bit of a lane of ours: add, round, clamp, select
KINDS = ("multipliers", "DSP", "LUT", "BRAM36")


@dataclass(frozen=True)
class Cost:
    """One way to build a layer.

    cycles: clocks per frame. first: from its first input to its first output; last: from its last input to its last
    output (both are `cycles` unless inputs stream through it). The rest: what it takes, per KINDS; multipliers are
    those that multiply weights.
    """

    cycles: int
    first: int
    last: int
    multipliers: int = 0
    dsp: int = 0
    lut: int = 0
    bram36: int = 0

    @property
    def kinds(self) -> tuple[int, ...]:
        """What it takes, in the order of KINDS."""
        return self.multipliers, self.dsp, self.lut, self.bram36


@dataclass(frozen=True)
class Weighted:
    """A layer with weights.

    weight: integers [inputs, outputs]. x, w, acc: types of operand, weight and sum. positions: how often it multiplies.
    pixels: those that a stream brings, and window: those until the first position is complete (0: not a stream of
    pixels). packets: in which a stream brings a vector (0: not a stream).
    """

    weight: np.ndarray
    x: HlsType
    w: HlsType
    acc: HlsType
    positions: int = 1
    pixels: int = 0
    window: int = 0
    packets: int = 0

    def unrolled(self, parallel: int = 1) -> Cost:
        """Strategy Latency, reuse factor 1, `parallel` positions at once."""
        n_in = self.weight.shape[0]
        used = int(np.count_nonzero(self.weight))
        shifts = int(csd_digits(self.weight).sum()) - used
        sums = int(np.maximum(np.count_nonzero(self.weight, axis=0) - 1, 0).sum())
        lut = parallel * (shifts * (self.x.bits + self.w.bits) + sums * self.acc.bits)
        deep = depth(n_in)
        cycles = max(self.positions // parallel, self.pixels) - 1 + self.packets + deep
        return self._cost(cycles, deep, used * parallel, 0, lut, 0)

    def folded(self, reuse: int, parallel: int = 1) -> Cost:
        """Strategy Resource with a reuse factor, `parallel` positions at once."""
        block = ceil(self.weight.size / reuse)
        one = reuse - 1 + depth(1 + ceil(block / self.weight.shape[1]))
        cycles = self.positions // parallel * one + max(0, self.pixels - self.positions) + self.packets
        in_dsp = max(self.x.bits + (not self.x.signed), self.w.bits) > LUT_OPERAND
        product = 0 if in_dsp else ceil(5 * self.x.bits * self.w.bits / 8)
        bram = ceil(block * self.w.bits / BRAM_BITS) * ceil(reuse / BRAM_WORDS) if reuse > 1 else 0
        count = block * parallel
        return self._cost(cycles, one, count, count * in_dsp, count * (product + self.acc.bits), bram)

    def _cost(self, cycles: int, one: int, *kinds: int) -> Cost:
        """one: clocks of a position."""
        return Cost(cycles, self.window + one, one, *kinds) if self.pixels else Cost(cycles, cycles, cycles, *kinds)


def depth(addends: int) -> int:
    """Clocks from operands in registers to a sum of that many products."""
    return 2 + ceil(ceil(log2(addends)) / ADDER_LEVELS) if addends > 1 else 2


def csd_digits(weight: np.ndarray) -> np.ndarray:
    """Nonzero digits of each integer w in canonical signed digits: the ones in 3w xor w."""
    w = np.abs(weight.astype(np.int64))
    return np.bitwise_count((3 * w) ^ w)


def of_ours(entry: dict, io: str, reuse: int, bits: int) -> Cost:
    """One of our own layers, by its entry of hls4ml's layer list: products by constants that are no power of two take a
    DSP slice each. bits: of a result."""
    from hwgen.backends.hls4ml import extension

    spec = entry["spec"]
    groups = spec.groups if io == "io_stream" else 1
    cycles = extension.latency(entry, io, reuse)
    one = cycles - (groups - 1) * reuse
    lanes = ceil(np.prod(spec.shape) / groups / reuse)
    return Cost(cycles, one, one, 0, extension.multipliers(entry, io, reuse), lanes * LANE_LUT * bits)


def of_moving(kind: str, packets_in: int, packets_out: int) -> Cost:
    """A layer that only moves elements: wiring in io_parallel (no packets), a loop over packets in io_stream."""
    if kind == "Transpose":  # reads all before it writes
        clocks = packets_in + packets_out
        return Cost(clocks, clocks, packets_out)
    clocks = max(packets_in, packets_out)
    return Cost(clocks, min(1, clocks), min(1, clocks))
