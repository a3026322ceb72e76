"""Opens the sample package on the register-level model: without pynq, and through pynq where it is installed."""

import importlib.util
import os
import subprocess

import pytest

from hwgen.runtime import Accelerator
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import samples
from tests.support import ROOT, flow_python

WAYS = ["direct", pytest.param("pynq", marks=pytest.mark.pynq)]
HAS_PYNQ = importlib.util.find_spec("pynq") is not None


class FakeClock:
    """Each look at it takes a millisecond, and sleeping is free of charge for the tests."""

    def __init__(self, step=1e-3):
        self.time, self.step = 0.0, step

    def now(self):
        self.time += self.step
        return self.time

    def sleep(self, seconds):
        self.time += max(seconds, 0.0)


def open_way(way, package, bus, **options):
    """An Accelerator on `bus`, through SimDirect or through pynq's Overlay and SimDevice; or on a device as it is."""
    if way == "device":
        return Accelerator(package, device=bus, **options)
    if way == "direct":
        return Accelerator(package, device=SimDirect(bus), **options)
    from hwgen.runtime.sim_device import open_sim

    device, bitstream = open_sim(bus)
    return Accelerator(package, bitstream=bitstream, device=device, **options)


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def package(tmp_path):
    return samples.package(tmp_path / "policy.hwpkg")


@pytest.fixture
def model():
    return samples.model()


@pytest.fixture
def accelerator(way, package, model):
    with open_way(way, package, model, timeout=0.05) as opened:
        yield opened


@pytest.fixture(scope="session")
def designs():
    """Folders of one network with two sets of weights; every worker of xdist has its own, for making rewrites them."""
    return _made("runtime")


@pytest.fixture(scope="session")
def streamed_designs():
    """The same of a network whose weights stay in DDR."""
    return _made("runtime-streamed", "1")


def _made(name, *ports):
    folders, worker = [], os.environ.get("PYTEST_XDIST_WORKER", "")
    for seed in ("1", "2"):
        folder = ROOT / "build" / "test-cache" / f"{name}-{seed}{worker}"
        words = [str(flow_python()), "-m", "tests.runtime.generated", str(folder), seed, *ports]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        folders.append(folder)
    return folders
