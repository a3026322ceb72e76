"""How much of a part a configuration takes: formulas, labelled as such, until a synthesis report replaces them.

Multipliers are counted as yosys maps them: DSP48E2 27 x 18 bits, DSP48E1 25 x 18, ECP5 18 x 18. Memories: block RAM of
36 kbit, UltraRAM of 4096 x 72, ECP5's EBR of 18 kbit in the shapes of `EBR_SHAPES`. LUT and FF: a plane through what
yosys counts for the engines of the AMD boards (docs/build.md), and through an 8x8 engine on the ECP5 (docs/ecp5.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.roles import weight_role

DSP_BITS = {"zynqmp": 27, "zynq7": 25, "ecp5": 18}  # wide operand of the family's multiplier
MOST_LUT_WEIGHT_BITS = 4  # weights short enough for products in logic cells
BRAM_BITS, URAM_BITS = 36 * 1024, 288 * 1024
EBR_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
SERIAL_EBR = 18  # of the bridge to the serial line
LUT_PRODUCT = 17  # LUTs of a product of 8 bits, for each bit of its weight
LUT_RAM_WORDS = 64  # memories of at most so many words are made of LUTs


@dataclass(frozen=True)
class Products:
    """How the array multiplies (mac_pair.sv): with multipliers whose wide operand has `dsp_bits`, or `in_luts`."""

    dsp_bits: int
    in_luts: bool


def products(config: EngineConfig, board: Board) -> Products:
    """In logic cells where the multipliers do not suffice and the weights are short."""
    bits = DSP_BITS[board.family]
    short = config.array_ww <= MOST_LUT_WEIGHT_BITS
    return Products(bits, short and _multipliers(config, Products(bits, False)) > board.resources.dsp)


def resources(config: EngineConfig, board: Board) -> dict[str, int | str]:
    """Estimated {"lut", "ff", "dsp", "bram36", "uram", "source"}."""
    how = products(config, board)
    memory = _ecp5_memory(config) if board.family == "ecp5" else _amd_memory(config, board)
    cells = _cells(config, how)
    return {**cells, "dsp": _multipliers(config, how), **memory, "source": "formula"}


def _multipliers(c: EngineConfig, how: Products) -> int:
    shared = how.dsp_bits >= c.array_ww + 19  # two products of one activation
    array = 0 if how.in_luts else c.multipliers // (2 if shared else 1)
    residual = 0 if not c.residual else 1 if how.dsp_bits >= 27 else 2
    return array + c.m * (2 + residual) + _row_multipliers(c, how) + _vector_multipliers(c, how)


def _vector_multipliers(c: EngineConfig, how: Products) -> int:
    """Of the vector unit: a lane's product, scale and residual."""
    residual = 0 if not c.vec_residual else 1 if how.dsp_bits >= 27 else 2
    return c.v * (c.vec_mul + 1 + residual) if c.vec_param_depth else 0


def _row_multipliers(c: EngineConfig, how: Products) -> int:
    """Of the row unit: a lane's normalization and requantization, the root; softmax's reciprocal."""
    norm, lane, root = {27: (3, 2, 5), 25: (5, 2, 6), 18: (5, 2, 11)}[how.dsp_bits]
    lanes = c.v * (lane * c.has_rows + norm * (c.row_param_depth > 0))
    return lanes + root * (c.row_param_depth > 0) + 2 * (c.softmax_slots > 0)


