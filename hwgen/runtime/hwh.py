"""The hardware handoff (.hwh) of a system with one engine or several, as pynq's parser wants it: for the simulated
board.

A bitstream built by Vivado brings its own; this one names the same blocks, registers and clock, so that pynq.Overlay
finds the engines in the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from hwgen.runtime import abi
from hwgen.runtime.device import ENGINE_NAME, ENGINE_VLNV

_AXI = "xilinx.com:interface:aximm:1.0"
_SLAVE = "s_axi_ctrl"
_ACCESS = {"ro": "read-only", "rw": "read-write"}


@dataclass(frozen=True)
class Processor:
    """A Zynq's processor as a .hwh describes it; `base` of the first engine's registers, behind the control port
    `master`."""

    name: str
    version: str
    arch: str
    master: str
    base: int
    parameters: dict[str, object]


def _zynqmp() -> dict[str, object]:
    """PL clock 0 at 100 MHz of the IO PLL, the others off, 128-bit ports."""
    values: dict[str, object] = {"C_MAXIGP0_DATA_WIDTH": 128, "C_SAXIGP2_DATA_WIDTH": 128}
    for i in range(4):
        clock = f"PSU__CRL_APB__PL{i}_REF_CTRL__"
        values |= {f"PSU__FPGA_PL{i}_ENABLE": int(i == 0), clock + "DIVISOR0": 15, clock + "DIVISOR1": 1}
        values |= {clock + "SRCSEL": "IOPLL", clock + "ACT_FREQMHZ": "99.999"}
    return values


def _zynq7() -> dict[str, object]:
    """PL clock 0 at 100 MHz of the IO PLL, the others off, 64-bit ports."""
    values: dict[str, object] = {"PCW_S_AXI_HP0_DATA_WIDTH": 64}
    for i in range(4):
        clock = f"PCW_FCLK{i}_PERIPHERAL_"
        values |= {f"PCW_FPGA_FCLK{i}_ENABLE": int(i == 0), clock + "CLKSRC": "IO PLL"}
        values |= {clock + "DIVISOR0": 10, clock + "DIVISOR1": 1}
    return values


PROCESSORS = {
    "zynqmp": Processor("zynq_ultra_ps_e", "3.5", "zynquplus", "M_AXI_HPM0_FPD", 0xA000_0000, _zynqmp()),
    "zynq7": Processor("processing_system7", "5.5", "zynq", "M_AXI_GP0", 0x4000_0000, _zynq7()),
}
"""By the family of a board."""


def make_hwh(
    family: str = "zynqmp",
    instances: Sequence[str] = (f"{ENGINE_NAME}_0",),
    vlnv: str = ENGINE_VLNV,
    name: str = "sim",
    size: int = 0x10000,
) -> str:
    """The XML text. `family`: one of PROCESSORS; `instances`: names of the blocks, whose windows of `size` bytes lie
    one behind the other; `name`: of the system."""
    processor = PROCESSORS[family]
    blocks = "".join(_block(instance, vlnv, size) for instance in instances)
    windows = "".join(_window(one, processor, processor.base + k * size, size) for k, one in enumerate(instances))
    parameters = "".join(_tag("PARAMETER", NAME=key, VALUE=value) for key, value in processor.parameters.items())
    busses = _tag("BUSINTERFACES", _interface(processor.master, "MASTER"))
    system = _tag(
        "MODULE", f"{_tag('PARAMETERS', parameters)}<PORTS/>{busses}{_tag('MEMORYMAP', windows)}",
        FULLNAME="/ps_0", INSTANCE="ps_0", MODTYPE=processor.name,
        VLNV=f"xilinx.com:ip:{processor.name}:{processor.version}",
    )  # fmt: skip
    info = _tag("SYSTEMINFO", ARCH=processor.arch, NAME=name)
    body = f"{info}<EXTERNALPORTS/><EXTERNALINTERFACES/><MODULES>{blocks}{system}</MODULES>"
    return f'<?xml version="1.0"?><EDKSYSTEM>{body}</EDKSYSTEM>'


def _block(instance: str, vlnv: str, size: int) -> str:
    inside = f"{_registers(size)}<PARAMETERS/><PORTS/>{_tag('BUSINTERFACES', _interface(_SLAVE, 'SLAVE'))}"
    return _tag(
        "MODULE", inside, FULLNAME=f"/{instance}", INSTANCE=instance.replace("/", "_"), MODTYPE=vlnv.split(":")[2],
        BDTYPE="", VLNV=vlnv, IPTYPE="PERIPHERAL", IS_ENABLE="1", MODCLASS="PERIPHERAL", HWVERSION="1.0",
    )  # fmt: skip


def _window(instance: str, processor: Processor, base: int, size: int) -> str:
    """Where a block's registers lie."""
    return _tag(
        "MEMRANGE", ADDRESSBLOCK="reg0", BASENAME="C_BASEADDR", BASEVALUE=f"{base:#010X}", HIGHNAME="C_HIGHADDR",
        HIGHVALUE=f"{base + size - 1:#010X}", INSTANCE=instance.replace("/", "_"), IS_DATA="TRUE",
        MASTERBUSINTERFACE=processor.master, MEMTYPE="REGISTER", SLAVEBUSINTERFACE=_SLAVE,
    )  # fmt: skip


def _tag(element: str, inside: str = "", **attributes: object) -> str:
    words = "".join(f" {key}={quoteattr(str(value))}" for key, value in attributes.items())
    return f"<{element}{words}>{inside}</{element}>"


def _interface(name: str, kind: str) -> str:
    return _tag("BUSINTERFACE", "<PARAMETERS/>", NAME=name, TYPE=kind, VLNV=_AXI)


def _properties(**values: object) -> str:
    return "".join(_tag("PROPERTY", NAME=key.upper(), VALUE=value) for key, value in values.items())


def _registers(size: int) -> str:
    """The register map, with which pynq offers `overlay.hwgen_top_0.register_map`."""
    rows = []
    for item in abi.REGISTERS:
        access = _ACCESS[item.access]
        fields = "".join(
            _tag("FIELD", _properties(description=doc, bit_offset=lsb, bit_width=width, access=access), NAME=name)
            for name, lsb, width, doc in item.fields
        )
        about = _properties(
            description=item.doc, address_offset=hex(item.offset), size=32, access=access, is_enabled="true"
        )
        rows.append(_tag("REGISTER", about + f"<FIELDS>{fields}</FIELDS>", NAME=item.name))
    block = _tag(
        "ADDRESSBLOCK",
        f"<REGISTERS>{''.join(rows)}</REGISTERS>",
        ACCESS="",
        INTERFACE=_SLAVE,
        NAME="reg0",
        RANGE=size,
        USAGE="register",
    )
    return f"<ADDRESSBLOCKS>{block}</ADDRESSBLOCKS>"
