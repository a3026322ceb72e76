"""The zoo as RTL: generated, simulated, equal to golden in every bit and to the prediction in every clock."""

import numpy as np
import pytest

from hwgen.backends.engine.generate import generate
from hwgen.backends.options import Options
from hwgen.evaluate.simulate import simulate
from hwgen.policies import zoo
from hwgen.policies.zoo.catalogue import ENTRIES, SMALL
from tests.support import FULL

ARRAY = (16, 16)
SAMPLE = 2
SMALLS = [entry.name + SMALL for entry in ENTRIES]

pytestmark = pytest.mark.rtl


def names(seed: int) -> list[str]:
    """All of the small sizes, or some that the seed draws."""
    return SMALLS if FULL else sorted(np.random.default_rng(seed).choice(SMALLS, SAMPLE, replace=False))


def test_small_sizes_are_exact(seed, tmp_path):
    for name in names(seed):
        print(f"seed {seed}: {name}")
        folder = tmp_path / name
        generate(zoo.save(name, tmp_path), "zcu104", Options(array=ARRAY), folder)
        report = simulate(folder)  # raises where a bit or a clock differs
        assert report["bit_exact"] and report["vectors"] == 32, name
        assert report["latency_cycles"] == report["predicted_cycles"], name
        assert sum(layer["busy"] + layer["idle"] for layer in report["layers"]) == report["latency_cycles"], name
