"""The report: mismatches are found and placed, errors are figures, files and exit codes are right."""

import json

import numpy as np
import pytest

from hwgen.errors import InputError
from hwgen.graph import GraphBuilder
from hwgen.reference import Reference, verify, verify_file
from hwgen.reference.verification import chosen, random_vectors
from tests.reference.graphs import full_house


def small():
    b = GraphBuilder("small")
    x = b.input("x", (6,), scale=2**-5)
    h = b.requantize(b.linear(x, np.arange(18).reshape(6, 3) - 9, 2**-5), scale=2**-3, name="hidden")
    b.output(b.requantize(b.linear(h, np.eye(3, dtype=int), 2**-4), scale=2**-4), "y")
    return b.build()


def test_all_is_well():
    seen = []
    graph, vectors = full_house()
    report = verify(graph, ["golden", "jax-int", "jax-float32"], vectors, lambda *call: seen.append(call))
    assert report.ok and [e.who.name for e in report.exact] == ["golden", "jax-int"]
    size = sum(t.size for t in graph.tensors.values())
    assert [(e.vectors, e.values, e.mismatches) for e in report.exact] == [(9, 9 * size, 0)] * 2
    (real,) = report.real
    assert [t.tensor for t in real.tensors] == list(graph.inputs) + [n.output for n in graph.nodes]
    assert all(np.isfinite(t.worst_steps) and 0 <= t.clipped <= 1 for t in real.tensors)
    assert seen[0] == ("golden", 0, 9) and seen[-1] == ("jax-float32", 9, 9)


def test_a_wrong_integer_is_found_and_placed(monkeypatch, rng):
    """In a tensor inside the graph, in the second chunk of vectors."""
    reference = Reference("jax-int")
    honest = reference.platform.compile

    def forged(*args):
        run = honest(*args)

        def wrong(inputs, keep):
            values = {name: y.copy() for name, y in run(inputs, keep).items()}
            if len(values["hidden"]) == 36:
                values["hidden"][5, 2] ^= 1
            return values

        return wrong

    monkeypatch.setattr(type(reference.platform), "compile", lambda self, *args: forged(*args))
    report = verify(small(), [reference], {"x": rng.integers(-128, 128, (100, 6))})
    (found,) = report.exact
    assert not report.ok and found.mismatches == 1 and found.first.startswith("hidden[2] of vector 69: ")


def test_error_figures():
    """A constant error of a quarter step of 0.5: real inputs 0.125 off the grid."""
    b = GraphBuilder("figures")
    x = b.input("x", (1,), scale=0.5)
    b.output(b.requantize(x, scale=0.5), "y")
    report = verify(b.build(), ["jax-float64"], {"x": np.array([[1.125], [2.125], [63.5], [63.5]])})
    y = report.real[0].tensors[-1]
    signal = 1.125**2 + 2.125**2 + 2 * 63.5**2
    assert y.sqnr_db == pytest.approx(10 * np.log10(signal / (2 * 0.125**2)))
    assert (y.tensor, y.worst_steps, y.clipped) == ("y", 0.25, 0.5)


def test_random_vectors_fill_the_range():
    graph = small()
    x = random_vectors(graph, 400, 7)["x"]
    assert x.shape == (400, 6) and x.min() == -128 and x.max() == 127
    assert set(np.unique(x[3::4])) == {-128, 127}
    assert np.array_equal(x, random_vectors(graph, 400, 7)["x"])


@pytest.fixture
def on_disk(tmp_path):
    from hwgen.graph.qonnx_out import save

    save(small(), tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def test_a_file(on_disk, tmp_path, capsys):
    assert verify_file(on_disk, "jax-int,jax-float32", 10, seed=3, out=tmp_path / "r" / "report.json") == 0
    printed = capsys.readouterr().out
    assert "jax-int" in printed and "mismatches" in printed and "SQNR" in printed and "hidden" not in printed
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert report["ok"] and report["exact"][0]["vectors"] == 10 and report["exact"][0]["who"]["version"]
    assert report["real"][0]["tensors"][0]["sqnr_db"] is None  # the input has no error


def test_a_file_with_vectors(on_disk, tmp_path, capsys, rng):
    np.savez(tmp_path / "frames.npz", x=rng.normal(0, 1, (5, 6)).astype(np.float32), y=np.zeros(3))
    assert verify_file(on_disk, "golden,jax-float64", tmp_path / "frames.npz", tensors=True) == 0
    assert "Linear" in capsys.readouterr().out


def test_mismatches_fail(on_disk, monkeypatch, capsys):
    from hwgen.reference import jax_int

    monkeypatch.setitem(jax_int.FUNCTIONS, "Linear", lambda *args: linear(*args) + 64)
    linear = jax_int.linear
    assert verify_file(on_disk, "jax-int", 4) == 1
    assert "first mismatch of jax-int: " in capsys.readouterr().out


def test_names():
    assert chosen("jax-int, golden") == ["jax-int", "golden"]
    assert "jax-float32" in chosen("all") and "golden" not in chosen("all")
    for wrong in ("jax-int,npu", " , "):
        with pytest.raises(InputError, match="use all, or some of golden"):
            chosen(wrong)


def test_bad_files(tmp_path, on_disk):
    with pytest.raises(InputError, match="does not exist"):
        verify_file(tmp_path / "none.onnx")
    (tmp_path / "a.pt").touch()
    with pytest.raises(InputError, match="neither .onnx"):
        verify_file(tmp_path / "a.pt")
    (tmp_path / "bad.npz").write_bytes(b"no zip")
    with pytest.raises(InputError, match="bad.npz cannot be read"):
        verify_file(on_disk, "golden", tmp_path / "bad.npz")
    with pytest.raises(InputError, match="no vectors"):
        verify_file(on_disk, "golden", 0)
