"""The `.hwpkg` of several engines: a zip of a package for each stage, and what joins them (docs/engines.md).

Each stage's package is one of a single engine, checked as such; here only what lies between them is checked: that each
stage reads what the caller gives or an earlier stage makes, in the same shape, type and scale.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np

from hwgen.runtime import npz
from hwgen.runtime.archive import first_name, zip_bytes, zip_members
from hwgen.runtime.errors import PackageError
from hwgen.runtime.fields import Complain, Fields, parse_object
from hwgen.runtime.layout import TensorSpec
from hwgen.runtime.package import ENGINES, MANIFEST, SELFTEST, Package, parse_package, read_file, replace_file
from hwgen.runtime.package_manifest import manifest_hash
from hwgen.runtime.package_vectors import load_selftest
from hwgen.runtime.policy_spec import PolicySpec

FORMAT = 1
MOST = 4
"""Engines, and so stages."""
STAGES = tuple(f"stage{k}.hwpkg" for k in range(MOST))
LIMITS = {ENGINES: 1 << 20, **dict.fromkeys(STAGES, 3 << 30), SELFTEST: 256 << 20}
_KEYS = ("format", "name", "board", "copies", "inputs", "outputs", "predicted_cycles", "interval_cycles",
         "handover_cycles", "clock_mhz_assumed", "sha256")  # fmt: skip


@dataclass(frozen=True, eq=False)
class EnginesPackage:
    """An opened package of several engines. stages: their packages, in order; copies: engines of each. inputs: of the
    whole, each with the spec of the first stage that reads it; outputs: of the stage that makes it. selftest: integers
    [B, *shape] of each of these, by name. sizes: bytes of each member."""

    path: Path
    manifest: dict
    stages: tuple[Package, ...]
    copies: tuple[int, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    selftest: dict[str, np.ndarray] = field(repr=False)
    sizes: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def engines(self) -> list[Package]:
        """The package of each engine, stage by stage."""
        return [stage for stage, many in zip(self.stages, self.copies, strict=True) for _ in range(many)]

    @property
    def policy(self) -> PolicySpec | None:
        """The whole policy that replicas run; None of an accelerator alone, as every pipeline is."""
        return self.stages[0].policy if len(self.stages) == 1 else None

    @property
    def policy_selftest(self) -> dict[str, np.ndarray] | None:
        """Its golden observations and actions, as of a Package."""
        return self.stages[0].policy_selftest if len(self.stages) == 1 else None


def write_engines(
    path: str | os.PathLike, manifest: dict, stages: Sequence[Path], selftest: Mapping[str, np.ndarray]
) -> EnginesPackage:
    """Write a package of these stages' packages and return it, opened; equal arguments give equal bytes.

    manifest: docs/engines.md, without `format` and `sha256`. selftest: golden integers [B, *shape] of the whole. Raises
    PackageError for anything that reading would refuse.
    """
    path = Path(path)
    members = {name: read_file(file) for name, file in zip(STAGES, stages, strict=False)}
    members[SELFTEST] = npz.save(selftest)
    data = pack_engines({**manifest, "format": FORMAT}, members)
    made = parse_engines(data, path)
    replace_file(path, data)
    return made


def pack_engines(manifest: dict, members: Mapping[str, bytes]) -> bytes:
    """The bytes of a package; the manifest's hashes are made here, nothing else is checked."""
    hashes = {name: sha256(data).hexdigest() for name, data in members.items()}
    whole = {**manifest, "sha256": {**hashes, ENGINES: manifest_hash(manifest)}}
    return zip_bytes({ENGINES: json.dumps(whole, indent=1, allow_nan=False).encode(), **members})


def read_engines(path: str | os.PathLike) -> EnginesPackage:
    """Open a package of several engines. Raises PackageError, UsageError."""
    return parse_engines(read_file(path), Path(path))


def read_any(path: str | os.PathLike) -> Package | EnginesPackage:
    """Open a package, of one engine or of several. Raises PackageError, UsageError."""
    data = read_file(path)
    return (parse_engines if first_name(data) == ENGINES else parse_package)(data, Path(path))


