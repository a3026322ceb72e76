"""DIR/rtl/<board>_top.sv: the whole chip of a board that has no processor, with the serial bridge in its place.

On the other boards the accelerator is a block of the vendor's design, and there is nothing to write here.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from hwgen import resources
from hwgen.backends.engine.ecp5_pll import pll
from hwgen.boards import Board
from hwgen.runtime import abi
from hwgen.runtime.serial import protocol

MEMORY_KIB, SLOTS = 32, 4  # memory on the chip, and what of it the host's window takes
PATIENCE_SECONDS, TRIES = 0.1, 10  # the host is asked again after that, beside the time of the bytes
LITE_WIDTHS = {
    "awaddr": 12, "wdata": 32, "wstrb": 4, "bresp": 2, "araddr": 12, "rdata": 32, "rresp": 2,
}  # fmt: skip
FULL_WIDTHS = {
    "awaddr": 64, "awlen": 8, "awsize": 3, "awburst": 2, "wdata": 128, "wstrb": 16, "bresp": 2,
    "araddr": 64, "arlen": 8, "arsize": 3, "arburst": 2, "rdata": 128, "rresp": 2,
}  # fmt: skip
UNUSED = ("arcache", "arprot", "awcache", "awprot")  # the bridge asks for none of these


def name(board: Board) -> str | None:
    """Module name of the board's top, or None where the board has a processor."""
    return f"{board.name.replace('-', '_')}_top" if board.family == "ecp5" else None


def files(board: Board, ports: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """The top and its library, text by file name; none where the board has a processor. `ports`: lite_in, lite_out,
    axi_in, axi_out, the names of hwgen_top's bus signals.

    Raises InputError where the board's clock cannot be made.
    """
    top = name(board)
    if top is None:
        return {}
    return {file.name: file.read_text() for file in library()} | {f"{top}.sv": _render(board, top, ports)}


def library() -> list[Path]:
    """The SystemVerilog files of the serial line, the package first."""
    found = resources.path("hls_templates", "serial", "rtl").glob("*.sv")
    return sorted(found, key=lambda file: (not file.name.endswith("_pkg.sv"), file.name))


def retry_clocks(hertz: float, baud: int) -> int:
    """Clocks without a served burst after which the host is asked again: its own delays, and twice the time that all
    slots' bytes take, escapes included."""
    return round(hertz * (PATIENCE_SECONDS + 2 * SLOTS * 2 * 10 * protocol.BURST_BYTES / baud))


def host_memory() -> int:
    """Bytes of the memory on the chip that the host may use: what the host's window leaves of it."""
    return 1024 * MEMORY_KIB - SLOTS * protocol.BURST_BYTES


def _render(board: Board, top: str, ports: dict[str, tuple[str, ...]]) -> str:
    clock = pll(board.clock_mhz, board.ecp5.oscillator_mhz)
    hertz = round(clock.mhz * 1e6)
    lite = [(f"lite_{p}", LITE_WIDTHS.get(p, 1)) for p in ports["lite_in"] + ports["lite_out"]]
    full = [(f"full_{p}", FULL_WIDTHS.get(p, 1)) for p in ports["axi_in"] + ports["axi_out"] if p not in UNUSED]
    template = jinja2.Template(
        resources.path("hls_templates", "serial", "top", "board_top.sv.j2").read_text(),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return template.render(
        top=top, board=board.name, pll=clock, clock_hz=hertz, baud=board.serial.baud,
        memory_kib=MEMORY_KIB, slots=SLOTS, retry_clocks=retry_clocks(hertz, board.serial.baud), tries=TRIES,
        status=abi.register("STATUS").offset, lite=lite, full=full, unused=UNUSED, **ports,
    )  # fmt: skip
