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
    """See the module; a bus as `sim_direct` describes it, for the design that `package` was made for. `ddr`: uint8, the
    memory where several engines share one."""

    name = "instant"

    def __init__(self, package: Package, ddr_base: int = 0x8_0000_0000, ddr: np.ndarray | None = None) -> None:
        self.ddr_base = ddr_base
        self.ddr = np.zeros(self.size_for(package), np.uint8) if ddr is None else ddr
        at = {register.name: register.offset for register in abi.REGISTERS}
        self._registers = bytearray(abi.REGISTER_WINDOW)
        self.write(at["MAGIC"], abi.MAGIC)
        self.write(at["ABI"], package.manifest["abi"])
        self.write(at["HASH_LO"], package.design_hash & 0xFFFFFFFF)
        self.write(at["HASH_HI"], package.design_hash >> 32)
        self.write(at["STATUS"], _flags("IDLE", "DONE", "LOADED"))

    @staticmethod
    def size_for(package: Package) -> int:
        """Bytes of memory in which two packages like this one lie side by side."""
        size = 2 * (len(package.image) + len(package.stream)) + (1 << 20)
        return size + 4 * (package.manifest["in_bytes"] + package.manifest["out_bytes"])

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
