"""The driver in the pynq environment, asked from the flow environment."""

import subprocess

import numpy as np
import pytest

from hwgen.errors import ToolError
from hwgen.evaluate.driver_client import DriverClient, DriverError
from tests.support import ROOT, flow_python, pynq_python

needs_pynq = pytest.mark.skipif(not pynq_python().exists(), reason="needs .venv-pynq (make env)")


@pytest.fixture(scope="module")
def folder():
    made = ROOT / "build" / "test-cache" / "runtime-1"
    words = [str(flow_python()), "-m", "tests.runtime.generated", str(made), "1"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return made


@pytest.mark.rtl
@pytest.mark.xdist_group("runtime-rtl")
@pytest.mark.parametrize("direct", [True, pytest.param(False, marks=needs_pynq)])
class TestOverTheRtl:
    def test_a_batch_equals_golden(self, folder, direct):
        with np.load(folder / "frames.npz") as data:
            arrays = dict(data)
        python = flow_python() if direct else None
        with DriverClient(folder / "policy.hwpkg", folder, python, direct=direct) as client:
            assert client.info["device"] == ("SimDirect" if direct else "PynqPort")
            got, cycles = client.infer({name: arrays[name] for name in ("state", "prior")})
            assert all((got[name] == arrays[name]).all() for name in ("grip", "motion"))
            assert set(cycles.tolist()) == {client.info["predicted_cycles"]}
            assert client.selftest()["latency_cycles"] == client.info["predicted_cycles"]
            client.reset()
            assert client.stats()["errors"] == 0

    def test_an_error_crosses_the_pipe(self, folder, direct):
        python = flow_python() if direct else None
        with DriverClient(folder / "policy.hwpkg", folder, python, direct=direct) as client:
            with pytest.raises(DriverError, match="input 'state' is nan") as caught:
                client.infer({"state": np.full((1, 44), np.nan), "prior": np.zeros((1, 24))}, raw=False)
            assert caught.value.kind == "InputFault"
            client.infer({"state": np.zeros((1, 44)), "prior": np.zeros((1, 24))}, raw=False)


def test_no_such_interpreter(tmp_path):
    with pytest.raises(ToolError, match="nowhere: cannot start the driver's Python"):
        DriverClient(tmp_path / "p.hwpkg", tmp_path, tmp_path / "nowhere")


def test_a_package_that_is_not_there(tmp_path):
    with pytest.raises(DriverError, match="absent.hwpkg: cannot be read") as caught:
        DriverClient(tmp_path / "absent.hwpkg", tmp_path, flow_python(), direct=True)
    assert caught.value.kind == "PackageError"


def test_a_process_that_ends_is_named(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'no module named hwgen' >&2\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(ToolError, match=r"ended \(exit code 3\): no module named hwgen"):
        DriverClient(tmp_path / "p.hwpkg", tmp_path, script)


def test_a_process_that_says_nothing(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    script.chmod(0o755)
    with pytest.raises(ToolError, match="did not answer in 0.2 s"):
        DriverClient(tmp_path / "p.hwpkg", tmp_path, script, timeout=0.2)
