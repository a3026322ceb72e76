"""The package of several engines: what is written is read, and whatever does not belong together is refused."""

import json

import numpy as np
import pytest

from hwgen.runtime import PackageError, npz
from hwgen.runtime.archive import zip_bytes, zip_members
from hwgen.runtime.engines_package import (
    LIMITS,
    STAGES,
    pack_engines,
    parse_engines,
    read_any,
    read_engines,
    write_engines,
)
from hwgen.runtime.package import ENGINES, SELFTEST, write_package
from tests.runtime import samples
from tests.runtime.fuzz_package import spoil
from tests.support import cases

MANIFEST = {
    "name": "two", "board": "zcu104", "copies": [1, 1], "inputs": ["x", "k"], "outputs": ["y", "w"],
    "predicted_cycles": 100, "interval_cycles": 77, "handover_cycles": 20, "clock_mhz_assumed": 250,
}  # fmt: skip


def second(**changes):
    """The manifest of a stage that reads what the sample makes, and k."""
    y = {"name": "y", "shape": [20], "dtype": "int8", "scale": 0.25, "offset": 0} | changes
    return samples.manifest() | {
        "inputs": [y, samples.manifest()["inputs"][1]],
        "outputs": [{"name": "w", "shape": [20], "dtype": "int8", "scale": 1.0, "offset": 0, "layout": "linear"}],
    }


@pytest.fixture
def stages(tmp_path):
    """The files of two stages: the sample, and one behind it."""
    rng = np.random.default_rng(1)
    first = samples.package(tmp_path / "first.hwpkg")
    vectors = {"y": rng.integers(-9, 9, (3, 20)), "k": rng.integers(0, 9, (3, 2, 3)), "w": rng.integers(-9, 9, (3, 20))}
    return [first, write_package(tmp_path / "second.hwpkg", second(), samples.image(), vectors)]


@pytest.fixture
def golden():
    rng = np.random.default_rng(2)
    shapes = {"x": (3, 20), "k": (3, 2, 3), "y": (3, 20), "w": (3, 20)}
    return {name: rng.integers(0, 9, shape) for name, shape in shapes.items()}


def test_what_is_written_is_read(tmp_path, stages, golden):
    made = write_engines(tmp_path / "two.hwpkg", MANIFEST, stages, golden)
    again = read_engines(tmp_path / "two.hwpkg")
    assert again.copies == (1, 1) and [t.name for t in again.inputs] == ["x", "k"]
    assert [t.name for t in again.outputs] == ["y", "w"] and read_any(again.path).sizes == again.sizes
    assert [one.design_hash for one in again.engines] == [one.design_hash for one in made.stages]
    assert all(np.array_equal(again.selftest[name], golden[name]) for name in golden)
    first = (tmp_path / "two.hwpkg").read_bytes()
    write_engines(tmp_path / "two.hwpkg", MANIFEST, stages, golden)
    assert (tmp_path / "two.hwpkg").read_bytes() == first


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"copies": [2]}, "as long as there are stages"),
        ({"copies": [4, 1]}, "2 to 4 in all"),
        ({"copies": [1, True]}, "2 to 4 in all"),
        ({"inputs": ["x"]}, "stage 1 reads 'k'|stage 0 reads 'k', which no earlier stage makes"),
        ({"inputs": ["x", "k", "q"]}, "names 'q', which no stage has"),
        ({"outputs": ["v"]}, "names 'v', which no stage has"),
        ({"outputs": ["w", "w"]}, "a list of names"),
        ({"board": "kv260"}, "board differs between the stages"),
        ({"predicted_cycles": 0}, "predicted_cycles must be an integer"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path, stages, golden, changes, told):
    with pytest.raises(PackageError, match=told) as error:
        write_engines(tmp_path / "two.hwpkg", MANIFEST | changes, stages, golden)
    assert "\n" not in str(error.value) and not (tmp_path / "two.hwpkg").exists()


@pytest.mark.parametrize("changes", [{"scale": 0.5}, {"shape": [4, 5]}, {"dtype": "uint8"}])
def test_stages_that_do_not_fit_are_refused(tmp_path, stages, golden, changes):
    shape = changes.get("shape", [20])
    vectors = {"y": np.zeros((3, *shape), int), "k": golden["k"], "w": golden["w"]}
    write_package(stages[1], second(**changes), samples.image(), vectors)
    with pytest.raises(PackageError, match="stage 1 reads 'y' as another shape, type or scale"):
        write_engines(tmp_path / "two.hwpkg", MANIFEST, stages, golden)


def test_what_is_altered_is_refused(tmp_path, stages, golden):
    write_engines(tmp_path / "two.hwpkg", MANIFEST, stages, golden)
    members = zip_members((tmp_path / "two.hwpkg").read_bytes(), LIMITS)
    other = members | {SELFTEST: npz.save({**golden, "x": golden["x"] ^ 1})}
    with pytest.raises(PackageError, match="sha256 of selftest.npz is another: it was altered"):
        parse_engines(zip_bytes(other), tmp_path)
    spoilt = members[ENGINES].replace(b'"interval_cycles": 77', b'"interval_cycles": 76')
    with pytest.raises(PackageError, match="sha256 of engines.json is another: it was altered"):
        parse_engines(zip_bytes(members | {ENGINES: spoilt}), tmp_path)
    manifest = json.loads(members.pop(ENGINES))
    for name in (STAGES[1], SELFTEST):
        less = {other: data for other, data in members.items() if other != name}
        with pytest.raises(PackageError):
            parse_engines(pack_engines(manifest, less), tmp_path)
    swapped = members | {STAGES[0]: members[STAGES[1]], STAGES[1]: members[STAGES[0]]}
    with pytest.raises(PackageError, match="stage 0 reads 'y'"):
        parse_engines(pack_engines(manifest, swapped), tmp_path)
    data = (tmp_path / "two.hwpkg").read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(PackageError, match="not a whole package"):
            parse_engines(data[:cut], tmp_path)


def test_whatever_is_spoilt_is_refused_in_one_line(tmp_path, stages, golden, seed):
    """Bytes, and entries whose hashes are right again: opened, or a PackageError, and nothing else."""
    write_engines(tmp_path / "two.hwpkg", MANIFEST, stages, golden)
    data, rng, opened = (tmp_path / "two.hwpkg").read_bytes(), np.random.default_rng(seed), 0
    members = zip_members(data, LIMITS)
    manifest = {key: value for key, value in json.loads(members.pop(ENGINES)).items() if key != "sha256"}
    for _ in range(cases(300, 20_000)):
        if rng.random() < 0.4:
            spoilt = bytearray(data)
            spoilt[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        else:
            try:
                spoilt = pack_engines(spoil(manifest, rng), members)
            except (TypeError, ValueError, AttributeError):  # no manifest that JSON holds
                continue
        try:
            made = parse_engines(bytes(spoilt), tmp_path / "two.hwpkg")
        except PackageError as error:
            assert "\n" not in str(error)
            continue
        opened += 1
        assert sum(made.copies) == len(made.engines) and len(made.inputs) == len(made.manifest["inputs"])
    assert opened


def test_a_package_of_one_engine_is_named(stages):
    with pytest.raises(PackageError, match="a package of one engine; open it with hwgen.runtime.Accelerator"):
        read_engines(stages[0])
