"""The benches' compiler: a file of the runtime is compiled once for the same words, everything else each time."""

import pytest

from tests.rtl import objcache


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compile a file with some words more; whether the compiler ran, and the object's bytes."""
    monkeypatch.setenv("VERILATOR_ROOT", str(tmp_path))
    monkeypatch.setenv("HWGEN_CACHE", str(tmp_path / "cache"))
    for folder in ("include", "design"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "part.cpp").write_text("int part() { return VALUE; }\n")
    (tmp_path / "counting").write_text(f'#!/bin/sh\necho >> {tmp_path}/ran\nexec g++ "$@"\n')
    (tmp_path / "counting").chmod(0o755)
    runs = tmp_path / "ran"

    def compile_one(folder, *words, code=0):
        before = runs.read_bytes() if runs.exists() else b""
        target = tmp_path / "part.o"
        target.unlink(missing_ok=True)
        words = [str(tmp_path / "counting"), *words, "-c", "-o", str(target), str(tmp_path / folder / "part.cpp")]
        assert objcache.compile_one(words) == code
        return runs.read_bytes() != before, target.read_bytes() if code == 0 else None

    return compile_one


def test_the_runtime_is_compiled_once_for_the_same_words(compiled, tmp_path):
    ran, first = compiled("include", "-DVALUE=1")
    assert ran and compiled("include", "-DVALUE=1") == (False, first)
    ran, second = compiled("include", "-DVALUE=2")
    assert ran and second != first and compiled("include", "-DVALUE=1") == (False, first)
    (tmp_path / "include" / "part.cpp").write_text("int part() { return 7; }\n")
    ran, third = compiled("include", "-DVALUE=1")
    assert ran and third != first


def test_a_design_is_compiled_each_time(compiled):
    assert compiled("design", "-DVALUE=1")[0] and compiled("design", "-DVALUE=1")[0]


def test_what_does_not_compile_is_told_each_time(compiled):
    assert compiled("include", "-DVALUE=+", code=1)[0] and compiled("include", "-DVALUE=+", code=1)[0]
