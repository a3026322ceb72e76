"""The bench for FINN's RTL, on a module of ours with the same ports; with HWGEN_FINN, on what real FINN generates."""

import io
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from hwgen import boards
from hwgen.backends.finn.generate import plan, write
from hwgen.backends.options import Options
from hwgen.errors import InputError
from hwgen.graph.random_graphs import Limits, random_graph
from scripts.finn_rtl import run
from tests.support import ROOT, cases

FRAMES, BEATS = 5, 4
ADDER = Path(__file__).with_name("adder.sv")

pytestmark = pytest.mark.rtl


def fill(folder: Path, beats: list[int], expected: list[int]) -> None:
    (folder / "in.hex").write_text("\n".join(f"{b:x}" for b in beats))
    (folder / "out.hex").write_text("\n".join(f"{b:x}" for b in expected))


def entry(**more) -> dict:
    stream = {"bits": 8, "used": 7, "beats": BEATS}
    given = {"name": "adder", "op": "Adder_rtl", "estimate": BEATS, "frames": FRAMES, "top": "adder"}
    return given | {"in": stream, "out": stream, "weights": {"bits": 8, "words": 2}} | more


@pytest.fixture(scope="module")
def adder(tmp_path_factory):
    """(folder, program, beats, what comes out): built once."""
    folder = tmp_path_factory.mktemp("adder")
    shutil.copy(ADDER, folder)
    (folder / "layer.json").write_text(json.dumps(entry()))
    (folder / "weights.hex").write_text("3\n50\n")
    rng = random.Random(1)
    beats = [rng.randrange(0, 0xFE) for _ in range(FRAMES * BEATS)]
    right = [(b + (0x50 if i % 2 else 3)) & 0xFF for i, b in enumerate(beats)]
    fill(folder, beats, right)
    return folder, run.build(folder, run.read(folder), Path("none"), 300), beats, right


def test_a_right_layer_has_no_mismatch_and_its_clocks_are_counted(adder):
    folder, program, beats, right = adder
    fill(folder, beats, right)
    assert run.measure(program, folder) == {"mismatches": 0, "first": BEATS + 1, "interval": BEATS}
    stalled = run.measure(program, folder, stall=40)
    assert stalled["mismatches"] == 0
    assert stalled["first"] > BEATS + 1


def test_padding_bits_do_not_count_but_every_other_does(adder):
    folder, program, beats, right = adder
    fill(folder, beats, [r ^ 0x80 for r in right])  # bit 7 is not used
    assert run.measure(program, folder)["mismatches"] == 0
    for bit in range(7):
        fill(folder, beats, right[:-1] + [right[-1] ^ (1 << bit)])
        assert run.measure(program, folder)["mismatches"] == 1


def test_too_much_and_too_little_are_seen(adder):
    folder, program, beats, right = adder
    fill(folder, [*beats[:-1], 0xFE], [*right[:-1], (0xFE + 0x50) & 0xFF])
    assert run.measure(program, folder)["mismatches"] == 1
    fill(folder, [0xFF, *beats[1:]], [2, *right[1:]])
    assert "TIMEOUT after 1 of 20 output beats" in run.measure(program, folder)["reason"]


def test_what_cannot_run_says_why(tmp_path):
    (tmp_path / "layer.json").write_text(json.dumps(entry(reason="HLS C++")))
    assert run.run_layer(tmp_path, Path("none"))["reason"] == "HLS C++"
    (tmp_path / "layer.json").write_text(json.dumps(entry(top="absent")))
    (tmp_path / "absent.sv").write_text("module absent; syntax error")
    assert "verilator failed" in run.run_layer(tmp_path, Path("none"))["reason"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": 1, "op": 2, "estimate": 3, "frames": 4}'])
def test_a_spoilt_layer_is_named(tmp_path, text):
    (tmp_path / "layer.json").write_text(text)
    with pytest.raises(InputError, match=r"layer\.json cannot be used"):
        run.read(tmp_path)


def test_the_table_names_layers_and_reasons():
    console = Console(file=io.StringIO(), width=120)
    given = {"op": "x", "estimate": 9, "frames": 3}
    ran = given | {"name": "MVAU_rtl_0", "mismatches": 0, "first": 17, "interval": 9}
    run.show([ran, given | {"name": "VVAU_hls_0", "reason": "HLS C++ [vitis]"}], console)
    text = console.file.getvalue()
    assert "17" in text
    assert "VVAU_hls_0: HLS C++ [vitis]" in text


@pytest.mark.skipif("HWGEN_FINN" not in os.environ, reason="needs HWGEN_FINN: a FINN v0.10.1 checkout")
@pytest.mark.parametrize("seed", cases([2], range(2, 8)))
def test_what_real_finn_generates(seed, tmp_path):
    finn = Path(os.environ["HWGEN_FINN"])
    python = os.environ.get("HWGEN_FINN_PYTHON", str(finn.parent / "env/bin/python"))
    graph = random_graph(seed, Limits(norms=False, rms=False, vectors=True, max_width=16))
    write(plan(graph, boards.load("zcu104"), Options(multipliers=64)), tmp_path / "dir")
    scripts = ROOT / "scripts"
    check = [scripts / "finn_check/check.py", tmp_path / "dir", "--keep", tmp_path / "work"]
    layers = [scripts / "finn_rtl/layers.py", tmp_path / "work", "-o", tmp_path / "layers"]
    for words in (check, layers):
        done = subprocess.run([python, *words, "--finn", finn], capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    results = [run.run_layer(f.parent, finn / "finn-rtllib") for f in (tmp_path / "layers").glob("*/layer.json")]
    assert any("mismatches" in r for r in results)
    assert all(r["mismatches"] == 0 for r in results if "_rtl" in r["name"]), results
