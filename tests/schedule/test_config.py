import pytest

from hwgen.errors import InputError
from hwgen.schedule.config import EngineConfig, parse_array


@pytest.mark.parametrize("text, array", [("16x32", (16, 32)), (" 8 X 64 ", (8, 64))])
def test_array(text, array):
    assert parse_array(text) == array


@pytest.mark.parametrize("text", ["", "16", "16x", "16*32", "-8x8", "8x8x8"])
def test_not_an_array(text):
    with pytest.raises(InputError, match="not of the form NxM, for instance 16x32"):
        parse_array(text)


@pytest.mark.parametrize("text", ["12x16", "0x8", "128x8"])
def test_array_that_cannot_be_built(text):
    with pytest.raises(InputError, match="N and M must each be one of 8, 16, 32, 64"):
        parse_array(text)


@pytest.mark.parametrize("n, stages", [(8, 2), (16, 2), (32, 3), (64, 3)])
def test_derived_numbers(n, stages):
    config = EngineConfig(n, 8, ww=3)
    assert config.v == max(n, 16) and config.multipliers == 8 * n
    assert config.tree_stages == stages and config.pipe == 12 + stages
    assert config.resized(residual=True, slots=2).pipe == 14 + stages
    assert config.weight_beats == -(-n * 8 * 3 // 128)
    assert EngineConfig(**config.as_dict()) == config
