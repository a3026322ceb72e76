"""Several engines without a board: their simulated RTL over one DDR, or engines that answer at once.

with simulated(package, DIR) as devices, Engines(package, devices=devices) as policy: ...
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.instant import InstantBus
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.simbus import SimBus


@contextmanager
def simulated(package: EnginesPackage, folder: str | os.PathLike) -> Iterator[list[SimDirect]]:
    """A device for each engine, over the simulator libraries in DIR/stage0, DIR/stage1, ... Raises SimError.

    Each has a clock of its own, which moves while the driver waits for it: what several take at once is not measured.
    """
    ddr = np.zeros(sum(SimBus.size_for(one) for one in package.engines), np.uint8)
    with ExitStack() as closing:
        devices: list[SimDirect] = []
        for number, many in enumerate(package.copies):
            for _ in range(many):
                bus = SimBus.open(Path(folder) / f"stage{number}", memory=ddr)
                closing.callback(bus.close)
                devices.append(SimDirect(bus, devices[0] if devices else None))
        yield devices


def instant(package: EnginesPackage) -> list[SimDirect]:
    """A device for each engine that answers at once and computes nothing: what remains is the driver's own time."""
    ddr = np.zeros(sum(InstantBus.size_for(one) for one in package.engines), np.uint8)
    devices: list[SimDirect] = []
    for one in package.engines:
        devices.append(SimDirect(InstantBus(one, ddr=ddr), devices[0] if devices else None))
    return devices
