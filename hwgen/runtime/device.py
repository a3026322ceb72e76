"""Ways to reach an engine. The driver needs four things of a device, which this small protocol names:

    read(offset) -> int             one 32-bit register of the engine
    write(offset, value)
    allocate(nbytes) -> buffer      a uint8 array with physical_address, flush(), invalidate(), freebuffer()
    timeout                         (optional) seconds to wait for a command when the caller names none
    page                        (optional) bytes to which buffers are rounded; 4096 otherwise
    memory                      (optional) an object that stands for the memory of its buffers: engines behind ports
                                with the same one read each other's buffers

`PynqPort` is that protocol over pynq's Overlay, MMIO and allocate: on a board and on `SimDevice` by the very same code.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np

from hwgen.runtime.errors import DeviceFault, NoEngineError, UsageError
from hwgen.runtime.package import Package

ENGINE_NAME = "hwgen_top"
ENGINE_VLNV = f"hwgen:accel:{ENGINE_NAME}:1.0"
PAGE = 4096


class Buffer(Protocol):
    """Physically contiguous memory that the engine reaches by DMA."""

    physical_address: int

    def flush(self) -> None: ...
    def invalidate(self) -> None: ...
    def freebuffer(self) -> None: ...


class Port(Protocol):
    """What the driver needs of a device."""

    def read(self, offset: int) -> int: ...
    def write(self, offset: int, value: int) -> None: ...
    def allocate(self, nbytes: int) -> Buffer: ...


class PynqPort:
    """An engine in a pynq overlay."""

    def __init__(self, overlay, name: str | None = None) -> None:
        from pynq import MMIO

        self.overlay, self.device = overlay, overlay.device
        self.memory = overlay.device
        self.name = _find_engine(overlay, name)
        entry = overlay.ip_dict[self.name]
        self._mmio = MMIO(int(entry["phys_addr"]), int(entry["addr_range"]), device=self.device)
        self.write = self._mmio.write
        self.timeout = getattr(self.device, "timeout", None)
        self.folder: tempfile.TemporaryDirectory | None = None  # of a bitstream out of a package

    def read(self, offset: int) -> int:
        """One register, as a plain int."""
        return int(self._mmio.read(offset))

    def allocate(self, nbytes: int) -> Buffer:
        """A contiguous uint8 buffer; pynq aligns it to a page."""
        from pynq import allocate

        return allocate((nbytes,), dtype="u1", target=self.device)

    def download(self) -> None:
        """Load the bitstream again: the last resort for an engine that no longer answers."""
        self.overlay.download()

    def close(self) -> None:
        """Delete what was unpacked for the overlay."""
        if self.folder is not None:
            self.folder.cleanup()


def open_overlay(path: Path, device: object):
    """The overlay of a bitstream with its .hwh beside it. Raises NoEngineError."""
    if not path.is_file():
        raise NoEngineError(f"bitstream {path}: no such file; give the .bit of these engines, with its .hwh beside it")
    return _overlay(path, f"bitstream {path}", device)


def open_port(package: Package, bitstream: object, overlay: object, device: object, ip: str | None) -> Port:
    """The port that the arguments of `Accelerator` name; by default the package's own bitstream, else the one beside
    it. Raises NoEngineError or UsageError."""
    if device is not None and all(callable(getattr(device, name, None)) for name in ("read", "write", "allocate")):
        if overlay is not None or bitstream is not None:
            raise UsageError("device= is a device of its own: give it alone, or a pynq Device with bitstream=")
        return device
    if isinstance(device, str):
        raise UsageError(
            f"device= is the text {device!r:.60}; give a device: a SerialPort, a SimDirect, a pynq Device ("
            "only `hwgen-board --device` takes a text)"
        )
    if overlay is not None:
        if bitstream is not None:
            raise UsageError("give overlay= or bitstream=, not both")
        return PynqPort(overlay, ip)
    if bitstream is None and package.bitstream is not None:
        return _open_own(package, device, ip)
    path = Path(bitstream) if bitstream is not None else package.path.with_suffix(".bit")
    if path.is_file():
        return PynqPort(_overlay(path, f"bitstream {path}", device), ip)
    if bitstream is None:
        raise UsageError(
            f"which hardware? give bitstream=, overlay= or device= (there is no {path.name} beside {package.path.name})"
        )
    raise NoEngineError(
        f"bitstream {path}: no such file; give the .bit that was built for this package, with its .hwh beside it"
    )


def _open_own(package: Package, device: object, ip: str | None) -> Port:
    """The bitstream inside the package; pynq wants files, so they lie in a private folder as long as the port lives."""
    where = f"the bitstream of package {package.path.name}"
    if package.hwh is None:
        board = package.manifest["board"]
        raise UsageError(f"{where} is for a {board}, which pynq does not drive: load it there and give device=")
    folder = tempfile.TemporaryDirectory(prefix="hwgen-")  # mode 0700
    try:
        path = Path(folder.name) / "hwgen.bit"
        path.write_bytes(package.bitstream)
        path.with_suffix(".hwh").write_bytes(package.hwh)
        port = PynqPort(_overlay(path, where, device), ip)
    except BaseException as error:
        folder.cleanup()
        if isinstance(error, OSError):
            raise NoEngineError(f"{where} cannot be written to {folder.name} ({error.strerror}); free space") from error
        raise
    port.folder = folder
    return port


def _overlay(path: Path, what: str, device: object):
    try:
        import pynq
    except ImportError as error:
        raise NoEngineError(f"{what} needs pynq ({error}); on the board: pip install 'hwgen[board]'") from error
    try:
        return pynq.Overlay(str(path), device=device)
    except Exception as error:  # pynq raises whatever its parsers and the kernel raise
        raise NoEngineError(f"{what} could not be loaded on this board ({type(error).__name__}: {error}); "
                            "is it for this board, and is its .hwh beside it?") from error  # fmt: skip


def engines_of(overlay) -> list[str]:
    """The names of the hwgen engines among the blocks of an overlay, or of what pynq parses of it."""
    return [k for k, v in overlay.ip_dict.items() if f":{ENGINE_NAME}:" in str(v.get("type", ""))]


def _find_engine(overlay, name: str | None) -> str:
    found = engines_of(overlay)
    if name is not None and name in found:
        return name
    if name is not None or len(found) != 1:
        asked = (
            f"no hwgen engine '{name}'"
            if name is not None
            else f"{len(found)} hwgen engines"
            if found
            else "no hwgen engine"
        )
        way_out = (
            f"name one with ip=: {', '.join(found)}" if found else "load the bitstream that was built for this package"
        )
        blocks = ", ".join(overlay.ip_dict) or "none"
        raise NoEngineError(
            f"bitstream {getattr(overlay, 'bitfile_name', '?')}: {asked} among its blocks ({blocks}); {way_out}"
        )
    return found[0]


_kept: list[object] = []  # memory that an engine without an answer may still write: never given to someone else


class DmaBuffer:
    """A buffer of a port as plain uint8 memory, zeroed, whole pages, with its addresses checked."""

    def __init__(self, port: Port, nbytes: int, what: str) -> None:
        page = getattr(port, "page", PAGE)
        size = -(-max(nbytes, 1) // page) * page
        try:
            self._buffer = port.allocate(size)
        except (MemoryError, RuntimeError, OSError) as error:
            raise DeviceFault(
                f"no DMA memory for the {what} ({size} bytes: {error}); free other buffers or enlarge CMA"
            ) from error
        self.what, self.address, self.freed = what, int(self._buffer.physical_address), False
        try:
            if self.address % 64 or not 0 <= self.address < 1 << 64:
                raise DeviceFault(
                    f"the {what} lies at {self.address:#x}; the engine needs addresses that are multiples of 64"
                )
            self.array = np.asarray(self._buffer)[:nbytes]
            self.flush, self.invalidate = self._buffer.flush, self._buffer.invalidate
            np.asarray(self._buffer)[:] = 0
            self.flush()  # no dirty cache line may fall on what the engine writes
        except BaseException:
            self.free()
            raise

    def check(self) -> None:
        """Raise UsageError if the memory was given back, here or behind the driver's back."""
        buffer = self._buffer
        if self.freed or getattr(buffer, "freed", False) or getattr(buffer, "pointer", 1) == 0:
            raise UsageError(f"the {self.what} was freed; open the Accelerator again")

    def free(self) -> None:
        """Give the memory back, once."""
        if not self.freed:
            self.freed = True
            if not getattr(self._buffer, "freed", False):
                self._buffer.freebuffer()

    def keep(self) -> None:
        """Hold the memory until the process ends; pynq would free it with the last reference."""
        self.freed = True
        _kept.append(self._buffer)
