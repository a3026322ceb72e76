"""`SimDevice`: a simulated engine as a pynq device, so that the driver of the board runs unmodified through the real
pynq.Overlay, pynq.MMIO and pynq.allocate. Works with pynq 3.1 and 4.0. Needs pynq; `sim_direct` is the same without it.

Registers go over the bus (of `sim_direct`), buffers lie in its DDR with a host shadow of their own: `flush()` copies to
DDR and `invalidate()` from it, so that a forgotten one shows here as it does on a board.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import weakref
from pathlib import Path

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device
from pynqmetadata.frontends import Metadata

from hwgen.runtime.hwh import make_hwh
from hwgen.runtime.memory import Pool, Window, shadow

try:  # pynq 4 took the parser into pynqmetadata
    from pynqmetadata.views.runtime import RuntimeMetadataParser
except ImportError:
    from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser

ENGINE_BASE = 0xA000_0000  # of the general-purpose port's window on Zynq UltraScale+
ENGINE_SIZE = 0x10000
_IOPLL, _PL0 = 0xFF5E_0020, 0xFF5E_00C0  # CRL_APB: what pynq's clock code reads before a download
_tags = itertools.count()


class SimBuffer(PynqBuffer):
    """A PynqBuffer that goes back to the simulated DDR. Slices have no pool, so that only the whole frees."""

    def freebuffer(self) -> None:
        """Give the DDR back; a second call does nothing."""
        pool, self.pool = getattr(self, "pool", None), None
        if pool is not None:
            self.freed = True
            pool.give_back(self.pool_address)


class SimDevice(Device):
    """See the module. It has no probe, so pynq never picks it by itself: pass `device=` and `target=`."""

    arch, name = "aarch64", "hwgen-sim"
    capabilities = {"REGISTER_RW": True}
    timeout = 60.0  # seconds the driver waits by default: a simulated clock is slow

    def __init__(self, bus) -> None:
        super().__init__(f"hwgen-sim-{next(_tags)}")
        self.capabilities = dict(SimDevice.capabilities)
        self.bus, self.pool = bus, Pool(bus.ddr_base, len(bus.ddr))
        self._window = Window(bus.ddr, bus.ddr_base)
        self.timestamp = self.bitfile_name = None
        # 1500 MHz PLL (feedback 90, halved), PL clock 0 enabled and divided by 15
        self._system = {_IOPLL: 90 << 8 | 1 << 16, _PL0: 1 << 24 | 1 << 16 | 15 << 8}

    # registers: the engine's window goes to the bus, the rest of the processor's map is plain memory
    def read_registers(self, address: int, length: int) -> bytes:
        """`length` bytes of registers, as pynq.MMIO asks for them."""
        return b"".join(self._read(address + i).to_bytes(4, "little") for i in range(0, length, 4))

    def write_registers(self, address: int, data: bytes) -> None:
        """Write whole registers, as pynq.MMIO does."""
        data = bytes(data)
        for i in range(0, len(data), 4):
            value = int.from_bytes(data[i : i + 4], "little")
            if ENGINE_BASE <= address + i < ENGINE_BASE + ENGINE_SIZE:
                self.bus.write(address + i - ENGINE_BASE, value)
            else:
                self._system[address + i] = value

    def _read(self, address: int) -> int:
        if ENGINE_BASE <= address < ENGINE_BASE + ENGINE_SIZE:
            return self.bus.read(address - ENGINE_BASE)
        return self._system.get(address, 0)

    # buffers
    def allocate(self, shape, dtype="u4", cacheable: int = 0, **_: object) -> SimBuffer:
        """A buffer in simulated DDR on a page of its own. Raises MemoryError when the window is full."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = self.pool.take(nbytes)
        host = shadow(nbytes)
        buffer = SimBuffer(
            shape, dtype, device=self, bo=(address, host), device_address=address, coherent=False, buffer=host
        )
        buffer.pool, buffer.pool_address = self.pool, address
        return buffer

    def flush(self, bo: tuple[int, np.ndarray], offset: int, vaddr: int, nbytes: int) -> None:
        """Host to DDR."""
        address, host = bo
        self._window.at(address + offset, nbytes)[:] = host[offset : offset + nbytes]

    def invalidate(self, bo: tuple[int, np.ndarray], offset: int, vaddr: int, nbytes: int) -> None:
        """DDR to host."""
        address, host = bo
        host[offset : offset + nbytes] = self._window.at(address + offset, nbytes)

    # bitstreams
    def get_bitfile_metadata(self, bitfile_name: str, partial: bool = False) -> RuntimeMetadataParser:
        """The parsed .hwh beside the bitstream, with the processor's memory added."""
        parser = RuntimeMetadataParser(Metadata(input=os.path.splitext(bitfile_name)[0] + ".hwh"))
        parser.mem_dict["PSDDR"] = {
            "used": 1, "base_address": self.bus.ddr_base, "size": len(self.bus.ddr), "streaming": False, "idx": 0,
            "tag": "PSDDR", "raw_type": 2,
        }  # fmt: skip
        parser.refresh_hierarchy_dict()
        return parser

    def get_memory(self, description: dict) -> SimDevice:
        """The memory behind `overlay.PSDDR`: this device allocates."""
        return self

    def download(self, bitstream, parser=None) -> None:
        """Reset the simulated hardware, which is what a new bitstream does."""
        self.bus.reset()
        super().post_download(bitstream, parser, self.name)

    def gen_cache(self, bitstream, parser=None) -> None:
        """Nothing: the metadata is parsed each time."""

    def set_axi_port_width(self, parser) -> None:
        """Nothing: the port is as wide as the bus."""


def open_sim(bus) -> tuple[SimDevice, Path]:
    """A device over `bus` and the path of a stand-in bitstream with its .hwh; both files go when the device does.

    Use: `device, bit = open_sim(bus)`, then `Accelerator(package, bitstream=bit, device=device)`.
    """
    device = SimDevice(bus)
    folder = tempfile.TemporaryDirectory(prefix="hwgen-sim-")
    weakref.finalize(device, folder.cleanup)
    path = Path(folder.name) / "policy.bit"
    path.write_bytes(b"simulated: the hardware is the bus of the SimDevice\n")
    path.with_suffix(".hwh").write_text(make_hwh(ENGINE_BASE, ENGINE_SIZE))
    return device, path
