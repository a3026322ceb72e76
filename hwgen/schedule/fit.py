"""How much of a part a configuration takes: formulas, labelled as such, until a synthesis report replaces them.

DSP48E2, as yosys `synth_xilinx` counts them: two int8 products each in the array; two a requantize lane, three with a
residual; five a row lane. Memories: block RAM of 512 x 72 bits, UltraRAM of 4096 x 72.
LUT and FF: a line that passes yosys' counts for an 8x8 engine (8.7 k LUT, 12.2 k FF); elsewhere an estimate.
"""

from __future__ import annotations

from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.graph import Graph, ops
from hwgen.runtime import abi
from hwgen.schedule.config import EngineConfig

_ROW_LANE_DSP, _ROW_DSP = 5, 5
BRAM_BITS, URAM_BITS = 36 * 1024, 288 * 1024


def resources(config: EngineConfig, board: Board) -> dict[str, int | str]:
    """Estimated {"lut", "ff", "dsp", "bram36", "uram", "source"}."""
    c = config
    lanes = 3 if c.residual else 2
    row = c.row_param_depth > 0
    dsp = c.multipliers // 2 + c.m * lanes + (c.v * _ROW_LANE_DSP + _ROW_DSP if row else 0)
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
    bram += c.banks * -(-c.v * 8 // 72) * -(-c.act_depth // 512) if c.act_depth > 64 else 0
    bram += c.m * -(-c.slots * 256 * 8 // 36864) if c.slots else 0
    lut = 6000 + 17 * c.multipliers + 420 * c.m + (380 * c.v if row else 0)
    ff = 7000 + 19 * c.multipliers + 560 * c.m + (620 * c.v if row else 0)
    return {"lut": lut, "ff": ff, "dsp": dsp, "bram36": bram, "uram": uram, "source": "formula"}


def check_weights(graph: Graph, board: Board) -> None:
    """Refuse early a graph whose weights alone exceed the memory on the chip. Raises FitError."""
    linear = [node for node in graph.nodes if isinstance(node, ops.Linear)]
    bits = max((node.weight_bits for node in linear), default=2)
    need = bits * sum(node.weight.size for node in linear)
    has = board.resources.bram36 * BRAM_BITS + board.resources.uram * URAM_BITS
    if need > has:
        raise FitError(
            f"the weights take {need / 8e6:.1f} MB ({need // bits:,} of {bits} bits); {board.name} has "
            f"{has / 8e6:.1f} MB on the chip, and this version does not stream weights from DDR: take fewer bits, a "
            "smaller graph or a larger board"
        )


def check(config: EngineConfig, board: Board) -> dict[str, int | str]:
    """The estimate, when it fits the board. Raises FitError naming what does not, by how much, and what would."""
    need = resources(config, board)
    over = [
        f"{kind} {need[kind]} of {getattr(board.resources, kind)}"
        for kind in ("lut", "ff", "dsp", "bram36", "uram")
        if need[kind] > getattr(board.resources, kind)
    ]
    if over:
        raise FitError(
            f"array {config.n}x{config.m} with {config.weight_depth} weight words of {config.ww} bits does not fit "
            f"{board.name}: "
            f"{', '.join(over)}; take a smaller --array, fewer weight bits, or a larger board"
        )
    return need
