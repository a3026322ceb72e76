"""The hardware handoff (.hwh) of a system with one engine, as pynq's parser wants it: for the simulated board.

A bitstream built by Vivado brings its own; this one names the same block, registers and clock, so that pynq.Overlay
finds the engine in the same way.
"""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from hwgen.runtime import abi
from hwgen.runtime.device import ENGINE_NAME, ENGINE_VLNV

_AXI = "xilinx.com:interface:aximm:1.0"
_MASTER = "M_AXI_HPM0_FPD"
_SLAVE = "s_axi_ctrl"
_ACCESS = {"ro": "read-only", "rw": "read-write"}


def make_hwh(
    base: int, size: int = 0x10000, instance: str = f"{ENGINE_NAME}_0", vlnv: str = ENGINE_VLNV, name: str = "sim"
) -> str:
    """The XML text. `base`, `size`: the engine's window in the processor's address map; `name`: of the system."""
    end = base + size - 1
    block = _tag(
        "MODULE", f"{_registers(size)}<PARAMETERS/><PORTS/>{_tag('BUSINTERFACES', _interface(_SLAVE, 'SLAVE'))}",
        FULLNAME=f"/{instance}", INSTANCE=instance.replace("/", "_"), MODTYPE=vlnv.split(":")[2], BDTYPE="", VLNV=vlnv,
        IPTYPE="PERIPHERAL", IS_ENABLE="1", MODCLASS="PERIPHERAL", HWVERSION="1.0",
    )  # fmt: skip
    memory = _tag(
        "MEMRANGE", ADDRESSBLOCK="reg0", BASENAME="C_BASEADDR", BASEVALUE=f"{base:#010X}", HIGHNAME="C_HIGHADDR",
        HIGHVALUE=f"{end:#010X}", INSTANCE=instance.replace("/", "_"), IS_DATA="TRUE", MASTERBUSINTERFACE=_MASTER,
        MEMTYPE="REGISTER", SLAVEBUSINTERFACE=_SLAVE,
    )  # fmt: skip
    processor = _tag(
        "MODULE",
        f"{_parameters()}<PORTS/>{_tag('BUSINTERFACES', _interface(_MASTER, 'MASTER'))}{_tag('MEMORYMAP', memory)}",
        FULLNAME="/ps_0", INSTANCE="ps_0", MODTYPE="zynq_ultra_ps_e", VLNV="xilinx.com:ip:zynq_ultra_ps_e:3.5",
    )  # fmt: skip
    info = _tag("SYSTEMINFO", ARCH="zynquplus", NAME=name)
    body = f"{info}<EXTERNALPORTS/><EXTERNALINTERFACES/><MODULES>{block}{processor}</MODULES>"
    return f'<?xml version="1.0"?><EDKSYSTEM>{body}</EDKSYSTEM>'


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


def _parameters() -> str:
    """The processor's: PL clock 0 at 100 MHz of the IO PLL, the others off, 128-bit ports."""
    values: dict[str, object] = {"C_MAXIGP0_DATA_WIDTH": 128, "C_SAXIGP2_DATA_WIDTH": 128}
    for i in range(4):
        clock = f"PSU__CRL_APB__PL{i}_REF_CTRL__"
        values |= {f"PSU__FPGA_PL{i}_ENABLE": int(i == 0), clock + "DIVISOR0": 15, clock + "DIVISOR1": 1}
        values |= {clock + "SRCSEL": "IOPLL", clock + "ACT_FREQMHZ": "99.999"}
    return (
        "<PARAMETERS>"
        + "".join(_tag("PARAMETER", NAME=key, VALUE=value) for key, value in values.items())
        + "</PARAMETERS>"
    )
