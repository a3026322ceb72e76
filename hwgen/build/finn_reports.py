"""What FINN 0.10.1 leaves in its output folder: the products that were asked for, and its reports as numbers.

A build that fails ends with exit code 0 like one that succeeds, so nothing is believed before its files are there.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from hwgen.build.reports import read_json, read_text
from hwgen.errors import ToolError

PRODUCTS = {
    "estimate_reports": ("report/estimate_layer_cycles.json", "report/estimate_layer_resources.json"),
    "stitched_ip": ("stitched_ip",),
    "rtlsim_performance": ("report/rtlsim_performance.json",),
    "out_of_context_synth": ("report/ooc_synth_and_timing.json",),
    "bitfile": (
        "bitfile/finn-accel.bit", "bitfile/finn-accel.hwh", "report/post_synth_resources.json",
        "report/post_route_timing.rpt",
    ),
    "pynq_driver": ("driver/driver.py",),
    "deployment_package": ("deploy/bitfile/finn-accel.bit", "deploy/driver/driver.py"),
}  # fmt: skip
"""The files behind each of `generate_outputs`."""


def missing(output: Path, asked: list[str]) -> list[str]:
    """The products' files that are not there, or empty."""
    wanted = [name for product in asked for name in PRODUCTS.get(product, ())]
    return [name for name in wanted if not (output / name).exists() or not (output / name).stat().st_size]


def failed_step(console: str) -> str:
    """Where and why a build ended, from what FINN printed: the last step begun, and the exception's line."""
    steps = re.findall(r"Running step: (\w+) \[(\d+)/(\d+)\]", console)
    where = "step {} ({} of {})".format(*steps[-1]) if steps else "the docker container, before the first step"
    lines = [line.strip() for line in console.splitlines() if line.strip()]
    tail = lines[: lines.index("Build failed")] if "Build failed" in lines else lines
    raised = [line for line in tail if re.match(r"[\w.]*(Error|Exception|Exit|Interrupt)\b", line)]
    told = [line for line in tail if not line.startswith("enable_build_pdb_debug")]
    return f"{where}: {(raised or told or ['it printed nothing'])[-1][:400]}"


def read(output: Path, folder: Path) -> dict:
    """{`finn`: {...}, `resources`: {...} when there is a bitfile} as report.json holds them. Raises ToolError."""
    report = output / "report"
    again = f"build again in an empty {output}"
    found: dict[str, object] = {}
    for key, name in (
        ("layer_cycles", "estimate_layer_cycles"), ("estimate", "estimate_network_performance"),
        ("layer_resources", "estimate_layer_resources"), ("layer_resources_hls", "estimate_layer_resources_hls"),
        ("rtlsim", "rtlsim_performance"), ("out_of_context", "ooc_synth_and_timing"),
        ("post_synth", "post_synth_resources"),
    ):  # fmt: skip
        file = report / f"{name}.json"
        if file.exists():
            found[key] = read_json(file, again)
    _numbers(report / "estimate_layer_cycles.json", found.get("layer_cycles", {}), again)
    found["verified"] = _verified(output / "verification_output", folder)
    changes: dict = {"finn": found}
    if "post_synth" in found:
        changes["resources"] = _resources(report / "post_synth_resources.json", found["post_synth"], again)
        found["wns_ns"] = _slack(report / "post_route_timing.rpt", again)
    return changes


def _numbers(file: Path, values: dict, again: str) -> None:
    bad = [name for name, value in values.items() if isinstance(value, bool) or not isinstance(value, (int, float))]
    if bad:
        raise ToolError(f"{file}: {bad[0]} is no number: {again}")


def _resources(file: Path, content: dict, again: str) -> dict:
    top = content.get("(top)")
    if not isinstance(top, dict) or not top:
        raise ToolError(f"{file} has no row (top): {again}")
    _numbers(file, top, again)
    lacking = [key for key in ("LUT", "FF", "DSP", "BRAM_36K", "BRAM_18K") if key not in top]
    if lacking:
        raise ToolError(f"{file} has no {lacking[0]} in its row (top): {again}")
    bram = top["BRAM_36K"] + top["BRAM_18K"] / 2
    return {
        "lut": top["LUT"], "ff": top["FF"], "dsp": top["DSP"], "bram36": bram, "uram": top.get("URAM", 0),
        "source": "finn post-synthesis",
    }  # fmt: skip


def _slack(file: Path, again: str) -> float:
    """The worst slack in ns of a timing summary. Raises ToolError when it is negative, naming the path's ends."""
    text = read_text(file, again)
    table = re.search(r"WNS\(ns\).*\n[ \t-]+\n\s*(-?\d{1,12}\.\d{1,12})", text)
    if table is None:
        raise ToolError(f"{file} has no WNS: {again}")
    slack = float(table[1])
    if slack < 0:
        path = re.search(r"VIOLATED.*?Source:\s+(\S+).*?Destination:\s+(\S+)", text, re.S)
        ends = f"; worst path {path[1]} -> {path[2]}" if path else ""
        raise ToolError(
            f"FINN's bitfile misses its clock: slack {slack:g} ns{ends}. Raise synth_clk_period_ns in "
            "dataflow_build_config.json, or choose a smaller folding, and build again"
        )
    return slack


def _verified(results: Path, folder: Path) -> dict:
    """By verification step: vectors, and how many equal golden exactly. Raises ToolError where one does not match.

    FINN itself compares within 1e-3; here half a step of the output's scale counts.
    """
    found: dict[str, dict] = {}
    expected = _load(folder / "expected_output.npy") if results.is_dir() else None
    half = _half_step(folder)
    for file in sorted(results.glob("verify_*.npy")):
        step, _, rest = file.stem.removeprefix("verify_").rpartition("_")
        name, _, number = step.rpartition("_")
        if rest == "FAIL":
            raise ToolError(f"FINN's verification {name} differs from golden in vector {number} ({file})")
        row = found.setdefault(name, {"vectors": 0, "exact": 0})
        index = int(number) if number.isdecimal() else -1
        if expected is None or not 0 <= index < len(expected):
            raise ToolError(f"{file} belongs to no vector of expected_output.npy: build again")
        measured = _load(file)
        if measured.size != expected[index].size:
            raise ToolError(f"{file} has shape {measured.shape}, golden {expected[index].shape}: build again")
        off = np.abs(measured.reshape(-1).astype(np.float64) - expected[index].reshape(-1).astype(np.float64))
        if off.size and not off.max() < half:
            raise ToolError(
                f"FINN's verification {name} differs from golden by {off.max():g} in vector {number} ({file})"
            )
        row["vectors"] += 1
        row["exact"] += int(not off.any())
    return found


def _half_step(folder: Path) -> float:
    """Half of the smallest step between two values of the outputs, which may be given in real units or in integers."""
    manifest = read_json(folder / "manifest.json", "generate the design again")
    scales = [np.min(entry["scale"]) for entry in manifest.get("outputs", ())]
    return min([1.0, *map(float, scales)]) / 2


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ToolError(f"{file} is no whole .npy file ({error}): build again") from error
