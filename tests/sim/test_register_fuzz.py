"""Fuzzing the register interface of the RTL: whatever is written, every command ends, nothing malformed is accepted,
and the engine is usable after SOFT_RESET. HWGEN_FULL=1 runs 100,000 cases."""

import numpy as np
import pytest

from hwgen.build import verilate
from hwgen.runtime.simlib import SimLib
from tests.sim import designs
from tests.sim.fuzz_registers import CODE, Fuzz
from tests.support import cases

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("sim_small")]

COUNT = cases(300, 50_000)
BATCH = 2000  # cases between two new simulators


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.full)], ids=["resident", "streamed"])
def small(request, tmp_path_factory):
    small = designs.make(tmp_path_factory.mktemp("small"), np.random.default_rng(1), ports=request.param)
    verilate.build(small.folder)
    return small


@pytest.mark.parametrize("manner", ["patient", "impatient"])
def test_every_command_ends_and_nothing_malformed_is_accepted(small, manner, seed):
    commands, ends = 0, {}
    for first in range(0, COUNT, BATCH):
        with SimLib.open(small.folder) as sim:
            fuzz = Fuzz(sim, small)
            fuzz.revive()
            for i in range(first, min(first + BATCH, COUNT)):
                try:
                    getattr(fuzz, manner)(np.random.default_rng((seed, i)))
                    fuzz.revive()
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}, case {i} (simulator new at {first}): {error}") from error
            commands += fuzz.commands
            for end, count in fuzz.ends.items():
                ends[end] = ends.get(end, 0) + count
    print(f"{manner}: {COUNT} cases, {commands} commands, ends {ends}")
    if manner == "patient" and COUNT >= 300:
        assert {"DONE", "IDLE", "BAD_IMAGE", "NOT_LOADED", "AXI_READ"} <= set(ends) <= {"IDLE", "DONE", *CODE}
