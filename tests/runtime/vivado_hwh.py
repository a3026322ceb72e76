"""A .hwh as Vivado 2022.2 to 2024.2 writes it for the block design of hls_templates/vivado/system.tcl on a zcu104.

Elements, attributes and their order are those of such files, the byte order mark at the beginning included; of the
processor's thousand parameters only those that pynq reads are here.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hwgen.runtime import abi
from hwgen.runtime.device import ENGINE_VLNV

VERSIONS = {"2022.2": ("3.4", "19"), "2023.2": ("3.5", "21"), "2024.2": ("3.5", "25")}
"""Vivado -> version of the processor's IP, revision of the SmartConnect."""
BASE, RANGE, CLOCK_MHZ = 0xA000_0000, 0x1000, 249.997498
# bits, and whether the master drives them
LITE = {
    "awaddr": (12, 1), "awprot": (3, 1), "awvalid": (0, 1), "awready": (0, 0), "wdata": (32, 1), "wstrb": (4, 1),
    "wvalid": (0, 1), "wready": (0, 0), "bresp": (2, 0), "bvalid": (0, 0), "bready": (0, 1), "araddr": (12, 1),
    "arprot": (3, 1), "arvalid": (0, 1), "arready": (0, 0), "rdata": (32, 0), "rresp": (2, 0), "rvalid": (0, 0),
    "rready": (0, 1),
}  # fmt: skip
FULL = LITE | {
    "awaddr": (64, 1), "awlen": (8, 1), "awsize": (3, 1), "awburst": (2, 1), "awcache": (4, 1), "wdata": (128, 1),
    "wstrb": (16, 1), "wlast": (0, 1), "araddr": (64, 1), "arlen": (8, 1), "arsize": (3, 1), "arburst": (2, 1),
    "arcache": (4, 1), "rdata": (128, 0), "rlast": (0, 0),
}  # fmt: skip
# master's module, interface and prefix of its ports; the same of the slave; signals
BUSES = [
    ("ps_0", "M_AXI_HPM0_FPD", "maxigp0_", "control_bus", "S00_AXI", "S00_AXI_", FULL),
    ("control_bus", "M00_AXI", "M00_AXI_", "hwgen_top_0", "s_axi_ctrl", "s_axi_ctrl_", LITE),
    ("hwgen_top_0", "m_axi", "m_axi_", "m_axi_bus", "S00_AXI", "S00_AXI_", FULL),
    ("m_axi_bus", "M00_AXI", "M00_AXI_", "ps_0", "S_AXI_HP0_FPD", "saxigp2_", FULL),
]
# driver, what kind of signal, and the pins that it drives
NETS = [
    ("ps_0/pl_clk0", "clk", ["ps_0/maxihpm0_fpd_aclk", "ps_0/saxihp0_fpd_aclk", "reset_0/slowest_sync_clk",
                             "hwgen_top_0/aclk", "control_bus/aclk", "m_axi_bus/aclk"]),
    ("ps_0/pl_resetn0", "rst", ["reset_0/ext_reset_in"]),
    ("reset_0/peripheral_aresetn", "rst", ["hwgen_top_0/aresetn", "control_bus/aresetn", "m_axi_bus/aresetn"]),
    ("hwgen_top_0/irq_o", "INTERRUPT", ["ps_0/pl_ps_irq0"]),
]  # fmt: skip
DDR = {"HP0_DDR_LOW": (0, 0x7FFF_FFFF), "HP0_DDR_HIGH": (0x8_0000_0000, 0xF_FFFF_FFFF)}


def make(version: str) -> bytes:
    """The file, as this Vivado writes it."""
    root = Element("EDKSYSTEM", EDWVERSION="1.2", TIMESTAMP="Thu Oct 31 13:52:03 2024", VIVADOVERSION=version)
    SubElement(root, "SYSTEMINFO", ARCH="zynquplus", BOARD="xilinx.com:zcu104:part0:1.1", DEVICE="xczu7ev",
               NAME="system", PACKAGE="ffvc1156", SPEEDGRADE="-2")  # fmt: skip
    SubElement(root, "EXTERNALPORTS")
    SubElement(root, "EXTERNALINTERFACES")
    modules = SubElement(root, "MODULES")
    for name, make_body in (("control_bus", _smartconnect), ("hwgen_top_0", _engine), ("m_axi_bus", _smartconnect),
                            ("ps_0", _processor), ("reset_0", _reset)):  # fmt: skip
        module = make_body(modules, name, version)
        _ports(module, name)
        _interfaces(module, name)
        _memory(module, name)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'\ufeff<?xml version="1.0" encoding="UTF-8" standalone="no" ?>\n{text}\n'.encode()


