"""PyTorch files are read as data: real ones give their tensors, and no defect runs anything or gets past."""

import io
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.tensors import open_checkpoint
from tests.frontends.checkpoints import torch_writer as writer
from tests.support import cases

REAL = Path(__file__).with_name("data") / "torch.pt"
ONE = np.arange(6, dtype=np.float32).reshape(2, 3)


def arrays(file: Path) -> dict[str, np.ndarray]:
    return {key: entry.read() for key, entry in open_checkpoint(file).items()}


def test_what_torch_itself_saved():
    got, base = arrays(REAL), np.arange(24, dtype=np.float32).reshape(4, 6) / 8
    expected = {
        "plain": base, "transposed": base.T, "row": base[2], "part": base[1:3, ::2], "parameter": base[0],
        "half": base.astype(np.float16), "brain": base, "double": base.astype(np.float64),
        "steps": np.array(7, np.int64), "empty": np.zeros((0, 3), np.float32),
    }  # fmt: skip
    assert list(got) == list(expected)
    for key, array in expected.items():
        assert got[key].dtype == array.dtype and got[key].shape == array.shape, key
        np.testing.assert_array_equal(got[key], array, err_msg=key)


def test_what_the_writer_of_these_tests_saves(tmp_path):
    state = {"a.weight": ONE, "b": np.arange(4, dtype=np.float16), "n": np.array(3, np.int64)}
    got = arrays(writer.save(tmp_path / "x.pt", state))
    for key, array in state.items():
        np.testing.assert_array_equal(got[key], array)


class Touch:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return os.open, (str(self.file), os.O_CREAT)


def test_a_pickle_that_runs_code_is_refused_and_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    for protocol in range(6):
        bomb = pickle.dumps({"weight": Touch(marker)}, protocol)
        with pytest.raises(InputError, match="names 'posix.open': a loader would run it|uses UNICODE"):
            arrays(writer.write(tmp_path / "x.pt", bomb))
        (tmp_path / "bare.pt").write_bytes(bomb)
        with pytest.raises(InputError, match="is a pickle|is no checkpoint"):
            arrays(tmp_path / "bare.pt")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Touch(marker)))
    assert marker.exists()  # the planted code does run where a pickle is loaded


