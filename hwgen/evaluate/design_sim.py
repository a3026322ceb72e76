"""A generated design in simulation: DIR's package loaded into its Verilated RTL, run on batches of frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen.build.verilate import build
from hwgen.errors import InputError
from hwgen.runtime.layout import planar_to_int32
from hwgen.runtime.package import Package, read_package
from hwgen.runtime.simbus import SimBus
from hwgen.runtime.simlib import SimLib

PACKAGE = "policy.hwpkg"
COUNTERS = ("latency", "issued", "wait_din", "wait_mm", "wait_row", "tail", "compute", "runs")
CHUNK = 64  # frames between two reports of progress


@dataclass
class SimResult:
    """Integer outputs {name: [B, *shape]}, latency in clocks [B], and the engine's counters of the last frame."""

    outputs: dict[str, np.ndarray]
    latency: np.ndarray
    counters: dict[str, int]


class DesignSim:
    """A package loaded into a simulator library; a context manager. waves: a file to record into, with the waves
    library."""

    def __init__(self, package: Package, library: Path, waves: Path | None = None):
        self.package = package
        self.sim = SimLib.open(library, size=SimBus.size_for(package), waves=waves)
        self.sim.load(package.image, stream=package.stream)

    @classmethod
    def of(cls, folder: Path, progress: Callable[[str], object] | None = None, waves: Path | None = None) -> DesignSim:
        """The simulator of a DIR, built where it is not in the cache. progress: called with lines about building.

        Raises InputError, PackageError, ToolError.
        """
        if not (folder / PACKAGE).is_file():
            raise InputError(f"{folder} holds no {PACKAGE}: give a folder that `hwgen generate` wrote")
        package = read_package(folder / PACKAGE)
        return cls(package, build(folder, waves=waves is not None, progress=progress), waves)

    def __enter__(self) -> DesignSim:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulator."""
        self.sim.close()

    def run(self, inputs: dict[str, np.ndarray], done: Callable[[int], object] | None = None) -> SimResult:
        """Run integer frames {name: [B, *shape]} one after the other. done: called with the frames finished so far.

        Raises SimError (naming the frame) when the engine ends in an error, and on a violation of the AXI protocol.
        """
        raw_in = pack_inputs(self.package, inputs)
        watchdog = int(self.package.manifest["watchdog_cycles"]) or 10_000_000
        parts, latency, counters = [], [], np.zeros((1, len(COUNTERS)), np.uint32)
        for at in range(0, len(raw_in), CHUNK):
            frames = self.sim.run_frames(
                raw_in[at : at + CHUNK], self.package.manifest["out_bytes"], max_clocks=watchdog, counters=True
            )
            parts.append(frames.outputs)
            latency.append(frames.latency)
            counters = frames.counters
            if done:
                done(min(at + CHUNK, len(raw_in)))
        if self.sim.protocol_error:
            raise InputError(
                f"{self.package.path}: the RTL broke the AXI protocol ({self.sim.protocol_error}); please report "
                f"this design"
            )
        raw_out = np.concatenate(parts) if parts else np.zeros((0, self.package.manifest["out_bytes"]), np.uint8)
        return SimResult(
            unpack_outputs(self.package, raw_out),
            np.concatenate(latency) if latency else np.zeros(0, np.uint32),
            dict(zip(COUNTERS, (int(v) for v in counters[-1]), strict=True)),
        )


def pack_inputs(package: Package, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Integer inputs {name: [B, *shape]} -> DMA input buffers, uint8 [B, in_bytes]."""
    batch = len(next(iter(inputs.values())))
    out = np.zeros((batch, package.manifest["in_bytes"]), np.uint8)
    for spec in package.inputs:
        stored = inputs[spec.name].transpose(0, *(1 + axis for axis in spec.order))
        values = np.ascontiguousarray(stored).astype(spec.dtype).reshape(batch, spec.size)
        out[:, spec.offset : spec.offset + spec.nbytes] = values.view(np.uint8)
    return out


def unpack_outputs(package: Package, raw: np.ndarray) -> dict[str, np.ndarray]:
    """DMA output buffers uint8 [B, out_bytes] -> integer outputs {name: int64 [B, *shape]}."""
    out = {}
    for spec in package.outputs:
        part = np.ascontiguousarray(raw[:, spec.offset : spec.offset + spec.nbytes])
        if spec.planar:
            planes = part.reshape(-1, -(-spec.channels // spec.planar), 4, spec.planar)
            values = planar_to_int32(planes, spec.channels)
        else:
            values = part.view(spec.dtype)
        stored = values.astype(np.int64).reshape(len(raw), *(spec.shape[axis] for axis in spec.order))
        out[spec.name] = stored.transpose(0, *(1 + np.argsort(spec.order)))
    return out
