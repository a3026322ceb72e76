"""Serial devices of the machine, by pyserial."""

from __future__ import annotations

import errno

from hwgen.runtime.errors import NoEngineError, UsageError

FTDI = (0x0403, 0x6015)  # USB vendor and product of the FT231X on the board
SLICE = 0.02  # seconds that a read of the device waits at most; longer waits are made of these


class SerialTransport:
    """An open serial device: 8 data bits, no parity, one stop bit, no flow control."""

    def __init__(self, device: str, baud: int) -> None:
        """Open `device` for this process alone. Raises NoEngineError that says why it cannot be."""
        serial = _pyserial()
        try:
            self._port = serial.Serial(device, baud, timeout=SLICE, write_timeout=5.0, exclusive=True)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise NoEngineError(f"serial device {device}: {_reason(error, device, baud)}") from error
        try:
            self._port.set_low_latency_mode(True)  # 1 ms instead of 16 until the USB chip sends a short answer
        except (AttributeError, NotImplementedError, OSError, ValueError):
            pass  # another system, or a driver without it: slower
        self._port.reset_input_buffer()

    def read(self, seconds: float) -> bytes:
        """See Transport; returns after SLICE seconds at most, also without data."""
        waiting = self._port.in_waiting
        if not waiting and seconds <= 0:
            return b""
        return self._port.read(waiting or 1) + self._port.read(self._port.in_waiting)

    def write(self, data: bytes) -> None:
        """See Transport."""
        self._port.write(data)

    def close(self) -> None:
        """Give the device back."""
        self._port.close()


def find() -> str:
    """The one device with the board's USB chip. Raises NoEngineError where there is none or several."""
    from_list = _ports()
    found = [port.device for port in from_list if (port.vid, port.pid) == FTDI]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoEngineError(f"{len(found)} boards are connected; name one: {', '.join(found)}")
    others = ", ".join(port.device for port in from_list) or "none"
    raise NoEngineError(
        f"no board with an FT231X is connected (serial devices: {others}); plug it in, or name its device"
    )


def _pyserial():
    try:
        import serial
    except ImportError as error:
        raise UsageError(f"a serial device needs pyserial ({error}): pip install 'hwgen[serial]'") from error
    if not hasattr(serial, "Serial"):
        raise UsageError("the module 'serial' here is not pyserial: pip uninstall serial; pip install 'hwgen[serial]'")
    return serial


def _ports() -> list:
    _pyserial()
    from serial.tools import list_ports

    return sorted(list_ports.comports())


def _reason(error: Exception, device: str, baud: int) -> str:
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        known = ", ".join(port.device for port in _ports()) or "none"
        return f"no such device (there are: {known}); is the board plugged in?"
    if code in (errno.EACCES, errno.EPERM):
        return "permission denied; add yourself to its group (sudo usermod -aG dialout $USER) and log in again"
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return "another program has it open; close that one"
    if isinstance(error, ValueError) or code in (errno.EINVAL, errno.ENOTTY) or "configure port" in str(error):
        return f"it does not do {baud} baud, or is no serial device ({error})"
    return str(error)
