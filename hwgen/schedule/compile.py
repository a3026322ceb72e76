"""Graph + array -> everything that the engine needs: configuration, plan, program, predicted clocks."""

from __future__ import annotations

import contextlib
from collections.abc import Container
from dataclasses import dataclass

from hwgen.errors import FitError
from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.schedule import limits, memory, stream, windows
from hwgen.schedule.config import MAX_SLOTS, MORE_BANKS, EngineConfig
from hwgen.schedule.emit import emit
from hwgen.schedule.image import pack_weights
from hwgen.schedule.instructions import MM, Program, Row, Vec
from hwgen.schedule.lower import lower
from hwgen.schedule.plan import Plan
from hwgen.schedule.timing import Timing, predict
from hwgen.schedule.windows import Windows

_MEANING = {
    "n": "activations a clock", "m": "outputs a clock", "ww": "bits of a weight", "banks": "activation banks",
    "act_depth": "words of an activation bank", "weight_depth": "words of weight memory",
    "param_depth": "words of requantization parameters", "row_param_depth": "words of the norms' parameters",
    "softmax_slots": "tables of exponentials", "row_words": "words of a row of a norm or softmax",
    "group_words": "words of a position of a group norm",
    "slots": "activation tables", "prog_depth": "instructions of the array",
    "unit_prog_depth": "instructions of another unit", "residual": "residual additions",
    "wide": "32-bit outputs", "padded": "padding of convolutions", "kv_depth": "words of keys and values",
    "vec_param_depth": "words of the vector unit's parameters", "vec_mul": "products of two tensors",
    "vec_maxpool": "maxima of windows", "vec_residual": "additions to products",
    "win_ring": "bytes of image rows for windows", "win_ports": "parts of a window a clock",
    "stream_ports": "memory ports that bring weights",
}  # fmt: skip
"""What each parameter of an engine is, for messages."""
SHARES = (8, 16, 32)  # of the weight memory, that a block of streamed weights takes; the best is taken


@dataclass
class Design:
    """One compiled graph."""

    graph: Graph
    config: EngineConfig
    plan: Plan
    program: Program
    timing: Timing

    @property
    def utilization(self) -> float:
        """Multiplications that must happen / multipliers / latency."""
        return self.graph.macs() / self.config.multipliers / self.timing.latency

    @property
    def stream(self) -> bytes:
        """The weights that stay in DDR, as the engine reads them there, whole units of alignment; b"" where none do."""
        packed = pack_weights(self.program.streamed, self.config)
        data = stream.pack(self.program, self.config, packed) if packed else b""
        return data + bytes(-len(data) % abi.ALIGN)

    @property
    def streamed_bytes(self) -> int:
        """Weight bytes read from DDR during a run."""
        return sum(ins.words for ins in self.program.fetches) * self.config.weight_bytes

    @property
    def stream_share(self) -> float:
        """What of the stream ports' beats in a run brings weights."""
        return self.streamed_bytes / (abi.BEAT_BYTES * max(self.config.stream_ports, 1) * self.timing.latency)


def compile_graph(graph: Graph, n: int, m: int) -> Design:
    """Compile for an array of n x m and size the engine to the graph. Raises UnsupportedError, FitError (naming node
    or memory)."""
    base, plan, program, words = _in_few_banks(graph, EngineConfig(n, m, ww=weight_bits(graph)))
    config = _sized(base, program, words, _table_room(program))
    limits.check_reach(config, plan)
    _check_fields(program)
    return Design(graph, config, plan, program, predict(program, config))


def with_streams(design: Design, words: int, ports: int) -> Design:
    """The design with a weight memory of so many words: the weights that do not fit come from DDR over so many ports.
    Raises FitError when even so they do not fit."""
    program, timing = _streamed(design.plan, design.config.resized(weight_depth=words, stream_ports=ports))
    config = _sized(design.config, program, 0, 0).resized(weight_depth=words, stream_ports=ports)
    config = config.resized(act_depth=design.config.act_depth, slots=design.config.slots)
    limits.check_reach(config, design.plan)
    _check_fields(program)
    return Design(design.graph, config, design.plan, program, timing)


