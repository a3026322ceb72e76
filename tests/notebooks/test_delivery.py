"""pynq finds the notebooks and copies them to where a board's Jupyter looks."""

import subprocess
import sys
from pathlib import Path

import pytest

import hwgen.notebooks

FOLDER = Path(hwgen.notebooks.__file__).parent


@pytest.mark.pynq
def test_pynq_lists_and_delivers_them(tmp_path):
    command = [Path(sys.executable).with_name("pynq-get-notebooks")]
    listed = subprocess.run([*command, "--list"], capture_output=True, text=True, check=True, timeout=120)
    assert "hwgen (source: hwgen)" in listed.stdout
    deliver = ["--ignore-overlays", "--path", tmp_path / "notebooks", "hwgen"]
    subprocess.run([*command, *deliver], capture_output=True, text=True, check=True, timeout=120)
    names = {path.name for path in (tmp_path / "notebooks" / "hwgen").iterdir()}
    assert {path.name for path in FOLDER.glob("*.ipynb")} <= names