@pytest.mark.parametrize(
    "code, says",
    [
        (b"cos\nsystem\n(S'true'\ntR.", "names 'os.system'"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "names 'builtins.eval'"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "damaged"),
        (b"\x80\x02ccollections\nOrderedDict\n(X\x01\x00\x00\x00atR.", "damaged"),
        (b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x05s.", "damaged"),
        (b"\x80\x02}.", "holds no tensors by name"),
        (b"\x80\x02]q\x00h\x00a.", "holds no tensors by name"),
        (b"\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.", "holds no tensors by name"),  # a dict that holds itself
        (b"\x80\x02(((.", "damaged"),
        (b"\x80\x02}", "damaged|has no end"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f1", "damaged"),  # a number of 2 GiB
        (b"", "damaged|has no end"),
        (b"\x80\x02Vab\n\x85R.", "UNICODE"),
        (b"\x80\x02}b.", "damaged"),
    ],
)  # fmt: skip
def test_pickles_that_are_no_state_dict(tmp_path, code, says):
    with pytest.raises(InputError, match=says):
        arrays(writer.write(tmp_path / "x.pt", code))


@pytest.mark.parametrize(
    "shape, stride, offset, count",
    [
        ((2, 3), (3, 1), 1, 6),  # one number too far
        ((2, 3), (4, 1), 0, 6),
        ((1 << 40, 1 << 20), (0, 0), 0, 6),  # much of nothing
        ((4, 3), (0, 1), 0, 6),
        ((7,), (1,), 0, 6),
        ((2,), (1 << 70,), 0, 6),
        ((2, 3), (3, 1), 0, 7),  # the storage is smaller than it says
        ((2, 3), (3, -1), 2, 6),
        ((2, 3), (3,), 0, 6),
        ((-2, 3), (3, 1), 0, 6),
    ],
)
def test_tensors_that_reach_beyond_their_storage(tmp_path, shape, stride, offset, count):
    data = writer.state_pickle({"w": writer.tensor("0", "FloatStorage", count, shape, stride, offset)})
    with pytest.raises(InputError, match="beyond its storage|its storage '0' has 24 bytes|damaged"):
        arrays(writer.write(tmp_path / "x.pt", data, {"archive/data/0": ONE.tobytes()}))


def test_a_storage_that_is_missing_or_of_a_type_that_is_not_known(tmp_path):
    there = writer.tensor("../../secret", "FloatStorage", 6, (6,), (1,))
    with pytest.raises(InputError, match="w needs 6 numbers of F32, but its storage '../../secret' is missing"):
        arrays(writer.write(tmp_path / "x.pt", writer.state_pickle({"w": there})))
    odd = writer.tensor("0", "QInt8Storage", 6, (6,), (1,))
    with pytest.raises(InputError, match="torch.QInt8Storage"):
        arrays(writer.write(tmp_path / "x.pt", writer.state_pickle({"w": odd})))


def test_archives_that_are_bombs_or_lead_out(tmp_path):
    state = writer.state_pickle({"w": writer.tensor("0", "FloatStorage", 1 << 24, (1 << 24,), (1,))})
    with pytest.raises(InputError, match="compressed"):
        arrays(writer.write(tmp_path / "x.pt", state, {"archive/data/0": bytes(1 << 26)}, zipfile.ZIP_DEFLATED))
    for path in ("../data/0", "/etc/passwd", "archive/../../x", "a\\b"):
        with pytest.raises(InputError, match="leads out of the archive"):
            arrays(writer.write(tmp_path / "x.pt", state, {path: b""}))
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = io.BytesIO()
        with zipfile.ZipFile(twice, "w") as archive:
            archive.writestr("archive/data.pkl", state)
            archive.writestr("archive/data.pkl", state)
    (tmp_path / "x.pt").write_bytes(twice.getvalue())
    with pytest.raises(InputError, match="two have one name"):
        arrays(tmp_path / "x.pt")


def test_members_that_overlap(tmp_path):
    """Two directory entries for the same bytes: each may be as large as the file, together they are larger."""
    file = writer.write(
        tmp_path / "x.pt", writer.state_pickle({}), {f"archive/data/{i}": bytes(4096) for i in range(4)}
    )
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        offsets = [i.header_offset for i in archive.infolist()]
    at = data.find(b"PK\x01\x02")
    for k in range(5):  # all entries at the place of the second, with the size of three
        if k > 1:
            struct.pack_into("<I", data, at + 42, offsets[1])
        struct.pack_into("<II", data, at + 20, *((12288, 12288) if k else struct.unpack_from("<II", data, at + 20)))
        lengths = struct.unpack_from("<HHH", data, at + 28)
        at += 46 + sum(lengths)
    file.write_bytes(data)
    with pytest.raises(InputError, match="overlap"):
        arrays(file)


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(InputError, match="is a zip without a state dict"):
        arrays(tmp_path / "x.pt")


def test_every_truncation_and_flipped_bytes_end_in_a_clear_error_or_the_tensors(tmp_path):
    whole = writer.save(tmp_path / "x.pt", {"a": ONE, "b": ONE}).read_bytes()
    rng = np.random.default_rng(20)
    damaged = [whole[:n] for n in rng.integers(0, len(whole), cases(60, 2000))]
    for _ in range(cases(200, 20_000)):
        data = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            data[at] = rng.integers(256)
        damaged.append(bytes(data))
    read = 0
    for data in damaged:
        (tmp_path / "y.pt").write_bytes(data)
        try:
            read += all(a.size <= 2**20 for a in arrays(tmp_path / "y.pt").values())
        except InputError as error:
            assert "y.pt" in str(error) and "\n" not in str(error)
    assert read < len(damaged) / 2
