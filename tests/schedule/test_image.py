"""Packing of the image's words: what goes in comes out, by an independent decoder."""

import numpy as np
import pytest

from hwgen.runtime import abi
from hwgen.schedule import EngineConfig, compile_graph
from hwgen.schedule.image import image, pack_params, pack_weights
from tests.schedule.decode import lane_word, weight_word, words
from tests.schedule.strategies import SIDES
from tests.schedule.test_image_meaning import two_layers


@pytest.mark.parametrize("ww", range(2, 9))
def test_weights(ww, rng):
    config = EngineConfig(*rng.choice(SIDES, 2).tolist(), ww=ww)
    weights = rng.integers(-(1 << (ww - 1)), 1 << (ww - 1), (3, config.m, config.n))
    data = pack_weights([w.reshape(-1).astype(np.int8) for w in weights], config)
    size = config.weight_beats * 16
    assert len(data) == 3 * size
    for k, want in enumerate(weights):
        np.testing.assert_array_equal(weight_word(data[k * size : (k + 1) * size], config), want)


def test_params(rng):
    limits = {"mult": (-(2**17), 2**17), "shift": (0, 64), "bias": (-(2**47), 2**47), "rmult": (-(2**26), 2**26)}
    table = np.stack([rng.integers(*limits[name], 64) for name in ("mult", "shift", "bias", "rmult")], axis=1)
    for i, name in enumerate(limits):
        table[:2, i] = limits[name][0], limits[name][1] - 1
    for i, want in enumerate(table):
        one = pack_params([table[i : i + 1]])
        assert one == abi.pack(abi.PARAM, mult=want[0], shift=want[1], bias=want[2], rmult=want[3])
    got = lane_word(pack_params([table]))
    for i, name in enumerate(limits):
        np.testing.assert_array_equal(got[name], table[:, i])


def test_sections(rng):
    design = compile_graph(two_layers(rng), 8, 8)
    data = image(design.program, design.config, 0xFEED)
    assert abi.unpack(abi.IMAGE_HEADER, data[:16])["hash"] == 0xFEED
    got = words(data, design.config)
    assert len(got["WEIGHT"]) == 3 * 6 + 5 * 2 == len(design.program.weights)  # chunks x groups, in whole words
    assert len(got["PROG_MM"]) == 2 and len(got["PROG_DIN"]) == len(got["PROG_DOUT"]) == 1
    assert not got["PROG_ROW"] and not got["TABLE"]


def test_nothing():
    config = EngineConfig(8, 8)
    assert pack_weights([], config) == pack_params([]) == b""
