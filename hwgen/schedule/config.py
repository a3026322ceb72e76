"""The parameters of one engine."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

from hwgen.errors import InputError
from hwgen.runtime import abi

SIZES = (8, 16, 32, 64)
BANKS = 4
MORE_BANKS = (6, 8)  # when operations cannot overlap in fewer
MAX_SLOTS = 16
MAX_ROW_WORDS, MAX_GROUP_WORDS = 4096, 1024
MAX_KV_DEPTH = 4096  # kv_mem.sv


@dataclass(frozen=True)
class EngineConfig:
    """One engine: the array (n activations x m outputs a clock), stored weight bits, and memory depths in words.

    group_words 0: no group norms.
    row_param_depth 0: no norms. softmax_slots 0: no softmax; neither: no row unit. slots 0: no activation tables.
    prog_depth: instructions of the array; unit_prog_depth: of each other unit.
    vec_param_depth 0: no vector unit. kv_depth 0: no KV memory. win_ring: bytes of an image kept for windows; 0: no
    windows. stream_ports: bus masters that bring weights during a run; 0: all weights are resident. Every field is a
    parameter of the RTL.
    """

    n: int
    m: int
    ww: int = 8
    banks: int = BANKS
    act_depth: int = 64
    weight_depth: int = 512
    param_depth: int = 16
    row_param_depth: int = 0
    softmax_slots: int = 0
    row_words: int = 0
    group_words: int = 0
    slots: int = 0
    prog_depth: int = 16
    unit_prog_depth: int = 16
    residual: bool = False
    wide: bool = False
    padded: bool = False
    kv_depth: int = 0
    vec_param_depth: int = 0
    vec_mul: bool = False
    vec_maxpool: bool = False
    vec_residual: bool = False
    win_ring: int = 0
    win_ports: int = 1
    stream_ports: int = 0

    @property
    def v(self) -> int:
        """Bytes of an activation word."""
        return max(self.n, self.m, 16)

    @property
    def has_rows(self) -> bool:
        """Whether there is a row unit."""
        return self.row_param_depth > 0 or self.softmax_slots > 0

    @property
    def multipliers(self) -> int:
        """Multiplications a clock."""
        return self.n * self.m

    @property
    def tree_stages(self) -> int:
        """Register stages of the adder tree (adder_tree.sv)."""
        return ((self.n - 1).bit_length() + 1) // 2

    @property
    def pipe(self) -> int:
        """Clocks from the issue of a group's last step to its write (mm_unit.sv)."""
        return 12 + self.tree_stages + int(self.residual) + int(self.slots > 0) + int(self.kv_depth > 0)

    @property
    def vec_pipe(self) -> int:
        """Clocks from the issue of a word's last step to its write (vec_unit.sv)."""
        return 10 + int(self.vec_residual)

    @property
    def keys_clocks(self) -> int:
        """Clocks that the KV memory takes for a group of keys (kv_mem.sv)."""
        return max(self.m // self.n, 1)

    @property
    def array_ww(self) -> int:
        """Bits of the weights that the array multiplies: those of the KV memory have eight."""
        return 8 if self.kv_depth else self.ww

    @property
    def weight_beats(self) -> int:
        """128-bit beats of a weight word."""
        return -(-self.n * self.m * self.ww // 128)

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight word on a memory port."""
        return self.weight_beats * abi.BEAT_BYTES

    @property
    def stream_beats(self) -> int:
        """Beats of a weight word that each stream port brings; the last port's may be less, and padding."""
        return -(-self.weight_beats // max(self.stream_ports, 1))

    def as_dict(self) -> dict[str, int | bool]:
        """Plain fields, for the manifest and the design hash."""
        return asdict(self)

    def resized(self, **depths: int | bool) -> EngineConfig:
        """The same engine with other memories."""
        return replace(self, **depths)


def parse_array(text: str) -> tuple[int, int]:
    """(N, M) of "16x32". Raises InputError that says what is possible."""
    match = re.fullmatch(r"\s*(\d+)\s*[xX]\s*(\d+)\s*", text)
    if not match:
        raise InputError(
            f"array {text!r} is not of the form NxM, for instance 16x32 (16 activations, 32 outputs a clock)"
        )
    n, m = int(match[1]), int(match[2])
    if n not in SIZES or m not in SIZES:
        raise InputError(f"array {n}x{m} cannot be built: N and M must each be one of {', '.join(map(str, SIZES))}")
    return n, m
