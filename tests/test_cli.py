"""The command line: help, one-line errors, and what reaches the functions behind the commands."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hwgen import __version__
from tests.support import ROOT

typer_testing = pytest.importorskip("typer.testing", reason="the command needs the flow environment")

from hwgen import cli  # noqa: E402  (typer is known to be there)
from hwgen.backends.options import Options  # noqa: E402
from hwgen.cli import common  # noqa: E402
from hwgen.errors import InputError  # noqa: E402

COMMANDS = (
    "zoo", "quantize", "verify", "train", "boards", "generate", "simulate", "bench", "compare-backends", "sim",
    "explain", "foldings", "plan", "search", "hls", "finn", "bitstream", "package", "inspect",
)  # fmt: skip


def command(*words: str, **extra: str) -> subprocess.CompletedProcess:
    """Run hwgen as a process, the way a user does."""
    import os

    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", **extra}
    return subprocess.run([sys.executable, "-m", "hwgen", *words], capture_output=True, text=True, cwd=ROOT, env=env)


def invoke(*words: str):
    return typer_testing.CliRunner().invoke(cli.app, list(words), catch_exceptions=False)


def test_help_names_every_command_and_imports_nothing_heavy():
    probe = (
        "import sys; from hwgen.cli import app; "
        "from typer.testing import CliRunner; r = CliRunner().invoke(app, ['--help']); print(r.output); "
        "heavy = {'numpy', 'tensorflow', 'onnx', 'jax', 'qonnx', 'matplotlib'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else r.exit_code)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    for name in COMMANDS:
        assert name in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_an_example(name):
    assert f"hwgen {name}" in invoke(name, "--help").output


def test_version():
    assert invoke("--version").output == f"hwgen {__version__}\n"


def test_boards_passes_what_was_asked(calls):
    assert invoke("boards").exit_code == invoke("boards", "zcu104", "--json").exit_code == 0
    assert [call[2:] for call in calls] == [(None, False), ("zcu104", True)]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("generate", "missing.onnx", "--board", "zcu104", "-o", "out"), "missing.onnx does not exist"),
        (("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--backend", "vhdl"), "unknown backend 'vhdl'"),
        (
            ("generate", "x.onnx:head", "--board", "zcu104", "-o", "out"),
            "no policy 'x.onnx' comes along; there are demo,",
        ),
        (("generate", "demo:body", "--board", "zcu104", "-o", "out"), "the parts of a policy are whole, head, encoder"),
        (("generate", "demo", "--board", "ulx3s", "-o", "out"), "or give it demo:head, the encoder then runs on the"),
        (
            ("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--backend", "hls4ml", "--rate-hz", "8"),
            "means nothing to the backend",
        ),
        (("train", "dmeo"), "no policy 'dmeo' comes along"),
        (("generate", "LICENSE", "--board", "zcu104", "-o", "out", "--array", "16by32"), "array '16by32' is not NxM"),
        (("quantize", "LICENSE", "-o", "out.onnx"), "LICENSE is neither .keras"),
        (("simulate", "no/such/design"), "no/such/design does not exist"),
        (("simulate", "zoo:tdmpc"), "zoo:tdmpc is a graph, and this command takes a design: make one with `hwgen"),
        (("package", "demo:head"), "demo:head is a graph, and this command takes a design: make one with `hwgen"),
        (("bench", "zoo:tdmpc", "no.onnx"), "no.onnx does not exist"),
        (("verify", "zoo:tdmpcs"), "the zoo has no 'tdmpcs' (did you mean tdmpc"),
        (("sim", "--board", "zcu105"), "did you mean zcu104?"),
        (("search", "dmeo", "--board", "zcu104"), "no policy 'dmeo' comes along"),
    ],
)
def test_an_error_is_one_line_and_exit_2(words, told):
    done = command(*words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("hwgen: ")
    assert told in done.stderr
    assert not done.stdout


def test_an_output_that_cannot_be_written_is_one_line(monkeypatch, capsys):
    def refuse(**_):
        raise NotADirectoryError(20, "Not a directory", "out/design")

    monkeypatch.setattr(cli, "app", refuse)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "hwgen: out/design: Not a directory; check the path, its permissions and the disk\n"
    )


def test_traceback_on_demand():
    done = command("sim", "--board", "nowhere", HWGEN_TRACEBACK="1")
    assert "Traceback" in done.stderr and "InputError" in done.stderr


def test_the_robots_side_alone_explains_itself():
    """Without typer the command says what to install; simulated by hiding the module."""
    hide = "import sys; sys.modules['typer'] = None; from hwgen.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "pip install 'hwgen[flow]'" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "array"), [(None, None), ("16x32", (16, 32)), (" 8X8 ", (8, 8))])
def test_array(text, array):
    assert common.parse_array(text) == array


@pytest.mark.parametrize("text", ["", "x", "16", "16x", "0x8", "8x0", "-8x8", "8x8x8", "1.5x2", "99999x1"])
def test_array_refused(text):
    with pytest.raises(InputError, match="is not NxM"):
        common.parse_array(text)


@pytest.fixture
def calls(monkeypatch):
    """What the commands would have called, as (module, function, arguments...); nothing is called."""
    seen = []

    def call(module, name):
        return lambda *given: seen.append((module, name, *given))

    monkeypatch.setattr(common, "call", call)
    return seen


def test_generate_passes_what_was_asked_and_sums_it_up(calls, tmp_path: Path):
    graph, out = tmp_path / "g.onnx", tmp_path / "d"
    graph.touch()
    out.mkdir()
    report = {
        "backend": "engine",
        "array": [8, 16],
        "board": "kv260",
        "predicted_cycles": 1500,
        "clock_mhz_assumed": 250.0,
    }
    (out / "report.json").write_text(json.dumps(report | {"utilization": 0.75}))
    done = invoke("generate", str(graph), "--board", "kv260", "--array", "8x16", "-o", str(out))
    assert done.exit_code == 0
    assert calls == [("hwgen.backends", "generate", graph, "kv260", "engine", Options(array=(8, 16)), out)]
    assert "8x16 array on kv260, 1,500 cycles an inference (6.00 us at the assumed 250 MHz), 75% of" in done.output


def test_simulate_passes_what_was_asked(calls, tmp_path: Path):
    assert invoke("simulate", str(tmp_path), "--outputs", "o.npz", "--waves").exit_code == 0
    assert calls == [("hwgen.evaluate.simulate", "simulate", tmp_path, None, Path("o.npz"), True, None)]


@pytest.mark.parametrize(("vectors", "given"), [("12", 12), ("LICENSE", Path("LICENSE"))])
@pytest.mark.parametrize("code", [0, 1])
def test_verify_passes_what_was_asked(monkeypatch, vectors, given, code):
    seen = []
    monkeypatch.setattr(common, "call", lambda module, name: lambda *words: seen.append((module, name, *words)) or code)
    monkeypatch.chdir(ROOT)
    assert invoke("verify", "LICENSE", "--vectors", vectors, "--seed", "7").exit_code == code
    assert seen == [("hwgen.reference.files", "verify_file", Path("LICENSE"), "all", given, 7, False, None)]


def test_sim_passes_what_was_asked(calls, tmp_path: Path):
    policy = tmp_path / "mine.safetensors"
    policy.touch()
    assert invoke("sim", "--board", "kv260", "--policy", str(policy), "--episodes", "3").exit_code == 0
    assert calls == [("hwgen.evaluate.main_job", "run", "kv260", str(policy), 3, 1000, None)]


def test_train_passes_what_was_asked(calls):
    assert invoke("train", "--quick").exit_code == 0
    assert calls == [("hwgen.quantize.train", "main", "demo", None, True)]


def test_flows_pass_what_was_asked(calls, tmp_path: Path):
    graph, out = tmp_path / "g.onnx", tmp_path / "d"
    graph.touch()
    into = ("--board", "kv260", "-o", str(out))
    out.mkdir()
    resources = dict(lut=70123.0, ff=9, dsp=8, bram36=2.5)
    (out / "report.json").write_text(json.dumps({"vivado": {"clock_mhz": 249.9975}, "resources": resources}))
    assert invoke("hls", str(graph), *into, "--io", "stream", "--multipliers", "64").exit_code == 0
    assert invoke("finn", str(graph), *into, "--rate-hz", "30").exit_code == 0
    done = invoke("bitstream", str(graph), *into, "--backend", "hls4ml", "--deadline-us", "5")
    assert done.exit_code == 0
    assert f"250.0 MHz, 70,123 lut, 9 ff, 8 dsp, 2.5 bram36. Next: hwgen package {out}" in done.stdout
    asked = Options(io="stream", multipliers=64), Options(rate_hz=30.0), Options(deadline_us=5.0)
    assert invoke("bitstream", str(graph), *into, "--no-synthesis").exit_code == 0
    shows = calls[0][-1]  # the tools' lines
    assert calls == [
        ("hwgen.build.vitis", "hls", graph, "kv260", asked[0], out, shows),
        ("hwgen.build.finn_docker", "finn", graph, "kv260", asked[1], out, shows),
        ("hwgen.build.bitstream", "bitstream", graph, "kv260", "hls4ml", asked[2], out, shows, True),
        ("hwgen.build.bitstream", "bitstream", graph, "kv260", "engine", Options(), out, shows, False),
    ]


def test_compare_passes_what_was_asked(calls, tmp_path: Path):
    graph = tmp_path / "g.onnx"
    graph.touch()
    assert invoke("compare-backends", str(graph), "--board", "zcu104", "--multipliers", "512").exit_code == 0
    assert calls == [("hwgen.evaluate.compare_backends", "compare", graph, "zcu104", Options(multipliers=512), None)]


def test_a_part_of_a_policy_is_a_graph(calls):
    """demo:head is written where the command can read it, and is gone afterwards."""
    assert invoke("compare-backends", "demo:head", "--board", "zcu104").exit_code == 0
    assert calls[0] == ("hwgen.policies.shipped", "save_part", "demo:head", calls[0][3])
    assert not calls[0][3].exists()


def test_a_network_of_the_zoo_is_a_graph(calls):
    assert invoke("compare-backends", "zoo:tdmpc,bits=4", "--board", "zcu104").exit_code == 0
    assert calls[0] == ("hwgen.policies.zoo", "save", "zoo:tdmpc,bits=4", calls[0][3])
    assert not calls[0][3].exists()


def test_zoo_passes_what_was_asked(calls):
    assert invoke("zoo").exit_code == invoke("zoo", "tdmpc", "--json").exit_code == 0
    assert [call[2:] for call in calls] == [(None, False), ("tdmpc", True)]


def test_generate_shows_the_notes_of_the_report(calls, tmp_path: Path):
    graph, out = tmp_path / "g.onnx", tmp_path / "d"
    graph.touch()
    out.mkdir()
    report = {"backend": "hls4ml", "board": "kv260", "predicted_cycles": 1500, "clock_mhz_assumed": 250.0}
    report |= {"multipliers": 64, "predicted_source": "formula", "notes": ["streams are too wide"]}
    (out / "report.json").write_text(json.dumps(report))
    done = invoke("generate", str(graph), "--board", "kv260", "--backend", "hls4ml", "-o", str(out))
    assert "note: streams are too wide" in done.output and "hls4ml design with 64 multipliers" in done.output
