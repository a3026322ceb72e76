"""Calibration data: everything that is wrong is named, at once."""

import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs the flow environment")

from hwgen.errors import InputError  # noqa: E402
from hwgen.quantize import calibration  # noqa: E402
from hwgen.quantize.floats import FloatNet  # noqa: E402


@pytest.fixture
def graph():
    f = FloatNet("net")
    a, b = f.input("a", (3,)), f.input("b", (2, 3))
    f.output(f.add(f.reshape(a, (1, 3), "row"), b, "sum"), "y")
    return f.build()


def good(n: int = 4) -> dict[str, np.ndarray]:
    return {"a": np.ones((n, 3), np.float32), "b": np.ones((n, 2, 3))}


def test_good_data(graph, tmp_path):
    np.savez(tmp_path / "d.npz", **good())
    found = calibration.load(tmp_path / "d.npz", graph, limit=3)
    assert {k: (v.shape, v.dtype) for k, v in found.items()} == {
        "a": ((3, 3), np.float32),
        "b": ((3, 2, 3), np.float32),
    }


@pytest.mark.parametrize(
    "change, parts",
    [
        ({"a": np.ones((4, 3), np.uint8)}, ["'a' has dtype uint8"]),
        ({"a": np.ones((4, 4)), "b": np.zeros((4, 2, 3))}, ["'a' has shape (4, 4); give [N, 3]", "'b' is zero"]),
        ({"a": np.full((4, 3), np.nan)}, ["'a' holds NaN or infinity in 4 of 4"]),
        ({"b": np.r_[np.ones((3, 2, 3)), np.full((1, 2, 3), np.inf)]}, ["in 1 of 4 observations (the first is 3)"]),
        ({"a": np.ones((5, 3))}, ["numbers of observations differ ('a' 5, 'b' 4)"]),
        ({"c": np.ones(3)}, ["'c' is not an input"]),
        ({"a": np.ones((0, 3)), "b": np.float32(1)}, ["'a' holds no observations", "'b' has shape ()"]),
        ({"a": np.array(["x"] * 4)}, ["'a' has dtype <U1"]),
    ],
)
def test_everything_wrong_is_named(graph, change, parts):
    with pytest.raises(InputError) as error:
        calibration.check(good() | change, graph)
    assert all(part in str(error.value) for part in parts), str(error.value)
    assert "\n" not in str(error.value)


def test_missing_inputs(graph):
    with pytest.raises(InputError) as error:
        calibration.check({}, graph)
    assert "'a' is missing" in str(error.value) and "'b' is missing; add an array [N, 2, 3]" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x04]."])
def test_what_is_no_npz(graph, tmp_path, content):
    (tmp_path / "d.npz").write_bytes(content)
    with pytest.raises(InputError, match="is not an npz"):
        calibration.load(tmp_path / "d.npz", graph)


def test_pickled_objects_are_not_read(graph, tmp_path):
    np.savez(tmp_path / "d.npz", a=np.array([{}], object), b=np.ones((1, 2, 3)))
    with pytest.raises(InputError, match="is not an npz"):
        calibration.load(tmp_path / "d.npz", graph)


def test_a_plain_array_is_no_npz(graph, tmp_path):
    with open(tmp_path / "d.npz", "wb") as file:
        np.save(file, np.ones(3))
    with pytest.raises(InputError, match="is not an npz"):
        calibration.load(tmp_path / "d.npz", graph)
