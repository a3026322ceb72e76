"""Where tensors lie in DDR, in which order they are read and written, and how many clocks that adds to the core's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hwgen.backends.shell.core import CoreDescription, CorePort
from hwgen.runtime import abi
from hwgen.schedule import timing

ALIGN = 64  # bytes: a tensor begins on a cache line
LANES = (8, 16, 32, 64)
"""Bits of a lane of TDATA: Vitis HLS pads the elements of an aggregated struct to the size that C++ gives them."""
START_READ = timing.DIN_START + timing.DDR_READ  # START accepted -> first beat of DDR
FINISH = timing.DDR_WRITE + timing.DONE  # last beat written -> DONE


@dataclass(frozen=True)
class PlannedPort(CorePort):
    """A port of the core with its place: `index` in the order of arguments, `offset` in the DMA buffer (bytes), `first`
    element among all inputs (or outputs), `buffered`: a whole tensor is kept between DDR and core."""

    io: str
    index: int
    offset: int
    first: int
    buffered: bool

    @property
    def lane(self) -> int:
        """Bits of an element on the core's stream."""
        return self.bits if self.io == "parallel" else next(n for n in LANES if n >= self.bits)

    @property
    def beat_bits(self) -> int:
        return self.elements * self.lane

    @property
    def nbytes(self) -> int:
        return self.count * self.bytes

    @property
    def ddr_beats(self) -> int:
        """Beats of the tensor on the DDR side."""
        return _whole(self.nbytes)

    def element_port(self, i: int) -> str:
        """Verilog port of element i of an io_parallel output: Vitis numbers them when there are several."""
        return f"{self.port}_{i}" if self.count > 1 else self.port


@dataclass(frozen=True)
class ShellPlan:
    """See the module. `inputs`, `outputs` in the order of arguments; `reads`, `writes` in the order of DDR."""

    core: CoreDescription
    inputs: tuple[PlannedPort, ...]
    outputs: tuple[PlannedPort, ...]

    @property
    def reads(self) -> list[PlannedPort]:
        """The order in which DDR is read."""
        return sorted(self.inputs, key=_largest_last)

    @property
    def writes(self) -> list[PlannedPort]:
        """The order in which DDR is written."""
        return sorted(self.outputs, key=_largest_last)[::-1]

    @property
    def input_offsets(self) -> dict[str, int]:
        return {p.tensor: p.offset for p in self.inputs}

    @property
    def output_offsets(self) -> dict[str, int]:
        return {p.tensor: p.offset for p in self.outputs}

    @property
    def in_bytes(self) -> int:
        return _end(self.inputs)

    @property
    def out_bytes(self) -> int:
        return _end(self.outputs)

    @property
    def predicted_cycles(self) -> int:
        """Clocks from START accepted to DONE, the core's latency being its formula's, under the standard DDR model.

        io_parallel: everything read, core, everything written, one after the other; simulation with the stand-in shows
        this very figure. io_stream: an estimate, for reading, core and writing overlap.
        """
        read = sum(p.ddr_beats for p in self.inputs)
        written = sum(p.ddr_beats for p in self.outputs)
        if self.core.io == "parallel":
            return START_READ + read + self.core.latency + written + FINISH
        fed, given = self.reads[-1], self.writes[0]
        first = read - fed.ddr_beats + _whole(fed.elements * fed.bytes)  # DDR beats until the core has its first one
        feeding = max(read - first, max(p.beats for p in self.inputs) - 1)
        busy = max(self.core.latency, feeding + 1 + max(p.beats for p in self.outputs))
        behind = max(_whole(given.elements * given.bytes), given.ddr_beats - given.beats + 1)
        behind += written - given.ddr_beats
        return START_READ + first + busy + behind + FINISH


def plan(core: CoreDescription) -> ShellPlan:
    """Lay out the DMA buffers of a core. Raises InputError for a core that no shell can be made for."""
    core.check()
    return ShellPlan(core, _place(core, core.inputs), _place(core, core.outputs))


def _place(core: CoreDescription, ports: tuple[CorePort, ...]) -> tuple[PlannedPort, ...]:
    placed, offset, first = [], 0, 0
    for index, port in enumerate(ports):
        fields = {field: getattr(port, field) for field in CorePort.__dataclass_fields__}
        placed.append(PlannedPort(**fields, io=core.io, index=index, offset=offset, first=first, buffered=False))
        offset += -(-port.count * port.bytes // ALIGN) * ALIGN
        first += port.count
    # A core may take its streams in any order, DDR has one: all tensors but the largest are kept whole. With
    # io_parallel the converters hold every tensor anyway.
    direct = max(placed, key=_largest_last)
    return tuple(replace(p, buffered=core.io == "stream" and p is not direct) for p in placed)


def _largest_last(port: PlannedPort) -> tuple[int, int]:
    return port.ddr_beats, port.index


def _end(ports: tuple[PlannedPort, ...]) -> int:
    return _whole(max(p.offset + p.nbytes for p in ports)) * abi.BEAT_BYTES


def _whole(nbytes: int) -> int:
    """DDR beats that hold so many bytes."""
    return -(-nbytes // abi.BEAT_BYTES)
