"""The engines that a search chooses from, what one costs, and what it can do at best.

A configuration is an array N x M, and where the weights lie: all on the chip, or as many as fit there and the others
in DDR, over one or more memory ports. All else follows. An engine has M requantize lanes and max(N, M, 16) row lanes,
stored weights are as wide as the graph's widest, memories are as deep as the program needs, and what each is made of
(UltraRAM, block RAM, LUTs) changes no clock: `fit.placement` finds a way that fits the board wherever there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

from hwgen.boards import Board
from hwgen.graph import Graph, ops
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule import fit
from hwgen.schedule.config import SIZES, EngineConfig
from hwgen.schedule.timing import DDR_READ, DDR_WRITE, DIN_START, DONE, MM_START

ROUTED = {"ecp5": ((8, 8),)}
"""Families with fewer arrays: those whose clock has been routed (docs/ecp5.md)."""
KINDS = ("lut", "ff", "dsp", "bram36", "uram")
AROUND = DDR_WRITE + DONE


@dataclass
class Candidate:
    """A configuration, and what became of it.

    bound: clocks that it takes at least. clocks, cost: of the compiled design. config: as far as known; None before
    compiling. over: what the board has too little of. verdict: chosen; slower, dearer: compiled, and another one is
    better; late: compiled, beyond the limit of clocks; bounded: not compiled, because `bound`, or what it costs at
    least, cannot win any more; refused: does not fit, `why` says what.
    """

    n: int
    m: int
    bound: int
    ports: int = 0
    clocks: int | None = None
    cost: float | None = None
    config: EngineConfig | None = None
    over: list[str] = field(default_factory=list)
    verdict: str = "bounded"
    why: str = ""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.n}x{self.m}" + (f" with weights from DDR over {self.ports} ports" if self.ports else "")

    def as_dict(self, board: Board) -> dict[str, object]:
        """As report.json has it."""
        return {
            "array": [self.n, self.m], "multipliers": self.n * self.m, "stream_ports": self.ports,
            "bound_cycles": self.bound, "predicted_cycles": self.clocks, "cost": self.cost, "verdict": self.verdict,
            "why": self.why, "weight_words": None if self.config is None else self.config.weight_depth,
            "resources": None if self.config is None else fit.resources(self.config, board),
        }  # fmt: skip


def arrays(board: Board, multipliers: int | None = None) -> list[tuple[int, int]]:
    """The arrays that the board's family may have, of at most so many multipliers."""
    every = ROUTED.get(board.family, tuple(product(SIZES, SIZES)))
    return [(n, m) for n, m in every if n * m <= (multipliers or n * m)]


def smallest(n: int, m: int, bits: int) -> EngineConfig:
    """The least that an engine of this array has, whatever the graph."""
    return EngineConfig(n, m, ww=bits, act_depth=1, weight_depth=1, param_depth=1)


def least_clocks(graph: Graph, n: int, m: int) -> int:
    """No engine with this array takes fewer: the multiplications, and the input over its port, then the answer's way
    to DDR."""
    summed = (node for node in graph.nodes if isinstance(node, ops.ACCUMULATING))  # products are the vector unit's
    array = MM_START + -(-sum(node.macs(graph.in_shapes(node)) for node in summed) // (n * m))
    beats = sum(-(-graph.tensors[name].size // BEAT_BYTES) for name in graph.inputs)
    return max(array, DIN_START + DDR_READ + beats) + AROUND


def cost(config: EngineConfig, board: Board) -> float:
    """What an engine costs: its share of the board's scarcest resource, the largest over lut, ff, dsp, bram36, uram."""
    return max(shares(config, board).values())


def shares(config: EngineConfig, board: Board) -> dict[str, float]:
    """Of each kind of resource, how much of the board's an engine takes; infinite where the board has none of it."""
    need, has = fit.resources(config, board), board.resources
    return {kind: ratio(need[kind], getattr(has, kind)) for kind in KINDS}


def ratio(need: int, has: int) -> float:
    """How much of what there is something takes; infinite where there is none of it."""
    return need / has if has else float("inf") if need else 0.0
