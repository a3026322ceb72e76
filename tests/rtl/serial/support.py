"""What the benches of the serial line share."""

from pathlib import Path

from hwgen.backends.engine import board_top
from tests.rtl.runner import RTL


def sources() -> list[Path]:
    """The serial line's modules and the engine's that they are made of."""
    return [*board_top.library(), RTL / "bus_fifo.sv", RTL / "ram_1r1w.sv"]
