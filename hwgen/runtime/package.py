"""The `.hwpkg` file: one zip with everything that a robot needs to run a policy. docs/package.md says what is in it.

Reading checks everything and trusts nothing: sizes are bounded before anything is inflated, every member is hashed,
there is no pickle, nothing is unpacked to disk, and every manifest entry is checked by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from hwgen.runtime import abi, npz
from hwgen.runtime.archive import END_BYTES, first_name, looks_whole, zip_bytes, zip_members
from hwgen.runtime.errors import PackageError, UsageError
from hwgen.runtime.fields import Complain
from hwgen.runtime.layout import TensorSpec
from hwgen.runtime.package_manifest import FORMAT, MAX_STREAM, check_manifest, load_manifest, manifest_hash
from hwgen.runtime.package_vectors import load_policy_selftest, load_selftest
from hwgen.runtime.policy_spec import HOST_PARTS, PolicySpec, parse_policy

MANIFEST, IMAGE, STREAM, SELFTEST = "manifest.json", "image.bin", "stream.bin", "selftest.npz"
ENGINES = "engines.json"  # the first member of a package of several engines
HOST, POLICY_SELFTEST, BITSTREAM, HWH = "host.npz", "policy_selftest.npz", "design.bit", "design.hwh"
LIMITS = {
    MANIFEST: 8 << 20, IMAGE: 1 << 30, STREAM: MAX_STREAM, SELFTEST: 256 << 20, HOST: 256 << 20,
    POLICY_SELFTEST: 256 << 20, BITSTREAM: 128 << 20, HWH: 32 << 20,
}  # fmt: skip
"""Members in their order, with the bytes that each may have."""
_MAX_FILE = sum(LIMITS.values())


@dataclass(frozen=True, eq=False)
class Package:
    """An opened package. `selftest` maps every input and output of the accelerator to integers [B, *shape];
    `policy_selftest` every observation and "action" (`hwgen.runtime.package_vectors`). `policy` is None of an
    accelerator alone; `bitstream` and `hwh` are the files' bytes, None where there are none. `stream`: the weights that
    stay in DDR, b"" where all are resident. `sizes`: bytes of each member."""

    path: Path
    manifest: dict
    image: bytes = field(repr=False)
    selftest: dict[str, np.ndarray] = field(repr=False)
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    policy: PolicySpec | None = field(default=None, repr=False)
    policy_selftest: dict[str, np.ndarray] | None = field(default=None, repr=False)
    bitstream: bytes | None = field(default=None, repr=False)
    hwh: bytes | None = field(default=None, repr=False)
    stream: bytes = field(default=b"", repr=False)
    sizes: Mapping[str, int] = field(default_factory=dict, repr=False)

    @property
    def design_hash(self) -> int:
        """The 64-bit hash of the design that the package was made for."""
        return int(self.manifest["design_hash"], 16)


def write_package(
    path: str | os.PathLike,
    manifest: dict,
    image: bytes,
    selftest: Mapping[str, np.ndarray],
    *,
    stream: bytes = b"",
    policy_arrays: Mapping[str, np.ndarray] | None = None,
    policy_selftest: Mapping[str, np.ndarray] | None = None,
    bitstream: bytes | None = None,
    hwh: bytes | None = None,
) -> Path:
    """Write a package; equal arguments give equal bytes. Returns its path.

    `manifest`: docs/package.md, without `format` and `sha256`, which are added. `image`: the load image. `stream`: of
    the manifest's `stream_bytes`. `selftest`: integers [B, *shape] for every input and output name. `policy_arrays` of
    the host programs and `policy_selftest` belong to the manifest's `policy`, `bitstream` and `hwh` to its `bitstream`.
    Raises PackageError for anything that reading would refuse.
    """
    path = Path(path)
    for name, array in selftest.items():
        if np.asarray(array).dtype.kind not in "iu":
            raise PackageError(
                f"{path}: {SELFTEST}: '{name}' is {np.asarray(array).dtype}; golden vectors are integers"
            )
    arrays = {HOST: policy_arrays or None, POLICY_SELFTEST: policy_selftest}
    members = {
        IMAGE: bytes(image),
        STREAM: bytes(stream) or None,
        SELFTEST: _npz(path, SELFTEST, selftest),
        BITSTREAM: bitstream,
        HWH: hwh,
    }
    members |= {name: None if value is None else _npz(path, name, value) for name, value in arrays.items()}
    data = pack({**manifest, "format": FORMAT}, {k: v for k, v in members.items() if v is not None}, path)
    parse_package(data, path)
    replace_file(path, data)
    return path


def pack(manifest: dict, members: Mapping[str, bytes], path: Path) -> bytes:
    """The bytes of a package of this manifest, whose hashes are made here, and these other members; nothing is checked
    but that the manifest is JSON. `path` names it in errors."""
    hashes = {name: _sha(members[name]) for name in LIMITS if name in members}
    try:
        hashes[MANIFEST] = manifest_hash(manifest)
        text = json.dumps({**manifest, "sha256": hashes}, indent=1, allow_nan=False).encode()
    except ValueError as error:
        raise PackageError(f"{path}: {MANIFEST}: not expressible as JSON ({error})") from error
    parts = {MANIFEST: text, **members}
    return zip_bytes({name: parts[name] for name in LIMITS if name in parts})


def read_package(path: str | os.PathLike) -> Package:
    """Open a package. Raises PackageError naming the file, the part, the reason and the way out; UsageError for what is
    no path."""
    data = read_file(path)
    return parse_package(data, Path(path))


def read_file(path: str | os.PathLike) -> bytes:
    """The bytes of a package's file. Raises PackageError, UsageError for what is no path."""
    try:
        path = Path(path)
    except TypeError as error:
        raise UsageError(f"the package is {path!r:.60}; give the path of a .hwpkg file") from error
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would wait for ever
            raise PackageError(f"{path}: cannot be read (no plain file); give the path of a .hwpkg file")
        with open(path, "rb") as stream:
            return _read(stream, path)
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or _reason(error)
        raise PackageError(f"{path}: cannot be read ({reason}); give the path of a .hwpkg file") from error


