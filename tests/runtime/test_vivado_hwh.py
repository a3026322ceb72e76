"""pynq's own parser on a .hwh of Vivado's shape: the driver finds the engine, its registers, address and clock."""

from xml.etree import ElementTree

import numpy as np
import pytest

from hwgen.runtime import Accelerator, NoEngineError, abi
from hwgen.runtime.package import write_package
from tests.runtime import policy_samples, samples, vivado_hwh
from tests.support import ROOT

pytestmark = pytest.mark.pynq
pynq = pytest.importorskip("pynq")
from hwgen.runtime.sim_device import open_sim  # noqa: E402

REGISTERS = {item.name: item.offset for item in abi.REGISTERS}


@pytest.fixture(params=vivado_hwh.VERSIONS)
def hwh(request):
    return vivado_hwh.make(request.param)


@pytest.fixture
def board(hwh):
    """A simulated board and its bitstream with Vivado's handoff beside it."""
    device, bitstream = open_sim(samples.model())
    bitstream.with_suffix(".hwh").write_bytes(hwh)
    return device, bitstream


def test_the_driver_runs_unmodified(board, package):
    device, bitstream = board
    with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
        assert accelerator.selftest()["vectors"] == 3 and accelerator.port.name == "hwgen_top_0"
    assert not device.pool.live


def test_the_handoff_inside_a_package(hwh, tmp_path):
    manifest = {**samples.manifest(), "bitstream": policy_samples.BITSTREAM}
    vectors = samples.vectors(np.random.default_rng(1))
    path = write_package(tmp_path / "p.hwpkg", manifest, samples.image(), vectors, bitstream=b"bits", hwh=hwh)
    device, _ = open_sim(samples.model())
    with Accelerator(path, device=device) as accelerator:
        accelerator.selftest()


def test_what_pynq_finds(board):
    device, bitstream = board
    overlay = pynq.Overlay(str(bitstream), device=device)
    engine = overlay.ip_dict["hwgen_top_0"]
    assert (engine["phys_addr"], engine["addr_range"]) == (vivado_hwh.BASE, vivado_hwh.RANGE)
    assert {name: entry["address_offset"] for name, entry in engine["registers"].items()} == REGISTERS
    status = engine["registers"]["STATUS"]["fields"]
    assert {name: (f["bit_offset"], f["bit_width"]) for name, f in status.items()} == {
        name: (lsb, width) for name, lsb, width, _ in abi.register("STATUS").fields
    }
    assert overlay.hwgen_top_0.register_map.MAGIC[31:0] == abi.MAGIC and overlay.hwgen_top_0.register_map.STATUS.IDLE
    assert pynq.Clocks.fclk0_mhz == pytest.approx(vivado_hwh.CLOCK_MHZ, rel=1e-3)
    assert not {"control_bus", "m_axi_bus", "reset_0"} & set(overlay.ip_dict), "no registers, nothing to drive"


def test_an_engine_elsewhere_and_none_at_all(board, package, hwh):
    device, bitstream = board
    moved = hwh.replace(b"0xA0000000", b"0xA0010000").replace(b"0xA0000FFF", b"0xA0010FFF")
    bitstream.with_suffix(".hwh").write_bytes(moved)
    with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
        accelerator.selftest()
        assert device.ip_dict["hwgen_top_0"]["phys_addr"] == 0xA001_0000
    bitstream.with_suffix(".hwh").write_bytes(hwh.replace(b"hwgen:accel:hwgen_top:1.0", b"acme.org:ip:blinky:1.0"))
    with pytest.raises(NoEngineError):
        Accelerator(package, bitstream=bitstream, device=device)


def test_the_handoff_is_that_of_our_block_design(hwh):
    """Every cell that system.tcl makes, and every port of hwgen_top, is there."""
    root = ElementTree.fromstring(hwh.decode("utf-8-sig"))
    ports = {m.get("INSTANCE"): {p.get("NAME") for p in m.iter("PORT")} for m in root.iter("MODULE")}
    assert set(ports) == {"ps_0", "reset_0", "control_bus", "m_axi_bus", "hwgen_top_0"}
    text = (ROOT / "hls_templates/engine/top/hwgen_top.sv.j2").read_text().replace("{{ master }}", "m_axi")
    for name in ports["hwgen_top_0"]:
        assert f" {name}" in text, name
