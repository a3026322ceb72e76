"""Policies by name, and their parts as graphs."""

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.graph import golden, qonnx_in
from hwgen.graph.random_graphs import random_inputs
from hwgen.policies.loading import load_policy
from hwgen.policies.shipped import SHAPES, checkpoint_file, is_part, policy_of, save_part


@pytest.mark.parametrize("name", SHAPES)
def test_every_name_has_a_checkpoint_of_its_shape(name):
    policy, shape = load_policy(name), SHAPES[name]
    found = {field: value for field, value in policy.config.to_dict().items() if field not in ("words", "integers")}
    assert found.items() <= shape.to_dict().items()
    assert any(node.op == "LayerNorm" for node in policy.head.nodes) is found.get("norm", True)


PARTS = [("demo", "whole"), ("demo:head", "head"), ("demo-nonorm:encoder", "encoder"), ("vit-flow", "whole")]


@pytest.mark.parametrize("text, part", PARTS)
def test_a_part_is_written_as_qonnx(text, part, tmp_path, rng):
    file = save_part(text, tmp_path)
    want = load_policy(text.partition(":")[0]).part(part)
    inputs = random_inputs(want, rng, 4)
    found = golden.run(qonnx_in.load(file), inputs)
    for name, values in golden.run(want, inputs).items():
        np.testing.assert_array_equal(found[name], values)
    assert policy_of(file) == text.partition(":")[0]


def test_a_checkpoint_of_ones_own_has_parts_too(tmp_path):
    file = save_part(f"{checkpoint_file('demo-nonorm')}:head", tmp_path)
    assert [node.op for node in qonnx_in.load(file).nodes].count("Linear") == 4
    assert policy_of(file) is None


def test_what_is_a_part_and_what_a_path(tmp_path):
    assert all(map(is_part, ("demo", "demo:head", "dmeo:head", "mine.safetensors", "mine.safetensors:head")))
    assert not any(map(is_part, ("policy.onnx", "build/demo/graph.onnx", str(tmp_path))))


@pytest.mark.parametrize("text", ["dmeo:head", "demo:body", "missing.safetensors:head"])
def test_wrong_names_are_told(text, tmp_path):
    with pytest.raises(InputError):
        save_part(text, tmp_path)
