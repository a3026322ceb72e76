"""cocotb bench of an exported core behind its adapter (module hwgen_core): frames as stream beats, in and out.

Run by `rtl_runner` in a simulator. The environment's HWGEN_RTL_JOB names a folder: job.json (ports, clocks allowed,
seed) and frames.npz (inputs by port, integers [frames, elements]) are read, results.npz (outputs alike, clocks) made.
Three passes over the frames: one at a time, which gives the latency; back to back, which gives the interval; and, of
io_stream, with random pauses on every stream.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

RESET_CLOCKS, BEHIND = 20, 8  # BEHIND: clocks in which a core must not give more than it owes


class Stuck(Exception):
    """The core did nothing for too long, or too much."""


class Stream:
    """One port: beats of all frames, where it stands, and whether it pauses."""

    def __init__(self, dut, port: dict, frames: int, pause: float, rng: random.Random) -> None:
        self.data, self.valid, self.ready = (getattr(dut, f"{port['name']}_{s}") for s in ("tdata", "tvalid", "tready"))
        self.port, self.frames, self.pause, self.rng = port, frames, pause, rng
        self.beats: list[int] = []
        self.at, self.on = 0, False

    @property
    def total(self) -> int:
        return self.frames * self.port["beats"]

    def pauses(self) -> bool:
        return self.pause > 0 and self.rng.random() < self.pause


class Source(Stream):
    def drive(self, most: int) -> None:
        """Offer the next beat, unless it belongs to a frame behind the first `most`."""
        may = self.at < min(most, self.frames) * self.port["beats"]
        self.on = may and (self.on or not self.pauses())
        self.valid.value = int(self.on)
        if self.on:
            self.data.value = self.beats[self.at]

    def see(self) -> bool:
        taken = self.on and bool(int(self.ready.value))
        if taken:
            self.at, self.on = self.at + 1, False
        return taken


class Sink(Stream):
    def drive(self) -> None:
        self.on = not self.pauses()
        self.ready.value = int(self.on)

    def see(self) -> bool:
        taken = self.on and bool(int(self.valid.value))
        if taken:
            if len(self.beats) == self.total:
                raise Stuck(f"output {self.port['tensor']!r} gives more beats than {self.frames} frames have")
            self.beats.append(int(self.data.value))
        return taken


class Run:
    """One pass over some frames."""

    def __init__(self, dut, job: dict, frames: dict[str, np.ndarray], pause: float, one_at_a_time: bool) -> None:
        rng, self.count = random.Random(job["seed"]), len(next(iter(frames.values())))
        self.dut, self.job, self.one_at_a_time = dut, job, one_at_a_time
        self.sources = [Source(dut, port, self.count, pause, rng) for port in job["inputs"]]
        self.sinks = [Sink(dut, port, self.count, pause, rng) for port in job["outputs"]]
        for source in self.sources:
            source.beats = pack(frames[source.port["name"]], source.port)
        self.begun, self.accepted, self.ended = (
            [],
            [],
            [],
        )  # clocks: first input or start, ap_ready, last output and done

    async def go(self) -> None:
        """Drive all frames; raises Stuck when nothing happens for the clocks allowed."""
        clock, quiet, done, behind = 0, 0, 0, 0
        while behind < BEHIND:
            if quiet > self.job["patience"]:
                raise Stuck(self.report(done))
            await FallingEdge(self.dut.ap_clk)
            clock += 1
            allowed = len(self.ended) + 1 if self.one_at_a_time else self.count
            for source in self.sources:
                source.drive(allowed)
            for sink in self.sinks:
                sink.drive()
            waiting = len(self.accepted) < min(allowed, self.count)
            fed = self.job["stream"] or all(source.on for source in self.sources)
            self.dut.ap_start.value = int(waiting and fed)
            await ReadOnly()
            start = waiting and fed
            ready, ended = start and bool(int(self.dut.ap_ready.value)), bool(int(self.dut.ap_done.value))
            moved = [stream.see() for stream in (*self.sources, *self.sinks)]
            if len(self.begun) == len(self.accepted) and start and (any(moved) or not self.job["stream"]):
                self.begun.append(clock)
            if ready:
                self.accepted.append(clock)
            done += ended
            self.count_frames(done, clock)
            quiet = 0 if any(moved) or ready or ended else quiet + 1
            behind = behind + 1 if len(self.ended) == self.count else 0

    def count_frames(self, done: int, clock: int) -> None:
        """Note the clock in which a frame's last output was given and its ap_done seen."""
        given = min(len(sink.beats) // sink.port["beats"] for sink in self.sinks)
        while len(self.ended) < min(given, done, len(self.accepted), self.count):
            self.ended.append(clock)

    def report(self, done: int) -> str:
        """What the core had done when it stopped."""
        fed = ", ".join(f"{s.at} of {s.total} beats of {s.port['tensor']!r} taken" for s in self.sources)
        got = ", ".join(f"{len(s.beats)} of {s.total} beats of {s.port['tensor']!r} given" for s in self.sinks)
        return (
            f"the core stopped: nothing moved for {self.job['patience']} clocks; {len(self.accepted)} starts accepted, "
            f"{done} ap_done, {fed}, {got}"
        )

    def outputs(self) -> dict[str, np.ndarray]:
        """What the core gave, [frames, elements]."""
        return {sink.port["name"]: unpack(sink.beats, sink.port, self.count) for sink in self.sinks}


def pack(values: np.ndarray, port: dict) -> list[int]:
    """Integers [frames, elements of the tensor] -> beats, lane 0 in the low bits."""
    lane, mask = port["lane"], (1 << port["lane"]) - 1
    beats = values.reshape(-1, port["elements"])[:, ::-1].tolist()
    return [int("".join(f"{value & mask:0{lane}b}" for value in beat), 2) for beat in beats]


def unpack(beats: list[int], port: dict, frames: int) -> np.ndarray:
    """Beats -> integers [frames, elements of the tensor]; of a lane only the element's bits count."""
    lane, bits = port["lane"], port["bits"]
    width, half = lane * port["elements"], 1 << bits - 1 if port["signed"] else 1 << bits
    out = np.empty((len(beats), port["elements"]), np.int64)
    for row, beat in zip(out, beats, strict=True):
        text = f"{beat:0{width}b}"
        raw = (int(text[width - lane * i - bits : width - lane * i], 2) for i in range(port["elements"]))
        row[:] = [value - (1 << bits) if value >= half else value for value in raw]
    return out.reshape(frames, -1)


async def reset(dut) -> None:
    """Hold the core in reset, with nothing offered."""
    for name in ("ap_start", "ap_rst_n"):
        getattr(dut, name).value = 0
    for _ in range(RESET_CLOCKS):
        await FallingEdge(dut.ap_clk)
    dut.ap_rst_n.value = 1


@cocotb.test()
async def passes(dut) -> None:
    """All passes; what goes wrong is a text in the results, for the caller to tell."""
    folder = Path(os.environ["HWGEN_RTL_JOB"])
    job = json.loads((folder / "job.json").read_text())
    with np.load(folder / "frames.npz", allow_pickle=False) as data:
        frames = {name: data[name] for name in data.files}
    cocotb.start_soon(Clock(dut.ap_clk, 10, unit="ns").start())
    results: dict[str, np.ndarray] = {}
    kinds = [("single", 0.0, True), ("stream", 0.0, False), *([("stalled", 0.4, False)] if job["stream"] else [])]
    for name, pause, one_at_a_time in kinds:
        run = Run(dut, job, frames, pause, one_at_a_time)
        await FallingEdge(dut.ap_clk)
        for handshake in [s.valid for s in run.sources] + [s.ready for s in run.sinks]:
            handshake.value = 0
        await reset(dut)
        try:
            await run.go()
        except Stuck as problem:
            results["problem"] = np.array(f"{problem} (pass: {name})")
            break
        results |= {f"{name}.{port}": values for port, values in run.outputs().items()}
        clocks = {"begun": run.begun, "accepted": run.accepted, "ended": run.ended}
        results |= {f"{name}:{key}": np.array(values, np.int64) for key, values in clocks.items()}
    np.savez(folder / "results.npz", **results)
