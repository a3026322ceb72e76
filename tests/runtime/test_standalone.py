"""The runtime stands alone: numpy and nothing else of hwgen; pynq only when a board is driven."""

import subprocess
import sys

from tests.support import ROOT

CODE = """
import sys
from hwgen.runtime import bench, driver, host, hwh, serve, sim_direct, simbus, simlib, text
ours = sorted(m for m in sys.modules if m.startswith("hwgen.") and not m.startswith("hwgen.runtime"))
others = sorted(m for m in ("pynq", "tensorflow", "jax", "onnx", "typer", "rich") if m in sys.modules)
print(ours, others)
"""


def test_imports():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("[] []", "")
