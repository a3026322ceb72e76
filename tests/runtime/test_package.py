"""The package file: what is written is read back, and nothing altered, malformed or hostile is accepted."""

import json

import numpy as np
import pytest

from hwgen.runtime import npz
from hwgen.runtime.archive import zip_bytes, zip_members
from hwgen.runtime.errors import PackageError, UsageError
from hwgen.runtime.package import IMAGE, LIMITS, MANIFEST, SELFTEST, pack, parse_package, read_package, write_package
from tests.runtime import samples
from tests.support import cases


def members(path):
    return zip_members(path.read_bytes(), LIMITS)


def refit(parts, path, drop=(), **changes):
    """A package of these parts with its manifest changed and every hash made right, so that only the content can be
    refused.
    """
    manifest = {**json.loads(parts[MANIFEST]), **changes}
    for key in ("sha256", *drop):
        manifest.pop(key, None)
    path.write_bytes(pack(manifest, {name: data for name, data in parts.items() if name != MANIFEST}, path))
    return path


@pytest.fixture
def sample(tmp_path):
    return samples.package(tmp_path / "policy.hwpkg")


def test_round_trip(sample):
    package = read_package(sample)
    assert package.image == samples.image() and package.design_hash == samples.HASH
    for name, array in samples.vectors(np.random.default_rng(1)).items():
        assert (package.selftest[name] == array).all() and package.selftest[name].dtype == array.dtype
    x, k = package.inputs
    assert (x.name, x.shape, x.lo, x.hi, k.shape, k.hi, k.offset) == ("x", (20,), -128, 127, (2, 3), 15, 32)
    assert package.outputs[1].planar == 8 and package.outputs[1].scale.shape == (20,)


def test_equal_arguments_give_equal_bytes(sample, tmp_path):
    assert samples.package(tmp_path / "again.hwpkg").read_bytes() == sample.read_bytes()


def test_an_unknown_key_is_refused(tmp_path):
    with pytest.raises(PackageError, match="has an unknown key 'normalization'"):
        samples.package(tmp_path / "p.hwpkg", normalization={"mean": [0.5, 1.0]})


def test_a_large_file_of_something_else_is_not_read(tmp_path):
    """A sparse file that no robot has the memory for; its end says that it is no package."""
    path = tmp_path / "p.hwpkg"
    for size, reason in ((1 << 30, "it does not end like one"), (1 << 40, "larger than the")):
        with open(path, "wb") as stream:
            stream.truncate(size)
        with pytest.raises(PackageError, match=reason):
            read_package(path)


def test_too_little_memory_is_told(sample, monkeypatch):
    def no_memory(*_):
        raise MemoryError

    monkeypatch.setattr("hwgen.runtime.package.zip_members", no_memory)
    with pytest.raises(PackageError, match="takes more memory than this machine has"):
        read_package(sample)


def test_missing_file(tmp_path):
    with pytest.raises(PackageError, match="absent.hwpkg: cannot be read"):
        read_package(tmp_path / "absent.hwpkg")


@pytest.mark.parametrize("path", [None, 3, b"bytes.hwpkg"])
def test_no_path(path):
    with pytest.raises(UsageError, match=f"the package is {path!r}; give the path"):
        read_package(path)


def test_truncated(sample, rng):
    data = sample.read_bytes()
    for end in [0, 1, 21, 22, len(data) - 1, *rng.integers(0, len(data), cases(30, 1000))]:
        with pytest.raises(PackageError, match="policy.hwpkg: not a whole package"):
            parse_package(data[:end], sample)


@pytest.mark.parametrize("name", [IMAGE, SELFTEST])
def test_altered_member_names_the_part(sample, name):
    parts = members(sample)
    parts[name] = parts[name][:-1] + bytes([parts[name][-1] ^ 1])
    sample.write_bytes(zip_bytes(parts))
    with pytest.raises(PackageError, match=f"{name} was altered"):
        read_package(sample)


