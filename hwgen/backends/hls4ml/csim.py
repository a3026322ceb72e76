"""The C simulation of an hls4ml project: compiled by g++ into DIR/sim/libcore.so, run on plain integers.

The library has one function, which takes one frame; a simulation of the whole system, the shell around the core, calls
it too:

    extern "C" void hwgen_core(const int32_t *inputs, int32_t *outputs);

inputs, outputs: the tensors one after the other, each as the core stores it, the raw integers of its elements.

Frames run in a process of their own: a simulation that crashes or hangs ends in an error, not with Python. What was
compiled once is kept in the user's cache under a hash of its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen import resources
from hwgen.backends.shell import CoreDescription
from hwgen.build import toolchain
from hwgen.build.verilate import cache_dir
from hwgen.errors import InputError, ToolError

LIBRARY = "libcore.so"
BRIDGE = "core.cpp"
FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-w")
# Nothing of the static libstdc++ may meet the one that TensorFlow loads: its number parser would read weights as 0.
LINK = ("-shared", "-Wl,-Bsymbolic", "-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL")
TIMEOUT = 3600.0  # seconds for one compilation
SILENCE = 600.0  # seconds without a finished frame
CACHED = 64  # libraries kept; the oldest go
STACK = 1 << 30  # bytes: hls4ml keeps every array of io_parallel on the stack

Progress = Callable[[str], object] | None


def write_bridge(out: Path, top: str, inputs: list, outputs: list) -> None:
    """Write DIR/sim/core.cpp and what it includes. inputs, outputs: the ports (project.Port) of the function `top`."""
    stream = {p.name: "hls::stream<{}> {}" if p.is_stream else "static {} {}[{}]" for p in (*inputs, *outputs)}
    lines = [
        f"// The function {top} on plain integers: one frame in, one frame out.",
        '#include "raw.h"', f'#include "../firmware/{top}.cpp"', "",
        'extern "C" __attribute__((visibility("default"))) void hwgen_core(const int32_t *inputs, int32_t *outputs) {',
        *(f"    {stream[p.name].format(p.type, p.name, p.size)};" for p in (*inputs, *outputs)),
        *(f"    inputs += hwgen::feed<{p.size}>(inputs, {p.name});" for p in inputs),
        f"    {top}({', '.join(p.name for p in (*inputs, *outputs))});",
        *(f"    outputs += hwgen::drain<{p.size}>({p.name}, outputs);" for p in outputs), "}",
    ]  # fmt: skip
    folder = out / "sim"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BRIDGE).write_text("\n".join(lines) + "\n")
    for header in ("raw.h", "weights_dir.h"):
        shutil.copyfile(resources.path("hls_templates", "hls4ml", "csim", header), folder / header)


def library(folder: Path, progress: Progress = None, timeout: float = TIMEOUT) -> Path:
    """Compile DIR's C simulation unless that was done before; returns DIR/sim/libcore.so.

    Raises InputError when DIR is no hls4ml project, ToolError when g++ is missing, fails, or takes longer than timeout.
    """
    compiler = toolchain.find("g++")
    check_project(folder)
    key = _key(folder, compiler)
    target, stamp = folder / "sim" / LIBRARY, folder / "sim" / f"{LIBRARY}.key"
    if target.is_file() and stamp.is_file() and stamp.read_text() == key:
        return target
    cached = cache_dir().parent / "csim" / f"{key}.so"
    if not cached.is_file():
        cached.parent.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        if progress:
            progress(f"compiling the C simulation of {folder} (once for this design) ...")
        handle, work = tempfile.mkstemp(dir=cached.parent, prefix=".build-")
        os.close(handle)
        try:
            compile_core(folder, Path(work), timeout)
            os.replace(work, cached)
        finally:
            Path(work).unlink(missing_ok=True)
        _prune(cached.parent)
        if progress:
            progress(f"C simulation compiled in {time.monotonic() - begin:.0f} s")
    _install(cached, target)
    stamp.write_text(key)
    return target


def check_project(folder: Path) -> None:
    """Raise InputError when DIR holds no complete hls4ml project."""
    try:
        top = json.loads((folder / "manifest.json").read_text())["core"]["top"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}/manifest.json cannot be used ({error!r}); generate the design again") from None
    for file in (folder / "firmware" / f"{top}.cpp", folder / "sim" / BRIDGE):
        if not file.is_file():
            raise InputError(f"{file} is missing; generate the design again")


def _sources(folder: Path) -> list[Path]:
    found = [p for p in (folder / "firmware").rglob("*") if p.suffix in (".h", ".cpp")]
    return [*sorted(found), *sorted((folder / "sim").glob("*.h")), folder / "sim" / BRIDGE]


def _key(folder: Path, compiler: Path) -> str:
    version = subprocess.run([compiler, "-dumpfullversion"], capture_output=True, text=True).stdout
    digest = hashlib.sha256(json.dumps([version, platform.machine(), *FLAGS, *LINK]).encode())
    for path in _sources(folder):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def compile_core(folder: Path, target: Path | None = None, timeout: float = TIMEOUT) -> None:
    """Compile the project in DIR, with its bridge, into `target` (none: DIR/sim/libcore.so). Raises ToolError."""
    words = [toolchain.find("g++"), *FLAGS, "-I", "firmware/ap_types", "-I", "sim", "-include", "sim/weights_dir.h"]
    toolchain.run(
        [*words, f"sim/{BRIDGE}", *LINK, "-o", target or f"sim/{LIBRARY}"],
        cwd=folder, env=dict(os.environ), log=folder / "sim" / "compile.log", timeout=timeout,
    )  # fmt: skip


def _install(cached: Path, target: Path) -> None:
    """In one step: a running simulation keeps the file that it has loaded."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".lib-")
    os.close(handle)
    shutil.copyfile(cached, name)
    os.replace(name, target)
    os.utime(cached)


