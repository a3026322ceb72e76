"""FINN's RTL in Verilator, layer by layer: every output beat against golden, every clock against FINN's estimate.

    .venv/bin/python scripts/finn_rtl/run.py LAYERS --finn FINN_CHECKOUT [--stall 30]

LAYERS: what `layers.py` wrote. FINN's library (finn-rtllib) comes from the user's FINN checkout. A layer of HLS C++, or
one that does not compile, gets its reason instead of a result. Exit code 1 when a layer differs or hangs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hwgen.build import toolchain
from hwgen.errors import InputError, ToolError

BENCH = Path(__file__).with_name("axis_bench.sv")
LIBRARY = {  # of finn-rtllib
    "MVAU_rtl": ("mvu/mvu_vvu_axi.sv", "mvu/replay_buffer.sv", "mvu/mvu_4sx4u.sv", "mvu/mvu_8sx8u_dsp48.sv",
                 "mvu/mvu_vvu_8sx9_dsp58.sv"),
    "Thresholding_rtl": ("thresholding/hdl/axilite_if.v", "thresholding/hdl/thresholding.sv",
                         "thresholding/hdl/thresholding_axi.sv"),
    "ConvolutionInputGenerator_rtl": ("swg/swg_pkg.sv", "swg/swg_common.sv"),
    "FMPadding_rtl": ("fmpadding/hdl/axi2we.sv", "fmpadding/hdl/fmpadding.sv", "fmpadding/hdl/fmpadding_axi.sv"),
}  # fmt: skip
AXILITE = ("Thresholding_rtl", "FMPadding_rtl")
KEYS = {"name", "op", "estimate", "frames"}


def run_layer(folder: Path, library: Path, stall: int = 0, timeout: float = 600) -> dict:
    """Build and run one layer; {"name", "op", "estimate", "frames", and "mismatches", "first", "interval" or "reason"}.

    library: finn-rtllib. stall: percent of the clocks in which source and sink each pause. Raises InputError for a
    folder that layers.py did not write.
    """
    entry = read(folder)
    result = {key: entry[key] for key in KEYS}
    if "reason" in entry:
        return result | {"reason": entry["reason"]}
    try:
        return result | measure(build(folder, entry, library, timeout), folder, stall, timeout)
    except ToolError as error:
        return result | {"reason": str(error)}


def measure(binary: Path, folder: Path, stall: int = 0, timeout: float = 600) -> dict:
    """What the bench says of the frames in `folder`: {"mismatches", "first", "interval"}, or {"reason"}."""
    said = toolchain.run([binary, f"+stall={stall}", "+verilator+seed+1"], cwd=folder, timeout=timeout)
    found = re.search(r"RESULT mismatches=(\d+) first=(\d+) interval=(-?\d+)", said)
    if found is None:
        return {"reason": next((x for x in said.splitlines() if "TIMEOUT" in x), "the bench said nothing")}
    return dict(zip(("mismatches", "first", "interval"), map(int, found.groups()), strict=True))


def read(folder: Path) -> dict:
    """layer.json. Raises InputError."""
    try:
        entry = json.loads((folder / "layer.json").read_text())
        missing = KEYS - entry.keys()
        if "reason" not in entry:
            missing |= {"top", "in", "out"} - entry.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / 'layer.json'} cannot be used ({error}): run scripts/finn_rtl/layers.py") from None
    return entry


def build(folder: Path, entry: dict, library: Path, timeout: float) -> Path:
    """Verilate the layer's own files, those of the library, and the bench; returns the program."""
    own = sorted(p for p in folder.iterdir() if p.suffix in (".v", ".sv"))
    if any(p.name.endswith("_wrapper_sim.v") for p in own):  # FINN's behavioural variant, instead of DSP primitives
        own = [p for p in own if not p.name.endswith("_wrapper.v")]
    here = {p.name for p in own}  # FINN copies some of its library beside what it generates
    sources = own + [library / name for name in LIBRARY.get(entry["op"], ()) if Path(name).name not in here]
    sources.sort(key=lambda file: not file.stem.endswith("_pkg"))  # packages first
    macros = {
        "DUT": entry["top"], "FRAMES": entry["frames"], "IN_BITS": entry["in"]["bits"],
        "IN_BEATS": entry["in"]["beats"], "OUT_BITS": entry["out"]["bits"], "OUT_BEATS": entry["out"]["beats"],
        "OUT_USED": entry["out"]["used"],
    }  # fmt: skip
    if "weights" in entry:
        macros |= {"WEIGHT_BITS": entry["weights"]["bits"], "WEIGHT_WORDS": entry["weights"]["words"]}
    if entry["op"] in AXILITE:
        macros["AXILITE"] = 1
    if entry["op"] == "FMPadding_rtl":  # the rows above the next image need no input
        macros["RUNS_AHEAD"] = 1
    made = folder / "obj"
    words = ["verilator", "--binary", "--timing", "--top-module", "axis_bench", "--Mdir", made]
    words += ["-MAKEFLAGS", "OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"]  # few clocks: g++ takes longer than the run
    words += ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-j", str(toolchain.jobs())]
    words += [f"-D{key}={value}" for key, value in macros.items()]
    toolchain.run([*words, *sources, BENCH], log=folder / "verilator.log", timeout=timeout)
    return made.resolve() / "Vaxis_bench"


def show(results: list[dict], console: Console) -> None:
    """One line a layer."""
    table = Table()
    for name in ("layer", "frames", "mismatches", "clocks a frame", "first frame", "FINN's estimate"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=name == "layer")
    for r in results:
        if "reason" in r:
            table.add_row(r["name"], "not run", "", "", "", str(r["estimate"]))
        else:
            pace = str(r["interval"]) if r["interval"] >= 0 else ""
            table.add_row(r["name"], str(r["frames"]), str(r["mismatches"]), pace, str(r["first"]), str(r["estimate"]))
    console.print(table)
    for r in results:
        if "reason" in r:
            console.print(f"{r['name']}: {r['reason']}", markup=False, highlight=False)


def main() -> int:
    """Run all layers; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("layers", type=Path, help="what layers.py wrote")
    parser.add_argument("--finn", type=Path, required=True, help="FINN v0.10.1's checkout")
    parser.add_argument("--stall", type=int, default=0, help="percent of clocks in which source and sink pause")
    parser.add_argument("-o", "--output", type=Path, help="results as JSON")
    args = parser.parse_args()
    folders = sorted(p.parent for p in args.layers.glob("*/layer.json"))
    if not folders or not (args.finn / "finn-rtllib").is_dir():
        what = f"{args.finn} is no FINN checkout" if folders else f"{args.layers} holds no layers"
        print(f"run.py: {what}; see docs/compare.md", file=sys.stderr)
        return 2
    results, console = [], Console(stderr=True)
    for folder in folders:
        with console.status(f"{folder.name}: {len(results) + 1} of {len(folders)}"):
            results.append(run_layer(folder, args.finn / "finn-rtllib", args.stall))
    show(results, Console())
    if args.output:
        args.output.write_text(json.dumps(results, indent=1) + "\n")
    hung = any("TIMEOUT" in r.get("reason", "") or "failed" in r.get("reason", "") for r in results)
    return int(hung or any(r.get("mismatches") for r in results))


if __name__ == "__main__":
    sys.exit(main())
