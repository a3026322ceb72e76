"""`hwgen simulate DIR`: run what a backend made and compare every bit with golden. One simulator a backend."""

from __future__ import annotations

import importlib
from pathlib import Path

from hwgen.errors import InputError
from hwgen.evaluate.design_files import read_object

SIMULATORS = {
    "engine": "hwgen.evaluate.simulate_engine",  # the RTL in Verilator
    "engines": "hwgen.evaluate.simulate_engines",  # several of them, one after the other
    "hls4ml": "hwgen.evaluate.simulate_hls4ml",  # the C simulation, compiled by g++
    "finn": "hwgen.evaluate.simulate_finn",  # the exported ONNX, executed
}
EXPORTED_RTL = "hwgen.evaluate.simulate_rtl"  # Verilog that an HLS tool made of DIR


def simulate(
    folder: Path,
    inputs: Path | None = None,
    outputs: Path | None = None,
    waves: bool = False,
    rtl: Path | None = None,
) -> dict:
    """Simulate DIR on `inputs` (npz, real units) or on its golden vectors; returns the report, written to DIR.

    outputs: npz to write, by output name, real units. waves: record a waveform (engine only). rtl: the Verilog that
    Vitis HLS exported from DIR (hls4ml only). Raises HwgenError for bad input, and when a bit differs.
    """
    backend = backend_of(folder)
    if waves and backend != "engine":
        raise InputError(f"--waves: {folder} is a design of {backend}, which has no waveform; leave it out")
    if rtl is not None and backend != "hls4ml":
        raise InputError(f"--rtl: {folder} is a design of {backend}; it is for the Verilog of an hls4ml design")
    run = importlib.import_module(EXPORTED_RTL if rtl is not None else SIMULATORS[backend]).simulate
    if rtl is not None:
        return run(folder, rtl, inputs, outputs)
    return run(folder, inputs, outputs, **({"waves": True} if waves else {}))


def backend_of(folder: Path) -> str:
    """The backend that wrote DIR, from its manifest. Raises InputError when DIR is no design."""
    file = folder / "manifest.json"
    if not file.is_file():
        raise InputError(f"{folder} holds no manifest.json: give a folder that `hwgen generate` wrote")
    backend = read_object(file, texts=("backend",))["backend"]
    if backend not in SIMULATORS:
        raise InputError(f"{file}: unknown backend {backend!r}; generate the design again")
    return backend
