"""Activation memory plan: a bank and an address for every buffer.

A bank has one read and one write port, so buffers that two ports may read in the same clock lie in different banks.
Operations run in
order, except that a consumer may overlap the tail of its producer; that leaves these pairs apart:

- the operand and the residual of one matrix operation, the factors of one product;
- a residual and the operands of what follows at once (a residual is read some clocks after the step that it belongs
to);
- the source and the destination-to-be-read of one row operation (the array reads the first words of its result while
it reads on);
- what an operation reads and what it writes, when a row operation or the output DMA follows its result closely.

When the banks do not suffice for that, the plan becomes serial: every operation waits for all before it, and only the
first pair is left.

Inputs have bank 0 for themselves: the input DMA writes there at any time.
Words are reused once the last operation that reads a buffer has ended.
"""

from __future__ import annotations

import itertools

from hwgen.errors import FitError
from hwgen.schedule.plan import INPUTS, Buffer, MatOp, Plan, RowOp
from hwgen.schedule.vector import VecOp

TRIES = 20_000  # steps back and forth of the colouring beyond one a buffer
RESIDUAL_LAG = 8  # clocks from a step to the read of its residual, at most (mm_unit.sv)


def allocate(plan: Plan, v: int, banks: int) -> int:
    """Set bank and word of every buffer; returns the words that the fullest bank needs (of v bytes each).

    Raises FitError when the buffers cannot be kept apart in that many banks.
    """
    hard, plan.serial = _conflicts(plan, overlap=True), False
    if not any(_colour(plan, _wishes(plan, hard, *ends), banks) for ends in ((1, 1), (1, 0), (0, 1), (0, 0))):
        plan.serial = True
        if not _colour(plan, _conflicts(plan, overlap=False), banks):
            raise FitError(
                f"{len(plan.buffers)} activation buffers cannot be kept apart in {banks} banks: the graph adds too "
                f"many branches to one "
                "another; split it, or generate the branches as graphs of their own"
            )
    _place_kv(plan)
    return _place(plan, v, banks)


def _conflicts(plan: Plan, overlap: bool) -> dict[str, set[str]]:
    """The buffers that each buffer must not share a bank with. overlap: operations may overlap; else each waits for
    all before it."""
    apart: dict[str, set[str]] = {name: set() for name in plan.buffers}

    def split(a: str, b: str) -> None:
        if a != b:
            apart[a].add(b)
            apart[b].add(a)

    for i, op in enumerate(plan.ops):
        if isinstance(op, MatOp) and op.residual is not None:
            split(op.x.buffer, op.residual.buffer)
            for name in _read_soon_after(plan, i) if overlap else ():
                split(op.residual.buffer, name)
        if isinstance(op, VecOp) and op.second is not None:
            split(op.x.buffer, op.second.buffer)
    if not overlap:
        return apart
    followed = {o.x.buffer for o in plan.ops if isinstance(o, RowOp)} | {o.buffer for o in plan.outputs}
    for op in plan.ops:
        if isinstance(op, RowOp) or op.out.buffer in followed:
            for view in op.reads():
                split(view.buffer, op.out.buffer)
    return apart


def _wishes(plan: Plan, hard: dict[str, set[str]], behind: bool, before: bool) -> dict[str, set[str]]:
    """These conflicts, and what lets the vector unit run beside the array: behind the operation that makes its operand,
    and before the one that reads its result."""
    apart = {name: set(others) for name, others in hard.items()}

    def split(mine: list[str], theirs: list[str]) -> None:
        for a in mine:
            for b in theirs:
                if a != b:
                    apart[a].add(b)
                    apart[b].add(a)

    for previous, op, following in zip([None, *plan.ops], plan.ops, [*plan.ops[1:], None], strict=False):
        if not isinstance(op, VecOp):
            continue
        reads, out = [view.buffer for view in op.reads()], [op.out.buffer]
        if behind and isinstance(previous, MatOp) and previous.out.buffer == op.x.buffer:
            split([view.buffer for view in previous.reads()], [*reads, *out])
            split([op.x.buffer], out)
        if before and isinstance(following, MatOp) and following.x.buffer == op.out.buffer:
            split(reads, [view.buffer for view in following.reads()])
            split(out, [following.out.buffer])
    return apart


def _read_soon_after(plan: Plan, i: int) -> list[str]:
    """Operands of the matrix operations that may be issued before operation i has read its last residual."""
    out, steps = [], 0
    for op in plan.ops[i + 1 :]:
        if steps >= RESIDUAL_LAG or (not isinstance(op, MatOp) and plan.takes_the_end(op)):
            break
        if not isinstance(op, MatOp):
            continue  # rows follow one another, and a row may be complete long before the last one
        out.append(op.x.buffer)
        steps += op.steps
    return out


