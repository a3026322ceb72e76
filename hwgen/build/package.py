"""`hwgen package`: the folder that generate or bitstream left -> one .hwpkg for the robot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwgen import boards
from hwgen.build import bitfile, reports, vivado, vivado_run
from hwgen.errors import InputError, ToolError
from hwgen.runtime.package import Package, read_package, write_package

ACCELERATOR = "policy.hwpkg"  # in DIR: the accelerator alone
NO_POLICY = "none"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Bits:
    """A bitstream for a package: what the manifest says of it, and the files' bytes."""

    entry: dict
    bitstream: bytes
    hwh: bytes | None


def package(
    folder: Path,
    out: Path,
    policy: str | None = None,
    bitstream: Path | None = None,
    no_bitstream: bool = False,
    rate_hz: float | None = None,
    say: Say = lambda line: None,
) -> Package:
    """Write the package of DIR and return it, opened.

    policy: the whole policy that the graph is a part of: its name, a checkpoint, or a file that describes it
    (hwgen.build.policy_file); None: the one that DIR/graph.onnx names; "none": the accelerator alone. bitstream: a .bit
    or another package of the same design; None: DIR's own, if it has one. rate_hz: of the control loop, instead of the
    policy's. `say` gets a line for what a user should know. Raises InputError, ToolError (a spoilt bitstream in DIR),
    PackageError (a spoilt package).
    """
    if rate_hz is not None and not 0 < rate_hz < float("inf"):
        raise InputError(f"--rate-hz must be positive, not {rate_hz}")
    if bitstream is not None and no_bitstream:
        raise InputError("--bitstream or --no-bitstream, not both")
    base = _accelerator(folder)
    manifest = {key: value for key, value in base.manifest.items() if key not in ("format", "sha256")}
    bits = None if no_bitstream else _bits(folder, base, bitstream, say)
    if bits is not None:
        manifest["bitstream"] = bits.entry
    part = _policy(folder, base, policy, rate_hz, say)
    if part is None and rate_hz is not None:
        raise InputError("--rate-hz is the rate of a policy's control loop: give --policy, too")
    if part is not None:
        manifest["policy"] = part.manifest | ({} if rate_hz is None else {"rate_hz": float(rate_hz)})
    write_package(
        out, manifest, base.image, base.selftest, stream=base.stream,
        policy_arrays=part.arrays if part else None, policy_selftest=part.selftest if part else None,
        bitstream=bits.bitstream if bits else None, hwh=bits.hwh if bits else None,
    )  # fmt: skip
    return read_package(out)


def summary(made: Package, bytes_written: int) -> str:
    """One line: what it is, and how large."""
    manifest, policy = made.manifest, made.policy
    array = f"{manifest['array'][0]}x{manifest['array'][1]} engine" if "array" in manifest else manifest["backend"]
    what = "accelerator alone"
    if policy is not None:
        seen = ", ".join(o.name for o in policy.observation)
        what = f"policy {policy.name} ({seen} -> {policy.chunk} x {policy.dof} at {policy.rate_hz:g} Hz)"
    bits = manifest.get("bitstream")
    held = f"bitstream of {bits['tool']} at {bits['clock_mhz']:g} MHz" if bits else "no bitstream"
    size = f"{bytes_written / 1e3:,.0f} kB"
    return f"{made.path}: {what}, {array} on {manifest['board']}, design {manifest['design_hash']}, {held}, {size}"


