"""The robot's driver in a process of its own: the flow environment talks to the one that holds pynq.

The driver that runs there is the board's, through the real pynq.Overlay and pynq.allocate, on the simulated RTL.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

import hwgen
from hwgen.errors import HwgenError, ToolError
from hwgen.runtime.frames import decode, encode
from hwgen.runtime.package_vectors import pack_texts


class DriverError(HwgenError):
    """The driver in the other process raised an error; `kind` is its class there (hwgen.runtime.errors)."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class DriverClient:
    """A context manager over one accelerator in another process.

    `package`: a `.hwpkg`. `sim`: the simulator library, or the generated folder with it. `python`: the interpreter with
    pynq (default: HWGEN_PYNQ_PYTHON, else the checkout's .venv-pynq). `direct`: without pynq. `waves`: record to this
    file. `timeout`: seconds an answer may take. Raises ToolError when the process cannot start or ends, DriverError for
    the driver's.
    """

    def __init__(
        self,
        package: str | os.PathLike,
        sim: str | os.PathLike,
        python: str | os.PathLike | None = None,
        *,
        direct: bool = False,
        waves: str | os.PathLike | None = None,
        timeout: float = 600.0,
    ) -> None:
        self.timeout = timeout
        python = str(python or os.environ.get("HWGEN_PYNQ_PYTHON") or _default_python())
        words = [python, "-m", "hwgen.runtime.serve", os.path.abspath(package), "--sim", os.path.abspath(sim)]
        words += ["--direct"] * direct + (["--waves", os.path.abspath(waves)] if waves else [])
        self._log = tempfile.TemporaryFile()
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        try:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, bufsize=0, env=environment
            )
        except OSError as error:
            self._log.close()
            raise ToolError(f"{python}: cannot start the driver's Python ({error.strerror}); run make env") from error
        try:
            self._receive()  # {"ready"}, or why not
            self.info, _ = self._ask({"do": "info"})
        except BaseException:
            self.close()
            raise

    def infer(self, inputs: dict[str, np.ndarray], raw: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Run a batch, one observation at a time.

        `inputs`: {name: [B, *shape]} integers (`raw`), or floats in real units. Returns ({name: [B, *shape]} integers
        or float32, clocks uint32 [B]).
        """
        _, arrays = self._ask({"do": "infer", "raw": raw}, {name: np.asarray(a) for name, a in inputs.items()})
        cycles = arrays.pop("cycles")
        return {name[len("out.") :]: array for name, array in arrays.items()}, cycles

    def act(self, observations: dict[str, np.ndarray | list[str]]) -> np.ndarray:
        """Observations of a whole policy, each [B, *shape] or B sentences -> actions float32 [B, chunk, dof]."""
        arrays = {
            name: pack_texts(list(values)) if isinstance(values[0], str) else np.asarray(values)
            for name, values in observations.items()
        }
        return self._ask({"do": "act"}, arrays)[1]["action"]

    def selftest(self) -> dict[str, int]:
        """Run the package's golden vectors; DriverError of kind SelftestError when one differs."""
        return self._ask({"do": "selftest"})[0]

    def stats(self) -> dict[str, int]:
        """The engine's counters of the last run and the driver's own."""
        return self._ask({"do": "stats"})[0]

    def reset(self) -> None:
        """Soft reset, and the package again."""
        self._ask({"do": "reset"})

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            try:
                self._process.stdin.write(encode({"do": "close"}, {}))
                self._process.wait(10)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            stream.close()

    def __enter__(self) -> DriverClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, header: dict, arrays: dict[str, np.ndarray] | None = None) -> tuple[dict, dict[str, np.ndarray]]:
        view = memoryview(encode(header, arrays or {}))
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except (OSError, ValueError) as error:
            raise self._ended() from error
        return self._receive()

    def _receive(self) -> tuple[dict, dict[str, np.ndarray]]:
        end = time.monotonic() + self.timeout
        header, arrays = decode(lambda count: self._read(count, end))
        if "error" in header:
            raise DriverError(str(header["error"]), str(header.get("message")))
        return header, arrays

    def _read(self, count: int, end: float) -> bytes:
        parts, pipe = [], self._process.stdout
        while count:
            if not select.select([pipe], [], [], max(0.0, end - time.monotonic()))[0]:
                self._process.kill()  # what it would still answer belongs to nobody
                raise ToolError(
                    f"the driver's process did not answer in {self.timeout:g} s; is the simulated engine hung?"
                )
            data = os.read(pipe.fileno(), min(count, 1 << 20))
            if not data:
                raise self._ended()
            parts.append(data)
            count -= len(data)
        return b"".join(parts)

    def _ended(self) -> ToolError:
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:  # it closed its output, and hangs
            self._process.kill()
            code = None
        self._log.seek(0)
        lines = self._log.read()[-4000:].decode(errors="replace").strip().splitlines()
        return ToolError(
            f"the driver's process ended (exit code {code}): {lines[-1] if lines else 'it said nothing'}; run make env"
        )


def _default_python() -> Path:
    return Path(hwgen.__file__).resolve().parent.parent / ".venv-pynq" / "bin" / "python"
