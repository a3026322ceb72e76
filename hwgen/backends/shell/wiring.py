"""Which Verilog ports of the core carry which bits: as Vitis HLS names them for hls4ml, or as an exported module has.

io_parallel: an input array is reshaped into one port, an output array partitioned into one port an element (a single
element keeps the argument's name), each with `<port>_ap_vld`. io_stream: AXI4-Stream ports. Older tools append `_V` to
names, all append `_r` to Verilog's keywords; reset is `ap_rst`, with streams `ap_rst_n`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hwgen.backends.shell.plan import PlannedPort, ShellPlan
from hwgen.errors import InputError

CONTROL = ("ap_start", "ap_done", "ap_ready")
_SUFFIXES = ("", "_r", "_V")


class Port(NamedTuple):
    """A port of a Verilog module."""

    is_input: bool
    width: int


@dataclass(frozen=True)
class Connection:
    """Verilog port `port` is bits low .. low + width - 1 of a stream's TDATA; `vld` its ap_vld port, where it has one.
    Of a stream, `port` is the stem of _TDATA, _TVALID, _TREADY."""

    port: str
    low: int
    width: int
    vld: str | None


@dataclass(frozen=True)
class Wiring:
    """Connections by the name of the argument, and the reset port; `has_idle`: whether there is ap_idle."""

    reset: str
    connections: Mapping[str, tuple[Connection, ...]]
    has_idle: bool = True


def expected(plan: ShellPlan) -> Wiring:
    """What Vitis HLS 2020.1 and newer makes of an hls4ml project."""
    connections = {p.port: (_whole(p, p.port),) for p in plan.inputs + plan.outputs}
    if plan.core.io == "parallel":
        connections |= {p.port: tuple(_split(p, p.element_port)) for p in plan.outputs}
    return Wiring("ap_rst" if plan.core.io == "parallel" else "ap_rst_n", connections)


def match(plan: ShellPlan, ports: Mapping[str, Port]) -> Wiring:
    """The wiring of a module with these ports. Raises InputError naming the port that is missing or differs."""
    top = plan.core.top
    for name in ("ap_clk", *CONTROL):
        if name not in ports:
            raise InputError(
                f"module {top} has no port {name}: export it with hls4ml's block protocol ap_ctrl_hs, unchanged"
            )
    resets = [name for name in ("ap_rst_n", "ap_rst") if name in ports]
    if not resets:
        raise InputError(f"module {top} has no reset (ap_rst or ap_rst_n): export it with config_rtl -reset control")
    find = _stream if plan.core.io == "stream" else _parallel
    found = {p.port: find(p, ports, top, p in plan.inputs) for p in plan.inputs + plan.outputs}
    wiring = Wiring(resets[0], found, "ap_idle" in ports)
    used = set(_used(plan, wiring)) | {"ap_clk", *CONTROL, "ap_idle", resets[0]}
    if loose := [name for name, port in ports.items() if port.is_input and name not in used]:
        raise InputError(
            f"module {top}: nothing drives its input {loose[0]}; was it exported from this project, unchanged?"
        )
    return wiring


def _whole(p: PlannedPort, name: str, vld: bool = True) -> Connection:
    return Connection(name, 0, p.beat_bits, f"{name}_ap_vld" if vld and p.io == "parallel" else None)


def _split(p: PlannedPort, name, vld: bool = True) -> Iterator[Connection]:
    for i in range(p.elements):
        yield Connection(name(i), i * p.lane, p.lane, f"{name(i)}_ap_vld" if vld else None)


def _parallel(p: PlannedPort, ports: Mapping[str, Port], top: str, is_input: bool) -> tuple[Connection, ...]:
    for suffix in _SUFFIXES:
        whole = f"{p.port}{suffix}"
        if whole in ports:
            return (_check(_whole(p, whole, f"{whole}_ap_vld" in ports), p, ports, top, is_input),)
        if f"{p.port}_0{suffix}" in ports:
            names = [f"{p.port}_{i}{suffix}" for i in range(p.elements)]
            split = _split(p, names.__getitem__, f"{names[0]}_ap_vld" in ports)
            return tuple(_check(c, p, ports, top, is_input) for c in split)
    raise _missing(p, p.port, ports, top)


def _stream(p: PlannedPort, ports: Mapping[str, Port], top: str, is_input: bool) -> tuple[Connection, ...]:
    stem = next((p.port + s for s in _SUFFIXES if f"{p.port}{s}_TDATA" in ports), None)
    if stem is None:
        raise _missing(p, f"{p.port}_TDATA", ports, top)
    data = Connection(f"{stem}_TDATA", 0, p.beat_bits, None)
    _check(data, p, ports, top, is_input)
    for end, driven in (("TVALID", is_input), ("TREADY", not is_input)):
        if ports.get(f"{stem}_{end}") != Port(driven, 1):
            raise InputError(f"module {top} has no {'input' if driven else 'output'} {stem}_{end} of one bit")
    return (_whole(p, stem),)


def _check(c: Connection, p: PlannedPort, ports: Mapping[str, Port], top: str, is_input: bool) -> Connection:
    """The connection, if the module has its ports. Raises InputError."""
    direction = "input" if is_input else "output"
    here = ports.get(c.port)
    if here is None:
        raise _missing(p, c.port, ports, top)
    if here != Port(is_input, c.width):
        raise InputError(
            f"module {top}: port {c.port} is an {'input' if here.is_input else 'output'} of {here.width} bits; the "
            f"design's {p.tensor!r} is an {direction} of {c.width} bits ({c.width // p.lane} x {p.lane}): was it "
            "exported from this project, unchanged?"
        )
    if c.vld is not None and ports.get(c.vld) != Port(is_input, 1):
        raise InputError(f"module {top}: port {c.port} has no {direction} {c.vld} of one bit beside it")
    return c


def _missing(p: PlannedPort, name: str, ports: Mapping[str, Port], top: str) -> InputError:
    near = [other for other in ports if other.startswith(p.port)]
    why = f"it has {', '.join(near[:4])}" if near else f"its ports are {', '.join(list(ports)[:12])}"
    if any(other.endswith("_address0") for other in near):
        why += ": the array became a memory, because the pragma that reshapes it was not kept"
    elif any(other.endswith("_o") for other in near):
        why += ": the last layer reads its own result back"
    return InputError(f"module {top} has no port {name} for {p.tensor!r} ({why}); was it exported from this project?")


def _used(plan: ShellPlan, wiring: Wiring) -> Iterator[str]:
    for connections in wiring.connections.values():
        for c in connections:
            yield from (c.port, c.vld) if c.vld else (c.port,)
            if plan.core.io == "stream":
                yield from (f"{c.port}_TDATA", f"{c.port}_TVALID", f"{c.port}_TREADY")
