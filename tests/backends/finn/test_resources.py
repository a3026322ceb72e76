"""FINN's resource estimates: number by number as real FINN gives them; and what we add to them."""

import json
import os
from pathlib import Path

import pytest

from hwgen.backends.finn.resources import Resources, bits, needed, reported
from tests.backends.finn.random_layers import EXPECTATIONS, ask_finn, layers
from tests.support import cases

KEYS = {"bram18": "BRAM_18K", "lut": "LUT", "uram": "URAM", "dsp": "DSP"}
MATRIX = {
    "MW": 64, "MH": 64, "PE": 8, "SIMD": 16, "inputDataType": "INT8", "weightDataType": "INT8",
    "outputDataType": "INT22", "noActivation": 1,
}  # fmt: skip


def compare(layer: dict, want: dict) -> None:
    got = reported(layer["op"], layer["attrs"])
    assert {key: getattr(got, ours) for ours, key in KEYS.items()} == {k: want[k] for k in KEYS.values()}, layer


def test_as_real_finn_gave_them():
    for layer, want in zip(layers(), json.loads(EXPECTATIONS.read_text()), strict=True):
        compare(layer, want)


@pytest.mark.skipif("HWGEN_FINN" not in os.environ, reason="needs HWGEN_FINN: a FINN v0.10.1 checkout")
def test_as_real_finn_gives_them_now():
    checkout = Path(os.environ["HWGEN_FINN"])
    python = os.environ.get("HWGEN_FINN_PYTHON", str(checkout.parent / "env/bin/python"))
    for seed in cases(range(2, 4), range(2, 30)):
        drawn = layers(seed)
        for layer, want in zip(drawn, ask_finn(checkout, python, drawn), strict=True):
            compare(layer, want)


def test_eight_bit_products_pack_in_pairs():
    assert reported("MVAU_rtl", MATRIX).dsp == 2 * 16
    assert needed("MVAU_rtl", MATRIX).dsp == 4 * 16
    assert needed("MVAU_rtl", MATRIX | {"inputDataType": "UINT4", "weightDataType": "INT4"}).dsp == 2 * 16


def test_weights_in_lutram_are_counted():
    block, distributed = needed("MVAU_rtl", MATRIX), needed("MVAU_rtl", MATRIX | {"ram_style": "distributed"})
    assert distributed.bram18 == 0 < block.bram18
    assert distributed.lut == block.lut + 8 * 16 * 8


def test_thresholds_take_memory():
    attrs = {"NumChannels": 256, "PE": 1, "inputDataType": "INT24", "weightDataType": "INT24", "outputDataType": "INT8"}
    need = 255 * 256 * 24
    assert needed("Thresholding_rtl", attrs).lut >= need // 64
    in_blocks = needed("Thresholding_rtl", attrs | {"depth_trigger_bram": 64, "depth_trigger_uram": 1 << 20})
    assert in_blocks.bram18 >= need // 18432
    assert in_blocks.lut < need // 64
    assert reported("Thresholding_rtl", attrs | {"depth_trigger_bram": 64, "depth_trigger_uram": 1 << 20}).bram18 == 0


def test_resources_add_up():
    assert Resources(1, 2, 3, 4, 5) + Resources(lut=1) == Resources(1, 2, 4, 4, 5)


@pytest.mark.parametrize(("name", "width"), [("INT8", 8), ("UINT13", 13), ("BIPOLAR", 1), ("TERNARY", 2)])
def test_width_of_a_data_type(name, width):
    assert bits(name) == width
