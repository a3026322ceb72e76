"""Fuzzing the package reader: nothing but PackageError comes out of a hostile file, in bounded time; what is accepted
is sound by an oracle of other code. HWGEN_FULL=1 runs 120,000 files."""

import signal
from contextlib import contextmanager

import numpy as np
import pytest

from hwgen.runtime import Accelerator
from hwgen.runtime.errors import PackageError, RuntimeFault
from hwgen.runtime.package import LIMITS, parse_package
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import policy_samples, samples
from tests.runtime.fuzz_package import KINDS, PATH, assert_sound
from tests.runtime.test_package import members
from tests.support import cases

COUNT = cases(300, 20_000)
HANG_SECONDS = 60


@contextmanager
def no_hang(where: str):
    """An endless file is an error, not a test that never ends."""

    def alarm(*_):
        raise AssertionError(f"{where}: no answer in {HANG_SECONDS} s")

    old = signal.signal(signal.SIGALRM, alarm)
    signal.alarm(HANG_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_hostile_files_are_refused_or_sound(kind, tmp_path, seed):
    parts = members(policy_samples.write(tmp_path / "whole.hwpkg", bitstream=True))
    accepted = refused = 0
    for i in range(COUNT):
        rng = np.random.default_rng((seed, i))
        data, where = kind(parts, rng), f"seed {seed}, case {i}"
        with no_hang(where):
            try:
                package = parse_package(data, PATH)
            except PackageError as error:
                refused += 1
                assert "\n" not in str(error) and len(str(error)) < 2000, where
                continue
            accepted += 1
            with np.errstate(all="ignore"):
                assert_sound(package, data, rng)
    print(f"{kind.__name__}: {accepted} accepted, {refused} refused")
    assert refused


def test_accepted_files_open_on_the_model_of_the_engine(tmp_path, seed):
    """A package with other contents than the sample's, but sound, ends in the driver's own errors at worst."""
    parts = members(policy_samples.write(tmp_path / "whole.hwpkg", bitstream=True))
    opened = 0
    for i in range(cases(200, 5000)):
        rng = np.random.default_rng((seed, i))
        data = KINDS[2 + i % 4](parts, rng)
        try:
            package = parse_package(data, PATH)
            with no_hang(f"seed {seed}, case {i}"), Accelerator(package, device=SimDirect(samples.model())) as policy:
                opened += 1
                policy.selftest()
        except (RuntimeFault, AssertionError) as fault:
            assert not isinstance(fault, AssertionError) or "padding must be zero" in str(fault), f"case {i}"
    assert opened


def test_the_oracle_catches_a_wrong_accept(tmp_path):
    """The oracle itself can fail: a package that lost a golden vector, and one whose bytes are not its own."""
    path = policy_samples.write(tmp_path / "whole.hwpkg", bitstream=True)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    package = parse_package(data, PATH)
    assert_sound(package, data, rng)
    with pytest.raises(AssertionError):
        assert_sound(package, b"x" + data, rng)
    package.selftest["x"][0, 0] ^= 1
    with pytest.raises(AssertionError):
        assert_sound(package, data, rng)
    assert set(members(path)) == set(LIMITS)
