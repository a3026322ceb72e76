"""The best that FINN's matrix units could do if layers overlapped ideally: a bound below FINN's own estimate.

    .venv/bin/python scripts/finn_overlap.py 1059,256,256,256,24 --multipliers 512

A chain of matrix units (MVAU): each takes SIMD inputs a clock in the order in which the one before gives them, begins
with the first, reads its input again for every further group of PE outputs, and has no pipeline registers; thresholds
and width converters cost nothing, the network's input is there from the start. All foldings are tried; a partial one
that is already as late as the best known goes.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np


def divisors(n: int) -> list[int]:
    """All of them."""
    return [d for d in range(1, n + 1) if n % d == 0]


def outputs(arrive: np.ndarray, mh: int, pe: int, simd: int) -> np.ndarray:
    """When each of MH outputs is there, from when each of MW inputs is (clocks)."""
    beats = arrive.reshape(-1, simd).max(axis=1)
    order = np.arange(len(beats))
    first = np.maximum.accumulate(beats - order)[-1] + len(beats)  # the first group waits for its inputs
    return np.repeat(first + np.arange(mh // pe) * len(beats), pe)


def best(sizes: list[int], multipliers: int) -> tuple[float, list[tuple[int, int]]]:
    """(clocks, [(PE, SIMD) a layer])."""
    layers = [
        [(pe, simd) for pe in divisors(mh) for simd in divisors(mw) if pe * simd <= multipliers]
        for mw, mh in itertools.pairwise(sizes)
    ]
    found: tuple[float, list] = (np.inf, [])

    def search(i: int, arrive: np.ndarray, left: int, chosen: list) -> None:
        nonlocal found
        if i == len(layers):
            found = min(found, (float(arrive[-1]), chosen), key=lambda f: f[0])
            return
        for pe, simd in layers[i]:
            if pe * simd + len(layers) - 1 - i <= left:
                then = outputs(arrive, sizes[i + 1], pe, simd)
                if then[-1] < found[0]:
                    search(i + 1, then, left - pe * simd, [*chosen, (pe, simd)])

    search(0, np.zeros(sizes[0]), multipliers, [])
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", help="inputs of the first layer, then outputs of each: 1059,256,256,256,24")
    parser.add_argument("--multipliers", type=int, required=True)
    args = parser.parse_args()
    clocks, folding = best([int(n) for n in args.sizes.split(",")], args.multipliers)
    print(f"{clocks:.0f} clocks at least, with (PE, SIMD) = {folding}")
