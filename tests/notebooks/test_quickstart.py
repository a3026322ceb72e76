"""Runs the notebook's cells as the board's Jupyter would, on the simulated RTL: through the real pynq where there is
one.
"""

import ast
import contextlib
import importlib.util
import io
import json
import re
import subprocess
from pathlib import Path

import pytest

import hwgen.notebooks
from hwgen.runtime import driver
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.simbus import SimBus
from tests.support import ROOT, flow_python

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("notebooks")]
NOTEBOOK = Path(hwgen.notebooks.__file__).with_name("hwgen_quickstart.ipynb")
BOOK = json.loads(NOTEBOOK.read_text())
CELLS = ["".join(cell["source"]) for cell in BOOK["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="session")
def design():
    folder = ROOT / "build" / "test-cache" / "notebooks"
    words = [str(flow_python()), "-m", "tests.notebooks.design", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture
def bus(design):
    with SimBus.open(design).sim as sim:
        yield SimBus(sim)
        assert sim.protocol_error is None


@pytest.fixture
def board(bus, design, tmp_path, monkeypatch):
    """The working folder of a board's notebook: the package in it, the simulated engine as the board's own."""
    package = tmp_path / "policy.hwpkg"
    package.write_bytes((design / "policy.hwpkg").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    if importlib.util.find_spec("pynq") is None:
        monkeypatch.setattr(driver, "open_port", lambda *_: SimDirect(bus))
        return bus
    import pynq

    from hwgen.runtime.sim_device import open_sim

    device, bitstream = open_sim(bus)
    for suffix in (".bit", ".hwh"):
        package.with_suffix(suffix).write_bytes(bitstream.with_suffix(suffix).read_bytes())
    monkeypatch.setattr(pynq.pl_server.device.DeviceMeta, "_active_device", device, raising=False)
    return bus


def run(cells):
    """Each cell's printed text and the value of its last line, as Jupyter shows them."""
    names, shown = {"__name__": "__main__"}, []
    for source in cells:
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(tree, NOTEBOOK.name, "exec"), names)  # noqa: S102
            value = eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names) if last else None
        shown.append((source, printed.getvalue(), value))
    return shown


def of(shown, word):
    """What the cell with this word showed."""
    ((_, printed, value),) = [row for row in shown if word in row[0]]
    return printed, value


def test_every_cell(board):
    shown = run(CELLS)
    report = of(shown, "policy.selftest()")[1]
    assert report["policy_vectors"] == 8
    assert report["latency_cycles"] == report["predicted_cycles"]
    printed, actions = of(shown, "spec = policy.policy")
    assert "instruction: text" in printed and "-> 8 actions of 3 numbers" in printed
    assert actions.shape == (8, 3)
    assert (of(shown, "policy.swap(PACKAGE)")[1] == actions).all(), "the same policy answers after the swap"
    assert re.match(r"\d+ actions; \d+ ticks, \d+ misses, \d+ skipped, 0 faults;", of(shown, "ControlLoop(")[0])
    assert f"{report['predicted_cycles']} clocks" in of(shown, "time.perf_counter()")[0]
    health = of(shown, "policy.health()")[1]
    assert health["swaps"] == 1 and not health["errors"]


def test_no_outputs_are_kept():
    for cell in BOOK["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    assert BOOK["nbformat"] == 4 and "widgets" not in BOOK["metadata"]
