"""Whether a board without DDR can carry a design: what its engine writes, and all small buffers together, must fit the
memory on the chip (docs/serial.md)."""

from __future__ import annotations

from hwgen.backends.engine import board_top
from hwgen.boards import Board
from hwgen.errors import FitError
from hwgen.runtime.resident import SLOTS
from hwgen.runtime.serial import SerialPort, protocol
from hwgen.schedule import Design
from hwgen.schedule.image import image


def check(design: Design, board: Board) -> None:
    """Nothing where the board has a processor. Raises FitError: outputs too large, or too little memory for all."""
    if board_top.name(board) is None:
        return
    plan, memory = design.plan, board_top.host_memory()
    most = protocol.largest_on_chip(memory)
    if plan.out_bytes > most:
        raise FitError(
            f"{_outputs(design)}; {board.name} has no DDR, and its serial bridge carries outputs of {most:,} bytes at "
            "most: give the graph smaller outputs (a shorter chunk, or 8 bits instead of sums of 32), or take a board "
            "with DDR"
        )
    sizes = [len(image(design.program, design.config, 0)), *[plan.in_bytes, plan.out_bytes] * SLOTS]
    need = sum(-(-size // SerialPort.page) * SerialPort.page for size in sizes if size <= most)
    if need > memory:
        raise FitError(
            f"the driver's buffers take {need:,} bytes (load image {sizes[0]:,}, inputs {plan.in_bytes:,} and outputs "
            f"{plan.out_bytes:,}, {SLOTS} times); {board.name} has no DDR, and {memory:,} bytes on the chip: give the "
            "graph smaller inputs or outputs, or take a board with DDR"
        )


def _outputs(design: Design) -> str:
    """Every output with its bytes in the buffer."""
    outputs = sorted(design.plan.outputs, key=lambda output: output.offset)
    ends = [*(output.offset for output in outputs[1:]), design.plan.out_bytes]
    return ", ".join(
        f"output '{output.name}' takes {end - output.offset:,} bytes" for output, end in zip(outputs, ends, strict=True)
    )
