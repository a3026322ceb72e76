"""What Verilator's makefile calls the compiler through: the objects of its runtime, a dozen seconds of work that is the
same for every bench, are compiled once.

    OBJCACHE="python -m tests.rtl.objcache" make ... runs    python -m tests.rtl.objcache g++ ... -c -o A.o A.cpp
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from hwgen.build import cxx
from hwgen.build.verilate import cache_dir


def compile_one(command: list[str]) -> int:
    """Run a compiler's command, or copy what it made of the same file with the same words before; the exit code."""
    source = Path(command[-1])
    if "-o" not in command or source.parent != Path(os.environ["VERILATOR_ROOT"], "include"):
        return subprocess.call(command)  # of the design, or of cocotb with the design's header
    at = command.index("-o") + 1
    target, words = Path(command[at]), [*command[:at], *command[at + 1 :]]

    def make(made: Path) -> None:
        subprocess.run([*command[:at], made, *command[at + 1 :]], check=True)

    try:
        shutil.copyfile(cxx.runtime_object(source, words, cache_dir(), make), target)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(compile_one(sys.argv[1:]))
