"""A bus whose engine answers at once: what remains is the driver's own time. For `bench`, and for trying the driver
without RTL.

It checks nothing and computes nothing: a run ends in the very write that starts it and leaves the output buffer as it
was.
"""

from __future__ import annotations

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.package import Package


class InstantBus:
    """See the module; a bus as `sim_direct` describes it, for the design that `package` was made for."""

    name = "instant"

    def __init__(self, package: Package, ddr_base: int = 0x8_0000_0000) -> None:
        size = 2 * (len(package.image) + len(package.stream)) + (1 << 20)
        size += 4 * (package.manifest["in_bytes"] + package.manifest["out_bytes"])
        self.ddr, self.ddr_base = np.zeros(size, np.uint8), ddr_base
        at = {register.name: register.offset for register in abi.REGISTERS}
        self._registers = bytearray(abi.REGISTER_WINDOW)
        self.write(at["MAGIC"], abi.MAGIC)
        self.write(at["ABI"], package.manifest["abi"])
        self.write(at["HASH_LO"], package.design_hash & 0xFFFFFFFF)
        self.write(at["HASH_HI"], package.design_hash >> 32)
        self.write(at["STATUS"], _flags("IDLE", "DONE", "LOADED"))

    def read(self, offset: int) -> int:
        """One register."""
        return int.from_bytes(self._registers[offset : offset + 4], "little")

    def write(self, offset: int, value: int) -> None:
        """Keep the value; STATUS says IDLE and DONE for ever."""
        self._registers[offset : offset + 4] = value.to_bytes(4, "little")

    def reset(self) -> None:
        """Nothing is resident."""


def _flags(*names: str) -> int:
    return sum(1 << lsb for name, lsb, _, _ in abi.register("STATUS").fields if name in names)
