"""A board on a serial line (docs/serial.md): the driver's port, over pyserial or any other way to send bytes."""

from hwgen.runtime.serial.link import LineError
from hwgen.runtime.serial.port import SerialPort, open_serial

__all__ = ["LineError", "SerialPort", "open_serial"]
