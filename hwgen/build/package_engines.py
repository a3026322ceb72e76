"""`hwgen package` of a folder with several engines: a package of packages (docs/engines.md)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hwgen.backends.engine.engines import BACKEND
from hwgen.backends.engine.like import PACKAGE
from hwgen.build import package as single
from hwgen.build import reports
from hwgen.errors import InputError
from hwgen.evaluate.design_files import read_object, read_stages
from hwgen.evaluate.vectors import load_npz
from hwgen.runtime.engines_package import EnginesPackage, write_engines

KEYS = ("name", "board", "inputs", "outputs", "predicted_cycles", "interval_cycles", "handover_cycles",
        "clock_mhz_assumed")  # fmt: skip


def is_one(folder: Path) -> bool:
    """Whether a folder is a design of several engines."""
    try:
        return read_object(folder / "manifest.json").get("backend") == BACKEND
    except InputError:
        return False


def package(
    folder: Path,
    out: Path,
    policy: str | None = None,
    rate_hz: float | None = None,
    say: single.Say = lambda line: None,
) -> EnginesPackage:
    """Write the package of DIR and return it, opened.

    policy, rate_hz, say: as of `hwgen.build.package.package`; only replicas run a whole policy, the stages of a
    pipeline are packaged as accelerators alone. Raises InputError, PackageError.
    """
    stages = read_stages(folder)
    manifest = reports.read_json(folder / "manifest.json", "generate the design again")
    if missing := [key for key in KEYS if key not in manifest]:
        raise InputError(f"{folder / 'manifest.json'} has no {missing[0]}; generate the design again")
    if len(stages) > 1 and (policy not in (None, single.NO_POLICY) or rate_hz is not None):
        raise InputError(f"{folder} is a pipeline of {len(stages)} stages, which are packaged as accelerators alone: "
                         "leave --policy and --rate-hz away, or take one engine, or replicas")  # fmt: skip
    if len(stages) > 1 and policy is None:
        say("the package holds the accelerator alone: policies are packaged with one engine, or with replicas of it")
    with tempfile.TemporaryDirectory(prefix="hwgen-") as name:
        files = []
        for number, stage in enumerate(stages):
            part, file = folder / stage["folder"], Path(name) / f"stage{number}.hwpkg"
            if len(stages) == 1:
                single.package(part, file, policy, None, True, rate_hz, say)
            else:
                file = part / PACKAGE
            files.append(file)
        vectors = load_npz(folder / "golden.npz")
        copies = [stage["copies"] for stage in stages]
        return write_engines(out, {key: manifest[key] for key in KEYS} | {"copies": copies}, files, vectors)


def summary(made: EnginesPackage, bytes_written: int) -> str:
    """One line: what it is, and how large."""
    arrays = " -> ".join(
        f"{many} x " * (many > 1) + "{0[0]}x{0[1]}".format(stage.manifest["array"])
        for stage, many in zip(made.stages, made.copies, strict=True)
    )
    return (
        f"{made.path}: {made.manifest['name']}, {len(made.engines)} engines on {made.manifest['board']} ({arrays}), no "
        f"bitstream, {bytes_written / 1e3:,.0f} kB"
    )
