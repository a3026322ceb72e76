"""Test set-up for both environments: threads, hypothesis, seeds, and which markers run where."""

import os

# Before NumPy or TensorFlow is imported: two xdist workers on two cores, so one thread each.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import importlib.util  # noqa: E402  (the environment comes first)
import secrets  # noqa: E402

import pytest  # noqa: E402

from tests.support import FULL  # noqa: E402

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:  # the pynq environment has none
    settings = None
else:
    settings.register_profile(
        "hwgen", print_blob=True, derandomize=False, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("hwgen")


@pytest.fixture
def seed() -> int:
    """A fresh random seed, printed when the test fails; HWGEN_SEED repeats one."""
    value = int(os.environ.get("HWGEN_SEED") or secrets.randbits(32))
    print(f"HWGEN_SEED={value}")
    return value


@pytest.fixture
def rng(seed: int):
    """A NumPy generator on the `seed` fixture."""
    import numpy

    return numpy.random.default_rng(seed)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this environment cannot run, with the reason and where it does run."""
    skips = {}
    if not FULL:
        skips["full"] = "runs under make test-full (HWGEN_FULL=1)"
    if importlib.util.find_spec("pynq") is None:
        skips["pynq"] = "needs pynq: runs in .venv-pynq (make test does both)"
    missing = [m for m in ("tensorflow", "panda_gym") if importlib.util.find_spec(m) is None]
    if missing:
        skips["policy"] = f"needs {' and '.join(missing)}: runs in .venv"
    for item in items:
        for marker, reason in skips.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))
