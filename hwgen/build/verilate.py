"""From DIR/rtl to the simulator library DIR/sim/libhwgen_sim.so: Verilator, g++, and a cache.

The library is made once for a content (RTL, harness, tools, options) and kept in the user's cache, so that the second build of
the same design copies a file. The waves variant is a library of its own, because tracing slows every clock down.
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
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from hwgen import resources
from hwgen.build import toolchain
from hwgen.errors import InputError
from hwgen.runtime.simlib import NAME, WAVES_NAME

TOP = "hwgen_top"
CACHED = 64  # libraries kept; the oldest go

# Measured on a 32x32 array (docs/simulation.md): -O3 for Verilator, -O2 for what runs every clock.
VERILATE = ("--cc", "-O3", "--no-timing", "--x-assign", "fast", "--x-initial", "fast", "--threads", "1", "-Wno-fatal",
            "-Wno-lint", "-Wno-style", "--output-split", "20000", "--top-module", TOP, "--prefix", f"V{TOP}")  # fmt: skip
FAST = ("--no-assert",)
WAVES = {"vcd": ("--assert", "--trace-vcd"), "fst": ("--assert", "--trace-fst")}
COMPILE = {"OPT_FAST": "-O2", "OPT_SLOW": "-O0", "OPT_GLOBAL": "-O2"}
# Hidden and not unique: several designs, with the same class names, live in one process.
# The harness takes over what the RTL's $fatal, $stop and $finish do.
CXX = ("-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-fno-plt", "-DVL_USER_FATAL", "-DVL_USER_STOP", "-DVL_USER_FINISH")
LINK = ("-shared", "-static-libstdc++", "-static-libgcc", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-s")


def cache_dir() -> Path:
    """Where libraries are kept: HWGEN_CACHE, else the user's cache folder."""
    given = os.environ.get("HWGEN_CACHE")
    base = Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwgen"
    return base / "sim"


def sources(folder: Path) -> list[Path]:
    """The SystemVerilog of a generated folder, packages first. Raises InputError when there is none."""
    found = [path for path in (folder / "rtl").rglob("*") if path.suffix in (".sv", ".v")]
    if not any(path.stem == TOP for path in found):
        raise InputError(f"{folder}: rtl/{TOP}.sv is missing; give a folder that `hwgen generate` made")
    return sorted(found, key=lambda path: (not path.stem.endswith("_pkg"), path.name))


def build(folder: str | os.PathLike, waves: bool = False, progress: Callable[[str], object] | None = None) -> Path:
    """Make the simulator of a generated folder and return the library, DIR/sim/libhwgen_sim.so (waves: ..._waves.so).

    `waves`: the variant that can record waveforms, VCD or, with HWGEN_WAVES_FORMAT=fst (needs liblz4-dev), FST; assertions of the
    RTL are active in it. `progress` is called with a line when a compilation starts and when it has ended. Two processes may
    build the same folder at once. Raises InputError (no RTL, unknown format) or ToolError.
    """
    folder = Path(folder)
    files = sources(folder)
    options = (*VERILATE, *(_wave_options() if waves else FAST))
    key = _key(files, options)
    target = folder / "sim" / (WAVES_NAME if waves else NAME)
    stamp = target.with_suffix(".key")
    if target.is_file() and stamp.is_file() and stamp.read_text() == key:
        return target
    cached = cache_dir() / key / "libhwgen_sim.so"
    with _locked(cache_dir() / f"{key}.lock"):
        if not cached.is_file():
            _compile(files, options, cached, folder, progress)
        _install(cached, target)
        os.utime(cached.parent)
    _write(stamp, key)
    _prune(keep=key)
    return target


def _wave_options() -> tuple[str, ...]:
    form = os.environ.get("HWGEN_WAVES_FORMAT", "vcd").lower()
    if form not in WAVES:
        raise InputError(f"HWGEN_WAVES_FORMAT={form}: use one of {', '.join(WAVES)}")
    return WAVES[form]


def _harness() -> list[Path]:
    return sorted(resources.path("sim", "verilator").glob("*.[ch]*"))


def _key(files: list[Path], options: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    compiler = subprocess.run([toolchain.find("g++"), "-dumpfullversion"], capture_output=True, text=True).stdout
    tools = (version("verilator"), compiler.strip(), platform.machine(), *options, *COMPILE.items(), *CXX, *LINK)
    digest.update(json.dumps(tools).encode())
    for path in (*files, *_harness()):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def _compile(
    files: list[Path], options: tuple[str, ...], target: Path, folder: Path, progress: Callable[[str], object] | None
) -> None:
    say = progress or (lambda line: None)
    say(f"compiling the simulator of {folder} (once for this design) ...")
    begin = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as name:
        work = Path(name)
        log = folder / "sim" / "build.log"
        words = [path.resolve() for path in files]
        toolchain.run(
            ["verilator", *options, "-CFLAGS", " ".join(CXX), "-Mdir", work, *words], cwd=work, log=log.with_name("verilate.log")
        )
        make = ["make", "-C", work, "-f", f"V{TOP}.mk", f"-j{toolchain.jobs()}", *(f"{k}={v}" for k, v in COMPILE.items())]
        toolchain.run([*make, "CXX=g++", f"libV{TOP}.a", "libverilated.a"], log=log)
        library = work / "libhwgen_sim.so"
        form = [f"-DHWSIM_{f.upper()}={int(any(o == f'--trace-{f}' for o in options))}" for f in WAVES]
        root = toolchain.verilator_root() / "include"
        toolchain.run(
            ["g++", "-std=c++20", "-O2", *CXX, *form, f"-I{work}",
             f"-isystem{root}", f"-isystem{root / 'vltstd'}", *[p for p in _harness() if p.suffix == ".cpp"], *LINK, "-o", library,
             work / f"libV{TOP}.a", work / "libverilated.a", "-pthread", *(("-llz4", "-lz") if "--trace-fst" in options else ())],
            log=log.with_name("link.log"),
        )  # fmt: skip
        os.replace(library, target)
    say(f"simulator compiled in {time.monotonic() - begin:.0f} s")


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
    entries = [path for path in cache_dir().iterdir() if path.is_dir() and (path / "libhwgen_sim.so").is_file()]
    for path in sorted(entries, key=lambda path: path.stat().st_mtime, reverse=True)[CACHED:]:
        if path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
