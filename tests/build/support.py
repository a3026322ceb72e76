"""Designs small enough to be made at once, and vendors' tools that are shell scripts."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from hwgen import boards, resources
from hwgen.backends.engine import generate
from hwgen.graph.random_graphs import Limits, random_graph

BOARDS = ("zcu104", "kv260", "kr260", "ultra96v2", "pynq-z2")
MODEL = resources.path("sim", "vivado", "model.tcl")

needs_tclsh = pytest.mark.skipif(shutil.which("tclsh") is None, reason="the model of Vivado runs in tclsh")


@functools.cache
def _engine(board_name: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="hwgen-test-"))
    board = boards.load(board_name)
    generate.write(generate.choose(random_graph(3, Limits()), board, (8, 8)), board, folder)
    return folder


def engine_design(folder: Path, board_name: str = "zcu104") -> Path:
    """A generated engine in `folder`."""
    return Path(shutil.copytree(_engine(board_name), folder, dirs_exist_ok=True))


def with_masters(design: Path, count: int) -> Path:
    """The design with its AXI master's ports `count` times, as m_axi, m_axi_1, ...: for the scripts alone."""
    file = design / "rtl" / "hwgen_top.sv"
    text = file.read_text()
    lines = [
        line for line in text.splitlines(keepends=True) if re.match(r"\s*(input|output) +wire .*\bm_axi_\w+,$", line)
    ]
    more = "".join(line.replace("m_axi_", f"m_axi_{i}_") for i in range(1, count) for line in lines)
    file.write_text(text.replace(lines[-1], lines[-1] + more))
    return design


def hls4ml_design(folder: Path, board_name: str = "zcu104", top: str = "policy_core") -> Path:
    """What the flows look at in a folder of the hls4ml backend: RTL, manifest, report and the project's scripts."""
    engine_design(folder, board_name)
    (folder / "project.tcl").write_text(f'variable project_name\nset project_name "{top}"\nset backend "vitis"\n')
    (folder / "build_prj.tcl").write_text("exit\n")
    (folder / "build_opt.tcl").write_text("array set opt {}\n")
    return folder


def finn_design(folder: Path, **config: object) -> Path:
    """What the flow looks at in a folder of the FINN backend."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "output_dir": "build", "enable_build_pdb_debug": False,
        "generate_outputs": ["estimate_reports", "bitfile", "pynq_driver", "deployment_package"],
    }  # fmt: skip
    (folder / "dataflow_build_config.json").write_text(json.dumps(content | config))
    (folder / "manifest.json").write_text(json.dumps({"name": "x", "outputs": [{"name": "y", "scale": 0.25}]}))
    (folder / "report.json").write_text(json.dumps({"backend": "finn", "latency_cycles": None}))
    np.save(folder / "expected_output.npy", np.array([[1.0, -2.0], [0.5, 0.25]], np.float32))
    return folder


def tool(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch | None = None) -> Path:
    """An executable shell script `name` in `folder`; with `monkeypatch`, first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    if monkeypatch is not None:
        monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return file


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, *names: str) -> None:
    """A PATH with nothing on it but what shell scripts use and the tools named (where there are such)."""
    bare = folder / "bare"
    bare.mkdir(parents=True)
    for name in (*names, "sh", "cat", "cp", "dirname", "grep", "mkdir", "test"):
        if found := shutil.which(name):
            (bare / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(bare))
