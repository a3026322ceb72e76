"""Which package the command line means: PKG, or the only one in the working directory."""

from __future__ import annotations

from pathlib import Path

from hwgen.runtime.engines_package import EnginesPackage, read_any
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package

_TOLD = 8  # names of files in a message


def open_package(given: str | None) -> Package | EnginesPackage:
    """The package `given`, or where nothing is, the only .hwpkg in the working directory; of one engine or of several.
    Raises UsageError: there is none, or several; PackageError."""
    if given is not None:
        return read_any(given)
    found = sorted(path.name for path in Path().glob("*.hwpkg"))
    if len(found) == 1:
        return read_any(found[0])
    if not found:
        raise UsageError(f"PKG is missing, and {Path.cwd()} holds no .hwpkg file; name one")
    names = ", ".join(found[:_TOLD]) + (", ..." if len(found) > _TOLD else "")
    raise UsageError(f"PKG is missing, and {Path.cwd()} holds {len(found)} packages; name one of {names}")


def name_of(package: Package | EnginesPackage) -> str:
    """What it is: the policy's name, or the accelerator's where there is no policy."""
    return package.policy.name if package.policy else package.manifest["name"]
