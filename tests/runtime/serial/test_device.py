"""Serial devices: a pseudo-terminal with the real pyserial, and every reason why one cannot be opened."""

import errno
import os
import sys
import threading
import tty

import pytest

from hwgen.runtime import Accelerator, NoEngineError, UsageError
from hwgen.runtime.serial import LineError, SerialPort, device, open_serial
from tests.runtime import samples
from tests.runtime.serial.bridge import Board

serial = pytest.importorskip("serial")


class Terminal:
    """The model of the board behind a pseudo-terminal, in a thread: bytes go at once, whatever the baud."""

    def __init__(self) -> None:
        self.board = Board()
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path, self._slave = os.ttyname(slave), slave
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while True:
                self.board.write(os.read(self.master, 4096))
                while answer := self.board.read(0.05):
                    os.write(self.master, answer)
        except OSError:
            pass  # unplugged

    def unplug(self) -> None:
        os.close(self._slave)
        os.close(self.master)
        self._thread.join(5)


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    try:
        made.unplug()
    except OSError:
        pass  # the test did


def test_pyserial(terminal, tmp_path):
    with open_serial(f"{terminal.path}@115200") as port:
        assert port.baud == 115200 and terminal.path in port.name
        with Accelerator(samples.package(tmp_path / "policy.hwpkg"), device=port) as accelerator:
            accelerator.selftest()


def test_in_use(terminal):
    with SerialPort(terminal.path), pytest.raises(NoEngineError, match="another program has it open"):
        SerialPort(terminal.path)


def test_opened_again(terminal):
    port = SerialPort(terminal.path)
    port.download()
    assert port.read(0) == samples.abi.MAGIC
    port.close()


def test_unplugged(terminal):
    port = SerialPort(terminal.path)
    terminal.unplug()
    with pytest.raises(LineError, match="device is gone"):
        port.read(0)


def test_no_such_device(tmp_path):
    with pytest.raises(NoEngineError, match="no such device.*plugged in"):
        SerialPort(str(tmp_path / "ttyUSB9"))


def test_no_serial_device(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NoEngineError, match="no serial device"):
        SerialPort(str(file))


@pytest.mark.parametrize(
    "error, says",
    [
        (PermissionError(errno.EACCES, "Permission denied"), "dialout"),
        (OSError(errno.EBUSY, "busy"), "another program"),
        (ValueError("Invalid baud rate: 77"), "does not do 3000000 baud"),
        (OSError(errno.EIO, "strange"), "strange"),
    ],
)
def test_refusals(monkeypatch, error, says):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(NoEngineError, match=f"serial device /dev/x: .*{says}"):
        SerialPort("/dev/x")


def test_no_pyserial(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(UsageError, match=r"pip install 'hwgen\[serial\]'"):
        SerialPort("/dev/ttyUSB0")


def test_another_module_of_that_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", sys)
    with pytest.raises(UsageError, match="not pyserial"):
        SerialPort("/dev/ttyUSB0")


class Found:
    def __init__(self, name, vid=0x0403, pid=0x6015):
        self.device, self.vid, self.pid = name, vid, pid

    def __lt__(self, other):
        return self.device < other.device


@pytest.mark.parametrize(
    "ports, says",
    [
        ([], r"no board .*\(serial devices: none\)"),
        ([Found("/dev/ttyS0", None, None)], "/dev/ttyS0"),
        (
            [Found("/dev/ttyUSB1"), Found("/dev/ttyUSB0")],
            "2 boards .*name one: /dev/ttyUSB0, /dev/ttyUSB1",
        ),
    ],
)
def test_auto(monkeypatch, ports, says):
    monkeypatch.setattr(device, "_ports", lambda: sorted(ports))
    with pytest.raises(NoEngineError, match=says):
        open_serial("auto")


def test_auto_finds_the_board(monkeypatch):
    monkeypatch.setattr(device, "_ports", lambda: [Found("/dev/ttyS0", None, None), Found("/dev/none")])
    with pytest.raises(NoEngineError, match="serial device /dev/none: no such device"):
        open_serial("auto")


def test_bad_text():
    with pytest.raises(UsageError, match="'fast' is no baud"):
        open_serial("/dev/ttyUSB0@fast")
