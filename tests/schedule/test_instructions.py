"""Instructions: strides become steps of the address generators, and every field comes back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwgen.runtime import abi
from hwgen.schedule.instructions import MM, Din, Dout, Gate, Loop, Nop, Row
from tests.schedule.decode import fields, steps

stride = st.integers(-50, 50)
loop = st.builds(Loop, st.integers(1, 4), stride, stride, stride, stride, stride, st.booleans())


def instruction(loops, **more):
    values = {
        "dep": "DIN", "need": 9000, "a_bank": 1, "a": 5000, "a_signed": True, "w": 6000, "o_bank": 2, "o": 7000,
        "p": 2000, "lo": -128, "hi": 127,
    }  # fmt: skip
    return MM(loops=tuple(loops), **(values | more))


@given(st.lists(loop, min_size=1, max_size=abi.LEVELS))
def test_address_generators_walk_the_strides(loops):
    ins = instruction(loops)
    walked = list(steps(fields(abi.MM, ins.encode(last=True))))
    assert len(walked) == ins.steps()
    for what in ("a", "w", "need", "o", "p"):
        np.testing.assert_array_equal([s[what] for s in walked], ins.walk(what, getattr(ins, what)))
    np.testing.assert_array_equal([s["last"] for s in walked], ins.ends())
    assert sum(s["first"] for s in walked) == sum(s["last"] for s in walked)


def test_the_residual_walks_with_the_output():
    ins = instruction([Loop(3, o=2, p=1)], residual=(3, 40, True))
    word = fields(abi.MM, ins.encode(last=False))
    assert [s["r"] for s in steps(word)] == [40, 42, 44]
    assert (word["residual"], word["r_bank"], word["r_signed"], word["last"]) == (1, 3, 1, 0)


def test_fields_come_back():
    ins = instruction([Loop(2)], slot=7, relu=True, wide=True, gate=Gate("ROW", 77), lo=-200, hi=255)
    word = fields(abi.MM, ins.encode(last=True))
    want = {
        "opcode": 1,
        "last": 1,
        "gate_unit": 2,
        "gate": 77,
        "lookup": 1,
        "slot": 7,
        "relu": 1,
        "wide": 1,
        "lo": -200,
    }
    assert {name: word[name] for name in want} == want
    assert word["hi"] & 511 == 255
    row = Row(True, True, -7, 8, "MM", 4, 2, 1, 10, 2, 20, 3, 100, 7, 1 << 39, gate=Gate("DIN", 5))
    word = fields(abi.ROW, row.encode(last=False))
    assert (word["op"], word["eps"], word["length"], word["words"], word["rows"]) == (2, 1 << 39, 100, 7, 1)
    assert fields(abi.DIN, Din(64, 9, 0, 3).encode(True))["offset"] == 64
    assert fields(abi.DOUT, Dout(64, 9, 3, 3, "ROW", 4, 2).encode(True))["dep_unit"] == abi.UNITS["ROW"]
    assert fields(abi.ROW, Nop(Gate("MM", 3)).encode(True, abi.ROW))["opcode"] == abi.OPCODES["NOP"]


def test_a_value_that_does_not_fit_is_told():
    with pytest.raises(ValueError, match="field 'a': .* does not fit 20 bits"):
        instruction([Loop(1)], a=1 << 20).encode(True)
