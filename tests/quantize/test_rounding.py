"""Weights on their grid: a scale for each channel, sums that stay."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.quantize import float_ops as ops  # noqa: E402
from hwgen.quantize.rounding import compensated, nearest, round_weight, spread  # noqa: E402
from tests.support import cases  # noqa: E402


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_a_scale_for_each_output_channel(bits):
    rng = np.random.default_rng(bits)
    size = 10.0 ** np.arange(-3, 3)
    weight = (rng.normal(size=(64, 6)) * size).astype(np.float32)
    layer = ops.Linear(name="fc", weight=weight)
    ints, scale = round_weight(layer, weight, bits, "mse", None)
    plain, largest = round_weight(layer, weight, bits, "minmax", None)
    assert ints.dtype == np.int8 and abs(ints).max() <= 2 ** (bits - 1) - 1
    better, worse = (((i * s - weight) ** 2).sum(0) for i, s in ((ints, scale), (plain, largest)))
    assert (better <= worse * 1.0001).all()
    assert np.allclose(np.log10(scale / scale[0]), np.arange(6), atol=0.5)


def correlated(rng, rows: int, width: int) -> np.ndarray:
    """Inputs with few directions, as activations have."""
    mixed = rng.normal(size=(rows, width // 4)) @ rng.normal(size=(width // 4, width))
    return (mixed + 0.1 * rng.normal(size=(rows, width))).astype(np.float32)


def smooth(rng, shape: tuple[int, ...]) -> np.ndarray:
    """Neighbours are alike, as in pictures."""
    x = rng.normal(size=shape)
    for axis in range(2, len(shape)):
        x = x.cumsum(axis)
    return x.astype(np.float32)


def layers(rng) -> dict[str, tuple[ops.Weighted, np.ndarray]]:
    """Each kind that is rounded so, with inputs."""
    two, one = {"stride": (2, 1), "pads": (1, 0, 0, 1), "dilation": (1, 1)}, {"stride": (1,), "pads": (1, 1)}
    weights = [rng.normal(size=size).astype(np.float32) for size in ((24, 16), (6, 8, 3, 3), (8, 4, 3))]
    return {
        "linear": (ops.Linear(name="l", weight=weights[0]), correlated(rng, 400, 24).reshape(40, 10, 24)),
        "conv2d": (ops.Conv(name="c", weight=weights[1], **two), smooth(rng, (20, 8, 6, 6))),
        "grouped": (ops.Conv(name="g", weight=weights[2], dilation=(1,), groups=2, **one),
                    smooth(rng, (20, 8, 24))),
    }  # fmt: skip


@pytest.mark.parametrize("name, usual", [("linear", 0.15), ("conv2d", 0.35), ("grouped", 0.6)])
def test_sums_are_closer_than_with_weights_rounded_alone(name, usual):
    """For every layer; by how much, for the usual one: 6 inputs to an output leave less to compensate than 24."""
    ratios = []
    for seed in range(cases(5, 200)):
        layer, x = layers(np.random.default_rng(seed))[name]
        alone, together = (sum_error(layer, x, inputs) for inputs in (None, x))
        assert together < alone, f"seed {seed}: {together:.4g} with compensation, {alone:.4g} without"
        ratios.append(together / alone)
    assert np.median(ratios) < usual


def sum_error(layer: ops.Weighted, x: np.ndarray, inputs: np.ndarray | None) -> float:
    """Mean square that 3-bit weights, rounded for these inputs, change in the layer's sums for x."""
    ints, scale = round_weight(layer, layer.weight, 3, "mse", inputs)
    rows = layer.by_channel(ints) * scale[:, None]
    changed = type(layer)(**{**vars(layer), "weight": layer.from_channels(rows).astype(np.float32)})
    return float(np.mean((changed.compute(x) - layer.compute(x)) ** 2))


def test_independent_inputs_leave_nothing_to_compensate():
    rows = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    scale = np.full(5, 0.3)
    found = compensated(rows, scale, 7, np.diag(np.arange(1.0, 8.0)))
    assert (found == nearest(rows, scale[:, None].astype(np.float32), 7)).all()


@pytest.mark.parametrize("kind", ["linear", "conv2d", "grouped"])
def test_columns_are_what_rows_of_weights_are_multiplied_with(kind):
    layer, x = layers(np.random.default_rng(1))[kind]
    groups = layer.columns(x)
    rows = np.split(layer.by_channel(layer.weight), len(groups))
    sums = np.concatenate([g @ r.T for g, r in zip(groups, rows, strict=True)], axis=-1)
    wanted = np.moveaxis(layer.compute(x), layer.axis, -1).reshape(sums.shape)
    assert np.allclose(sums, wanted, atol=1e-4)


def test_inputs_that_are_all_zero_round_to_nearest():
    layer = ops.Linear(name="l", weight=np.eye(4, dtype=np.float32) * 0.7)
    ints, scale = round_weight(layer, layer.weight, 4, "mse", np.zeros((8, 4), np.float32))
    assert np.allclose(np.diag(ints * scale), 0.7, atol=0.06)


def test_wide_layers_use_fewer_observations():
    layer = ops.Linear(name="l", weight=np.zeros((4000, 2), np.float32))
    assert len(spread(layer, np.zeros((1000, 4000), np.float32))) == 250
