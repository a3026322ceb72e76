"""cocotb bench of the whole board over its serial pins: the robot's driver in a thread, its bytes bit by bit.

The clock pin carries the engine's clock (the PLL's stand-in passes it on), so clock and baud have their real ratio.
"""

import functools
import os
import random
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import First, Timer
from cocotb.utils import get_sim_time

from hwgen.runtime import Accelerator, EngineError, abi
from hwgen.runtime.serial import LineError, SerialPort, protocol
from tests.rtl.serial.uart import Uart

CLOCK_HZ, BAUD = float(os.environ["CLOCK_HZ"]), float(os.environ["BAUD"])
PACKAGE = Path(os.environ["HWGEN_DIR"]) / "policy.hwpkg"
LONG = os.environ["LONG"] == "1"
CONTROL, WATCHDOG = abi.register("CONTROL").offset, abi.register("WATCHDOG").offset


class Pins:
    """Transport and clock of the driver's thread: every call goes to the simulation and waits there."""

    name = "board on pins"

    def __init__(self, dut, drift: float = 0.0) -> None:
        self.dut, self.rng, self.noise = dut, random.Random(os.environ["SEED"]), 0.0
        self.uart = Uart(dut.ftdi_txd, dut.ftdi_rxd, 1e9 / BAUD / (1 + drift))
        self.sent = 0

    @resume
    async def now(self) -> float:
        return get_sim_time("ns") * 1e-9

    @resume
    async def sleep(self, seconds: float) -> None:
        await Timer(max(1, round(seconds * 1e9)), unit="ns")

    @resume
    async def read(self, seconds: float) -> bytes:
        if not self.uart.received:
            self.uart.came.clear()
            await First(self.uart.came.wait(), Timer(max(1, round(seconds * 1e9)), unit="ns"))
        data = bytes(self.uart.received)
        self.uart.received.clear()
        return self._spoilt(data)

    @resume
    async def write(self, data: bytes) -> None:
        self.sent += len(data)
        await self.uart.send(self._spoilt(data))

    @resume
    async def press(self) -> None:
        self.dut.btn.value = 0
        await Timer(1, unit="us")
        self.dut.btn.value = 1
        await Timer(2, unit="us")

    def _spoilt(self, data: bytes) -> bytes:
        """With chance `noise` for each byte, another one."""
        if not self.noise:
            return data
        return bytes(self.rng.randrange(256) if self.rng.random() < self.noise else byte for byte in data)


def bench(drift: float = 0.0, skip: bool = False):
    """A cocotb test whose body is ordinary code of the robot's side, in a thread; `drift` of the host's baud."""

    def wrap(body):
        @cocotb.test(timeout_time=500, timeout_unit="ms", skip=skip)
        @functools.wraps(body)
        async def test(dut):
            dut.btn.value = 1
            cocotb.start_soon(Clock(dut.clk_25mhz, 2 * round(5e11 / CLOCK_HZ), unit="ps").start())
            pins = Pins(dut, drift)
            protocol.ON_CHIP_SHARE = 28  # a KiB: the image stays on the host, also a small one
            await Timer(2, unit="us")
            await pins.uart.send(b"\x00garbage\xff~~}")  # what a terminal left
            await bridge(body)(pins)

        return test

    return wrap


def connect(pins) -> Accelerator:
    return Accelerator(PACKAGE, device=SerialPort(pins, int(BAUD), clock=pins), clock=pins)


def check(accelerator, vector: int = 0) -> None:
    """One golden vector, bit for bit."""
    package = accelerator.package
    got = accelerator.infer({t.name: package.selftest[t.name][vector] for t in package.inputs}, raw=True)
    for name, array in got.items():
        assert (array == package.selftest[name][vector]).all(), name


@bench()
def driver_to_pins(pins):
    accelerator = connect(pins)
    loaded, stats = pins.now(), accelerator.port.line_stats()
    image = len(accelerator.package.image)
    assert stats["fetches"] == -(-image // 1024) and not stats["resent"] and stats["board_damaged"] <= 2
    vectors = len(accelerator.package.selftest["x"]) if LONG else 3
    for vector in range(vectors):
        check(accelerator, vector)
        assert 0 < accelerator.last_cycles <= accelerator.package.manifest["predicted_cycles"], "faster than DDR"
    assert accelerator.stats["runs"] == vectors
    begin, sent = pins.now(), pins.sent
    check(accelerator)
    line = f"load of {image} bytes {loaded * 1e3:.2f} ms, infer {(pins.now() - begin) * 1e3:.3f} ms"
    pins.dut._log.info(f"{line}, {pins.sent - sent} bytes to the board")
    assert int(pins.dut.led.value) & 0b0101_0111 == 0b0101_0111, "done, loaded, lines, out of reset"
    accelerator.close()
    assert not accelerator.port.line_stats()["resent"]


@bench(drift=0.02, skip=not LONG)
def noise_and_two_percent(pins):
    accelerator = connect(pins)
    pins.noise = 0.002
    for vector in range(4):
        check(accelerator, vector)
    pins.noise = 0.0
    stats = accelerator.port.line_stats()
    assert stats["damaged"] + stats["board_damaged"] > 1, "the noise was seen"
    check(accelerator)


@bench(drift=-0.02, skip=not LONG)
def faults(pins):
    accelerator = connect(pins)
    device = accelerator.port
    device.write(CONTROL, 4 | 2)  # the reset button while the engine loads
    pins.press()
    try:
        check(accelerator)
        raise AssertionError("an answer of a board without a program")
    except LineError as error:
        assert "reset" in str(error)
    accelerator.reset(download=True)
    check(accelerator)
    device.write(CONTROL, 4)
    device.write(WATCHDOG, 0)
    device.write(CONTROL, 2)  # a load, and the host is gone for longer than the board waits
    device._link.settle()
    pins.sleep(float(os.environ["GIVE_UP"]))
    assert abi.field("STATUS", "CODE", device.read(abi.register("STATUS").offset)) == 1, "AXI_READ"
    accelerator.reset()
    check(accelerator, 1)
    image = next(b for b in device._buffers.values() if len(b) >= len(accelerator.package.image))
    image[8] ^= 1  # another design's
    image.flush()
    try:
        accelerator.reset()
        raise AssertionError("a bad image was loaded")
    except EngineError as error:
        assert error.code_name == "HASH"
    image[8] ^= 1
    image.flush()
    accelerator.reset()
    check(accelerator, 2)
    assert device.line_stats()["board_given_up"] == 1
