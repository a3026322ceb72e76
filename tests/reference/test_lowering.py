"""jax.export lowers the graph for platforms that are not here."""

import re

import numpy as np
import pytest

from hwgen.errors import InputError, ToolError
from hwgen.graph import ops, run
from hwgen.reference import export
from hwgen.reference.lowering import count_operations
from tests.reference.graphs import full_house


@pytest.fixture(scope="module")
def house():
    return full_house()


def test_integers_lower_for_every_platform(house, tmp_path):
    lowered, products = export(house[0], out=tmp_path), (*ops.WEIGHTED, ops.MatMul)
    assert [low.platform for low in lowered] == ["cpu", "cuda", "tpu"]
    assert len({low.text for low in lowered}) == 1, "one program for all platforms"
    for low in lowered:
        assert low.operations["dot_general"] == sum(isinstance(n, products) for n in house[0].nodes)
        assert "custom_call" not in low.operations, "every operator is plain StableHLO"
        assert not re.search(r"x?f(16|32|64)>", low.text), "nothing in it rounds"
        for operands, result in re.findall(r"dot_general.*: \((.*)\) -> (.*?) loc", low.text):
            assert operands.count("xi8>") == 2 and "xi32>" in result
        assert low.wide_operations["dot_general"] == 0 < low.wide_operations["multiply"]
        assert [f.name for f in low.files] == [f"full_house-int-{low.platform}.{kind}" for kind in ("mlir", "jax")]
        assert low.files[0].read_text() == low.text and low.files[1].read_bytes() == low.blob


def test_reals_lower_for_every_platform(house):
    for low in export(house[0], precision="float32"):
        assert "xf64>" not in low.text and low.operations["convolution"] == 5


def test_what_was_saved_runs(house):
    """The CPU's file, read back without the graph, with a batch left open."""
    import jax

    graph, vectors = house
    saved = export(graph, ("cpu",), batch=None)[0].blob
    fed = {n: x.astype(graph.tensors[n].dtype.numpy) for n, x in vectors.items()}
    got = jax.export.deserialize(bytearray(saved)).call(fed)
    for name, want in run(graph, vectors).items():
        assert np.array_equal(got[name], want)


def test_count_operations():
    text = """
      %c = stablehlo.constant dense<1> : tensor<i64> loc(#loc)
      %1 = stablehlo.add %0, %c : tensor<2xi64> loc(#loc1)
      %2 = "stablehlo.gather"(%1) : (tensor<2xi8>) -> tensor<2xi8>
    """
    assert count_operations(text) == ({"add": 1, "gather": 1}, {"add": 1})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"platforms": ("cpu", "npu")}, "cannot lower for npu: use cpu, cuda"),
        ({"precision": "int4"}, "unknown precision 'int4': use one of int, float32, float64"),
        ({"batch": 0}, "batch 0 is not possible"),
    ],
)
def test_bad_requests(house, wrong, message):
    with pytest.raises(InputError, match=message):
        export(house[0], **wrong)


def test_what_does_not_lower_is_named(house, monkeypatch):
    from hwgen.reference import jax_int

    monkeypatch.setitem(jax_int.FUNCTIONS, "MaxPool", lambda step, p, x: int(x.sum()))
    with pytest.raises(ToolError, match="'full_house' does not lower for tpu: Concretization"):
        export(house[0], ("tpu",))
