"""FINN in its docker: what it needs is checked beforehand, what it left afterwards.

`python -m hwgen.build.finn_docker DIR` reads the outputs of a build that ran on another machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from hwgen import backends
from hwgen.backends.options import Options
from hwgen.build import finn_reports, process, reports, toolchain
from hwgen.errors import InputError, ToolError

HOURS = 24.0
CHECKOUT = "git clone -b v0.10.1 https://github.com/Xilinx/finn, and set FINN_ROOT to it"
LOG = "finn.log"
CONFIG = "dataflow_build_config.json"
SYNTHESIS = {"stitched_ip", "rtlsim_performance", "out_of_context_synth", "bitfile", "deployment_package"}
"""Outputs that Vivado and Vitis HLS are needed for."""


def finn(graph_file: Path, board_name: str, options: Options, out: Path, progress: process.Progress = None) -> dict:
    """Generate the FINN folder of a QONNX file into `out` and build it in FINN's docker; returns report.json.

    Raises HwgenError: what the backend cannot map, or ToolError of `run`.
    """
    backends.generate(graph_file, board_name, "finn", options, out)
    return run(out, progress)


def command(folder: Path) -> str:
    """What to type where FINN, docker and Vivado are installed."""
    return f"cd $FINN_ROOT && ./run-docker.sh build_dataflow {folder.resolve()}"


def run(folder: Path, progress: process.Progress = None) -> dict:
    """Build the FINN folder DIR in docker; returns report.json, which then has `finn`.

    Takes hours. Raises ToolError: something is missing (all of it is named), the build failed (its step and exception
    are named), a product or report is missing or spoilt, or it did not end in time (the container is then killed).
    """
    output, asked = _config(folder)
    lacking = needs(asked, folder)
    if lacking:
        raise ToolError(
            f"the FINN folder {folder} is complete, but FINN cannot build it here: {'; '.join(lacking)}. Where these "
            f"are there: {command(folder)}; then, with its files back here: python -m hwgen.build.finn_docker {folder}"
        )
    _set_aside(output)
    log, container = folder / LOG, folder / "finn.cid"
    container.unlink(missing_ok=True)
    root = Path(os.environ["FINN_ROOT"])
    extra = f"{os.environ.get('FINN_DOCKER_EXTRA', '')} --cidfile {container.resolve()}"
    words = [root / "run-docker.sh", "build_dataflow", folder.resolve()]
    limit = process.hours(HOURS)
    try:
        code = process.stream(
            words, cwd=root, log=log, limit_hours=limit, progress=progress, terminal=True,
            env=toolchain.without_make() | {"FINN_DOCKER_EXTRA": extra},
        )  # fmt: skip
    finally:
        _stop(container)
    console = log.read_text(errors="replace")
    absent = finn_reports.missing(output, asked)
    if code != 0 or absent or "Build failed" in console:
        what = f"exit code {code}" if code else f"{absent[0]} was not made" if absent else "it says 'Build failed'"
        raise ToolError(
            f"FINN failed in {finn_reports.failed_step(console)} ({what}; logs: {log}, {output / 'build_dataflow.log'})"
        )
    return read_back(folder)


def read_back(folder: Path) -> dict:
    """Read FINN's outputs in DIR into DIR/report.json; returns it. Raises ToolError naming the file that is wrong."""
    output, asked = _config(folder)
    if absent := finn_reports.missing(output, asked):
        raise ToolError(
            f"{output / absent[0]} is missing or empty: build the folder with FINN first, {command(folder)}"
        )
    return reports.update(folder, finn_reports.read(output, folder))


def bitfile(folder: Path) -> Path:
    """Where FINN puts the bitstream; the .hwh lies beside it."""
    return _config(folder)[0] / "bitfile" / "finn-accel.bit"