def _cells(c: EngineConfig, how: Products) -> dict[str, int]:
    """LUT and FF: so many for everything, a product, an output lane, a lane of the row unit."""
    if how.dsp_bits == DSP_BITS["ecp5"]:  # adders count as LUTs, and the serial bridge is there
        luts, ffs = (12900, 57, 740, 1900), (6130, 32, 514, 1300)
    else:
        luts, ffs = (6200, 23, 884, 787), (7400, 51, 581, 709)
    parts = (1, c.multipliers, c.m, c.v if c.row_param_depth else 0)
    lut, ff = (sum(each * many for each, many in zip(costs, parts, strict=True)) for costs in (luts, ffs))
    if c.win_ring:  # a plane through what yosys counts for win_unit.sv of UltraScale+
        lut, ff = lut + 107 + c.v * (30 + 46 * c.win_ports), ff + 561 + c.v * (6 + 52 * c.win_ports)
    if c.softmax_slots:  # alone as yosys counts it of UltraScale+; beside norms, whose lanes end alike, an estimate
        lut, ff = lut + c.v * (220 if c.row_param_depth else 435), ff + c.v * (150 if c.row_param_depth else 341)
    if c.group_words:  # an estimate: registers and adders, and two memories of sums and results
        lut, ff = lut + c.v * (160 + 66 * -(-c.group_words // 32)), ff + 120 * c.v
    if c.vec_param_depth:  # as yosys counts vec_lane.sv of UltraScale+, and a sequencer
        lut, ff = lut + 2500 + 560 * c.v, ff + 2500 + 380 * c.v
    if c.kv_depth:  # bytes of LUT RAM that are written alone, and a choice before and behind each
        lut, ff = lut + c.multipliers * (16 * -(-c.kv_depth // LUT_RAM_WORDS) + 12), ff + 16 * c.multipliers
    return {"lut": lut + (LUT_PRODUCT * c.array_ww * c.multipliers if how.in_luts else 0), "ff": ff}


def _memories(c: EngineConfig) -> list[tuple[int, int, int]]:
    """(how many, bits of a word, words) of the memories that can be block RAM."""
    param_bits = abi.width(abi.PARAM) if c.residual else abi.width(abi.PARAM) - 27
    return [
        (c.weight_beats, 128, c.weight_depth),
        (c.m, param_bits, c.param_depth),
        (c.v, 72, c.row_param_depth),
        (c.v, 99 if c.vec_residual else 72, c.vec_param_depth),
        (c.v, 24, c.softmax_slots * 256),
        (c.banks * c.v // 8, 64, c.act_depth),
        (c.m, 8, c.slots * 256),
        (c.win_ports * c.v // 8, 128, c.win_ring // (2 * c.v)),
    ]


def _ecp5_memory(c: EngineConfig) -> dict[str, int]:
    ebr = sum(many * _ebr(bits, words) for many, bits, words in _memories(c) if words > LUT_RAM_WORDS)
    program = abi.width(abi.MM)  # in columns of a beat, as the loader writes it
    ebr += sum(_ebr(min(128, program - column), c.prog_depth) for column in range(0, program, 128))
    return {"bram36": -(-(ebr + SERIAL_EBR) // 2), "uram": 0}


def _ebr(bits: int, words: int) -> int:
    """EBR of one memory, as yosys cuts it: whole blocks of one shape, and the words that are left in the best shape."""
    if words <= 0:
        return 0
    best = min(-(-bits // width) * -(-words // depth) for width, depth in EBR_SHAPES)
    cuts = [
        -(-bits // width) * (words // depth) + _ebr(bits, words % depth)
        for width, depth in EBR_SHAPES
        if depth <= words
    ]
    return min([best, *cuts])


def _amd_memory(c: EngineConfig, board: Board) -> dict[str, int]:
    param_bits = abi.width(abi.PARAM) if c.residual else 72
    bram = 0
    uram = 0
    columns = c.weight_beats * 128
    if board.resources.uram and c.weight_depth > 1024:
        uram += -(-columns // 72) * -(-c.weight_depth // 4096)
    else:
        bram += -(-columns // 72) * -(-c.weight_depth // 512)
    bram += -(-c.m * param_bits // 72) * -(-c.param_depth // 512) if c.param_depth > 64 else 0
    bram += -(-c.v * 72 // 72) * -(-c.row_param_depth // 512) if c.row_param_depth > 64 else 0
    if c.prog_depth > 256:  # see prog_queue.sv
        units = {"ROW": c.has_rows, "VEC": c.vec_param_depth, "STREAM": c.stream_ports}
        beats = sum(abi.beats(fields) for unit, fields in abi.INSTRUCTIONS.items() if units.get(unit, True))
        bram += -(-beats * 128 // 72) * -(-c.prog_depth // 512)
    vec_bits = c.v * (99 if c.vec_residual else 72)
    bram += -(-vec_bits // 72) * -(-c.vec_param_depth // 512) if c.vec_param_depth > 64 else 0
    bram += -(-c.v * -(-c.softmax_slots // 2) // 2)  # halves of a block hold two tables for one lane
    bram += c.banks * -(-c.v * 8 // 72) * -(-c.act_depth // 512) if c.act_depth > 64 else 0
    bram += c.m * -(-c.slots * 256 * 8 // 36864) if c.slots else 0
    rows = c.win_ring // (2 * c.v)  # of two words, in the ring
    bram += c.win_ports * -(-c.v * 16 // 72) * -(-rows // 512) if rows > 64 else 0
    return {"bram36": bram, "uram": uram}


def check_weights(graph: Graph, board: Board) -> None:
    """Refuse early a graph whose weights alone exceed the memory on the chip. Raises FitError."""
    weighted = [node for node in graph.nodes if isinstance(node, ops.WEIGHTED)]
    bits = max((node.weight_bits for node in weighted), default=2)
    need = bits * sum(
        {weight_role(node): node.weight.size for node in weighted}.values()
    )  # a loop's steps share theirs
    has = board.resources.bram36 * BRAM_BITS + board.resources.uram * URAM_BITS
    if need > has:
        raise FitError(
            f"the weights take {need / 8e6:.1f} MB ({need // bits:,} of {bits} bits); {board.name} has "
            f"{has / 8e6:.1f} MB on the chip, and this version does not stream weights from DDR: take fewer bits, a "
            "smaller graph or a larger board"
        )


def check(config: EngineConfig, board: Board) -> dict[str, int | str]:
    """The estimate, when it fits the board. Raises FitError naming what does not, by how much, and what would."""
    if too_much := over(config, board):
        raise FitError(
            f"array {config.n}x{config.m} with {config.weight_depth} weight words of {config.ww} bits does not fit "
            f"{board.name}: "
            f"{', '.join(too_much)}; take a smaller --array, fewer weight bits, or a larger board"
        )
    return resources(config, board)


def over(config: EngineConfig, board: Board) -> list[str]:
    """What the board has too little of, each as `bram36 840 of 312`."""
    need, has = resources(config, board), board.resources
    kinds = ("lut", "ff", "dsp", "bram36", "uram")
    return [f"{kind} {need[kind]:,} of {getattr(has, kind):,}" for kind in kinds if need[kind] > getattr(has, kind)]
