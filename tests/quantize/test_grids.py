"""Scales from calibration."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.quantize import float_ops as ops  # noqa: E402
from hwgen.quantize.grids import METHODS, activation_grid  # noqa: E402
from tests.support import cases  # noqa: E402


def error(values, grid) -> float:
    lo, hi = (-128, 127) if grid.signed else (0, 255)
    return float(np.mean((np.clip(np.round(values / grid.scale), lo, hi) * grid.scale - values) ** 2))


def test_minmax_takes_the_largest_magnitude():
    assert activation_grid(np.float32([-2, 1]), True, "minmax").scale == pytest.approx(2 / 127)
    assert activation_grid(np.float32([0, 1]), False, "minmax").scale == pytest.approx(1 / 255)


def test_percentile_leaves_outliers_out():
    values = np.concatenate([np.linspace(0, 1, 1000), [50]]).astype(np.float32)
    assert activation_grid(values, False, "percentile", 99).scale < 1.01 / 255


@pytest.mark.parametrize("seed", range(cases(5, 100)))
def test_mse_is_never_much_worse_than_others(seed):
    rng = np.random.default_rng(seed)
    values = (rng.standard_t(3, 20000) * 10.0 ** rng.integers(-6, 6)).astype(np.float32)
    found = {method: error(values, activation_grid(values, True, method)) for method in METHODS}
    assert found["mse"] <= 1.05 * min(found.values()), found
    assert found["mse"] < found["minmax"]


@pytest.mark.parametrize("method", METHODS)
def test_zeros_have_a_grid(method):
    grid = activation_grid(np.zeros(8, np.float32), True, method)
    assert grid.scale > 0


@pytest.mark.parametrize(
    "layer",
    [
        ops.Linear(name="l", weight=np.arange(12.0).reshape(4, 3)),
        ops.Conv(name="c", weight=np.arange(24.0).reshape(4, 2, 3), stride=(1,), pads=(0, 0), dilation=(1,)),
        ops.ConvTranspose(name="t", weight=np.arange(48.0).reshape(4, 3, 4), stride=1, pads=(0, 0), groups=2),
    ],
)
def test_channels_and_back(layer):
    rows = layer.by_channel(layer.weight)
    assert len(rows) == layer.channels == (6 if layer.op == "ConvTranspose" else len(rows))
    assert (layer.from_channels(rows) == layer.weight).all()
