"""`SimDevice`: a simulated engine as a pynq device, so that the driver of the board runs unmodified through the real
pynq.Overlay, pynq.MMIO and pynq.allocate. Works with pynq 3.1 and 4.0. Needs pynq; `sim_direct` is the same without it.

Like on a board, the .hwh of what is loaded says where the engine's registers lie and which processor drives it: of a
Zynq UltraScale+, or of a Zynq-7000, with 32-bit addresses and clock registers of its own (pynq 3 only, for 4.0 dropped
it).

Several engines, on buses with one DDR, are blocks of one overlay, as `hwgen.runtime.Engines` wants them.

Registers go over the bus (of `sim_direct`), buffers lie in its DDR with a host shadow of their own: `flush()` copies to
DDR and `invalidate()` from it, so that a forgotten one shows here as it does on a board.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pynq.buffer import PynqBuffer
from pynq.pl_server.device import Device
from pynq.ps import Clocks
from pynqmetadata.frontends import Metadata

from hwgen.runtime.device import ENGINE_NAME, engines_of
from hwgen.runtime.hwh import make_hwh
from hwgen.runtime.memory import Pool, Window, shadow

try:  # pynq 4 took the parser into pynqmetadata
    from pynqmetadata.views.runtime import RuntimeMetadataParser
except ImportError:
    from pynq.metadata.runtime_metadata_parser import RuntimeMetadataParser

# What pynq's clock code reads before a download, by the processor's name in the .hwh: register -> value.
_CLOCKS = {
    "zynq_ultra_ps_e": {  # CRL_APB
        0xFF5E_0020: 90 << 8 | 1 << 16,  # 1500 MHz IO PLL: 33.3 MHz x 90, halved
        0xFF5E_00C0: 1 << 24 | 1 << 16 | 15 << 8,  # PL clock 0 enabled, divided by 15
    },
    "processing_system7": {  # SLCR
        0xF800_0108: 20 << 12,  # 1000 MHz IO PLL: 50 MHz x 20
        0xF800_0170: 1 << 20 | 10 << 8,  # PL clock 0, divided by 10
    },
}
_ARCH = {"zynq_ultra_ps_e": "aarch64", "processing_system7": "armv7l"}
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
    """See the module. `beside`: buses of further engines. It has no probe, so pynq never picks it by itself: pass
    `device=` and `target=`."""

    arch, name = "none", "hwgen-sim"
    capabilities = {"REGISTER_RW": True}
    timeout = 60.0  # seconds the driver waits by default: a simulated clock is slow

    def __init__(self, bus, beside: Sequence = ()) -> None:
        super().__init__(f"hwgen-sim-{next(_tags)}")
        self.capabilities = dict(SimDevice.capabilities)
        self.bus, self.buses, self.pool = bus, (bus, *beside), Pool(bus.ddr_base, len(bus.ddr))
        self._window = Window(bus.ddr, bus.ddr_base)
        self.timestamp = self.bitfile_name = None
        self._engines: list[tuple[range, object]] = []  # the addresses of each one's registers, and its bus
        self._system: dict[int, int] = {}

    # registers: an engine's window goes to its bus, the rest of the processor's map is plain memory
    def read_registers(self, address: int, length: int) -> bytes:
        """`length` bytes of registers, as pynq.MMIO asks for them."""
        return b"".join(self._read(address + i).to_bytes(4, "little") for i in range(0, length, 4))

    def write_registers(self, address: int, data: bytes) -> None:
        """Write whole registers, as pynq.MMIO does."""
        data = bytes(data)
        for i in range(0, len(data), 4):
            value = int.from_bytes(data[i : i + 4], "little")
            for window, bus in self._engines:
                if address + i in window:
                    bus.write(address + i - window.start, value)
                    break
            else:
                self._system[address + i] = value

    def _read(self, address: int) -> int:
        for window, bus in self._engines:
            if address in window:
                return bus.read(address - window.start)
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
        """The parsed .hwh beside the bitstream, with the processor's memory added. Raises RuntimeError when that
        processor does not reach the simulated DDR."""
        parser = RuntimeMetadataParser(Metadata(input=os.path.splitext(bitfile_name)[0] + ".hwh"))
        self._become(parser)
        parser.mem_dict["PSDDR"] = {
            "used": 1, "base_address": self.bus.ddr_base, "size": len(self.bus.ddr), "streaming": False, "idx": 0,
            "tag": "PSDDR", "raw_type": 2,
        }  # fmt: skip
        parser.refresh_hierarchy_dict()
        return parser

    def _become(self, parser: RuntimeMetadataParser) -> None:
        """Take the processor and the engines' addresses that the .hwh names."""
        self.arch = _ARCH[parser.family_ps]
        if self.arch == "armv7l" and self.bus.ddr_base + len(self.bus.ddr) > 1 << 32:
            raise RuntimeError(
                f"a Zynq-7000 does not reach memory at {self.bus.ddr_base:#x}: its addresses have 32 bit"
            )
        self._system = dict(_CLOCKS[parser.family_ps])
        if "_real_instance" in vars(Clocks):  # pynq keeps the clocks of the first device of the process
            del Clocks._real_instance
        blocks = [parser.ip_dict[name] for name in sorted(engines_of(parser))]
        windows = [range(block["phys_addr"], block["phys_addr"] + block["addr_range"]) for block in blocks]
        self._engines = list(zip(windows, self.buses))  # noqa: B905

    def get_memory(self, description: dict) -> SimDevice:
        """The memory behind `overlay.PSDDR`: this device allocates."""
        return self

    def download(self, bitstream, parser=None) -> None:
        """Reset the simulated hardware, which is what a new bitstream does."""
        for bus in self.buses:
            bus.reset()
        super().post_download(bitstream, parser, self.name)

    def gen_cache(self, bitstream, parser=None) -> None:
        """Nothing: the metadata is parsed each time."""

    def set_axi_port_width(self, parser) -> None:
        """Nothing: the port is as wide as the bus."""


def open_sim(bus, family: str = "zynqmp", beside: Sequence = ()) -> tuple[SimDevice, Path]:
    """A device over `bus` and the path of a stand-in bitstream with its .hwh; both files go when the device does.
    `family` of the board: "zynqmp" or "zynq7", whose memory must lie below 4 GiB. `beside`: buses of further engines.

    Use: `device, bit = open_sim(bus)`, then `Accelerator(package, bitstream=bit, device=device)`, or `Engines`.
    """
    device = SimDevice(bus, beside)
    folder = tempfile.TemporaryDirectory(prefix="hwgen-sim-")
    weakref.finalize(device, folder.cleanup)
    path = Path(folder.name) / "policy.bit"
    path.write_bytes(b"simulated: the hardware is the bus of the SimDevice\n")
    path.with_suffix(".hwh").write_text(make_hwh(family, [f"{ENGINE_NAME}_{k}" for k in range(len(device.buses))]))
    return device, path
