"""Compiling ahead of time for a TPU: with libtpu where it is installed, refusals everywhere."""

import importlib.util
import subprocess
import sys

import pytest

from hwgen.errors import InputError, ToolError
from hwgen.reference import tpu
from tests.reference.graphs import full_house
from tests.support import ROOT

LIBTPU = importlib.util.find_spec("libtpu") is not None


@pytest.mark.skipif(not LIBTPU, reason="needs libtpu, which is no requirement of hwgen")
def test_it_compiles_without_64_bit_operations():
    done = tpu.compile_ahead(full_house()[0])
    assert done.device.startswith("TPU") and done.types["s32"] > 0
    assert done.types["f32"] == done.types["f64"] == 0 and not done.wide


@pytest.mark.skipif(not LIBTPU, reason="needs libtpu, which is no requirement of hwgen")
def test_unknown_topology():
    with pytest.raises(InputError, match="TPU topology 'v99:1x1' is unknown"):
        tpu.compile_ahead(full_house()[0], "v99:1x1")


@pytest.mark.skipif(LIBTPU, reason="libtpu is installed")
def test_absent_compiler():
    with pytest.raises(ToolError, match="libtpu is missing: pip install libtpu"):
        tpu.compile_ahead(full_house()[0])


def test_command_line_errors_are_one_line():
    done = subprocess.run([sys.executable, "-m", "hwgen.reference.tpu"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and done.stderr.startswith("hwgen: give a graph") and done.stderr.count("\n") == 1
