"""Resource estimates and the refusal of what does not fit."""

import pytest

from hwgen import boards
from hwgen.errors import FitError
from hwgen.schedule import EngineConfig, fit

ZCU104 = boards.load("zcu104")


def test_two_products_share_a_dsp():
    plain = fit.resources(EngineConfig(16, 16), ZCU104)
    assert plain["dsp"] == 128 + 16 * 2 and plain["source"] == "formula"
    assert fit.resources(EngineConfig(16, 16, residual=True), ZCU104)["dsp"] == 128 + 16 * 3


@pytest.mark.parametrize(
    "more", [{"residual": True}, {"slots": 4}, {"row_param_depth": 512}, {"act_depth": 1024}, {"param_depth": 512}]
)
def test_more_engine_takes_more(more):
    small, large = (fit.resources(EngineConfig(16, 16, **m), ZCU104) for m in ({}, more))
    kinds = ("lut", "ff", "dsp", "bram36", "uram")
    assert all(large[k] >= small[k] for k in kinds) and any(large[k] > small[k] for k in kinds)


def test_deep_weights_go_to_ultraram_where_there_is_some():
    deep = EngineConfig(16, 16, weight_depth=4096)
    assert fit.resources(deep, ZCU104)["uram"] > 0
    assert fit.resources(deep, boards.load("pynq-z2"))["uram"] == 0


def test_what_fits_is_returned_and_what_does_not_is_named():
    config = EngineConfig(16, 64, weight_depth=1024)
    assert fit.check(config, ZCU104) == fit.resources(config, ZCU104)
    with pytest.raises(FitError, match=r"array 16x64 .* does not fit pynq-z2: .*dsp \d+ of 220.*smaller --array"):
        fit.check(config, boards.load("pynq-z2"))
