"""From DIR/rtl to the simulator library DIR/sim/libhwgen_sim.so: Verilator, g++, and a cache.

The library is made once for a content (RTL, harness, tools, options) and kept in the user's cache, so that the second
build of the same design copies a file. The waves variant is a library of its own, for tracing slows every clock down.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from hwgen import resources
from hwgen.build import cxx, toolchain
from hwgen.errors import InputError
from hwgen.runtime.sim_binding import NAME, WAVES_NAME

TOP = "hwgen_top"
CACHED = 64  # libraries kept; the oldest go
Progress = Callable[[str], object] | None

VERILATE = (
    "--cc", "-O3", "--no-timing", "--threads", "1", "--x-assign", "fast", "--x-initial", "fast",
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "--output-split", "20000", "--top-module", TOP, "--prefix", f"V{TOP}",
)  # fmt: skip
FAST = ("--no-assert",)
WAVES = {"vcd": ("--assert", "--trace-vcd"), "fst": ("--assert", "--trace-fst")}


def cache_dir() -> Path:
    """Where libraries are kept: HWGEN_CACHE, else the user's cache folder."""
    given = os.environ.get("HWGEN_CACHE")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwgen"
    return base / "sim"


def sources(folder: Path) -> list[Path]:
    """The SystemVerilog of a generated folder, packages first; with stand-ins for what only a vendor's tool can make.

    Raises InputError when there is none."""
    folders = (folder / "rtl", folder / "sim" / "rtl")
    found = [path for part in folders for path in part.rglob("*") if path.suffix in (".sv", ".v")]
    if not any(path.stem == TOP for path in found):
        raise InputError(f"{folder}: rtl/{TOP}.sv is missing; give a folder that `hwgen generate` made")
    return sorted(found, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def build(folder: str | os.PathLike, waves: bool = False, progress: Progress = None) -> Path:
    """Make the simulator of a generated folder and return the library, DIR/sim/libhwgen_sim.so (waves: ..._waves.so).

    `waves`: the variant that can record waveforms, VCD or, with HWGEN_WAVES_FORMAT=fst (needs liblz4-dev), FST;
    assertions of the RTL are active in it. `progress` is called with a line when a compilation starts and when it has
    ended. Two processes may build the same folder at once. Raises InputError (no RTL, unknown format) or ToolError.
    """
    folder = Path(folder)
    files = sources(folder)
    wave_format = _wave_format() if waves else ""
    options = (*VERILATE, *(WAVES[wave_format] if waves else FAST))
    key = _key(files, options)
    target = folder / "sim" / (WAVES_NAME if waves else NAME)
    stamp = target.with_suffix(".key")
    if target.is_file() and stamp.is_file() and stamp.read_text() == key:
        return target
    cached = cache_dir() / key / "libhwgen_sim.so"
    with _locked(cache_dir() / f"{key}.lock"):
        if not cached.is_file():
            _compile(files, options, wave_format, cached, folder, progress)
        _install(cached, target)
        os.utime(cached.parent)
    _write(stamp, key)
    _prune(keep=key)
    return target


def _wave_format() -> str:
    form = os.environ.get("HWGEN_WAVES_FORMAT", "vcd").lower()
    if form not in WAVES:
        raise InputError(f"HWGEN_WAVES_FORMAT={form}: use one of {', '.join(WAVES)}")
    return form


def _harness() -> list[Path]:
    return sorted(resources.path("sim", "verilator").glob("*.[ch]*"))


def _key(files: list[Path], options: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    compiler = subprocess.run([toolchain.find("g++"), "-dumpfullversion"], capture_output=True, text=True).stdout
    tools = (version("verilator"), compiler.strip(), platform.machine(), *options, *cxx.options())
    digest.update(json.dumps(tools).encode())
    for path in (*files, *_harness()):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def _compile(
    files: list[Path], options: tuple[str, ...], wave_format: str, target: Path, folder: Path, progress: Progress
) -> None:
    begin = time.monotonic()
    if progress:
        progress(f"compiling the simulator of {folder} (once for this design) ...")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as name:
        work, log = Path(name), folder / "sim" / "log" / "link.log"
        words = ["verilator", *options, "-Mdir", work, *(path.resolve() for path in files)]
        toolchain.run(words, cwd=work, log=log.with_name("verilator.log"))
        harness = [path for path in _harness() if path.suffix == ".cpp"]
        os.replace(cxx.library(work, TOP, harness, wave_format, cache_dir(), log), target)
    if progress:
        progress(f"simulator compiled in {time.monotonic() - begin:.0f} s")


def _install(cached: Path, target: Path) -> None:
    """Put a copy in place in one step: a running simulation keeps the file it has loaded."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".lib-")
    os.close(handle)
    shutil.copyfile(cached, name)
    os.chmod(name, 0o755)
    os.replace(name, target)


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    os.replace(part, path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One builder a design: the other waits and then finds the library."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _prune(keep: str) -> None:
    built = []
    for path in cache_dir().iterdir():
        with suppress(FileNotFoundError, NotADirectoryError):  # another process prunes, too
            (path / "libhwgen_sim.so").stat()
            built.append((path.stat().st_mtime, path))
    for _, path in sorted(built, reverse=True)[CACHED:]:
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
