"""The simulated board through the real pynq: what its .hwh says decides, for both families of Zynq."""

import re

import pytest

from hwgen.runtime import Accelerator, NoEngineError
from hwgen.runtime.hwh import PROCESSORS, make_hwh
from tests.runtime import samples

pytestmark = pytest.mark.pynq
pynq = pytest.importorskip("pynq")
from hwgen.runtime.sim_device import open_sim  # noqa: E402

OLD = pynq.__version__.startswith("3.")
FAMILIES = ["zynqmp", pytest.param("zynq7", marks=pytest.mark.skipif(not OLD, reason="pynq 4 dropped Zynq-7000"))]
LOW, HIGH = 0x1000_0000, 0x8_0000_0000


@pytest.mark.parametrize("family", FAMILIES)
class TestFamilies:
    def test_the_driver_runs_unmodified(self, family, package):
        model = samples.model(ddr_base=LOW)
        device, bitstream = open_sim(model, family)
        with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
            accelerator.selftest()
            assert device.ip_dict["hwgen_top_0"]["phys_addr"] == PROCESSORS[family].base
        assert not device.pool.live, "every buffer was given back"

    def test_the_fabrics_clock_is_the_handoffs(self, family):
        """pynq's own clock code sets and reads the registers of the right processor of the right device."""
        for divide, mhz in ((1, 100), (4, 25)):
            device, bitstream = open_sim(samples.model(ddr_base=LOW), family)
            slower = re.sub(r'(DIVISOR1" VALUE=)"1"', rf'\1"{divide}"', make_hwh(family))  # what pynq 3 goes by
            slower = slower.replace('"99.999"', f'"{99.999 / divide}"')  # what pynq 4 goes by
            bitstream.with_suffix(".hwh").write_text(slower)
            pynq.Overlay(str(bitstream), device=device)
            assert pynq.Clocks.fclk0_mhz == pytest.approx(mhz, rel=1e-4)

    def test_a_handoff_may_put_the_engine_elsewhere(self, family, package):
        device, bitstream = open_sim(samples.model(ddr_base=LOW), family)
        base = PROCESSORS[family].base
        moved = make_hwh(family).replace(f"{base:#010X}", f"{base + 0x40000:#010X}")
        bitstream.with_suffix(".hwh").write_text(moved.replace(f"{base + 0xFFFF:#010X}", f"{base + 0x4FFFF:#010X}"))
        with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
            accelerator.selftest()
            assert device.ip_dict["hwgen_top_0"]["phys_addr"] == base + 0x40000


@pytest.mark.skipif(not OLD, reason="pynq 4 dropped Zynq-7000")
def test_a_zynq_7000_has_addresses_of_32_bit(package):
    device, bitstream = open_sim(samples.model(ddr_base=HIGH), "zynq7")
    with pytest.raises(NoEngineError, match="Zynq-7000 does not reach memory at 0x800000000"):
        Accelerator(package, bitstream=bitstream, device=device)


@pytest.mark.skipif(OLD, reason="pynq 3 has Zynq-7000")
def test_pynq_4_refuses_a_zynq_7000(package):
    device, bitstream = open_sim(samples.model(ddr_base=LOW), "zynq7")
    with pytest.raises(NoEngineError, match="could not be loaded on this board"):
        Accelerator(package, bitstream=bitstream, device=device)
