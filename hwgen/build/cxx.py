"""From Verilator's C++ to a shared library, without the makefile that Verilator writes.

That makefile compiles the Verilator runtime anew for every design and precompiles headers twice, which is half of the
time. Here the runtime's objects are kept in the cache, and a design's files are joined into a few translation units.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hwgen.build import toolchain

# Measured (docs/simulation.md): -O2 runs a tenth faster than -O1 and takes half as long again to compile.
FAST, SLOW = "-O1", "-O0"  # what runs every clock; set-up code
# Hidden and not unique: several designs, with the same class names, live in one process. The harness takes over what
# the RTL's $fatal, $stop and $finish do.
FLAGS = (
    "-std=c++20", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique",
    "-DVL_USER_FATAL", "-DVL_USER_STOP", "-DVL_USER_FINISH",
    "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0",
)  # fmt: skip
LINK = (
    "-shared", "-pthread", "-static-libstdc++", "-static-libgcc", "-Wl,-Bsymbolic", "-Wl,--exclude-libs,ALL", "-s",
)  # fmt: skip


def options() -> list[str]:
    """What the objects depend on besides their sources, for cache keys."""
    return [FAST, SLOW, *FLAGS, *LINK]


def library(work: Path, top: str, harness: Iterable[Path], wave_format: str, cache: Path, log: Path) -> Path:
    """Compile what Verilator wrote into `work` for module `top`, with the harness; returns work/library.so.

    `wave_format`: "", "vcd" or "fst". `cache`: folder for the runtime's objects. `log`: what the linker said, beside it
    what the compilers said. Raises ToolError.
    """
    root = toolchain.verilator_root() / "include"
    traces = [f"-DVM_TRACE={int(bool(wave_format))}", "-DVM_TRACE_SAIF=0"]
    traces += [f"-DVM_TRACE_{name.upper()}={int(wave_format == name)}" for name in ("vcd", "fst")]
    flags = [*FLAGS, *traces, f"-I{root}", f"-I{root / 'vltstd'}"]
    env = toolchain.environment()

    def compile_one(source: Path, target: Path, level: str, extra: Iterable[str] = ()) -> Path:
        words = ["g++", *flags, *extra, level, "-c", source, "-o", target]
        toolchain.run(words, env=env, log=log.with_name(f"{log.stem}-{source.stem}.log"))
        return target

    tasks: list[Callable[[], Path]] = []

    def add(source: Path, level: str, *extra: str) -> None:
        tasks.append(lambda: compile_one(source, work / f"{source.stem}.o", level, extra))

    lists = _class_lists(work / f"V{top}_classes.mk")
    fast = [work / f"{name}.cpp" for name in lists["CLASSES_FAST"] + lists["SUPPORT_FAST"]]
    slow = [work / f"{name}.cpp" for name in lists["CLASSES_SLOW"] + lists["SUPPORT_SLOW"]]
    for i, group in enumerate(_shares(fast, toolchain.jobs())):
        add(_join(group, work / f"fast{i}.cpp"), FAST)
    add(_join(slow, work / "slow.cpp"), SLOW)
    for source in harness:
        add(source, "-O2", f"-I{work}")

    def runtime(source: Path) -> Path:
        return runtime_object(source, flags, cache, lambda made: compile_one(source, made, "-O2"))

    for name in lists["GLOBAL_FAST"] + lists["GLOBAL_SLOW"]:
        tasks.append(lambda name=name: runtime(_runtime_source(root, name)))

    with ThreadPoolExecutor(toolchain.jobs()) as pool:
        objects = list(pool.map(lambda task: task(), tasks))
    target = work / "library.so"
    extra = ["-ldl", *(["-llz4", "-lz"] if wave_format == "fst" else [])]
    toolchain.run(["g++", *LINK, "-o", target, *objects, *extra], env=env, log=log)
    return target


def runtime_object(source: Path, flags: Sequence[str], cache: Path, make: Callable[[Path], object]) -> Path:
    """The object of a file of the Verilator runtime: one for a set of flags, kept in `cache`; `make(path)` compiles it
    where it is not there yet."""
    key = hashlib.sha256(json.dumps(list(flags)).encode())
    for path in (source, source.parent / "verilated.h", source.parent / "verilated_config.h"):
        key.update(path.read_bytes() if path.is_file() else b"")
    target = cache / f"{source.stem}-{key.hexdigest()[:24]}.o"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            make(made)
            os.replace(made, target)
    return target


def _runtime_source(root: Path, name: str) -> Path:
    found = [path for path in (root / f"{name}.cpp", root / "fstcpp" / f"{name}.cpp") if path.is_file()]
    return found[0] if found else root / f"{name}.cpp"


def _class_lists(makefile: Path) -> dict[str, list[str]]:
    """VM_<name> += lists of Verilator's class makefile."""
    text = makefile.read_text()
    names = ("CLASSES_FAST", "CLASSES_SLOW", "SUPPORT_FAST", "SUPPORT_SLOW", "GLOBAL_FAST", "GLOBAL_SLOW")
    found = {name: re.search(rf"^VM_{name} \+=((?:.*\\\n)*)", text, re.M) for name in names}
    return {name: match.group(1).replace("\\", " ").split() if match else [] for name, match in found.items()}


def _shares(files: list[Path], count: int) -> list[list[Path]]:
    """The files in `count` groups of about the same size."""
    groups: list[list[Path]] = [[] for _ in range(max(1, count))]
    sizes = [0] * len(groups)
    for path in sorted(files, key=lambda path: (-path.stat().st_size, path.name)):
        smallest = sizes.index(min(sizes))
        groups[smallest].append(path)
        sizes[smallest] += path.stat().st_size
    return [group for group in groups if group]


def _join(files: list[Path], target: Path) -> Path:
    target.write_text("".join(f'#include "{path.name}"\n' for path in files))
    return target