def _colour(plan: Plan, apart: dict[str, set[str]], banks: int) -> bool:
    """Give every buffer a bank: backtracking graph colouring in order of first use, or those with most conflicts first;
    the emptiest bank first. False when none is found."""
    names = [name for name in plan.buffers if name != INPUTS]
    return any(
        _colour_in_order(plan, order, apart, banks) for order in (names, sorted(names, key=lambda x: -len(apart[x])))
    )


def _colour_in_order(plan: Plan, names: list[str], apart: dict[str, set[str]], banks: int) -> bool:
    """Give the buffers banks in this order; False when none are found."""
    bank, load = {INPUTS: 0}, [0] * banks

    def options(name: str) -> list[int]:
        taken = {bank[other] for other in apart[name] if other in bank}
        return sorted(set(range(1, banks)) - taken, key=lambda b: load[b])[::-1]

    left = [options(names[0])] if names else []  # by buffer: banks not tried yet, the best last
    for _ in range(len(names) + TRIES):
        if len(bank) > len(names):
            break
        if left[-1]:
            name = names[len(left) - 1]
            bank[name] = left[-1].pop()
            load[bank[name]] += plan.buffers[name].bytes
            left += [options(names[len(left)])] if len(left) < len(names) else []
        elif len(left) == 1:
            return False
        else:  # back to the buffer before
            left.pop()
            name = names[len(left) - 1]
            load[bank.pop(name)] -= plan.buffers[name].bytes
    if len(bank) <= len(names):
        return False
    for name, b in bank.items():
        plan.buffers[name].bank = b
    return True


def _place(plan: Plan, v: int, banks: int) -> int:
    """First fit in order of first write; a buffer's words are free after its last reader."""
    begin, end = _together(plan)
    used = 1
    for bank in range(banks):
        placed: list[tuple[int, int, Buffer]] = []  # first and last operation
        mine = [b for b in plan.buffers.values() if b.bank == bank and (b.writers or b.name == INPUTS) and not b.kv]
        for buffer in sorted(mine, key=lambda b: min(b.writers, default=-1)):
            first = min((begin[i] for i in buffer.writers), default=-1)
            last = len(plan.ops) if buffer.keep else max((end[i] for i in buffer.readers + buffer.writers), default=-1)
            words = -(-buffer.bytes // v)
            busy = sorted((p.word, p.word + -(-p.bytes // v)) for f, la, p in placed if f <= last and first <= la)
            buffer.word = next(
                at
                for at in itertools.chain([0], (end for _, end in busy))
                if all(at + words <= s or e <= at for s, e in busy)
            )
            placed.append((first, last, buffer))
            used = max(used, buffer.word + words)
    return used


def _place_kv(plan: Plan) -> None:
    """First word of each operand in the KV memory: first fit; the array runs in order, so words are free behind the
    last operation that reads them."""
    placed: list[Buffer] = []
    for buffer in sorted((b for b in plan.buffers.values() if b.kv), key=lambda b: b.writers[0]):
        busy = sorted((p.word, p.word + p.kv) for p in placed if p.readers[-1] >= buffer.writers[0])
        ends = itertools.chain([0], (end for _, end in busy))
        buffer.word = next(at for at in ends if all(at + buffer.kv <= s or e <= at for s, e in busy))
        placed.append(buffer)


def _together(plan: Plan) -> tuple[list[int], list[int]]:
    """By operation: the first and the last that may run beside it. The array's run one after the other, another unit's
    beside those of the array before and behind."""
    begin, end = list(range(len(plan.ops))), list(range(len(plan.ops)))
    array = [isinstance(op, MatOp) for op in plan.ops]
    for i in range(1, len(plan.ops)):
        if not array[i]:
            begin[i] = begin[i - 1] if not array[i - 1] else i - 1
    for i in reversed(range(len(plan.ops) - 1)):
        if not array[i]:
            end[i] = end[i + 1] if not array[i + 1] else i + 1
    return begin, end


def footprint(plan: Plan, v: int) -> dict[str, int]:
    """Bytes of all buffers together ("sum"), and what they take after reuse ("peak")."""
    tops: dict[int, int] = {}
    for b in plan.buffers.values():
        tops[b.bank] = max(tops.get(b.bank, 0), b.word * v + b.bytes)
    return {"sum": sum(b.bytes for b in plan.buffers.values()), "peak": sum(tops.values())}