def _streamed(plan: Plan, config: EngineConfig) -> tuple[Program, Timing]:
    """(program for the engine's weight memory, clocks), in blocks of the size that is fastest. Raises FitError."""
    best = error = None
    for share in SHARES:
        try:
            found = _in_blocks(plan, config, config.weight_depth // share)
        except FitError as why:  # smaller blocks may fit
            error = why
            continue
        if best is None or found[1].latency < best[1].latency:
            best, least = found, share
    if best is None:
        raise error
    out = {o.buffer for o in plan.outputs}
    last = {op.name for op in plan.ops if op.out.buffer in out}  # an output leaves only behind the last of its blocks
    with contextlib.suppress(FitError):  # the chip may have no room for them
        best = min(best, _in_blocks(plan, config, config.weight_depth // least, last), key=lambda way: way[1].latency)
    return best


def _in_blocks(plan: Plan, config: EngineConfig, most: int, whole: Container[str] = ()) -> tuple[Program, Timing]:
    """(program, clocks) with weights from DDR in blocks of so many words. whole: operations whose weights are to stay,
    and that are not cut. Raises FitError."""
    program = emit(plan, config, most, whole)
    program = stream.stream(program, config, _idle(program, predict(program, config)), whole)
    return program, predict(program, config)


def _idle(program: Program, timing: Timing) -> list[int]:
    """Clocks that the array loses before and in each of its operations that read the weight memory."""
    spans = [span for span in timing.spans if span.unit == "MM"]
    ends = [0, *(span.last for span in spans)]
    idle = [span.last - before - span.work for span, before in zip(spans, ends, strict=False)]
    reads = [ins for ins in program.mm if isinstance(ins, MM)]
    out, since = [], 0
    for ins, lost in zip(reads, idle, strict=True):
        since += lost
        if ins.w_bank == "WEIGHTS":
            out.append(since)
            since = 0
        else:
            since += ins.steps()
    return out


def compile_onto(graph: Graph, config: EngineConfig) -> Design:
    """Compile for an engine that exists (a bitstream made for another graph). Raises FitError naming what it lacks."""
    plan, program, words = _program(graph, config)
    timing = None
    if config.stream_ports and len(program.weights) > config.weight_depth:
        program, timing = _streamed(plan, config)
    base = EngineConfig(config.n, config.m, ww=weight_bits(graph), banks=config.banks)
    needs = _sized(base, program, words, len(program.tables)).resized(weight_depth=len(program.weights))
    lacks = [
        f"{what} = {getattr(config, what)}, the graph needs {need} ({_MEANING[what]})"
        for what, need in needs.as_dict().items()
        if need > getattr(config, what)
    ]
    if lacks:
        raise FitError(f"the engine has {'; '.join(lacks)}: generate an engine for it, or bring the graph down to that")
    _check_fields(program)
    return Design(graph, config, plan, program, timing or predict(program, config))


def _in_few_banks(graph: Graph, base: EngineConfig) -> tuple[EngineConfig, Plan, Program, int]:
    """The engine with as few activation banks as let operations overlap; (engine, plan, program, words of a bank).
    Raises FitError when the most do not suffice at all."""
    plan, able, why = lower(graph, base.n, base.m, base.v), [], None
    for banks in (base.banks, *MORE_BANKS):
        try:
            words = memory.allocate(plan, base.v, banks)
        except FitError as error:
            why = error
            continue
        able.append(banks)
        if not plan.serial:
            break
    if not able:
        raise why
    config = base.resized(banks=able[0] if plan.serial else able[-1])
    if config.banks != banks:
        words = memory.allocate(plan, base.v, config.banks)
    return config, plan, emit(plan, config), words


def _program(graph: Graph, config: EngineConfig) -> tuple[Plan, Program, int]:
    plan = lower(graph, config.n, config.m, config.v)
    words = memory.allocate(plan, config.v, config.banks)
    return plan, emit(plan, config), words


def _check_fields(program: Program) -> None:
    for ins in [*program.din, *program.mm, *program.row, *program.vec, *program.stream]:
        try:
            ins.encode(last=False)
        except ValueError as error:
            name = getattr(ins, "name", "")
            raise FitError(
                f"node {name!r}: it is too large for one instruction ({error}); use a larger --array, or split it"
            ) from None


def weight_bits(graph: Graph) -> int:
    """Bits that hold every weight of the graph; the identity needs two."""
    return max([node.weight_bits for node in graph.nodes if isinstance(node, ops.WEIGHTED)], default=2)


def _table_room(program: Program) -> int:
    """Tables that a policy of these shapes can need: operations share equal ones, but how many are equal depends on
    scales, which training changes."""
    return min(sum(isinstance(ins, MM) and ins.slot is not None for ins in program.mm), MAX_SLOTS)


def _sized(base: EngineConfig, program: Program, act_words: int, tables: int) -> EngineConfig:
    """The engine with just the units and memories that this program needs, rounded up so that like policies share a
    bitstream. tables: room for so many."""
    mm = [ins for ins in program.mm if isinstance(ins, MM)]
    rows = [ins for ins in program.row if isinstance(ins, Row)]
    vec = [ins for ins in program.vec if isinstance(ins, Vec)]
    win = [ins for ins in program.din if isinstance(ins, Windows)]
    lengths = {unit: len(getattr(program, unit.lower())) for unit in abi.INSTRUCTIONS}
    others = max(count for unit, count in lengths.items() if unit != "MM")
    return base.resized(
        act_depth=_round_up(act_words, 64),
        weight_depth=_round_up(len(program.weights), 512),
        param_depth=_round_up(len(program.params), 16),
        row_param_depth=_round_up(len(program.row_params), 16) if program.row_params else 0,
        softmax_slots=-(-len(program.softmax_tables) // 2) * 2,  # a memory block holds two
        row_words=_round_up(max((ins.words for ins in rows if not ins.group), default=0), 16) if rows else 0,
        group_words=max((ins.words for ins in rows if ins.group), default=0),
        slots=1 << (tables - 1).bit_length() if tables else 0,
        prog_depth=_power_of_two(lengths["MM"]),
        unit_prog_depth=_power_of_two(others),
        residual=any(ins.residual is not None for ins in mm),
        wide=any(ins.wide for ins in mm),
        padded=any(ins.inside is not None for ins in mm),
        kv_depth=_round_up(program.kv_words, 16) if program.kv_words else 0,
        vec_param_depth=_round_up(len(program.vec_params), 16) if vec else 0,
        vec_mul=any(ins.op == "MUL" for ins in vec),
        vec_maxpool=any(ins.op == "MAXPOOL" for ins in vec),
        vec_residual=any(ins.residual is not None for ins in vec),
        win_ring=max((ins.geometry.ring(base.v) for ins in win), default=0),
        win_ports=max((windows.ports(ins.geometry, base.v, ins.clocks) for ins in win), default=1),
    )


def _round_up(value: int, unit: int) -> int:
    return max(-(-value // unit), 1) * unit


def _power_of_two(instructions: int) -> int:
    """Words of a program memory."""
    return max(16, 1 << (instructions - 1).bit_length())
