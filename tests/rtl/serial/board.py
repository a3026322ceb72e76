"""The whole board in Verilator as a C library (sim/ecp5/board.cpp), and the serial line to it as the driver sees it.

Time is simulated: `SimLine` is transport and clock in one, so that all patience is counted in the chip's clocks.
"""

from __future__ import annotations

import ctypes as c
import hashlib
import os
import tempfile
from pathlib import Path

from hwgen import resources
from hwgen.build import cxx, toolchain, verilate
from tests.support import ROOT

TOP = "ulx3s_top"
OPTIONS = (
    "--cc", "-O3", "--no-timing", "--threads", "1", "--assert", "--x-assign", "unique", "--x-initial", "unique",
    "-Wno-fatal", "-Wno-lint", "-Wno-style", "--output-split", "20000", "--top-module", TOP, "--prefix", f"V{TOP}",
)  # fmt: skip


def build(folder: Path, **parameters: int) -> Path:
    """The library of a generated folder of ulx3s, kept in build/test-cache; `parameters` are the top's."""
    harness = resources.path("sim", "ecp5", "board.cpp")
    files = [*verilate.sources(folder), resources.path("sim", "ecp5", "EHXPLLL.sv")]
    overrides = [f"-G{name}={value}" for name, value in sorted(parameters.items())]
    digest = hashlib.sha256(repr([OPTIONS, overrides, cxx.options()]).encode())
    for path in (*files, harness):
        digest.update(path.name.encode() + path.read_bytes())
    target = ROOT / "build" / "test-cache" / f"board-{digest.hexdigest()[:24]}.so"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as name:
            work = Path(name)
            words = ["verilator", *OPTIONS, *overrides, "-Mdir", work, *(path.resolve() for path in files)]
            toolchain.run(words, cwd=work, log=work / "verilator.log", env=toolchain.environment())
            made = cxx.library(work, TOP, [harness], "", verilate.cache_dir(), work / "link.log")
            os.replace(made, target)
    return target


class SimLine:
    """Transport and Clock of a simulated board at `clock_hz`; `drift` is by how much the host's baud is off.

    `corrupt(direction, bytes) -> bytes`, where given, stands for the cable: "out" to the board, "in" from it.
    """

    name = "simulated board"

    def __init__(self, library: Path, clock_hz: float, baud: float, drift: float = 0.0, corrupt=None) -> None:
        self._lib = c.CDLL(str(library))
        self._lib.board_create.restype = c.c_void_p
        self._lib.board_create.argtypes = [c.c_double]
        self._lib.board_clocks.restype = c.c_uint64
        self._lib.board_run.restype = c.c_int64
        self._lib.board_run.argtypes = [c.c_void_p, c.c_uint64, c.c_int, c.c_char_p, c.c_uint64]
        self._lib.board_send.argtypes = [c.c_void_p, c.c_char_p, c.c_uint64]
        self.clock_hz, self.corrupt, self.pulled = clock_hz, corrupt, False
        self._board = c.c_void_p(self._lib.board_create(clock_hz / (baud * (1 + drift))))
        self._data = c.create_string_buffer(1 << 16)
        self.written = 0
        self._run(100, False)

    # Clock
    def now(self) -> float:
        """Seconds of simulated time."""
        return self.clocks / self.clock_hz

    def sleep(self, seconds: float) -> None:
        """Let time pass; what comes is kept for the next read."""
        self._run(max(1, round(seconds * self.clock_hz)), False, 0)

    # Transport
    def read(self, seconds: float) -> bytes:
        """See Transport."""
        data = self._run(max(1, round(seconds * self.clock_hz)), True)
        return self.corrupt("in", data) if self.corrupt else data

    def write(self, data: bytes) -> None:
        """See Transport."""
        if self.pulled:
            raise OSError(5, "Input/output error")
        self.written += len(data)
        data = self.corrupt("out", data) if self.corrupt else data
        self._lib.board_send(self._board, data, len(data))

    # The board
    @property
    def clocks(self) -> int:
        """Clocks since the beginning."""
        return self._lib.board_clocks(self._board)

    @property
    def led(self) -> int:
        """The eight lamps."""
        return self._lib.board_led(self._board)

    def press(self, seconds: float = 1e-5) -> None:
        """The reset button."""
        self._lib.board_button(self._board, 1)
        self.sleep(seconds)
        self._lib.board_button(self._board, 0)
        self.sleep(seconds)

    def close(self) -> None:
        """End the simulation."""
        if self._board:
            self._lib.board_destroy(self._board)
            self._board = None

    def _run(self, clocks: int, stop: bool, room: int | None = None) -> bytes:
        room = len(self._data) if room is None else room
        count = self._lib.board_run(self._board, clocks, int(stop), self._data, room)
        assert count >= 0, "the RTL stopped with an error"
        return self._data.raw[:count]
