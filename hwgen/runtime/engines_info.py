"""`package_info` for packages of one engine or of several (docs/engines.md)."""

from __future__ import annotations

from hwgen.runtime import package_info
from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.package import Package

_PLAIN = ("name", "board", "format", "copies", "predicted_cycles", "interval_cycles", "handover_cycles")


def describe(package: Package | EnginesPackage) -> dict:
    """JSON-ready facts of an opened package. Of several engines: `copies`, `stages` (the facts of each one's package),
    `latency_us` and `answers_a_second` at the assumed clock, and what a package of one engine has of the whole."""
    if isinstance(package, Package):
        return package_info.describe(package)
    manifest = package.manifest
    clock = float(manifest["clock_mhz_assumed"])
    return {
        "file": str(package.path), **{key: manifest[key] for key in _PLAIN}, "backend": "engines",
        "clock_mhz": clock, "clock_is": "assumed", "latency_us": manifest["predicted_cycles"] / clock,
        "answers_a_second": clock * 1e6 / manifest["interval_cycles"],
        **package_info.interface(package), "bitstream": None,
        "members": package_info.members(package), "stages": [package_info.describe(stage) for stage in package.stages],
    }  # fmt: skip


def differences(bitstream_of: Package | EnginesPackage, program_of: Package | EnginesPackage) -> list[str]:
    """Why the program of one package does not run on the bitstream of another; empty when it does."""
    there, here = _engines(bitstream_of), _engines(program_of)
    if there != here:
        return [f"engines of the stages are {there} there, {here} here"]
    if isinstance(bitstream_of, Package):
        return package_info.differences(bitstream_of, program_of)
    pairs = enumerate(zip(bitstream_of.stages, program_of.stages, strict=True))
    return [f"stage {number}: {why}" for number, pair in pairs for why in package_info.differences(*pair)]


def designs(package: Package | EnginesPackage) -> str:
    """The design hash, or that of each stage."""
    stages = [package] if isinstance(package, Package) else package.stages
    return " -> ".join(stage.manifest["design_hash"] for stage in stages)


def _engines(package: Package | EnginesPackage) -> list[int]:
    return [1] if isinstance(package, Package) else list(package.copies)