def _read(stream: BinaryIO, path: Path) -> bytes:
    """The file's bytes, when its size and its end are a package's."""
    size = stream.seek(0, os.SEEK_END)
    if size > _MAX_FILE:
        raise PackageError(f"{path}: larger than the {_MAX_FILE} bytes a package may have; is this a .hwpkg file?")
    stream.seek(max(0, size - END_BYTES))
    if not looks_whole(stream.read(END_BYTES), size):
        raise PackageError(f"{path}: not a whole package (it does not end like one); copy or make it again")
    stream.seek(0)
    return stream.read(size)


def parse_package(data: bytes, path: Path) -> Package:
    """A package from its bytes; `path` only names it in errors. Raises PackageError."""
    try:
        return _parse(data, path)
    except MemoryError as error:
        raise PackageError(f"{path}: takes more memory than this machine has; is this a .hwpkg for it?") from error


def _parse(data: bytes, path: Path) -> Package:
    def complain_of(name: str) -> Complain:
        def complain(where: str, reason: str) -> PackageError:
            return PackageError(f"{path}: {name}: {where}{' ' if where else ''}{reason}; make the package again")

        return complain

    if first_name(data) == ENGINES:
        raise PackageError(f"{path}: a package of several engines; open it with hwgen.runtime.Engines")
    try:
        members = zip_members(data, LIMITS)
    except ValueError as error:
        raise PackageError(f"{path}: not a whole package ({_reason(error)}); copy or make it again") from error
    for name in (MANIFEST, IMAGE, SELFTEST):
        if name not in members:
            raise PackageError(f"{path}: {name} is missing; make the package again")
    manifest = load_manifest(members[MANIFEST], complain_of(MANIFEST))
    _check_hashes(path, manifest, members)
    _check_members(path, manifest, members)
    inputs, outputs = check_manifest(manifest, complain_of(MANIFEST))
    _check_image(manifest, members[IMAGE], complain_of(IMAGE))
    stream = members.get(STREAM, b"")
    if len(stream) != manifest.get("stream_bytes", 0):
        raise complain_of(STREAM)("", f"{len(stream)} bytes, the manifest says {manifest['stream_bytes']}")
    selftest = load_selftest(members[SELFTEST], LIMITS[SELFTEST], inputs + outputs, _one(complain_of(SELFTEST)))
    policy = vectors = None
    if "policy" in manifest:
        arrays = _host_arrays(members.get(HOST), complain_of(HOST))
        policy = parse_policy(manifest["policy"], arrays, inputs, outputs, complain_of(MANIFEST))
        complain = _one(complain_of(POLICY_SELFTEST))
        vectors = load_policy_selftest(members[POLICY_SELFTEST], LIMITS[POLICY_SELFTEST], policy, complain)
    bitstream, hwh = members.get(BITSTREAM), members.get(HWH)
    _check_bitstream(bitstream, hwh, complain_of)
    sizes = {name: len(member) for name, member in members.items()}
    return Package(
        path, manifest, members[IMAGE], selftest, inputs, outputs, policy, vectors, bitstream, hwh, stream, sizes
    )  # fmt: skip


