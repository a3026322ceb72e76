"""The driver as a process: messages survive the pipe, errors come back as errors, nothing malformed is taken for a
message.
"""

import io
import json
import struct
import subprocess
import sys

import numpy as np
import pytest

from hwgen.runtime.frames import decode, encode
from hwgen.runtime.serve import Server, serve
from tests.runtime import policy_samples, samples
from tests.runtime.conftest import open_way
from tests.support import ROOT, cases


def reader(data):
    stream = io.BytesIO(data)

    def read(count):
        part = stream.read(count)
        if len(part) < count:
            raise EOFError
        return part

    return read


def ask(accelerator, *requests):
    """The answers of a server that finds these requests on its input."""
    out = []
    serve(Server(accelerator).answer, reader(b"".join(encode(h, a) for h, a in requests)), out.append)
    return [decode(reader(data)) for data in out]


def test_messages_round_trip(rng):
    for _ in range(cases(20, 500)):
        arrays = {
            f"t{i}": rng.integers(-100, 100, rng.integers(0, 4, rng.integers(0, 4))).astype(
                rng.choice(["i1", "u1", "i4", "f4"])
            )
            for i in range(rng.integers(0, 4))
        }
        header, back = decode(reader(encode({"do": "x"}, arrays)))
        assert header == {"do": "x"} and list(back) == list(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype and back[name].shape == array.shape and (back[name] == array).all()


def test_garbage_is_no_message(rng):
    good = encode({"do": "infer"}, {"x": np.arange(5)})
    for bad in (b"\xff" * 20, struct.pack("<I", 2) + b"[]", struct.pack("<I", 2) + b"{}", good[:-1], good[:6]):
        with pytest.raises((ValueError, EOFError)):
            decode(reader(bad))
    for _ in range(cases(200, 2000)):
        altered = bytearray(good)
        altered[rng.integers(len(good))] ^= 1 << rng.integers(8)
        try:
            decode(reader(bytes(altered)))
        except (ValueError, EOFError):
            pass


def test_no_pickle():
    header = json.dumps({"arrays": ["x"]}).encode()
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{}]), allow_pickle=True)
    data = struct.pack("<I", len(header)) + header + struct.pack("<Q", len(stream.getvalue())) + stream.getvalue()
    with pytest.raises(ValueError):
        decode(reader(data))


def test_a_batch(accelerator, rng):
    vectors = samples.vectors(rng, 7)
    inputs = {name: vectors[name] for name in ("x", "k")}
    ((header, arrays),) = ask(accelerator, ({"do": "infer", "raw": True}, inputs))
    assert "error" not in header and (arrays["cycles"] == 77).all() and len(arrays["cycles"]) == 7
    for name in ("y", "z"):
        assert (arrays["out." + name] == vectors[name]).all() and arrays["out." + name].dtype == vectors[name].dtype


def test_real_units_and_an_empty_batch(accelerator):
    reals = {"x": np.zeros((2, 20), np.float32), "k": np.ones((2, 2, 3), np.float32)}
    none = {name: array[:0] for name, array in reals.items()}
    (_, two), (_, zero) = ask(
        accelerator, ({"do": "infer", "raw": False}, reals), ({"do": "infer", "raw": False}, none)
    )
    assert two["out.y"].dtype == np.float32 and two["out.y"].shape == (2, 20) and zero["out.y"].shape == (0, 20)


def test_a_whole_policy_acts(way, tmp_path, model):
    vectors = policy_samples.vectors()
    actions = vectors.pop("action")
    none = {name: array[:0] for name, array in vectors.items()}
    no_utf8 = {**vectors, "instruction": np.full((3, 2), 255, np.uint8)}
    uneven = {**vectors, "state": vectors["state"][:2]}
    with open_way(way, policy_samples.write(tmp_path / "p.hwpkg"), model) as opened:
        asked = [({"do": "act"}, arrays) for arrays in (vectors, none, no_utf8, uneven, {})]
        (_, three), (_, zero), *wrong = ask(opened, *asked)
    assert (three["action"] == actions).all() and zero["action"].shape == (0, *actions.shape[1:])
    assert [header["error"] for header, _ in wrong] == ["InputFault"] * 3
    assert "'instruction' holds no zero-padded UTF-8" in wrong[0][0]["message"]


def test_an_accelerator_alone_does_not_act(accelerator):
    ((header, _),) = ask(accelerator, ({"do": "act"}, {"x": np.zeros((1, 20), np.float32)}))
    assert header["error"] == "UsageError" and "holds no policy" in header["message"]


def test_errors_come_back_and_the_server_goes_on(accelerator, model, rng):
    vectors = samples.vectors(rng, 1)
    inputs = {name: vectors[name] for name in ("x", "k")}
    model.fail = "AXI_READ"
    answers = ask(
        accelerator,
        ({"do": "infer"}, inputs),
        ({"do": "infer"}, {"x": inputs["x"]}),
        ({"do": "infer"}, {"x": inputs["x"], "k": np.zeros((3, 2, 3), int)}),
        ({"do": "dance"}, {}),
        ({"do": "selftest"}, {}),
        ({"do": "stats"}, {}),
        ({"do": "reset"}, {}),
        ({"do": "info"}, {}),
        ({"do": "close"}, {}),
        ({"do": "info"}, {}),
    )
    errors = [header.get("error") for header, _ in answers]
    assert errors == ["EngineError", "InputFault", "InputFault", "UsageError", None, None, None, None, None]
    assert (
        answers[4][0]["vectors"] == 3
        and answers[5][0]["errors"] == 1
        and answers[7][0]["design_hash"] == "0123456789abcdef"
    )
    assert answers[8][0] == {"closed": True}


def test_the_process_names_a_bad_package(tmp_path):
    words = [sys.executable, "-m", "hwgen.runtime.serve", str(tmp_path / "absent.hwpkg"), "--sim", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, timeout=120)
    header, _ = decode(reader(done.stdout))
    assert done.returncode == 2 and header["error"] == "PackageError" and "absent.hwpkg" in header["message"]
