"""Hostile packages by the thousand, and what any package that is accepted must keep.

A mutation gets the members of a good package and gives the bytes of a file. Hashes are made right again wherever the
mutation is of content, so that the checks behind them are reached.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen.runtime.archive import zip_bytes, zip_members
from hwgen.runtime.package import (
    BITSTREAM,
    HOST,
    HWH,
    IMAGE,
    LIMITS,
    MANIFEST,
    POLICY_SELFTEST,
    SELFTEST,
    STREAM,
    Package,
    pack,
)

Members = dict[str, bytes]
Rng = np.random.Generator
PATH = Path("fuzz.hwpkg")
HUGE = 10**400
JUNK = (
    None, True, False, -1, 0, 1, 2, 7, 255, 2**31, 2**63, HUGE, 0.5, -0.0, 1e308, 1e-320, "", "x", "int32", "\x00",
    "\ud800", "before/shift4", "y", "x" * 5000, [], [1], [[]], [0, 1], [1, 0], {}, {"planar": 8}, {"lo": 0}, [1.0] * 12,
)  # fmt: skip


def refitted(members: Members, manifest: dict) -> bytes:
    """A file of these members whose hashes are right."""
    return pack(manifest, {k: v for k, v in members.items() if k != MANIFEST}, PATH)


def manifest_of(members: Members) -> dict:
    """The manifest without what `pack` adds."""
    return {key: value for key, value in json.loads(members[MANIFEST]).items() if key != "sha256"}


def spoil(value: object, rng: Rng, deep: float = 0.85) -> object:
    """The value with one of its parts, at any depth, replaced, dropped, doubled, renamed or swapped."""
    if isinstance(value, (dict, list)) and value and rng.random() < deep:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key, other, copy = keys[rng.integers(len(keys))], keys[rng.integers(len(keys))], value.copy()
        what = rng.random()
        if what < 0.08:
            del copy[key]
        elif what < 0.16 and isinstance(copy, list):
            copy.insert(rng.integers(len(copy) + 1), copy[key])
        elif what < 0.16:
            copy[f"{key}{rng.integers(3)}"] = copy.pop(key)
        elif what < 0.24:
            copy[key], copy[other] = copy[other], copy[key]
        else:
            copy[key] = spoil(copy[key], rng)
        return copy
    if isinstance(value, bool) or rng.random() < 0.4:
        return JUNK[rng.integers(len(JUNK))]
    if isinstance(value, int):
        return value + int(rng.integers(-17, 18)) if rng.random() < 0.7 else int(rng.integers(-300, 300))
    if isinstance(value, float):
        doubled = value * 2 if abs(value) < 1e307 else value / 2  # infinity is no JSON
        return float(rng.choice([doubled, -value, value / 3, value + 1]))
    return JUNK[rng.integers(len(JUNK))]


def flip(data: bytes, rng: Rng) -> bytes:
    """Some bytes changed, a run removed, doubled, zeroed or moved."""
    if not data:
        return b"x"
    out = bytearray(data)
    a, b = sorted(int(v) for v in rng.integers(0, len(out) + 1, 2))
    b = min(b, a + int(rng.integers(1, 64)))
    what = rng.integers(7)
    if what < 3:
        for at in rng.integers(0, len(out), rng.integers(1, 5)):
            out[at] = rng.integers(256) if what else out[at] ^ 1 << rng.integers(8)
    elif what == 3:
        del out[a:b]
    elif what == 4:
        out[a:a] = out[a:b]
    elif what == 5:
        out[a:b] = bytes(b - a)
    else:
        out[a:b] = out[-(b - a) :] if b > a else b"!"
    return bytes(out)


def bytes_of_the_file(members: Members, rng: Rng) -> bytes:
    """Damage on the way: no hash is made right."""
    data = zip_bytes(members)
    for _ in range(rng.integers(1, 4)):
        data = flip(data, rng)
    return data


def structure_of_the_zip(members: Members, rng: Rng) -> bytes:
    """A member doubled, renamed, dropped or moved; header fields overwritten; archives of Python's own zipfile; bytes
    around and between."""
    what = rng.integers(6)
    if what == 0:
        return _pythons_zip(members, rng)
    data = bytearray(zip_bytes(_shuffled(members, rng) if what == 1 else members))
    if what == 2:
        at = [0, len(data), int(rng.integers(len(data)))][rng.integers(3)]
        data[at:at] = rng.bytes(rng.integers(1, 40))
    elif what >= 3:
        mark = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"][rng.integers(3)]
        places = [i for i in range(len(data)) if data.startswith(mark, i)]
        for _ in range(rng.integers(1, 3)):
            at = int(rng.choice(places)) + int(rng.integers(4, 46))
            value = int(rng.choice([0, 1, 8, 12, 99, 0xFFFF, 0xFFFFFFFF, len(data), int(rng.integers(1 << 32))]))
            size = int(rng.choice([1, 2, 4]))
            data[at : at + size] = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return bytes(data)


def _shuffled(members: Members, rng: Rng) -> Members:
    names = list(members)
    out = {names[i]: members[names[i]] for i in rng.permutation(len(names))}
    name = names[rng.integers(len(names))]
    what = rng.integers(4)
    if what == 0:
        del out[name]
    elif what == 1:
        out[["../" + name, "/" + name, name.upper(), name + "\x00", "a/" + name, "ä"][rng.integers(6)]] = out.pop(name)
    elif what == 2:
        out[["extra.txt", "design.bit.exe", "image.bin/", name + " "][rng.integers(4)]] = b"x"
    return out


def _pythons_zip(members: Members, rng: Rng) -> bytes:
    stream, tricks = io.BytesIO(), rng.integers(0, 2, 6)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED if tricks[0] else zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=bool(tricks[1])) as entry:
                entry.write(data)
        if tricks[2]:
            archive.comment = b"a comment"
        if tricks[3]:
            archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", b"")
    return stream.getvalue()


def structure_of_the_manifest(members: Members, rng: Rng) -> bytes:
    """Entries of all kinds, anywhere, with right hashes."""
    manifest = manifest_of(members)
    for _ in range(rng.integers(1, 3)):
        manifest = spoil(manifest, rng, 0.999)
    if not isinstance(manifest, dict):
        manifest = {"format": manifest}
    return refitted(members, manifest)


def host_programs(members: Members, rng: Rng) -> bytes:
    """The description of a host program, its arrays, or both, with right hashes."""
    manifest, arrays = manifest_of(members), zip_members(members[HOST], 1 << 30)
    part = ["before", "after"][rng.integers(2)]
    if rng.random() < 0.7:
        manifest["policy"][part] = spoil(manifest["policy"][part], rng, 0.98)
    if rng.random() < 0.5:
        arrays = _spoilt_arrays(arrays, rng)
    return refitted({**members, HOST: zip_bytes(arrays)}, manifest)


def _spoilt_arrays(arrays: Members, rng: Rng) -> Members:
    out = dict(arrays)
    name = list(out)[rng.integers(len(out))]
    what = rng.integers(5)
    if what == 0:
        out[name] = flip(out[name], rng)
    elif what == 1:
        out[name] = _spoilt_header(out[name], rng)
    elif what == 2:
        del out[name]
    elif what == 3:
        out[str(rng.choice(["before/x.npy", "x.npy", "before/", ".npy", "after/half"]))] = out[name]
    else:
        out[name], other = out[list(out)[0]], out[name]
        out[list(out)[0]] = other
    return out


def _spoilt_header(member: bytes, rng: Rng) -> bytes:
    """Another text in the .npy header, of the same length or with a right length before it."""
    length = struct.unpack("<H", member[8:10])[0]
    header, body = member[10 : 10 + length].decode("latin-1"), member[10 + length :]
    old = ["'|u1'", "'|i1'", "<f4", "False", "(", ")", "shape", ", }", "1", "2", "3", "'", "descr"]
    new = [
        "'|O'",
        "'<U4'",
        "'<f8'",
        "True",
        "(1, ",
        ",)",
        "-1",
        "((",
        "}",
        "9999999999",
        "0",
        "__import__('os')",
        "|b1",
    ]
    header = header.replace(old[rng.integers(len(old))], new[rng.integers(len(new))], int(rng.integers(1, 3)))
    if rng.random() < 0.8:
        length = len(header)
    return member[:8] + struct.pack("<H", length & 0xFFFF) + header.encode("latin-1") + body


def golden_vectors(members: Members, rng: Rng) -> bytes:
    """Arrays, their headers, or the archive that holds them, with right hashes around."""
    name = [SELFTEST, POLICY_SELFTEST, HOST][rng.integers(3)]
    if rng.random() < 0.3:
        data = flip(members[name], rng)
    else:
        data = zip_bytes(_spoilt_arrays(zip_members(members[name], 1 << 30), rng))
    return refitted({**members, name: data}, manifest_of(members))


def plain_parts(members: Members, rng: Rng) -> bytes:
    """Image, streamed weights, bitstream and hardware description, with right hashes."""
    name = [IMAGE, IMAGE, STREAM, BITSTREAM, HWH][rng.integers(5)]
    return refitted({**members, name: flip(members[name], rng)}, manifest_of(members))


KINDS: tuple[Callable[[Members, Rng], bytes], ...] = (
    bytes_of_the_file, structure_of_the_zip, structure_of_the_manifest, host_programs, golden_vectors, plain_parts,
)  # fmt: skip


def assert_sound(package: Package, data: bytes, rng: Rng) -> None:
    """Everything that docs/package.md promises of an opened package, by other code than the reader's."""
    parts = _parts(data)
    manifest = json.loads(parts[MANIFEST])
    assert json.dumps(manifest, sort_keys=True) == json.dumps(package.manifest, sort_keys=True)
    assert package.image == parts[IMAGE] and (package.bitstream, package.hwh) == (parts.get(BITSTREAM), parts.get(HWH))
    assert package.stream == parts.get(STREAM, b"") and len(package.stream) == manifest.get("stream_bytes", 0)
    assert not len(package.stream) % 64 and (not package.stream or manifest["engine"]["stream_ports"] > 0)
    assert (BITSTREAM in parts) == ("bitstream" in manifest) and (POLICY_SELFTEST in parts) == ("policy" in manifest)
    header = struct.unpack("<IIQ", package.image[:16])
    assert header[1:] == (manifest["abi"], int(manifest["design_hash"], 16)) and not len(package.image) % 16
    for side, size in ((package.inputs, "in_bytes"), (package.outputs, "out_bytes")):
        taken = np.zeros(manifest[size], np.uint8)
        for t in side:
            t.view(taken)
            taken[t.offset : t.offset + t.nbytes] += 1
            golden = package.selftest[t.name]
            assert golden.shape[1:] == t.shape and len(golden) and golden.dtype == t.dtype
            assert t.lo <= golden.min() and golden.max() <= t.hi and (t.scale > 0).all()
        assert taken.max() == 1
    _assert_arrays(parts[SELFTEST], package.selftest)
    if package.policy is not None:
        _assert_arrays(parts[POLICY_SELFTEST], package.policy_selftest)
        _assert_policy_runs(package, rng)


