"""Checkpoints come back exactly, and a bad one is named with the reason and the way out."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from hwgen.errors import InputError
from hwgen.graph import Graph, run
from hwgen.policies import checkpoint
from hwgen.policies.config import PolicyConfig
from hwgen.policies.demo import CHECKPOINT, load_demo


def _rewrite(path, change_metadata=None, change_arrays=None):
    """Copy the shipped checkpoint to path with its metadata or arrays altered."""
    from safetensors import safe_open

    with safe_open(str(CHECKPOINT), framework="numpy") as file:
        metadata = file.metadata()
    arrays = load_file(str(CHECKPOINT))
    if change_metadata:
        change_metadata(metadata)
    if change_arrays:
        change_arrays(arrays)
    save_file(arrays, str(path), metadata=metadata)
    return path


def _config(change):
    def edit(metadata):
        values = json.loads(metadata["config"])
        change(values)
        metadata["config"] = json.dumps(values)

    return edit


def test_the_shipped_checkpoint_is_small_and_loads():
    assert CHECKPOINT.stat().st_size <= 2_000_000
    demo = load_demo()
    assert demo.head.tensors[demo.head.inputs[0]].shape == (demo.config.vector,)


def test_graphs_survive_a_round_trip(tmp_path, rng):
    demo = load_demo()
    path = tmp_path / "again.safetensors"
    graphs = {"encoder": demo.encoder, "head": demo.head}
    checkpoint.save(path, demo.config.to_dict(), graphs, demo.weights, demo.recorded)
    again = load_demo(path)
    x = {demo.head.inputs[0]: rng.integers(-128, 128, (8, demo.config.vector))}
    np.testing.assert_array_equal(*(run(d.head, x)[d.head.outputs[0]] for d in (demo, again)))
    assert again.config == demo.config
    assert isinstance(again.encoder, Graph)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="does not exist.*hwgen train"):
        load_demo(tmp_path / "none.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 1000, 0.5, 0.99])
def test_truncated_file(tmp_path, keep):
    data = CHECKPOINT.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match="damaged"):
        load_demo(path)


def test_not_a_number(tmp_path):
    def spoil(arrays):
        name = next(n for n in sorted(arrays) if n.startswith("float."))
        arrays[name] = np.full_like(arrays[name], np.nan)

    with pytest.raises(InputError, match="NaN"):
        load_demo(_rewrite(tmp_path / "nan.safetensors", change_arrays=spoil))


def test_other_format(tmp_path):
    path = _rewrite(tmp_path / "other.safetensors", change_metadata=lambda m: m.update(format="else"))
    with pytest.raises(InputError, match="format 'else'"):
        load_demo(path)


def test_a_missing_array(tmp_path):
    def lose(arrays):
        del arrays[next(n for n in sorted(arrays) if n.endswith(".weight"))]

    with pytest.raises(InputError, match="contradicts itself"):
        load_demo(_rewrite(tmp_path / "lost.safetensors", change_arrays=lose))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(hidden="many"), "hidden must be int"),
        (lambda c: c.update(chunk=-1), "chunk must be positive"),
        (lambda c: c.update(chunk=4), "head output has shape"),
        (lambda c: c.update(widths=[16, 32]), "encoder output has shape"),
        (lambda c: c.update(widths="wide"), "widths must be a list"),
        (lambda c: c.pop("state"), "expected the entries"),
        (lambda c: c.update(blocks=5), "float weights of block"),
    ],
)
def test_wrong_config(tmp_path, change, message):
    path = _rewrite(tmp_path / "config.safetensors", change_metadata=_config(change))
    with pytest.raises(InputError, match=message):
        load_demo(path)


def test_config_round_trip():
    config = PolicyConfig(integers={"a": 1}, words={"red": 1.0})
    assert PolicyConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
