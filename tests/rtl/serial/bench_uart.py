"""cocotb bench of uart_rx and uart_tx: any byte at any drift, spikes, false starts, missing stop bits, breaks."""

import functools
import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotb.utils import get_sim_time

from tests.rtl.serial.uart import Uart

CLOCK_HZ, BAUD = float(os.environ["CLOCK_HZ"]), float(os.environ["BAUD"])
BIT_NS = 1e9 / BAUD
COUNT = 40 * (int(os.environ.get("SCALE", "1")) if BAUD > 1e6 else 1)  # a slow line is long to simulate


class Rig:
    """Both directions after reset; `got` lists (byte, error) of the receiver."""

    def __init__(self, dut) -> None:
        self.dut, self.rng, self.got = dut, random.Random(os.environ["SEED"]), []

    async def begin(self) -> "Rig":
        cocotb.start_soon(Clock(self.dut.clk_i, 2 * round(5e11 / CLOCK_HZ), unit="ps").start())
        self.dut.rst_ni.value, self.dut.rxd_i.value, self.dut.tx_valid_i.value = 0, 1, 0
        self.uart = Uart(self.dut.rxd_i, self.dut.txd_o, BIT_NS)
        await ClockCycles(self.dut.clk_i, 5)
        self.dut.rst_ni.value = 1
        await ClockCycles(self.dut.clk_i, 10)
        cocotb.start_soon(self._watch())
        return self

    async def _watch(self) -> None:
        while True:
            await RisingEdge(self.dut.rx_valid_o)
            await Timer(1, unit="ps")
            self.got.append((int(self.dut.rx_data_o.value), int(self.dut.rx_error_o.value)))

    async def level(self, value: int, bits: float) -> None:
        self.dut.rxd_i.value = value
        await Timer(round(bits * BIT_NS * 1000), unit="ps")

    def bytes(self) -> bytes:
        return bytes(self.rng.choice((0, 255, 0x55, self.rng.randrange(256))) for _ in range(COUNT))


def bench(body):
    """A cocotb test on a rig."""

    @cocotb.test(timeout_time=100, timeout_unit="ms")
    @functools.wraps(body)
    async def test(dut):
        await body(await Rig(dut).begin())

    return test


@bench
async def receives_at_any_drift(rig):
    for drift in (-0.02, -0.01, 0.0, 0.01, 0.02):
        rig.uart.bit_ns = BIT_NS / (1 + drift)
        data = rig.bytes()
        await rig.uart.send(data)  # one byte right behind the other
        await rig.level(1, 2)
        assert rig.got == [(byte, 0) for byte in data], drift
        rig.got.clear()


@bench
async def spikes_and_false_starts(rig):
    clock = 1e9 / CLOCK_HZ / BIT_NS  # in bits
    for byte in rig.bytes():
        await rig.level(1, rig.rng.random())
        await rig.level(0, 0.9 * clock)  # a spike of less than a clock
        await rig.level(1, 1)
        await rig.level(0, 0.3)  # a start bit that is gone by its middle
        await rig.level(1, 1)
        assert not rig.got
        await rig.uart.send(bytes([byte]))
        await rig.level(1, 2)
        assert rig.got == [(byte, 0)]
        rig.got.clear()


@bench
async def missing_stop_bits(rig):
    for byte in rig.bytes()[:10]:
        await rig.uart.send(bytes([byte]), stop=0)
        await rig.level(1, rig.rng.choice((1, 1.5, 4)))
        await rig.uart.send(b"ok")
        await rig.level(1, 2)
        assert rig.got == [(byte, 1), (ord("o"), 0), (ord("k"), 0)]
        rig.got.clear()
    await rig.level(0, 100)  # a break, or a cable that is not there: one error, then nothing
    assert rig.got == [(0, 1)]
    await rig.level(1, 1)
    await rig.uart.send(b"ok")
    await rig.level(1, 2)
    assert rig.got[1:] == [(ord("o"), 0), (ord("k"), 0)]


@bench
async def sends(rig):
    data = rig.bytes()
    begin = get_sim_time("ns")
    for byte in data:
        rig.dut.tx_data_i.value, rig.dut.tx_valid_i.value = byte, 1
        await RisingEdge(rig.dut.clk_i)
        while not int(rig.dut.tx_ready_o.value):
            await RisingEdge(rig.dut.clk_i)
        rig.dut.tx_valid_i.value = 0
        await ClockCycles(rig.dut.clk_i, 1)
        if rig.rng.random() < 0.2:
            await Timer(round(20 * BIT_NS), unit="ns")
            begin += 20 * BIT_NS
    await rig.level(1, 12)
    assert bytes(rig.uart.received) == data and not rig.uart.stops
    took = (get_sim_time("ns") - begin) / BIT_NS / 10
    assert took < 1.05 * len(data) + 3, "bytes follow one another"
