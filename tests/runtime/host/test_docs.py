"""docs/host-programs.md lists every operator with its entries, and its example parses."""

import json
import re

import numpy as np

from hwgen.runtime.host import program, reader
from tests.runtime.host.compare import parsed
from tests.runtime.host.test_refusals import LOOKUP, WHOLE, used
from tests.runtime.host.test_refusals import program as described
from tests.support import ROOT

TEXT = (ROOT / "docs" / "host-programs.md").read_text()


def rows() -> dict[str, tuple[str, set[str]]]:
    """Operator -> (inputs, names of entries), from the table."""
    table = [line.split("|")[1:5] for line in TEXT.partition("| op |")[2].splitlines() if line.startswith("| `")]
    return {
        op: (inputs.strip(), set(re.findall("`(.*?)`", entries)))
        for ops, inputs, entries, _ in table
        for op in re.findall("`(.*?)`", ops)
    }


def test_operators_and_their_numbers_of_inputs():
    words = {(0, 0): "0", (1, 1): "1", (2, 2): "2", (1, 2): "1, 2", (1, program.MAX_TENSORS): "1 to 64"}
    assert {op: inputs for op, (inputs, _) in rows().items()} == {
        op: words[counts] for op, (_, counts) in program.OPS.items()
    }


def test_entries(monkeypatch):
    asked: dict[str, set[str]] = {}

    def done(entry: reader.Entry) -> None:
        if "op" in entry.value:
            asked.setdefault(entry.value["op"], set()).update(entry._asked - {"op", "inputs", "output"})

    monkeypatch.setattr(reader.Entry, "done", done)
    for node in WHOLE:
        parsed(described(node), used(described(node)))
    parsed(described({**LOOKUP, "op": "Flatten"}), {})
    asked["Conv2D"] = asked["Conv1D"]  # one planner
    assert asked == {op: entries for op, (_, entries) in rows().items()}


def test_limits():
    from hwgen.runtime.host import plan

    for said in (f"{program.MAX_NODES:,} nodes", f"{plan.MAX_CALLS:,} calls", f"counts for {plan.ELEMENT}"):
        assert said in TEXT
    assert (plan.MAX_BYTES, plan.MAX_WORK) == (512 << 20, 2**32)


def test_the_example():
    example = json.loads(re.search(r"```json\n(.*?)```", TEXT, re.S)[1])
    arrays = {"0.weight": np.ones((4, 3, 3, 3), np.int8), "1.bias": np.arange(4)}
    assert parsed(example, arrays).outputs["relu0"].shape == (4, 32, 32)
