"""The `.hwpkg` file: one zip with manifest.json, image.bin (the load image) and selftest.npz. docs/runtime.md lists the
manifest.

Reading checks everything and trusts nothing: sizes are bounded, every member is hashed, there is no pickle, nothing is
unpacked to disk, and every manifest entry is checked by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hwgen.runtime import abi, npz
from hwgen.runtime.errors import PackageError
from hwgen.runtime.layout import TensorSpec, is_int, parse_tensors

FORMAT = 1
BACKENDS = ("engine", "hls4ml")  # what stands behind the registers of docs/abi.md
MANIFEST, IMAGE, SELFTEST = "manifest.json", "image.bin", "selftest.npz"
LIMITS = {MANIFEST: 8 << 20, IMAGE: 1 << 30, SELFTEST: 256 << 20}
_MAX_FILE = sum(LIMITS.values())
_MAX_DDR = 1 << 28  # bytes of one DMA buffer


@dataclass(frozen=True)
class Package:
    """An opened package. `selftest` maps every input and output name to integers [B, *shape]."""

    path: Path
    manifest: dict
    image: bytes = field(repr=False)
    selftest: dict[str, np.ndarray] = field(repr=False)
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def design_hash(self) -> int:
        """The 64-bit hash of the design that the package was made for."""
        return int(self.manifest["design_hash"], 16)


def write_package(path: str | os.PathLike, manifest: dict, image: bytes, selftest: dict[str, np.ndarray]) -> Path:
    """Write a package; equal arguments give equal bytes. Returns its path.

    `manifest`: docs/runtime.md, without `format` and `sha256`, which are added. `image`: the load image. `selftest`:
    integers [B, *shape] for every input and output name. Raises PackageError for anything that reading would refuse.
    """
    path = Path(path)
    for name, array in selftest.items():
        if np.asarray(array).dtype.kind not in "iu":
            raise PackageError(
                f"{path}: {SELFTEST}: '{name}' is {np.asarray(array).dtype}; golden vectors are integers"
            )
    manifest = {**manifest, "format": FORMAT}
    image, vectors = bytes(image), npz.save({name: np.asarray(a) for name, a in selftest.items()})
    manifest["sha256"] = {IMAGE: _sha(image), SELFTEST: _sha(vectors), MANIFEST: _manifest_hash(path, manifest)}
    text = json.dumps(manifest, indent=1, allow_nan=False).encode()
    data = npz.zip_bytes({MANIFEST: text, IMAGE: image, SELFTEST: vectors})
    parse_package(data, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    with os.fdopen(handle, "wb") as stream:
        stream.write(data)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
    return path


def read_package(path: str | os.PathLike) -> Package:
    """Open a package. Raises PackageError naming the file, the part, the reason and the way out."""
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            data = stream.read(_MAX_FILE + 1)
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror}); give the path of a .hwpkg file") from error
    return parse_package(data, path)


def parse_package(data: bytes, path: Path) -> Package:
    """A package from its bytes; `path` only names it in errors. Raises PackageError."""
    if len(data) > _MAX_FILE:
        raise PackageError(f"{path}: larger than the {_MAX_FILE} bytes a package may have; is this a .hwpkg file?")
    try:
        members = npz.zip_members(data, LIMITS)
    except npz.ZIP_ERRORS as error:
        raise PackageError(f"{path}: not a whole package ({_reason(error)}); copy or make it again") from error
    for name in LIMITS:
        if name not in members:
            raise PackageError(f"{path}: {name} is missing; make the package again")
    manifest = _load_manifest(path, members[MANIFEST])
    _check_hashes(path, manifest, members)
    inputs, outputs = _check_manifest(path, manifest)
    _check_image(path, manifest, members[IMAGE])
    selftest = _load_selftest(path, members[SELFTEST], inputs, outputs)
    return Package(path, manifest, members[IMAGE], selftest, inputs, outputs)


def _load_manifest(path: Path, text: bytes) -> dict:
    def unique(pairs: list[tuple[str, object]]) -> dict:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise ValueError("a key occurs twice")
        return out

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON number")

    try:
        manifest = json.loads(text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except (ValueError, RecursionError, MemoryError) as error:
        raise PackageError(f"{path}: {MANIFEST}: not valid JSON ({_reason(error)}); make the package again") from error
    if not isinstance(manifest, dict):
        raise PackageError(f"{path}: {MANIFEST}: must be an object; make the package again")
    if not is_int(manifest.get("format")) or manifest["format"] != FORMAT:
        raise PackageError(
            f"{path}: {MANIFEST}: format is {manifest.get('format')!r:.40}, this runtime reads {FORMAT}; "
            "update hwgen on this machine or make the package again"
        )
    return manifest


def _manifest_hash(path: Path, manifest: dict) -> str:
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    try:
        return _sha(json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise PackageError(f"{path}: {MANIFEST}: not expressible as JSON ({_reason(error)})") from error


def _check_hashes(path: Path, manifest: dict, members: dict[str, bytes]) -> None:
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or set(hashes) != set(LIMITS):
        raise PackageError(f"{path}: {MANIFEST}: sha256 must name {', '.join(LIMITS)}; make the package again")
    found = {IMAGE: _sha(members[IMAGE]), SELFTEST: _sha(members[SELFTEST]), MANIFEST: _manifest_hash(path, manifest)}
    for name, value in found.items():
        if hashes[name] != value:
            raise PackageError(f"{path}: {name} was altered: its sha256 is not the manifest's; copy or make it again")


def _check_manifest(path: Path, manifest: dict) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    def complain(where: str, reason: str) -> PackageError:
        return PackageError(f"{path}: {MANIFEST}: {where} {reason}; make the package again")

    def need(key: str, ok: object, what: str) -> None:
        if not ok:
            raise complain(key, f"must be {what}, is {manifest.get(key)!r:.80}")

    get = manifest.get
    for key in ("name", "board"):
        need(
            key, isinstance(get(key), str) and 0 < len(get(key)) <= 200 and get(key).isprintable(), "a printable string"
        )
    need("backend", get("backend") in BACKENDS, f"one of {', '.join(BACKENDS)}, which this driver runs")
    need("abi", is_int(get("abi")) and get("abi") == abi.ABI_VERSION, f"{abi.ABI_VERSION}, the ABI of this runtime")
    text = get("design_hash")
    need(
        "design_hash", isinstance(text, str) and re.fullmatch("[0-9a-f]{16}", text), "16 lower-case hexadecimal digits"
    )
    clock = get("clock_mhz_assumed")
    need("clock_mhz_assumed", (isinstance(clock, float) or is_int(clock)) and 0 < clock <= 10_000, "a frequency in MHz")
    if get("backend") == "engine":
        array = get("array")
        good = isinstance(array, list) and len(array) == 2 and all(is_int(n) and 1 <= n <= 4096 for n in array)
        need("array", good, "[N, M]")
    for key in ("in_bytes", "out_bytes"):
        size = get(key)
        need(
            key,
            is_int(size) and 0 < size <= _MAX_DDR and size % abi.BEAT_BYTES == 0,
            f"a multiple of 16 up to {_MAX_DDR}",
        )
    for key, lowest in (("predicted_cycles", 1), ("watchdog_cycles", 0)):
        need(key, is_int(get(key)) and lowest <= get(key) < 1 << 32, f"an integer from {lowest} below 2**32")
    inputs = parse_tensors(get("inputs"), "inputs", manifest["in_bytes"], complain)
    outputs = parse_tensors(get("outputs"), "outputs", manifest["out_bytes"], complain)
    if both := {t.name for t in inputs} & {t.name for t in outputs}:
        raise complain("outputs", f"name {', '.join(sorted(both))} is also an input")
    return inputs, outputs


def _check_image(path: Path, manifest: dict, image: bytes) -> None:
    """Header and last beat; the engine checks the sections in between when it loads them."""
    fault = None
    if len(image) % abi.BEAT_BYTES or len(image) < 2 * abi.BEAT_BYTES:
        fault = f"{len(image)} bytes are not a header, sections and an end of 16-byte beats"
    else:
        header = abi.unpack(abi.IMAGE_HEADER, image[: abi.BEAT_BYTES])
        last = abi.unpack(abi.SECTION_HEADER, image[-abi.BEAT_BYTES :])
        if header["magic"] != abi.IMAGE_MAGIC:
            fault = f"it starts with {header['magic']:#010x} instead of {abi.IMAGE_MAGIC:#010x}"
        elif header["abi"] != manifest["abi"]:
            fault = f"it was made for ABI {header['abi']}, the manifest says {manifest['abi']}"
        elif header["hash"] != int(manifest["design_hash"], 16):
            fault = f"it was made for design {header['hash']:016x}, the manifest says {manifest['design_hash']}"
        elif (last["magic"], last["target"], last["words"]) != (abi.SECTION_MAGIC, abi.TARGETS["END"], 0):
            fault = "it does not close with an END section"
    if fault:
        raise PackageError(f"{path}: {IMAGE}: {fault}; make the package again")


def _load_selftest(
    path: Path, data: bytes, inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...]
) -> dict[str, np.ndarray]:
    def complain(reason: str) -> PackageError:
        return PackageError(f"{path}: {SELFTEST}: {reason}; make the package again")

    try:
        arrays = npz.load(data, LIMITS[SELFTEST])
    except npz.ZIP_ERRORS as error:
        raise complain(f"not an npz file of integers ({_reason(error)})") from error
    specs = {t.name: t for t in inputs + outputs}
    if set(arrays) != set(specs):
        raise complain(f"holds {', '.join(sorted(arrays)) or 'nothing'}; must hold {', '.join(specs)}")
    counts = {a.shape[0] if a.ndim else -1 for a in arrays.values()}
    if len(counts) != 1 or counts.pop() < 1:
        raise complain("its arrays must hold the same number of vectors, at least one")
    for name, array in arrays.items():
        spec = specs[name]
        if array.shape[1:] != spec.shape:
            raise complain(f"'{name}' has vectors of shape {array.shape[1:]}, the manifest says {spec.shape}")
        if int(array.min()) < spec.lo or int(array.max()) > spec.hi:
            raise complain(f"'{name}' leaves the range {spec.lo}..{spec.hi}")
        arrays[name] = array.astype(spec.dtype)
    return arrays


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