def _parts(data: bytes) -> Members:
    """The members by Python's zipfile, when every byte of the file is accounted for and every hash is right."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None and not archive.comment
        parts = {info.filename: archive.read(info) for info in infos}
    assert len(parts) == len(infos) and set(parts) <= set(LIMITS)
    assert len(data) == 22 + sum(30 + 46 + 2 * len(i.filename) + i.compress_size for i in infos)
    assert not any(i.extra or i.comment or i.flag_bits or i.file_size > LIMITS[i.filename] for i in infos)
    hashes = json.loads(parts[MANIFEST])["sha256"]
    assert set(hashes) == set(parts)
    assert all(hashlib.sha256(parts[n]).hexdigest() == hashes[n] for n in parts if n != MANIFEST)
    return parts


def _assert_arrays(data: bytes, arrays: dict[str, np.ndarray]) -> None:
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        assert set(loaded.files) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)
            assert np.isfinite(array).all()


def _assert_policy_runs(package: Package, rng: Rng) -> None:
    """Random tensors flow from the observations to the action, each within the range that its reader states."""
    policy = package.policy
    tensors = {o.to: rng.integers(o.tensor.lo, o.tensor.hi + 1, o.tensor.shape) for o in policy.observation}
    for o in policy.observation:
        golden = package.policy_selftest[o.name]
        if o.kind == "image":
            assert golden[0].transpose(o.axes).shape == o.tensor.shape
        elif o.kind == "vector":
            assert ((golden[0] - o.mean) / o.std).shape == o.tensor.shape and (o.std > 0).all()
    if policy.before is not None:
        tensors |= policy.before.run({name: tensors[name] for name in policy.before.inputs})
    for t in package.inputs:
        assert tensors[t.name].shape == t.shape
        assert t.lo <= tensors[t.name].min() and tensors[t.name].max() <= t.hi
    tensors |= {t.name: rng.integers(t.lo, t.hi + 1, t.shape) for t in package.outputs}
    if policy.after is not None:
        tensors |= policy.after.run({name: tensors[name] for name in policy.after.inputs})
    action = policy.action
    made = tensors[action.source]
    assert action.tensor.lo <= made.min() and made.max() <= action.tensor.hi
    real = (made * action.tensor.scale).reshape(action.shape) * action.std + action.mean
    assert real.shape == (policy.chunk, policy.dof) and 1 <= policy.execute <= policy.chunk and policy.rate_hz > 0
    assert package.policy_selftest["action"].shape[1:] == real.shape
