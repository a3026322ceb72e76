"""A clock-exact bench: agents drive in the middle of a clock, see what settles, and the next edge takes it.

With one loop for all agents every clock has a number, so that latencies can be asserted exactly, and combinational
paths from inputs to outputs are seen in their own clock.
"""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly


class Agent:
    """Drives inputs, then looks at outputs, once a clock."""

    bench: "Bench"

    def drive(self) -> None:
        """Set the inputs of this clock, from what was seen in earlier ones."""

    def see(self) -> None:
        """Look at the settled signals of this clock."""


class Bench:
    """The clock loop: `clock` is the number of the clock that runs."""

    running = None

    def __init__(self, dut, *agents: Agent):
        self.dut, self.agents, self.clock = dut, list(agents), 0
        for agent in agents:
            agent.bench = self

    async def reset(self) -> None:
        """Start the clock and hold reset for four clocks; the first `step` releases it."""
        if Bench.running is None or Bench.running.done():  # one clock for all benches of a cocotb test
            Bench.running = cocotb.start_soon(Clock(self.dut.clk_i, 10, unit="ns").start())
        await FallingEdge(self.dut.clk_i)
        self.dut.rst_ni.value = 0
        for _ in range(4):
            await FallingEdge(self.dut.clk_i)

    async def step(self, clocks: int = 1) -> None:
        """Run some clocks."""
        for _ in range(clocks):
            await FallingEdge(self.dut.clk_i)
            self.clock += 1
            for agent in self.agents:
                agent.drive()
            self.dut.rst_ni.value = 1  # released only together with driven inputs
            await ReadOnly()
            for agent in self.agents:
                agent.see()

    async def until(self, condition, limit: int = 20_000, what: str = "the condition") -> None:
        """Run until ``condition()``; fails after ``limit`` clocks."""
        for _ in range(limit):
            if condition():
                return
            await self.step()
        raise AssertionError(f"{what} did not come within {limit} clocks")


def draw() -> random.Random:
    """A generator for this cocotb test, on the pytest test's seed."""
    return random.Random(int(os.environ["SEED"]))


def cases(count: int) -> range:
    """``range(count)``, longer in the full test run."""
    return range(count * int(os.environ.get("SCALE", "1")))


class Stall:
    """Says stall or not: never (0), or in random bursts whose density is ``share``."""

    def __init__(self, rng: random.Random, share: float = 0.0):
        self.rng, self.share, self.left, self.now = rng, share, 0, False

    def __call__(self) -> bool:
        if not self.share:
            return False
        if self.left == 0:
            self.now = self.rng.random() < self.share
            self.left = self.rng.choice((1, 1, 2, 3, 7, 20))
        self.left -= 1
        return self.now


class Level(Agent):
    """Drives one input with `value`, from the next clock on."""

    def __init__(self, signal, value: int = 0):
        self.signal, self.value = signal, value

    def drive(self) -> None:
        self.signal.value = self.value


class Source(Agent):
    """Sends items over valid/ready; ``fields`` are the signals of an item, in order. `sent` lists (clock, item)."""

    def __init__(self, valid, ready, fields, stall: Stall, items=()):
        self.valid, self.ready, self.fields, self.stall = valid, ready, fields, stall
        self.items, self.sent, self.on = list(items), [], False
        self.enabled = True

    def drive(self) -> None:
        self.on = self.enabled and bool(self.items) and (self.on or not self.stall())
        self.valid.value = int(self.on)
        if self.on:
            for field, value in zip(self.fields, self.items[0], strict=True):
                field.value = value

    def see(self) -> None:
        if self.on and int(self.ready.value):
            self.sent.append((self.bench.clock, self.items.pop(0)))
            self.on = False


class Sink(Agent):
    """Takes items over valid/ready; `got` lists (clock, item)."""

    def __init__(self, valid, ready, fields, stall: Stall):
        self.valid, self.ready, self.fields, self.stall = valid, ready, fields, stall
        self.got, self.on = [], False

    def drive(self) -> None:
        self.on = not self.stall()
        self.ready.value = int(self.on)

    def see(self) -> None:
        if self.on and int(self.valid.value):
            self.got.append((self.bench.clock, tuple(int(f.value) for f in self.fields)))
