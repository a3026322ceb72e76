"""A simulated engine as a device of the driver's small protocol: the driver without pynq, in one process with the
simulator.

A bus is anything with `ddr` (uint8 array, one dimension), `ddr_base`, `read(offset)`, `write(offset, value)`,
`reset()`: `simbus.SimBus` over the simulated RTL, `instant.InstantBus` for measurements.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime.memory import Pool, Window, shadow


class DirectBuffer(np.ndarray):
    """Host shadow of simulated DDR. A slice is a plain view, with no address of its own."""

    owner: SimDirect | None
    physical_address: int
    freed: bool

    def __array_finalize__(self, obj: object) -> None:
        self.owner, self.physical_address, self.freed = None, 0, False

    def flush(self) -> None:
        """Host to DDR."""
        self._ddr[:] = self._host

    def invalidate(self) -> None:
        """DDR to host."""
        self._host[:] = self._ddr

    def freebuffer(self) -> None:
        """Give the DDR back; a second call does nothing."""
        if self.owner is not None and not self.freed:
            self.freed = True
            self.owner.pool.give_back(self.physical_address)


class SimDirect:
    """See the module. `timeout`: seconds the driver waits by default; a simulated clock is slow. `beside`: another
    engine whose bus has the same DDR, which both then share out."""

    timeout = 60.0

    def __init__(self, bus, beside: SimDirect | None = None) -> None:
        self.bus, self.name = bus, getattr(bus, "name", "simulated engine")
        self.read, self.write = bus.read, bus.write
        self.pool = self.memory = Pool(bus.ddr_base, len(bus.ddr)) if beside is None else beside.pool
        self._window = Window(bus.ddr, bus.ddr_base)

    def allocate(self, nbytes: int) -> DirectBuffer:
        """A buffer of whole pages in simulated DDR."""
        address = self.pool.take(nbytes)
        host = shadow(nbytes)
        buffer = host.view(DirectBuffer)
        buffer.owner, buffer.physical_address = self, address
        buffer._host, buffer._ddr = host, self._window.at(address, nbytes)
        return buffer

    def download(self) -> None:
        """What loading the bitstream again does: everything resident is gone."""
        self.bus.reset()
