"""The comparison of packing runs whatever driver the checkout holds, and refuses one whose bytes are wrong."""

import subprocess
import sys

import pytest

from tests.support import ROOT

SCRIPT = ROOT / "scripts" / "finn_packing.py"
STAND_IN = """
import numpy as np
from pynq import Overlay, allocate
from pynq.ps import Clocks

DataType = {"UINT8": "UINT8"}

class FINNExampleOverlay(Overlay):
    def fold_input(self, frame):
        assert frame.shape == self._io_shape_dict["ishape_normal"][0]
        return frame.reshape(self._io_shape_dict["ishape_folded"][0])

    def pack_input(self, folded):
        return folded.astype(np.uint8)OFFSET

    def copy_input_data_to_device(self, data):
        np.copyto(self.ibuf_packed_device[0], data)
        self.ibuf_packed_device[0].flush()
"""


def run(folder, offset=""):
    driver = folder / "src/finn/qnn-data/templates/driver/driver_base.py"
    driver.parent.mkdir(parents=True)
    driver.write_text(STAND_IN.replace("OFFSET", offset))
    command = [sys.executable, SCRIPT, "--finn", folder, "--shape", "8x6x3", "--repeat", "1"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_table(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "one 8x6x3 frame" in done.stdout
    for row in ("FINN | float32", "FINN | uint8", "hwgen, packing | float32", "hwgen, all of infer() | uint8"):
        assert f"| {row} |" in done.stdout


def test_wrong_bytes_are_no_result(tmp_path):
    done = run(tmp_path, offset=" + 1")
    assert done.returncode != 0
    assert "FINN's bytes are the frame's" in done.stderr


@pytest.mark.parametrize("arguments, told", [
    (["--finn", "/nowhere"], "/nowhere is no checkout of FINN: it lacks src/finn"),
    (["--finn", "/nowhere", "--shape", "8x6"], "--shape is height x width x channels"),
    (["--finn", "/nowhere", "--simd", "2"], "--simd divides the channels"),
])  # fmt: skip
def test_bad_arguments(arguments, told):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert told in done.stderr
