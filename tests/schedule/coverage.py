"""Which paths of the engine a program takes: the units that work, and what they do there."""

from __future__ import annotations

from collections import Counter

from hwgen.schedule.instructions import MM, Din, Dout, Nop, Program, Row, Vec
from hwgen.schedule.windows import Windows

EVERY = frozenset(
    {
        "DIN", "DIN of windows", "DOUT", "NOP", "MM WEIGHTS", "MM KV", "MM -> KEYS", "MM -> VALUES", "MM residual",
        "MM relu", "MM table", "MM padding", "MM wide", "MM gate", "ROW LAYERNORM", "ROW RMSNORM", "ROW SOFTMAX",
        "ROW GROUPNORM", "ROW gate", "VEC MUL", "VEC MAXPOOL", "VEC residual", "VEC relu", "VEC padding", "VEC gate",
    }
)  # fmt: skip
"""All that `instructions` can find but the streaming of weights, which boards decide and not graphs."""


def instructions(program: Program) -> set[str]:
    """The members of EVERY that a program uses."""
    found: set[str] = set()
    for unit in (program.din, program.mm, program.row, program.vec, program.dout):
        for ins in unit:
            found |= _kinds(ins)
    return found


def _kinds(ins) -> set[str]:
    if isinstance(ins, Nop):
        return {"NOP"}
    if isinstance(ins, (Din, Dout, Windows)):
        return {{Din: "DIN", Dout: "DOUT", Windows: "DIN of windows"}[type(ins)]}
    if isinstance(ins, Row):
        return {f"ROW {ins.op}"} | _flags("ROW", gate=ins.gate.unit != "NONE")
    if isinstance(ins, MM):
        flags = _flags("MM", **_shared(ins), table=ins.slot is not None, wide=ins.wide)
        return {f"MM {ins.w_bank}"} | flags | ({f"MM -> {ins.o_kind}"} if ins.o_kind != "ACTIVATIONS" else set())
    return ({f"VEC {ins.op}"} | _flags("VEC", **_shared(ins))) if isinstance(ins, Vec) else set()


def _shared(ins: MM | Vec) -> dict[str, bool]:
    """What matrix and vector operations have in common."""
    return {"residual": ins.residual is not None, "relu": ins.relu, "padding": ins.inside is not None,
            "gate": ins.gate.unit != "NONE"}  # fmt: skip


def _flags(unit: str, **flags: bool) -> set[str]:
    return {f"{unit} {name}" for name, is_set in flags.items() if is_set}


def table(found: Counter) -> str:
    """How many programs used each thing, the most frequent first."""
    return "\n".join(f"{count:6}  {name}" for name, count in found.most_common())
