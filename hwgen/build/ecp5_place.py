"""Which seed to route: the one whose placement has the shortest wires.

A placement takes minutes and a route a quarter of an hour, and how short the wires are (seeds differ by 5 %) decides
whether the router ends, and how fast the design is. nextpnr's own estimate of the clock says little about either.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hwgen.build import ecp5_tools, process

_LENGTH = re.compile(r"wirelen = (\d+)")
UNTOLD = float("inf")


def shortest_first(words: Sequence[str | Path], work: Path, seeds: Sequence[int], tell: process.Progress) -> list[int]:
    """The seeds, sorted by the length of the wires after placement; equal ones stay in their order.

    `words` is nextpnr's command line without a seed; the logs are placeSEED.log in `work`. As many placements run at
    a time as there are cores. Raises ToolError as `ecp5_tools.must` does.
    """
    if len(seeds) < 2:
        return list(seeds)

    def length(seed: int) -> float:
        log = f"place{seed}.log"
        ecp5_tools.must([*words, "--no-route", "--seed", str(seed)], work, log)
        found = _LENGTH.findall((work / log).read_text(errors="replace"))
        return int(found[-1]) if found else UNTOLD

    tell(f"placement with {len(seeds)} seeds, to route the one with the shortest wires first")
    with ThreadPoolExecutor(min(len(seeds), os.cpu_count() or 1)) as pool:
        lengths = dict(zip(seeds, pool.map(length, seeds), strict=True))
    tell("length of the wires: " + ", ".join(f"seed {seed} {lengths[seed]:,}" for seed in seeds))
    return sorted(seeds, key=lengths.__getitem__)