def test_altered_manifest(sample):
    parts = members(sample)
    parts[MANIFEST] = parts[MANIFEST].replace(b"0.125", b"0.25")
    sample.write_bytes(zip_bytes(parts))
    with pytest.raises(PackageError, match="manifest.json was altered"):
        read_package(sample)


@pytest.mark.parametrize("name", [MANIFEST, IMAGE, SELFTEST])
def test_missing_member(sample, name):
    parts = members(sample)
    del parts[name]
    sample.write_bytes(zip_bytes(parts))
    with pytest.raises(PackageError, match=f"{name} is missing"):
        read_package(sample)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "image.bin/../x", "notes.txt", "C:\\x"])
def test_member_that_does_not_belong(sample, name):
    sample.write_bytes(zip_bytes({**members(sample), name: b"x"}))
    with pytest.raises(PackageError, match="does not belong here"):
        read_package(sample)


def test_a_bomb_is_not_inflated(sample, monkeypatch):
    monkeypatch.setitem(LIMITS, IMAGE, 1 << 16)
    sample.write_bytes(zip_bytes({**members(sample), IMAGE: bytes(1 << 22)}))
    with pytest.raises(PackageError, match="larger than the 65536 bytes allowed"):
        read_package(sample)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"format": 2, "format": 2}',
        b'{"format": 1e999}',
        b'{"format": -Infinity}',
        b'{"format": NaN}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"1" * 10_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_manifest_that_is_no_object(sample, text):
    sample.write_bytes(zip_bytes({**members(sample), MANIFEST: text}))
    with pytest.raises(PackageError, match="manifest.json"):
        read_package(sample)