def parse_engines(data: bytes, path: Path) -> EnginesPackage:
    """A package from its bytes; `path` only names it in errors. Raises PackageError."""

    def complain(where: str, reason: str) -> PackageError:
        return PackageError(f"{path}: {ENGINES}: {where}{' ' if where else ''}{reason}; make the package again")

    if first_name(data) == MANIFEST:
        raise PackageError(f"{path}: a package of one engine; open it with hwgen.runtime.Accelerator")
    try:
        members = zip_members(data, LIMITS)
    except ValueError as error:
        raise PackageError(f"{path}: not a whole package of engines ({error}); copy or make it again") from error
    for name in (ENGINES, STAGES[0], SELFTEST):
        if name not in members:
            raise PackageError(f"{path}: {name} is missing; make the package again")
    try:
        manifest = parse_object(members[ENGINES])
    except ValueError as error:
        raise complain("", f"not valid JSON ({error})") from error
    copies, names = _check(manifest, members, complain)
    _check_hashes(manifest, members, complain)
    stages = tuple(parse_package(members[name], path / name) for name in names)
    inputs, outputs = _joined(manifest, stages, complain)

    def differs(reason: str) -> PackageError:
        return PackageError(f"{path}: {SELFTEST}: {reason}; make the package again")

    vectors = load_selftest(members[SELFTEST], LIMITS[SELFTEST], [*inputs, *outputs], differs)
    sizes = {name: len(content) for name, content in members.items()}
    return EnginesPackage(path, manifest, stages, copies, inputs, outputs, vectors, sizes)


def _check(manifest: dict, members: Mapping[str, bytes], complain: Complain) -> tuple[tuple[int, ...], list[str]]:
    """The copies of each stage, and the members of the stages, once every entry is what it must be."""
    f = Fields(manifest, "", complain, _KEYS)
    f.integer("format", FORMAT, FORMAT)
    f.text("name")
    f.text("board")
    for key in ("predicted_cycles", "interval_cycles"):
        f.integer(key, 1, (1 << 40))
    f.integer("handover_cycles", 0, 1 << 40)
    f.number("clock_mhz_assumed", 0, 10_000)
    copies = f.get("copies")
    good = isinstance(copies, list) and 1 <= len(copies) <= MOST
    good = good and all(type(many) is int and many >= 1 for many in copies) and 2 <= sum(copies) <= MOST
    f.need("copies", good, f"a list of each stage's engines, 2 to {MOST} in all")
    names = [name for name in STAGES if name in members]
    f.need("copies", names == list(STAGES[: len(copies)]), f"as long as there are stages ({', '.join(names)})")
    for key in ("inputs", "outputs"):
        value = f.get(key)
        good = isinstance(value, list) and 1 <= len(value) <= 64 and all(isinstance(name, str) for name in value)
        f.need(key, good and len(set(value)) == len(value), "a list of names of tensors")
    return tuple(copies), names


def _check_hashes(manifest: dict, members: Mapping[str, bytes], complain: Complain) -> None:
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or set(hashes) != set(members):
        raise complain("sha256", f"must name {', '.join(members)}")
    for name, data in members.items():
        found = manifest_hash(manifest) if name == ENGINES else sha256(data).hexdigest()
        if hashes[name] != found:
            raise complain("sha256", f"of {name} is another: it was altered")


def _joined(
    manifest: dict, stages: Sequence[Package], complain: Complain
) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The whole's inputs and outputs, once each stage's inputs come from somewhere and fit."""
    known: dict[str, TensorSpec] = {}
    inputs: dict[str, TensorSpec] = {}
    for number, stage in enumerate(stages):
        if stage.manifest["backend"] != "engine":
            raise complain("", f"stage {number} is of the backend {stage.manifest['backend']}, not of engine")
        for spec in stage.inputs:
            if spec.name in manifest["inputs"]:
                first = inputs.setdefault(spec.name, spec)
            elif spec.name in known:
                first = known[spec.name]
            else:
                raise complain("", f"stage {number} reads '{spec.name}', which no earlier stage makes")
            if _kind(first) != _kind(spec):
                raise complain("", f"stage {number} reads '{spec.name}' as another shape, type or scale")
        for spec in stage.outputs:
            if spec.name in known or spec.name in manifest["inputs"]:
                raise complain("", f"'{spec.name}' of stage {number} exists already")
            known[spec.name] = spec
    for key, found in (("inputs", inputs), ("outputs", known)):
        if missing := [name for name in manifest[key] if name not in found]:
            raise complain(key, f"names {missing[0]!r:.80}, which no stage has")
    boards = {stage.manifest["board"] for stage in stages} | {manifest["board"]}
    if len(boards) > 1:
        raise complain("board", f"differs between the stages: {', '.join(sorted(boards))}")
    return tuple(inputs[name] for name in manifest["inputs"]), tuple(known[name] for name in manifest["outputs"])


def _kind(spec: TensorSpec) -> tuple:
    return spec.shape, spec.dtype, spec.scale.reshape(-1).tolist()
