"""A board without DDR: outputs and buffers that its bridge cannot carry are refused before anything is written."""

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.engine import board_top, serial_fit
from hwgen.backends.options import Options
from hwgen.errors import FitError
from hwgen.graph import qonnx_out
from hwgen.runtime.memory import Pool
from hwgen.runtime.serial import SerialPort, protocol
from hwgen.schedule import compile_graph
from tests.backends.engine.test_generate import mlp
from tests.runtime.serial.bridge import CHIP_BYTES

MOST = 7168  # of an output on the ulx3s (docs/serial.md)


def design(inputs, outputs):
    return compile_graph(mlp(np.random.default_rng(1), (inputs, outputs)), 8, 8)


def test_one_bound_for_generator_driver_and_model():
    assert board_top.host_memory() == CHIP_BYTES and protocol.largest_on_chip(CHIP_BYTES) == MOST


@pytest.mark.parametrize("outputs, fits", [(MOST, True), (MOST + 1, False)])
def test_the_largest_output(outputs, fits):
    fitting = design(8, outputs)
    serial_fit.check(fitting, boards.load("zcu104"))
    if fits:
        return serial_fit.check(fitting, boards.load("ulx3s"))
    with pytest.raises(FitError, match=r"output 'y' takes 7,232 bytes; ulx3s .* outputs of 7,168 bytes at most: give"):
        serial_fit.check(fitting, boards.load("ulx3s"))


def test_several_outputs_are_told_apart(rng):
    both = design(8, MOST)
    both.plan.outputs.append(type(both.plan.outputs[0])("z", "b", 0, 64, False, 0, offset=MOST))
    both.plan.out_bytes += 64
    with pytest.raises(FitError, match=r"output 'y' takes 7,168 bytes, output 'z' takes 64 bytes; "):
        serial_fit.check(both, boards.load("ulx3s"))


def test_what_is_accepted_finds_room_in_the_pool(monkeypatch):
    """The check's sum against the driver's own allocator: image, then inputs and outputs of two slots."""
    board, verdicts = boards.load("ulx3s"), set()
    for image_bytes in (4096, MOST, MOST + 1):
        monkeypatch.setattr(serial_fit, "image", lambda *_, size=image_bytes: bytes(size))
        for in_bytes, out_bytes in ((64, 64), (7104, 5000), (MOST, MOST), (MOST + 16, MOST)):
            asked = design(8, 8)
            asked.plan.in_bytes, asked.plan.out_bytes = in_bytes, out_bytes
            pool = Pool(protocol.MEMORY_BASE, CHIP_BYTES, SerialPort.page)
            try:
                for size in (image_bytes, in_bytes, out_bytes, in_bytes, out_bytes):
                    if size <= MOST:
                        pool.take(size)
                room = True
            except MemoryError:
                room = False
            try:
                serial_fit.check(asked, board)
                assert room, (image_bytes, in_bytes, out_bytes)
            except FitError as error:
                assert not room and "28,672 bytes on the chip" in str(error)
            verdicts.add(room)
    assert verdicts == {True, False}


def test_generate_refuses_and_writes_nothing(tmp_path):
    qonnx_out.save(mlp(np.random.default_rng(1), (8, 8000)), tmp_path / "net.onnx")
    with pytest.raises(FitError, match="serial bridge carries outputs of 7,168 bytes at most"):
        backends.generate(tmp_path / "net.onnx", "ulx3s", "engine", Options(), tmp_path / "net")
    assert not (tmp_path / "net").exists()