def _accelerator(folder: Path) -> Package:
    """The package of the accelerator alone, which every generation leaves in DIR."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give one that `hwgen generate` or `hwgen bitstream` wrote")
    manifest = reports.read_json(folder / "manifest.json", "give a folder that `hwgen generate` wrote")
    if manifest.get("backend") == "finn":
        raise InputError(
            f"{folder} is a FINN design, which runs with FINN's own driver (see {folder / 'README.md'}): packages are "
            "for the backends engine and hls4ml"
        )
    base = read_package(folder / ACCELERATOR)
    if base.manifest["design_hash"] != manifest.get("design_hash"):
        raise InputError(
            f"{folder / ACCELERATOR} and {folder / 'manifest.json'} are of different designs: generate the design again"
        )
    return base


def _policy(folder: Path, base: Package, policy: str | None, rate_hz: float | None, say: Say):
    """The parts that the host computes, or None for the accelerator alone."""
    from hwgen.policies.shipped import policy_of

    if policy == NO_POLICY:
        return None
    name = policy or policy_of(folder / "graph.onnx")
    if name is None:
        say(
            "the package holds the accelerator alone, for graph.onnx is no part of a policy that comes along; give "
            "--policy NAME|CHECKPOINT|FILE.toml to say what its numbers mean"
        )
        return None
    from hwgen.build import policy_file
    from hwgen.build.policy_package import policy_part
    from hwgen.graph import qonnx_in

    graph = qonnx_in.load(folder / "graph.onnx")
    if Path(name).suffix in policy_file.SUFFIXES:
        return policy_file.part_of_file(Path(name), graph, base, rate_hz)
    return policy_part(name, graph)


def _bits(folder: Path, base: Package, given: Path | None, say: Say) -> Bits | None:
    board = boards.load(base.manifest["board"])
    if given is not None:
        return _from_package(given, base) if given.suffix == ".hwpkg" else _from_file(given, base, board, say)
    found = _from_ecp5(folder, base) if board.family == "ecp5" else _from_vivado(folder, base)
    if found is None:
        say(f"no bitstream is in {folder}: the robot takes one by bitstream=, or the .bit beside the package")
    return found


def _from_vivado(folder: Path, base: Package) -> Bits | None:
    """DIR/vivado/result, when Vivado has been there; its report must name this very design."""
    if not (folder / "vivado" / "result" / "summary.txt").is_file():
        return None
    bit = vivado_run.read_back(folder)
    found = reports.read_json(folder / "report.json", "generate the design again")["vivado"]
    _same_design(bit, found["design_hash"], base)
    entry = {"kind": "pynq", "tool": f"Vivado {found['version']}", "clock_mhz": found["clock_mhz"]}
    return Bits(entry, bit.read_bytes(), bit.with_suffix(".hwh").read_bytes())


def _from_ecp5(folder: Path, base: Package) -> Bits | None:
    """DIR/ecp5, when nextpnr has been there; report.json must name this very design."""
    bit = folder / "ecp5" / f"{vivado.design_name(base.manifest)}.bit"
    if not bit.is_file():
        return None
    found = reports.read_json(folder / "report.json", "generate the design again").get("ecp5")
    again = f"run `hwgen bitstream` again, or package with --no-bitstream: {bit} is there, but"
    if not isinstance(found, dict) or not isinstance(found.get("clock_mhz"), int | float):
        raise ToolError(f"{again} {folder / 'report.json'} does not tell its clock under ecp5.clock_mhz")
    _same_design(bit, found.get("design_hash"), base)
    entry = {"kind": "ecp5", "tool": str(found.get("tool", "nextpnr-ecp5")), "clock_mhz": found["clock_mhz"]}
    return Bits(entry, bit.read_bytes(), None)


def _from_package(file: Path, base: Package) -> Bits:
    """The bitstream inside another package of the same design."""
    other = read_package(file)
    _same_design(file, other.manifest["design_hash"], base)
    if other.bitstream is None:
        raise InputError(f"{file} holds no bitstream: give the .bit itself, or a package that has one")
    return Bits(other.manifest["bitstream"], other.bitstream, other.hwh)


def _from_file(file: Path, base: Package, board: boards.Board, say: Say) -> Bits:
    """A .bit of the user's, with the .hwh beside it where PYNQ needs one."""
    data = _read(file)
    header = bitfile.check(file, data, board)
    told = file.parent / "summary.txt"
    code = told.read_text(errors="replace").partition("design_hash=")[2][:16] if told.is_file() else None
    if code:
        _same_design(file, code, base)
    else:
        say(f"{file} does not say which design it is of; the driver compares the design hash when it loads it")
    entry = {"kind": header.kind, "tool": header.tool, "clock_mhz": board.clock_mhz}
    return Bits(entry, data, _read(file.with_suffix(".hwh")) if header.kind == "pynq" else None)


def _read(file: Path) -> bytes:
    if not file.is_file():
        why = " (PYNQ loads a .bit with the .hwh of the same name)" if file.suffix == ".hwh" else ""
        raise InputError(f"{file} does not exist{why}: check the path")
    return file.read_bytes()


def _same_design(file: Path, code: object, base: Package) -> None:
    if code != base.manifest["design_hash"]:
        raise InputError(
            f"{file} is of design {code}, the package of {base.manifest['design_hash']}: make the bitstream of this "
            "design, or compile the graph onto the old one with `hwgen generate --like`"
        )
