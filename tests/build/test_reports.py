"""Whatever lies in a report file, reading it ends in figures or in a ToolError that names the file."""

import json
import random
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwgen.build import finn_reports, hls_reports, reports, vivado, vivado_reports
from hwgen.errors import ToolError
from tests.build import test_finn_docker, test_vitis
from tests.build.support import MODEL, engine_design, finn_design, needs_tclsh
from tests.support import cases

VIVADO = {
    "summary.txt": (
        "design_hash=00ff\nversion=2022.2\nclock_mhz=250\nstrategy=S\nwns_ns=0.1\nwhs_ns=0.0\nworst_path=a -> b\n"
        "timing_met=1\n"
    ),
    "utilization.rpt": (
        "| CLB LUTs* | 12 | 0 |\n|   LUT as Memory | 7 | 0 |\n| CLB Registers | 34 | 0 |\n"
        "| Block RAM Tile | 5.5 | 0 |\n| DSPs | 6 | 0 |\n"
    ),
    "timing.rpt": (
        "    WNS(ns)   TNS(ns)   WHS(ns)   THS(ns)  WPWS(ns)  TPWS(ns)\n"
        "    -------   -------   -------   -------  --------  --------\n"
        "      0.100     0.000     0.010     0.000     1.500     0.000\n"
    ),
    "power.rpt": "| Total On-Chip Power (W)  | 3.0          |\n",
}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_rows_of_both_families_and_footnotes(tmp_path):
    found = vivado_reports.read(write(tmp_path, VIVADO))
    assert found["resources"] == {
        "lut": 12,
        "ff": 34,
        "dsp": 6,
        "bram36": 5.5,
        "uram": 0,
        "lutram": 7,
        "source": "vivado",
    }
    assert found["vivado"]["power_w"] == 3.0
    write(
        tmp_path,
        {"utilization.rpt": VIVADO["utilization.rpt"].replace("CLB LUTs*", "Slice LUTs").replace("CLB", "Slice")},
    )
    assert vivado_reports.read(tmp_path)["resources"]["lut"] == 12


TOO_LARGE = '{"a": 1' + "0" * 400 + "}"


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": -Infinity}', TOO_LARGE, "[1]", "{", "", "[" * 100_000])
def test_json_that_is_none_or_holds_no_numbers(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ToolError, match="a.json .*: run it again"):
        reports.read_json(tmp_path / "a.json", "run it again")


def test_a_report_too_large_to_be_one(tmp_path):
    with open(tmp_path / "a.json", "wb") as file:
        file.truncate(reports.LARGEST + 1)
    with pytest.raises(ToolError, match="a.json is 64 MiB long"):
        reports.read_json(tmp_path / "a.json", "run it again")


def test_updating_keeps_what_is_there(tmp_path):
    (tmp_path / "report.json").write_text('{"a": 1, "b": 2}')
    assert reports.update(tmp_path, {"b": 3}) == {"a": 1, "b": 3}
    assert json.loads((tmp_path / "report.json").read_text()) == {"a": 1, "b": 3}
    assert [file.name for file in tmp_path.iterdir()] == ["report.json"]
    (tmp_path / "report.json").write_text('{"a": 1')
    with pytest.raises(ToolError, match="report.json is no whole JSON file"):
        reports.update(tmp_path, {"b": 3})


@needs_tclsh
def test_the_models_reports_are_read_like_vivados(tmp_path):
    """The rows that the reader looks for are in the form in which the model writes them, which is Vivado's."""
    text = (MODEL.parent / "runs.tcl").read_text()
    rows = {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}
    assert all(rows & set(labels) for labels in vivado_reports.ROWS.values())


def spoil(text: str, rng: random.Random) -> str:
    """Cut, repeat, swap, replace: what a full disk or another version does to a file."""
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        part = text[a:b]
        text = rng.choice((
            text[:a], text[a:], text[:a] + text[b:], text[:b] + part + text[b:], text[:a] + part[::-1] + text[b:],
            text[:a] + rng.choice(("-", "nan", "1e999", "<", ">", "|", "\x00", '"', "undef", "9" * 5000)) + text[a:],
        ))  # fmt: skip
    return text


READERS = {
    "vivado": (VIVADO, lambda folder: vivado_reports.read(folder)),
    "hls": (
        {test_vitis.FILES[name]: test_vitis.CONTENT[name] for name in ("csynth", "cosim", "transactions")},
        lambda folder: hls_reports.read(folder / test_vitis.SOLUTION, "policy_core", folder / "log"),
    ),
    "finn": (
        {f"build/{name}": text for name, text in test_finn_docker.FILES.items() if name.startswith("report/")},
        lambda folder: finn_reports.read(folder / "build", folder),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=cases(40, 5_000), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_spoilt_reports_end_in_figures_or_a_tool_error(tmp_path_factory, kind, seed):
    files, read = READERS[kind]
    rng = random.Random(seed)
    folder = finn_design(tmp_path_factory.mktemp("spoilt"))
    name = rng.choice(sorted(files))
    write(folder, files | {name: spoil(files[name], rng)})
    try:
        json.dumps(read(folder), allow_nan=False)
    except ToolError as error:
        assert str(folder) in str(error) or "misses its clock" in str(error)
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("text", ["{", "not json", "[]"])
def test_a_spoilt_manifest_is_named(tmp_path, text):
    design = engine_design(tmp_path)
    (design / "manifest.json").write_text(text)
    with pytest.raises(ToolError, match="manifest.json"):
        vivado.read_manifest(design)
