"""How much of a part a configuration takes: formulas, labelled as such, until a synthesis report replaces them.

Multipliers are counted as yosys maps them: DSP48E2 27 x 18 bits, DSP48E1 25 x 18, ECP5 18 x 18. Memories: block RAM of
36 kbit, UltraRAM of 4096 x 72, ECP5's EBR of 18 kbit in the shapes of `EBR_SHAPES`. LUT and FF: a plane through what
yosys counts for the engines of the AMD boards (docs/build.md), and through an 8x8 engine on the ECP5 (docs/ecp5.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.config import EngineConfig
from hwgen.schedule.roles import weight_role

DSP_BITS = {"zynqmp": 27, "zynq7": 25, "ecp5": 18}  # wide operand of the family's multiplier
MOST_LUT_WEIGHT_BITS = 4  # weights short enough for products in logic cells
BRAM_BITS, URAM_BITS = 36 * 1024, 288 * 1024
EBR_SHAPES = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
MOST_WORDS = 1 << 16  # of a weight memory; no board has room for more
SERIAL_EBR = 18  # of the bridge to the serial line
LUT_PRODUCT = 17  # LUTs of a product of 8 bits, for each bit of its weight
PROG_LUT_WORDS = 256  # programs, too (prog_queue.sv)
SMALLEST = 8  # rows and columns of an array
LUT_RAM_WORDS = 64  # memories of at most so many words are made of LUTs
MOST_PARAM_LUT_WORDS = 128  # parameters of the array that may be, where block RAM does not suffice
ULTRA_WORDS = 1024  # weight memories deeper than this go to UltraRAM where the part has some
URAM_WORDS, BRAM_WORDS, COLUMN_BLOCKS = 4096, 512, 2  # a column of a weight word, 128 bits, is so many blocks wide


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
    where = placement(config, board)
    memory = _ecp5_memory(config) if board.family == "ecp5" else _amd_memory(config, where)
    cells = _cells(config, how)
    if where.param_luts:  # seven bits of 64 words take eight LUTs
        cells["lut"] += config.m * -(-_param_bits(config) * 8 // 7) * -(-config.param_depth // LUT_RAM_WORDS)
    return {**cells, "dsp": _multipliers(config, how), **memory, "source": "formula"}


@dataclass(frozen=True)
class Placement:
    """Which memories go to what: columns of the weight memory in UltraRAM, whether LUTs hold the array's parameters,
    and whether UltraRAM holds the activations."""

    ultra: int
    param_luts: bool
    act_ultra: bool = False


def placement(config: EngineConfig, board: Board) -> Placement:
    """Weight memories are in UltraRAM when they are deep, else in block RAM, where that suffices. Else their columns
    are shared out among both, short memories of parameters are made of LUTs, and activations go to UltraRAM."""
    columns, has = config.weight_beats, board.resources
    if board.family == "ecp5":
        return Placement(0, False)
    deep = config.weight_depth > ULTRA_WORDS
    usual = Placement(columns if has.uram and deep else 0, False)
    short = [False, True] if config.param_depth <= MOST_PARAM_LUT_WORDS else [False]
    ways = [usual]
    for acts in (False, True) if config.act_depth > LUT_RAM_WORDS else (False,):
        left = has.uram - (_act_ultra(config) if acts else 0)
        most = min(columns, left // (COLUMN_BLOCKS * -(-config.weight_depth // URAM_WORDS)))
        ways += [Placement(most, luts, acts) for luts in short if most >= 0]
    for way in ways:
        need = _amd_memory(config, way)
        if need["bram36"] <= has.bram36 and need["uram"] <= has.uram:
            return way
    return usual


def weight_words(config: EngineConfig, board: Board) -> int:
    """The most words, in whole memory blocks, of a weight memory for which the engine's other memories leave room."""
    words = 0
    while words < MOST_WORDS:
        more = config.resized(weight_depth=words + BRAM_WORDS)
        need = resources(more, board)
        if need["bram36"] > board.resources.bram36 or need["uram"] > board.resources.uram:
            break
        words += BRAM_WORDS
    return words


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
        luts, ffs = (13430, 57, 740, 1900), (7030, 32, 514, 1300)
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
    if c.stream_ports:  # as yosys counts stream_unit.sv of UltraScale+, and a choice before each part of the weights
        lut, ff = lut + 70 + 570 * c.stream_ports, ff + 26 + 424 * c.stream_ports
    if c.kv_depth:  # bytes of LUT RAM that are written alone, and a choice before and behind each
        lut, ff = lut + c.multipliers * (16 * -(-c.kv_depth // LUT_RAM_WORDS) + 12), ff + 16 * c.multipliers
    return {"lut": lut + (LUT_PRODUCT * c.array_ww * c.multipliers if how.in_luts else 0), "ff": ff}


def _memories(c: EngineConfig) -> list[tuple[int, int, int]]:
    """(how many, bits of a word, words) of the memories that can be block RAM."""
    return [
        (c.weight_beats, 128, c.weight_depth),
        (c.m, _param_bits(c), c.param_depth),
        (c.v, 72, c.row_param_depth),
        (c.v, 99 if c.vec_residual else 72, c.vec_param_depth),
        (c.v, 24, c.softmax_slots * 256),
        (c.banks * c.v // 8, 64, c.act_depth),
        (c.m, 8, c.slots * 256),
        (c.win_ports * c.v // 8, 128, c.win_ring // (2 * c.v)),
    ]


def _ecp5_memory(c: EngineConfig) -> dict[str, int]:
    ebr = sum(many * _ebr(bits, words) for many, bits, words in _memories(c) if words > LUT_RAM_WORDS)
    ebr += len({_program_slice(bit) for bit in _read_of_program(c)}) * -(-c.prog_depth // EBR_SHAPES[0][1])
    return {"bram36": -(-(ebr + SERIAL_EBR) // 2), "uram": 0}


def _read_of_program(c: EngineConfig) -> Iterator[int]:
    """The bits of an array's instruction that something reads; yosys drops the blocks of which it finds none."""
    idle = () if c.padded else ("y", "x", "y_last", "x_last")
    for name, lsb, width in abi.MM:
        if name not in idle and not (idle and name.startswith(("y_step", "x_step"))):
            yield from range(lsb, lsb + (min(width, _bits(c.param_depth)) if name.startswith("p_step") else width))


def _program_slice(bit: int) -> tuple[int, int]:
    """(beat, block) of a bit of the program: the loader writes beats, and each is cut into blocks of 36 bits."""
    return bit // 128, bit % 128 // EBR_SHAPES[0][0]


def _bits(words: int) -> int:
    return max(words - 1, 1).bit_length()


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


def _param_bits(c: EngineConfig) -> int:
    """Of a channel's parameters in the array."""
    return abi.width(abi.PARAM) - (0 if c.residual else 27)


def _amd_memory(c: EngineConfig, where: Placement) -> dict[str, int]:
    uram = COLUMN_BLOCKS * where.ultra * -(-c.weight_depth // URAM_WORDS)
    bram = COLUMN_BLOCKS * (c.weight_beats - where.ultra) * -(-c.weight_depth // BRAM_WORDS)
    in_blocks = c.param_depth > LUT_RAM_WORDS and not where.param_luts
    bram += -(-c.m * _param_bits(c) // 72) * -(-c.param_depth // 512) if in_blocks else 0
    bram += -(-c.v * 72 // 72) * -(-c.row_param_depth // 512) if c.row_param_depth > 64 else 0
    units = {"ROW": c.has_rows, "VEC": c.vec_param_depth, "STREAM": c.stream_ports}
    for unit, fields in abi.INSTRUCTIONS.items():
        words = c.prog_depth if unit == "MM" else c.unit_prog_depth
        if words > PROG_LUT_WORDS and units.get(unit, True):
            bram += -(-abi.beats(fields) * 128 // 72) * -(-words // 512)
    vec_bits = c.v * (99 if c.vec_residual else 72)
    bram += -(-vec_bits // 72) * -(-c.vec_param_depth // 512) if c.vec_param_depth > 64 else 0
    bram += -(-c.v * -(-c.softmax_slots // 2) // 2)  # halves of a block hold two tables for one lane
    if where.act_ultra:
        uram += _act_ultra(c)
    else:
        bram += c.banks * -(-c.v * 8 // 72) * -(-c.act_depth // 512) if c.act_depth > LUT_RAM_WORDS else 0
    bram += c.m * -(-c.slots * 256 * 8 // 36864) if c.slots else 0
    rows = c.win_ring // (2 * c.v)  # of two words, in the ring
    bram += c.win_ports * -(-c.v * 16 // 72) * -(-rows // 512) if rows > 64 else 0
    return {"bram36": bram, "uram": uram}


def _act_ultra(c: EngineConfig) -> int:
    """Blocks of UltraRAM that the activation memory takes: each octet is a memory of its own (act_mem.sv)."""
    return c.banks * (c.v // 8) * -(-c.act_depth // URAM_WORDS)


def check_weights(graph: Graph, board: Board, ports: int = 0) -> None:
    """Refuse early a graph whose weights alone exceed the memory on the chip, unless memory ports bring them. Raises
    FitError."""
    if ports:
        return
    weighted = {weight_role(node): node for node in graph.nodes if isinstance(node, ops.WEIGHTED)}.values()
    bits = max((node.weight_bits for node in weighted), default=2)
    need = bits * sum(node.weight.size for node in weighted)
    has = board.resources.bram36 * BRAM_BITS + board.resources.uram * URAM_BITS
    if need > has:
        raise FitError(
            f"the weights take {need / 8e6:.1f} MB ({need // bits:,} of {bits} bits); {board.name} has "
            f"{has / 8e6:.1f} MB on the chip, and no memory port is to bring weights from DDR: take fewer bits, a "
            "smaller graph or a larger board"
        )


def stream_ports(board: Board) -> int:
    """Memory ports of the board that can bring a beat of weights a clock; the first brings inputs and takes outputs."""
    return sum(bits >= 8 * BEAT_BYTES for bits in list(board.memory.ports.values())[1:])


def check(config: EngineConfig, board: Board) -> dict[str, int | str]:
    """The estimate, when it fits the board. Raises FitError naming what does not, by how much, and what would."""
    if too_much := over(config, board):
        smaller = "a smaller --array, " if config.n > SMALLEST or config.m > SMALLEST else ""
        raise FitError(
            f"array {config.n}x{config.m} with {config.weight_depth} weight words of {config.ww} bits does not fit "
            f"{board.name}: "
            f"{', '.join(too_much)}; take {smaller}fewer weight bits, or a larger board"
        )
    return resources(config, board)


def over(config: EngineConfig, board: Board) -> list[str]:
    """What the board has too little of, each as `bram36 840 of 312`."""
    need, has = resources(config, board), board.resources
    kinds = ("lut", "ff", "dsp", "bram36", "uram")
    return [f"{kind} {need[kind]:,} of {getattr(has, kind):,}" for kind in kinds if need[kind] > getattr(has, kind)]