def _prune(folder: Path) -> None:
    files = sorted(folder.glob("*.so"), key=lambda p: p.stat().st_mtime, reverse=True)
    for old in files[CACHED:]:
        old.unlink(missing_ok=True)


def simulate(
    folder: Path, core: CoreDescription, inputs: dict[str, np.ndarray], progress: Callable[[int], object] | None = None
) -> dict[str, np.ndarray]:
    """Run a project's C simulation, compiled already, on integers.

    inputs: [frames, *shape] by the graph's names. Returns int64 arrays of the same kind. progress: called with the
    number of frames done. Raises ToolError when the simulation crashes or hangs.
    """
    count = len(next(iter(inputs.values())))
    stored = [inputs[p.tensor].transpose(0, *(a + 1 for a in p.axes)).reshape(count, -1) for p in core.inputs]
    flat = run(folder / "sim" / LIBRARY, np.concatenate(stored, 1), sum(p.count for p in core.outputs), progress)
    parts = np.split(flat.astype(np.int64), np.cumsum([p.count for p in core.outputs])[:-1], axis=1)
    return {
        p.tensor: part.reshape(count, *p.shape).transpose(0, *(int(a) + 1 for a in np.argsort(p.axes)))
        for p, part in zip(core.outputs, parts, strict=True)
    }


def run(lib: Path, frames: np.ndarray, outputs: int, progress: Callable[[int], object] | None = None) -> np.ndarray:
    """Run frames through a library in a process of its own.

    frames: int32 [count, integers per frame], outputs: integers that come back per frame; both in the core's order.
    Returns int32 [count, outputs]. progress and errors: see `simulate`; a hang is no frame done within SILENCE seconds.
    """
    with tempfile.TemporaryDirectory(prefix="hwgen-csim-") as name:
        files = [Path(name, file) for file in ("in.npy", "out.npy", "log")]
        np.save(files[0], np.ascontiguousarray(frames, np.int32))
        np.save(files[1], np.zeros((len(frames), outputs), np.int32))
        words = [sys.executable, "-P", Path(__file__).with_name("csim_run.py"), lib.resolve(), *files[:2], str(STACK)]
        with files[2].open("wb") as log:
            child = subprocess.Popen(
                list(map(str, words)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
            try:
                _follow(child, progress)
            finally:
                child.kill()
                child.wait()
        if child.returncode:
            text = files[2].read_text(errors="replace").strip().splitlines()
            raise ToolError(f"the C simulation {lib} ended with code {child.returncode}: {' | '.join(text[-3:])}")
        return np.load(files[1])


def _follow(child: subprocess.Popen, progress: Callable[[int], object] | None) -> None:
    """Read the counts that the child prints until it ends; raise ToolError when none comes."""
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not ready.select(SILENCE):
                raise ToolError(f"the C simulation finished no frame for {SILENCE:g} s and was stopped")
            line = child.stdout.readline()
            if not line:
                break
            if progress:
                progress(int(line))
    child.wait(SILENCE)