def _check_hashes(path: Path, manifest: dict, members: Mapping[str, bytes]) -> None:
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or set(hashes) != set(members):
        raise PackageError(f"{path}: {MANIFEST}: sha256 must name {', '.join(members)}; make the package again")
    for name, data in members.items():
        try:
            found = manifest_hash(manifest) if name == MANIFEST else _sha(data)
        except ValueError as error:
            raise PackageError(f"{path}: {MANIFEST}: not valid JSON ({error}); make the package again") from error
        if hashes[name] != found:
            raise PackageError(f"{path}: {name} was altered: its sha256 is not the manifest's; copy or make it again")


def _check_members(path: Path, manifest: dict, members: Mapping[str, bytes]) -> None:
    """A member is there when, and only when, the manifest speaks of it."""
    policy, bitstream = manifest.get("policy"), manifest.get("bitstream")
    programs = isinstance(policy, dict) and any(policy.get(part) is not None for part in HOST_PARTS)
    amd = isinstance(bitstream, dict) and bitstream.get("kind") == "pynq"
    wanted = {
        STREAM: ("stream_bytes" in manifest, "stream_bytes"),
        HOST: (programs, "a host program"),
        POLICY_SELFTEST: ("policy" in manifest, "a policy"),
        BITSTREAM: ("bitstream" in manifest, "a bitstream"),
        HWH: (amd, "a bitstream for pynq"),
    }
    for name, (needed, what) in wanted.items():
        if needed and name not in members:
            raise PackageError(f"{path}: {name} is missing, the manifest has {what}; make the package again")
        if not needed and name in members:
            raise PackageError(f"{path}: {name} is there, the manifest has not {what}; make the package again")


def _check_image(manifest: dict, image: bytes, complain: Complain) -> None:
    """Header and last beat; the engine checks the sections in between when it loads them."""
    if len(image) % abi.BEAT_BYTES or len(image) < 2 * abi.BEAT_BYTES:
        raise complain("", f"{len(image)} bytes are not a header, sections and an end of 16-byte beats")
    header = abi.unpack(abi.IMAGE_HEADER, image[: abi.BEAT_BYTES])
    last = abi.unpack(abi.SECTION_HEADER, image[-abi.BEAT_BYTES :])
    if header["magic"] != abi.IMAGE_MAGIC:
        raise complain("", f"it starts with {header['magic']:#010x} instead of {abi.IMAGE_MAGIC:#010x}")
    if header["abi"] != manifest["abi"]:
        raise complain("", f"it was made for ABI {header['abi']}, the manifest says {manifest['abi']}")
    if header["hash"] != int(manifest["design_hash"], 16):
        raise complain("", f"it was made for design {header['hash']:016x}, the manifest says {manifest['design_hash']}")
    if (last["magic"], last["target"], last["words"]) != (abi.SECTION_MAGIC, abi.TARGETS["END"], 0):
        raise complain("", "it does not close with an END section")


def _check_bitstream(bitstream: bytes | None, hwh: bytes | None, complain_of) -> None:
    """Not empty; and the hardware description is plain XML text that defines no entities of its own."""
    if bitstream == b"":
        raise complain_of(BITSTREAM)("", "it is empty")
    if hwh is None:
        return
    try:
        text = hwh.decode("utf-8")
    except UnicodeDecodeError as error:
        raise complain_of(HWH)("", f"not UTF-8 text ({error.reason})") from error
    if not text.lstrip("\ufeff \r\n\t").startswith("<") or "\0" in text:
        raise complain_of(HWH)("", "not XML")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise complain_of(HWH)("", "it declares entities, which no Vivado writes")


def _host_arrays(data: bytes | None, complain: Complain) -> dict[str, np.ndarray]:
    if data is None:
        return {}
    try:
        return npz.load(data, LIMITS[HOST])
    except ValueError as error:
        raise complain("", f"not an npz file of integers ({_reason(error)})") from error


def _npz(path: Path, name: str, arrays: Mapping[str, np.ndarray]) -> bytes:
    try:
        return npz.save(arrays)
    except ValueError as error:
        raise PackageError(f"{path}: {name}: {error}") from error


def replace_file(path: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _one(complain: Complain):
    """A complaint about a member as a whole, of its reason alone."""
    return lambda reason: complain("", reason)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
