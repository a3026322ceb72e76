"""The bus of `sim_direct` and `sim_device` over the simulated RTL: registers become AXI-Lite transactions, DDR is the
library's.
"""

from __future__ import annotations

import os
from pathlib import Path

from hwgen.runtime import abi
from hwgen.runtime.package import Package

_STATUS = abi.register("STATUS").offset
_BATCH = 2000  # clocks that one read of STATUS may let pass


class SimBus:
    """See the module. `sim`: a SimLib, which stays the caller's; close it after the last use of the bus."""

    name = "simulated RTL"

    def __init__(self, sim) -> None:
        self.sim, self.ddr, self.ddr_base = sim, sim.memory, sim.base
        self.write, self._read = sim.write, sim.read

    @classmethod
    def open(cls, library: str | os.PathLike, **options: object) -> SimBus:
        """A bus over the library at this path (or the generated folder that holds it); `options` go to SimLib.open."""
        from hwgen.runtime.simlib import SimLib

        return cls(SimLib.open(Path(library), **options))

    @staticmethod
    def size_for(package: Package) -> int:
        """Bytes of simulated DDR in which two packages like this one lie side by side."""
        one = len(package.image) + len(package.stream)
        one += 2 * (package.manifest["in_bytes"] + package.manifest["out_bytes"])
        return max(64 << 20, -(-2 * one // (1 << 20)) << 20)

    def read(self, offset: int) -> int:
        """One register. While a command runs, a read of STATUS lets clocks pass until it ends, as time does on a board;
        a driver that polled each time through Python would take a thousand times longer and see the same."""
        if offset == _STATUS:
            return self.sim.wait(max_clocks=_BATCH)
        return self._read(offset)

    def reset(self) -> None:
        """The reset pin, which is what a new bitstream does."""
        self.sim.reset()

    def close(self) -> None:
        """Close the library."""
        self.sim.close()
