"""hwgen/build/verilate.py: the cached build of the simulator library, on the stand-in for the accelerator."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hwgen.build import verilate
from hwgen.errors import InputError, ToolError
from hwgen.runtime.simlib import SimLib

pytestmark = [pytest.mark.rtl, pytest.mark.xdist_group("sim_mock")]
MOCK = Path(__file__).parent / "mock"


def copy(tmp_path: Path, name: str = "design") -> Path:
    shutil.copytree(MOCK, tmp_path / name)
    return tmp_path / name


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache without designs; the Verilator runtime's objects are taken along."""
    verilate.build(copy(tmp_path, "first"))
    objects = list(verilate.cache_dir().glob("*.o"))
    monkeypatch.setenv("HWGEN_CACHE", str(tmp_path / "cache"))
    verilate.cache_dir().mkdir(parents=True)
    for path in objects:
        shutil.copy(path, verilate.cache_dir())
    return verilate.cache_dir()


def test_second_build_comes_from_the_cache(tmp_path):
    first, second, said = copy(tmp_path), copy(tmp_path, "same"), []
    library = verilate.build(first)
    assert library == first / "sim" / "libhwgen_sim.so"
    before = library.stat().st_mtime_ns
    assert verilate.build(first, progress=said.append) == library and library.stat().st_mtime_ns == before
    other = verilate.build(second, progress=said.append)
    assert other.read_bytes() == library.read_bytes() and not said


def test_changed_rtl_is_built_again(tmp_path, own_cache):
    folder = copy(tmp_path)
    top, said = folder / "rtl" / "hwgen_top.sv", []
    verilate.build(folder)
    old, new = "default: rdata_q <= regs_q", "'h0: rdata_q <= 32'h600D; default: rdata_q <= regs_q"
    top.write_text(top.read_text().replace(old, new))
    verilate.build(folder, progress=said.append)
    assert len(said) == 2 and "compiling" in said[0] and said[1].endswith(" s")
    with SimLib.open(folder) as sim:
        assert sim.read(0) == 0x600D


def test_two_builders_at_once(tmp_path, own_cache):
    folder, said = copy(tmp_path), []
    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: verilate.build(folder, progress=said.append), range(2)))
    assert paths[0] == paths[1] and len(said) == 2  # one compiled
    assert not list(own_cache.rglob(".build-*"))


def test_the_cache_is_pruned(tmp_path, monkeypatch):
    monkeypatch.setenv("HWGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(verilate, "CACHED", 2)
    for i in range(4):
        entry = verilate.cache_dir() / f"design{i}"
        entry.mkdir(parents=True)
        (entry / "libhwgen_sim.so").touch()
        os.utime(entry, (i, i))
    verilate._prune(keep="design0")
    assert sorted(p.name for p in verilate.cache_dir().iterdir()) == ["design0", "design2", "design3"]


def test_a_folder_without_rtl(tmp_path):
    with pytest.raises(InputError, match="hwgen generate"):
        verilate.build(tmp_path)


def test_broken_rtl_names_the_error_and_leaves_nothing(tmp_path, own_cache):
    folder = copy(tmp_path)
    (folder / "rtl" / "hwgen_top.sv").write_text("module hwgen_top; nonsense nonsense nonsense; endmodule")
    with pytest.raises(ToolError, match="hwgen_top.sv"):
        verilate.build(folder)
    assert not (folder / "sim" / "libhwgen_sim.so").exists() and not list(own_cache.rglob("*.so"))


def test_unknown_wave_format(tmp_path, monkeypatch):
    monkeypatch.setenv("HWGEN_WAVES_FORMAT", "png")
    with pytest.raises(InputError, match="vcd, fst"):
        verilate.build(copy(tmp_path), waves=True)