def needs(asked: list[str], folder: Path) -> list[str]:
    """What this machine lacks for a build with the outputs `asked`; each with the way out. Empty: nothing."""
    root = os.environ.get("FINN_ROOT", "")
    paths = {"FINN_ROOT": root, "the folder": str(folder.resolve())}
    lacking = _needs_checkout(root) + _needs_docker()
    if SYNTHESIS & set(asked):
        lacking += _needs_xilinx()
        paths["FINN_XILINX_PATH"] = os.environ.get("FINN_XILINX_PATH", "")
    # run-docker.sh does not quote them.
    lacking += [f"{name} has a space in its path ({path}), move it" for name, path in paths.items() if " " in path]
    if not os.access(folder, os.W_OK):
        lacking.append(f"{folder} cannot be written, change its permissions")
    return lacking


def _needs_checkout(root: str) -> list[str]:
    if not root:
        return [f"FINN_ROOT is not set ({CHECKOUT})"]
    script = Path(root) / "run-docker.sh"
    if not script.is_file():
        return [f"FINN_ROOT={root} holds no run-docker.sh ({CHECKOUT})"]
    return [] if os.access(script, os.X_OK) else [f"{script} is not executable (chmod +x it)"]


def _needs_docker() -> list[str]:
    if os.environ.get("FINN_SINGULARITY"):
        return []
    tool = shutil.which("docker")
    if tool is None:
        return ["docker is not on PATH (install Docker Engine)"]
    try:
        done = subprocess.run(
            [tool, "info"], capture_output=True, text=True, errors="replace", timeout=60, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return ["docker does not answer within a minute (restart its daemon)"]
    except OSError as error:
        return [f"docker cannot be started ({error.strerror})"]
    if done.returncode == 0:
        return []
    told = " ".join((done.stderr or done.stdout).split())
    if "permission denied" in told.lower():
        return ["this user may not use docker (sudo usermod -aG docker $USER, then log in again)"]
    return [f"docker's daemon does not run (sudo systemctl start docker): {told[-200:]}"]


def _needs_xilinx() -> list[str]:
    path, version = os.environ.get("FINN_XILINX_PATH", ""), os.environ.get("FINN_XILINX_VERSION", "")
    unset = [name for name, value in (("FINN_XILINX_PATH", path), ("FINN_XILINX_VERSION", version)) if not value]
    if unset:
        return [f"{' and '.join(unset)} not set (such as /opt/Xilinx and 2022.2, with Vivado and Vitis HLS in there)"]
    tools = (Path(path) / tool / version / "settings64.sh" for tool in ("Vivado", "Vitis_HLS"))
    return [
        f"{file} does not exist (install that version, or correct the variables)"
        for file in tools
        if not file.is_file()
    ]


def _config(folder: Path) -> tuple[Path, list[str]]:
    """FINN's output folder and the outputs asked for. Raises InputError, ToolError."""
    file = folder / CONFIG
    if not file.is_file():
        raise InputError(f"{file} is missing: {folder} is no FINN folder; generate it with --backend finn")
    config = reports.read_json(file, "generate the folder again")
    if config.get("enable_build_pdb_debug", True):
        raise InputError(
            f'{file}: set "enable_build_pdb_debug" to false, or a failed build waits for a debugger forever'
        )
    name = config.get("output_dir")
    output = folder / str(name)
    if not isinstance(name, str) or not name or output.resolve().parent != folder.resolve():
        raise InputError(f'{file}: "output_dir" is {name!r}; it should name a folder in {folder}')
    asked = config.get("generate_outputs")
    if not isinstance(asked, list) or not asked or not set(map(str, asked)) <= set(finn_reports.PRODUCTS):
        raise InputError(f'{file}: "generate_outputs" is {asked!r}; choose from {", ".join(finn_reports.PRODUCTS)}')
    return output, [str(item) for item in asked]


def _set_aside(output: Path) -> None:
    """Old products must not pass for new ones; the last build is kept as NAME.previous."""
    if output.exists():
        previous = output.with_name(f"{output.name}.previous")
        shutil.rmtree(previous, ignore_errors=True)
        output.rename(previous)


def _stop(container: Path) -> None:
    """Kill the container if it still runs: ending docker's client does not end what it started."""
    if not container.is_file():
        return
    name = container.read_text(errors="replace").strip()
    tool = shutil.which("docker")
    if tool and re.fullmatch(r"[0-9a-f]{12,64}", name):
        try:
            subprocess.run([tool, "kill", name], capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.TimeoutExpired):
            pass
    container.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(reports.command_line(read_back))