def _engine(modules: Element, name: str, _: str) -> Element:
    module = _module(modules, name, ENGINE_VLNV, COREREVISION="2", MODCLASS="PERIPHERAL")
    _registers(module)
    _parameters(module, C_BASEADDR=f"{BASE:#010X}", C_HIGHADDR=f"{BASE + RANGE - 1:#010X}")
    return module


def _processor(modules: Element, name: str, version: str) -> Element:
    vlnv = f"xilinx.com:ip:zynq_ultra_ps_e:{VERSIONS[version][0]}"
    module = _module(modules, name, vlnv, CONFIGURABLE="TRUE", COREREVISION="0", IS_PL="FALSE")
    for block, (first, last) in DDR.items():
        words = {"ACCESS": "", "INTERFACE": "SAXIGP2", "NAME": block, "RANGE": hex(last - first + 1), "USAGE": "memory"}
        _tags(module, "ADDRESSBLOCKS", ("ADDRESSBLOCK", words))
    _parameters(module, **_clocks())
    return module


def _reset(modules: Element, name: str, _: str) -> Element:
    vlnv = "xilinx.com:ip:proc_sys_reset:5.0"
    module = _module(modules, name, vlnv, COREREVISION="13", MODCLASS="PERIPHERAL")
    _parameters(module, C_FAMILY="zynquplus", C_EXT_RST_WIDTH="4")
    return module


def _smartconnect(modules: Element, name: str, version: str) -> Element:
    module = _module(modules, name, "xilinx.com:ip:smartconnect:1.0", BD=f"system_{name}_0", BDTYPE="SBD",
                     COREREVISION=VERSIONS[version][1], DRIVERMODE="CORE", MODCLASS="BUS")  # fmt: skip
    _parameters(module, NUM_MI="1", NUM_SI="1", NUM_CLKS="1", HAS_ARESETN="1")
    return module


def _module(modules: Element, name: str, vlnv: str, **more: str) -> Element:
    kind, version = vlnv.split(":")[2:]
    words = {"FULLNAME": f"/{name}", "HWVERSION": version, "INSTANCE": name,
             "IPTYPE": more.get("MODCLASS", "PERIPHERAL"), "IS_ENABLE": "1", "MODTYPE": kind, "VLNV": vlnv}  # fmt: skip
    module = SubElement(modules, "MODULE", dict(sorted({**words, **more}.items())))
    SubElement(module, "DOCUMENTS")
    return module


def _tags(parent: Element, group: str, *children: tuple[str, dict]) -> Element:
    inside = SubElement(parent, group)
    for tag, words in children:
        SubElement(inside, tag, words)
    return inside


def _parameters(module: Element, **values: str) -> None:
    _tags(module, "PARAMETERS", *(("PARAMETER", dict(NAME=name, VALUE=value)) for name, value in values.items()))


def _clocks() -> dict[str, str]:
    """PL clock 0 at 250 MHz of the IO PLL; the others off."""
    values = {"C_MAXIGP0_DATA_WIDTH": "32", "C_SAXIGP2_DATA_WIDTH": "128"}
    for i in range(4):
        clock = f"PSU__CRL_APB__PL{i}_REF_CTRL__"
        values |= {f"PSU__FPGA_PL{i}_ENABLE": str(int(i == 0)), clock + "SRCSEL": "IOPLL"}
        values |= {clock + "DIVISOR0": "6", clock + "DIVISOR1": "1"}
        values |= {clock + "ACT_FREQMHZ": str(CLOCK_MHZ), clock + "FREQMHZ": "250"}
    return values


def _registers(module: Element) -> None:
    blocks = SubElement(module, "ADDRESSBLOCKS")
    block = SubElement(blocks, "ADDRESSBLOCK", ACCESS="read-write", INTERFACE="s_axi_ctrl", NAME="reg0",
                       RANGE=str(RANGE), USAGE="register")  # fmt: skip
    registers = SubElement(block, "REGISTERS")
    for item in abi.REGISTERS:
        access = {"ro": "read-only", "rw": "read-write"}[item.access]
        register = SubElement(registers, "REGISTER", NAME=item.name)
        _properties(register, DESCRIPTION=item.doc, ADDRESS_OFFSET=f"0x{item.offset:03x}", SIZE="32", ACCESS=access,
                    IS_ENABLED="true", RESET_VALUE="0x0")  # fmt: skip
        fields = SubElement(register, "FIELDS")
        for name, lsb, width, doc in item.fields:
            _properties(SubElement(fields, "FIELD", NAME=name), DESCRIPTION=doc, ADDRESS_OFFSET=str(lsb), ACCESS=access,
                        MODIFIED_READ_VALUES="", WRITE_CONSTRAINT="0", READ_ACTION="", BIT_OFFSET=str(lsb),
                        BIT_WIDTH=str(width))  # fmt: skip


