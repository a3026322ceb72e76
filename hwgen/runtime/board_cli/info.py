"""`hwgen-board info`: the board, what is installed, memory, and a package with the health of its engine."""

from __future__ import annotations

import argparse
import platform
from importlib import metadata
from pathlib import Path

import numpy as np

from hwgen.runtime.board_cli.devices import open_accelerator
from hwgen.runtime.control.health import health_line
from hwgen.runtime.control.temperature import read_temperatures
from hwgen.runtime.engines_info import describe, designs
from hwgen.runtime.engines_package import read_any

_MODEL = "proc/device-tree/model"
_MEMORY = {"MemTotal": "memory", "MemAvailable": "memory free", "CmaTotal": "DMA memory", "CmaFree": "DMA memory free"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--open", action="store_true", help="open the package on the device, too, and tell its health")


def info(options: argparse.Namespace) -> tuple[int, dict, str]:
    """The command."""
    facts = machine()
    lines = [f"{name:16}{value}" for name, value in facts.items()]
    if options.package is None:
        return 0, facts, "\n".join(lines)
    package = read_any(options.package)
    facts["package"] = told = describe(package)
    lines += [f"{'package':16}{_package_line(told, designs(package))}"]
    if options.open or options.device != "auto":
        with open_accelerator(package, options.device, options.timeout) as accelerator:
            facts["health"] = health = accelerator.health()
        lines += [f"{'engine':16}{health_line(one)}" for one in health.get("engines", [health])]
    return 0, facts, "\n".join(lines)


def machine(root: str | Path = "/") -> dict[str, str]:
    """What this machine is, by name. root: of the file system."""
    root = Path(root)
    model = _read(root / _MODEL).rstrip("\0") or "no device tree: not a board, or not Linux"
    facts = {"board": model, "processor": platform.machine(), "python": platform.python_version()}
    facts |= {"hwgen": _version("hwgen"), "numpy": np.__version__, "pynq": _version("pynq")}
    sizes = dict(line.split(":", 1) for line in _read(root / "proc/meminfo").splitlines() if ":" in line)
    facts |= {name: _size(sizes.get(key)) for key, name in _MEMORY.items()}
    temperatures = read_temperatures(root / "sys")
    facts["temperature"] = ", ".join(f"{name} {value} C" for name, value in temperatures.items()) or "not told"
    return facts


def _package_line(told: dict, designs: str) -> str:
    policy = f"policy {told['policy']['name']}" if told["policy"] else "an accelerator alone"
    bitstream = told["bitstream"]
    inside = f"bitstream of {bitstream['tool']}" if bitstream else "no bitstream inside"
    engines = f"{sum(told['copies'])} engines, " if "copies" in told else ""
    return (
        f"{told['name']} for {told['board']}, {engines}design {designs}, {policy}, "
        f"{told['predicted_cycles']} clocks = {told['latency_us']:.2f} us at {told['clock_mhz']:g} MHz, {inside}"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _read(file: Path) -> str:
    try:
        with open(file, "rb") as stream:
            return stream.read(1 << 16).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _size(text: str | None) -> str:
    """kB as /proc/meminfo writes them, in MiB."""
    number = (text or "").split()[:1]
    return f"{int(number[0]) // 1024} MiB" if number and number[0].isdecimal() else "not told"