@pytest.mark.parametrize(
    "value,reason",
    [(1, "is 1, which nobody shipped"), (3, "is 3, this runtime reads 2; update hwgen"), (True, "is True")],
)
def test_other_formats(sample, tmp_path, value, reason):
    with pytest.raises(PackageError, match=f"manifest.json: .*{reason}.*make the package again"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", format=value))


HUGE = 10**400
BAD = {
    "name": ["", None, 3, "a\nb", "x" * 300],
    "board": ["", None],
    "backend": ["finn", None],
    "abi": [1, 3, True, "1", None],
    "design_hash": ["0x12", "0123456789ABCDEF", 18, "0" * 15, None],
    "clock_mhz_assumed": [0, -1, True, "250", HUGE, None],
    "engine": [[1, 2], {"a": "x"}, {"a": -1}, {"\x1b[2J": 1}, {"": 1}, {"A": 1}, {"a": 1.0}, {"a": 1 << 32}, None],
    "core": [[], None, 3],
    "array": [[8], [8, 0], [8, 8.0], "8x8", [8, True], None],
    "in_bytes": [0, 63, -64, HUGE, 64.0, None],
    "out_bytes": [0, 8, None],
    "predicted_cycles": [0, -1, 1.5, 1 << 32, None],
    "watchdog_cycles": [-1, 1 << 32, True, None],
    "inputs": [[], {}, None, [1], [{}]],
    "outputs": [[], "y"],
}


@pytest.mark.parametrize("key,value", [(key, value) for key, values in BAD.items() for value in values])
def test_bad_manifest_entry_is_named(sample, tmp_path, key, value):
    with pytest.raises(PackageError, match=rf"manifest.json: {key}.*make the package again"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", **{key: value}))


@pytest.mark.parametrize("key", list(samples.manifest()))
def test_missing_manifest_entry_is_named(sample, tmp_path, key):
    with pytest.raises(PackageError, match=f"manifest.json: {key}"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", drop=[key]))


BAD_TENSOR = {
    "name": ["", 1, None],
    "shape": [[0], [-1], [2.0], "20", [1] * 9, [1 << 20, 1 << 20], None],
    "dtype": ["float32", "int16", 8, ["int8"], None],
    "scale": [0, -1.0, True, "1", 1e-60, 1e60, HUGE, [], None],
    "offset": [-1, 1.5, 1 << 40, None],
    "lo": [-129, 1.0, None],
    "hi": [128, -200, None],
    "layout": ["planar", {"planar": 0}, {"planar": 8, "x": 1}, {}, 5, None],
    "axes": [[1], [0, 0], [], 0, "0", [0.0], [False], {}],
}


@pytest.mark.parametrize("key,value", [(key, value) for key, values in BAD_TENSOR.items() for value in values])
@pytest.mark.parametrize("side,index", [("inputs", 0), ("outputs", 0), ("outputs", 1)])
def test_bad_tensor_entry_is_named(sample, tmp_path, side, index, key, value):
    tensors = samples.manifest()[side]
    tensors[index][key] = value
    if key in ("lo", "hi") and tensors[index]["dtype"] == "int32" and isinstance(value, int):
        pytest.skip("an int32 holds it")
    with pytest.raises(PackageError, match=rf"manifest.json: {side}"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", **{side: tensors}))


@pytest.mark.parametrize("offset,reason", [(10, "overlap"), (50, "overlap"), (64, "beyond the buffer")])
def test_tensors_share_no_byte_and_stay_inside(sample, tmp_path, offset, reason):
    outputs = samples.manifest()["outputs"]
    outputs[0]["offset"], outputs[1]["offset"] = (0, offset) if offset != 50 else (50, 48)
    with pytest.raises(PackageError, match=reason):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", outputs=outputs))


def test_names_are_unique(sample, tmp_path):
    outputs = samples.manifest()["outputs"]
    outputs[0]["name"] = "x"
    with pytest.raises(PackageError, match="name x is also an input"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", outputs=outputs))
    outputs[0]["name"] = "z"
    with pytest.raises(PackageError, match="two tensors have the same name"):
        read_package(refit(members(sample), tmp_path / "p.hwpkg", outputs=outputs))


@pytest.mark.parametrize(
    "image,reason",
    [
        (b"", "are not a header"),
        (samples.image()[:-8], "are not a header"),
        (b"XXXX" + samples.image()[4:], "instead of 0x4d495748"),
        (samples.image()[:4] + b"\x09" + samples.image()[5:], "made for ABI 9"),
        (samples.image(5), "made for design 0000000000000005"),
        (samples.image()[:-16], "END section"),
    ],
)
def test_bad_image(sample, tmp_path, image, reason):
    parts = {**members(sample), IMAGE: image}
    with pytest.raises(PackageError, match=f"image.bin: .*{reason}"):
        read_package(refit(parts, tmp_path / "p.hwpkg"))


def with_stream(path, drop=(), **changes):
    data = samples.stream() + bytes(changes.pop("more", 0))
    manifest = {**samples.manifest(), **samples.STREAMS, **changes}
    manifest = {key: value for key, value in manifest.items() if key not in drop}
    return write_package(path, manifest, samples.image(), samples.vectors(np.random.default_rng(1)), stream=data)


def test_weights_that_stay_in_ddr(tmp_path):
    package = read_package(with_stream(tmp_path / "p.hwpkg"))
    assert package.stream == samples.stream() and package.sizes["stream.bin"] == 192
    assert read_package(samples.package(tmp_path / "q.hwpkg")).stream == b""


@pytest.mark.parametrize(
    "changes,reason",
    [
        ({"more": 64}, "stream.bin: 256 bytes, the manifest says 192"),
        ({"stream_bytes": 128}, "stream.bin: 192 bytes, the manifest says 128"),
        ({"stream_bytes": 191}, "manifest.json: stream_bytes must be a multiple of 64"),
        ({"stream_bytes": 0}, "manifest.json: stream_bytes must be an integer from 1 to"),
        ({"stream_bytes": True}, "manifest.json: stream_bytes must be an integer"),
        ({"engine": {"stream_ports": 0}}, "manifest.json: engine must be with stream_ports"),
        ({"engine": {}}, "manifest.json: engine must be with stream_ports"),
        ({"drop": ["engine"]}, "manifest.json: engine must be with stream_ports"),
        ({"drop": ["stream_bytes"]}, "stream.bin is there, the manifest has not stream_bytes"),
    ],
)
def test_bad_stream(tmp_path, changes, reason):
    with pytest.raises(PackageError, match=reason):
        with_stream(tmp_path / "p.hwpkg", **changes)
    assert not (tmp_path / "p.hwpkg").exists()


def test_a_stream_that_is_missing_or_altered(tmp_path):
    path = with_stream(tmp_path / "p.hwpkg")
    parts = members(path)
    path.write_bytes(zip_bytes({**parts, "stream.bin": parts["stream.bin"][:-1] + b"x"}))
    with pytest.raises(PackageError, match="stream.bin was altered"):
        read_package(path)
    del parts["stream.bin"]
    with pytest.raises(PackageError, match="stream.bin is missing, the manifest has stream_bytes"):
        read_package(refit(parts, path))


def npz_of(**arrays):
    return npz.save({name: np.asarray(array) for name, array in arrays.items()})


def vectors_with(**changes):
    arrays = {**samples.vectors(np.random.default_rng(1)), **changes}
    return npz_of(**{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize(
    "data,reason",
    [
        (b"no zip", "not an npz file"),
        (vectors_with(x=None), "must hold"),
        (vectors_with(extra=np.zeros(3, int)), "must hold"),
        (vectors_with(x=np.zeros((3, 21), int)), "shape"),
        (vectors_with(x=np.zeros((2, 20), int)), "same number of vectors"),
        (vectors_with(x=np.int8(3)), "same number of vectors"),
        (vectors_with(x=np.full((3, 20), 128)), "leaves the range"),
        (vectors_with(k=np.full((3, 2, 3), 16)), "leaves the range"),
        (vectors_with(x=np.zeros((3, 20))), "numbers of kind iu"),
        (npz_of(**{n: a[:0] for n, a in samples.vectors(np.random.default_rng(1)).items()}), "at least one"),
    ],
)
def test_bad_golden_vectors(sample, tmp_path, data, reason):
    with pytest.raises(PackageError, match=f"selftest.npz: .*{reason}"):
        read_package(refit({**members(sample), SELFTEST: data}, tmp_path / "p.hwpkg"))


def test_npy_that_promises_more_than_it_holds(sample, tmp_path):
    good = npz.npy_bytes(np.zeros((3, 20), np.int8))
    arrays = zip_members(members(sample)[SELFTEST], 1 << 20)
    for bad in (
        good[:-1],
        good + b"x",
        good.replace(b"(3, 20)", b"(3,200)"),
        good[:20],
        good.replace(b"(3, 20)", b"(3,20 )"),
        good.replace(b"(3, 20)", b"(03,20)"),
        good.replace(b"False", b"True "),
        good.replace(b"|i1", b"|O1"),
        b"\x93NUMPY\x03\x00" + good[8:],
    ):
        data = zip_bytes({**arrays, "x.npy": bad})
        with pytest.raises(PackageError, match="selftest.npz"):
            read_package(refit({**members(sample), SELFTEST: data}, tmp_path / "p.hwpkg"))


def test_the_writer_refuses_what_the_reader_would(tmp_path):
    vectors = samples.vectors(np.random.default_rng(1))
    with pytest.raises(PackageError, match="golden vectors are integers"):
        write_package(tmp_path / "p.hwpkg", samples.manifest(), samples.image(), {**vectors, "x": vectors["x"] * 1.0})
    with pytest.raises(PackageError, match="in_bytes"):
        write_package(tmp_path / "p.hwpkg", {**samples.manifest(), "in_bytes": 7}, samples.image(), vectors)
    with pytest.raises(PackageError, match="not expressible as JSON"):
        write_package(tmp_path / "p.hwpkg", {**samples.manifest(), "note": object()}, samples.image(), vectors)
    assert not list(tmp_path.iterdir())