def _properties(parent: Element, **values: str) -> None:
    for name, value in values.items():
        SubElement(parent, "PROPERTY", NAME=name, VALUE=value)


def _ports(module: Element, name: str) -> None:
    ports = SubElement(module, "PORTS")
    for driver, kind, pins in NETS:
        net = driver.replace("/", "_")
        for pin in (driver, *pins):
            if pin.startswith(name + "/"):
                _port(ports, pin, "O" if pin == driver else "I", 0, kind, net, pins if pin == driver else [driver])
    for master, _, out, slave, _, into, signals in BUSES:
        for signal, (bits, forward) in signals.items():
            ends = [(f"{master}/{out}{signal}", forward), (f"{slave}/{into}{signal}", not forward)]
            for (pin, drives), (other, _) in (ends, ends[::-1]):
                if pin.startswith(name + "/"):
                    _port(ports, pin, "O" if drives else "I", bits, "undef", f"{slave}_{into}{signal}", [other])


def _port(ports: Element, pin: str, way: str, bits: int, kind: str, net: str, others: list[str]) -> None:
    words = {"DIR": way, "NAME": pin.split("/")[1], "SIGIS": kind, "SIGNAME": net}
    words |= {"LEFT": str(bits - 1), "RIGHT": "0"} if bits else {}
    words |= {"CLKFREQUENCY": str(round(CLOCK_MHZ * 1e6))} if kind == "clk" else {}
    words |= {"SENSITIVITY": "LEVEL_HIGH"} if kind == "INTERRUPT" else {}
    words |= {"POLARITY": "ACTIVE_LOW"} if kind == "rst" else {}
    port = SubElement(ports, "PORT", dict(sorted(words.items())))
    ends = (other.split("/") for other in others)
    _tags(port, "CONNECTIONS", *(("CONNECTION", dict(INSTANCE=module, PORT=end)) for module, end in ends))


def _interfaces(module: Element, name: str) -> None:
    interfaces = SubElement(module, "BUSINTERFACES")
    for master, m_name, out, slave, s_name, into, signals in BUSES:
        for owner, interface, prefix, kind in ((master, m_name, out, "MASTER"), (slave, s_name, into, "SLAVE")):
            if owner != name:
                continue
            width = str(signals["wdata"][0])
            made = SubElement(interfaces, "BUSINTERFACE", BUSNAME=f"{master}_{m_name}", DATAWIDTH=width, NAME=interface,
                              TYPE=kind, VLNV="xilinx.com:interface:aximm:1.0")  # fmt: skip
            for key, value in (("DATA_WIDTH", width), ("ADDR_WIDTH", str(signals["awaddr"][0])),
                               ("PROTOCOL", "AXI4LITE" if signals is LITE else "AXI4")):  # fmt: skip
                SubElement(made, "PARAMETER", NAME=key, VALUE=value)
            maps = (("PORTMAP", dict(LOGICAL=signal.upper(), PHYSICAL=prefix + signal)) for signal in signals)
            _tags(made, "PORTMAPS", *maps)


def _memory(module: Element, name: str) -> None:
    common = {"BASENAME": "C_BASEADDR", "HIGHNAME": "C_HIGHADDR", "IS_DATA": "TRUE", "IS_INSTRUCTION": "TRUE"}
    ranges = []
    if name == "ps_0":
        ranges = [("reg0", BASE, BASE + RANGE - 1, "hwgen_top_0", "M_AXI_HPM0_FPD", "REGISTER", "s_axi_ctrl")]
    elif name == "hwgen_top_0":
        ranges = [(block, *ends, "ps_0", "m_axi", "MEMORY", "S_AXI_HP0_FPD") for block, ends in DDR.items()]
    if not ranges:
        return
    _tags(module, "MEMORYMAP", *(("MEMRANGE", dict(sorted({
        **common, "ADDRESSBLOCK": block, "BASEVALUE": f"0x{first:08X}", "HIGHVALUE": f"0x{last:08X}",
        "INSTANCE": instance, "MASTERBUSINTERFACE": master, "MEMTYPE": kind, "SLAVEBUSINTERFACE": slave,
    }.items()))) for block, first, last, instance, master, kind, slave in ranges))  # fmt: skip
    _tags(module, "PERIPHERALS", *(("PERIPHERAL", dict(INSTANCE=name)) for name in {r[3] for r in ranges}))
