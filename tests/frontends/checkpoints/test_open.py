"""Files are told apart by what they hold; safetensors and Flax files that are damaged end in a clear error."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hwgen.errors import InputError
from hwgen.frontends.checkpoints import is_checkpoint, load_float
from hwgen.frontends.checkpoints.tensors import open_checkpoint
from tests.frontends.checkpoints import flax_writer
from tests.support import cases

STATE = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(4, dtype=np.float16)}


def arrays(file: Path) -> dict[str, np.ndarray]:
    return {key: entry.read() for key, entry in open_checkpoint(file).items()}


def safetensors(header: dict | bytes, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def one(dtype: str, shape: list[int], offsets: list[int], data: bytes) -> bytes:
    return safetensors({"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}, data)


def test_safetensors_with_any_suffix(tmp_path):
    save_file(STATE, str(tmp_path / "x.bin"), metadata={"format": "pt"})
    got = arrays(tmp_path / "x.bin")
    assert set(got) == set(STATE)
    for key, array in STATE.items():
        np.testing.assert_array_equal(got[key], array)


def test_bfloat16(tmp_path):
    values = np.array([1.0, -2.5, 3.140625, 2.0**100], np.float32)
    upper = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    (tmp_path / "x.safetensors").write_bytes(one("BF16", [2, 2], [0, 8], upper))
    np.testing.assert_array_equal(arrays(tmp_path / "x.safetensors")["x"].ravel(), values)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"", "is empty"),
        (b"hello, world, this is text", "is no checkpoint"),
        (struct.pack("<Q", 1 << 40) + b"{}", "damaged safetensors"),
        (one("F32", [1 << 40], [0, 4], b"0000"), "damaged safetensors"),
        (one("F32", [2], [0, 8], b"0000"), "damaged safetensors"),
        (one("F32", [1], [4, 8], b"00000000"), "damaged safetensors"),
        (one("F99", [1], [0, 4], b"0000"), "damaged safetensors"),
        (safetensors(b"{" + b"[" * 50_000, b""), "damaged safetensors"),
        (b"\x80\x04\x95", "is a pickle"),
    ],
)
def test_files_that_are_none(tmp_path, data, says):
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=f"x.safetensors.*{says}"):
        arrays(tmp_path / "x.safetensors")


def test_a_type_that_cannot_be_read_is_named_with_its_key(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(one("F8_E4M3", [4], [0, 4], b"0000"))
    with pytest.raises(InputError, match="x.safetensors: x has numbers of type F8_E4M3"):
        arrays(tmp_path / "x.safetensors")


def test_flax_trees(tmp_path):
    tree = {"params": {"Dense_0": {"kernel": STATE["a.weight"], "bias": STATE["b"]}, "n": 3, "s": "text", "none": None}}
    (tmp_path / "x.msgpack").write_bytes(flax_writer.pack(tree))
    got = arrays(tmp_path / "x.msgpack")
    assert list(got) == ["params/Dense_0/kernel", "params/Dense_0/bias"]
    np.testing.assert_array_equal(got["params/Dense_0/kernel"], STATE["a.weight"])
    np.testing.assert_array_equal(got["params/Dense_0/bias"], STATE["b"])


def test_flax_arrays_in_chunks(tmp_path):
    whole = np.arange(10, dtype=np.float32).reshape(5, 2)
    chunks = {str(i): part for i, part in enumerate(np.split(whole.ravel(), [4, 8]))}
    tree = {"w": {"__msgpack_chunked_array__": True, "shape": {"0": 5, "1": 2}, "chunks": chunks}}
    (tmp_path / "x.msgpack").write_bytes(flax_writer.pack(tree))
    np.testing.assert_array_equal(arrays(tmp_path / "x.msgpack")["w"], whole)
    del chunks["2"]
    (tmp_path / "x.msgpack").write_bytes(flax_writer.pack(tree))
    with pytest.raises(InputError, match="the chunks of an array do not make up"):
        arrays(tmp_path / "x.msgpack")


@pytest.mark.parametrize(
    "data, says",
    [
        (b"\x81\xa1a\xdd\xff\xff\xff\xff", "4294967295 values in 0 bytes"),
        (b"\x81\xa1a\xc6\xff\xff\xff\xff", "in the middle of a value"),
        (b"\x81\xa1a" + b"\x91" * 1000, "nests deeper"),
        (b"\x81\xa1a\xc1", "damaged"),
        (b"\x82\xa1a\x01\xa1a\x02", "a key comes twice"),
        (b"\x81\xa1a\x01\x00", "1 bytes follow"),
        (b"\x81\xa1a\x01", "holds no arrays"),
        (b"\x81\xa1a\xc7\x10\x01" + flax_writer.pack([[1 << 40], "float32", b"12"])[:16].ljust(16, b"\0"), "damaged"),
        (flax_writer.pack({"a": flax_writer.Array((1 << 20, 1 << 20), "float32", b"1234")}), "damaged"),
        (flax_writer.pack({"a": flax_writer.Array((-1,), "float32", b"")}), "damaged"),
        (flax_writer.pack({"a": flax_writer.Array((2,), "float32", b"1234")}), "damaged"),
    ],
)
def test_flax_files_that_are_damaged(tmp_path, data, says):
    (tmp_path / "x.msgpack").write_bytes(data)
    with pytest.raises(InputError, match=f"x.msgpack.*{says}"):
        arrays(tmp_path / "x.msgpack")


@pytest.mark.parametrize("kind", ["safetensors", "flax"])
def test_every_damage_ends_in_a_clear_error_or_the_tensors(tmp_path, kind):
    save_file(STATE, str(tmp_path / "x"))
    tree = {"a": STATE["a.weight"], "b": {"c": STATE["b"]}}
    whole = (tmp_path / "x").read_bytes() if kind == "safetensors" else flax_writer.pack(tree)
    rng = np.random.default_rng(21)
    damaged = [whole[:n] for n in rng.integers(0, len(whole), cases(40, 1000))]
    for _ in range(cases(200, 20_000)):
        data = bytearray(whole)
        for at in rng.integers(0, len(whole), 2):
            data[at] = rng.integers(256)
        damaged.append(bytes(data))
    failed = 0
    for data in damaged:
        (tmp_path / "y").write_bytes(data)
        try:
            arrays(tmp_path / "y")
        except InputError as error:
            failed += 1
            assert str(tmp_path / "y") in str(error)
    assert failed > 50


def test_models_that_are_no_policy(tmp_path):
    save_file(STATE, str(tmp_path / "model.safetensors"))
    with pytest.raises(InputError, match="of no policy that hwgen knows .a.weight, b.* LeRobot ACT"):
        load_float(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        load_float(tmp_path / "nothing.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no model.safetensors"):
        load_float(tmp_path / "empty")
    assert is_checkpoint(tmp_path) and is_checkpoint(Path("x.pt")) and not is_checkpoint(Path("x.onnx"))
