"""The engine as its registers show it: identity, load, start, wait, recover, counters. docs/abi.md is the table behind
it.
"""

from __future__ import annotations

import time

from hwgen.runtime import abi
from hwgen.runtime.device import DmaBuffer, Port
from hwgen.runtime.errors import DeviceFault, EngineError, EngineTimeout, HashMismatch, NoEngineError
from hwgen.runtime.package import Package


def _bit(register: str, name: str) -> int:
    return next(1 << lsb for field, lsb, _, _ in abi.register(register).fields if field == name)


_AT = {item.name: item.offset for item in abi.REGISTERS}
_STATUS, _CONTROL = _AT["STATUS"], _AT["CONTROL"]
_IDLE, _BUSY, _DRAINING = _bit("STATUS", "IDLE"), _bit("STATUS", "BUSY"), _bit("STATUS", "DRAINING")
_DONE, _ERROR = _bit("STATUS", "DONE"), _bit("STATUS", "ERROR")
_START, _LOAD, _SOFT_RESET = _bit("CONTROL", "START"), _bit("CONTROL", "LOAD"), _bit("CONTROL", "SOFT_RESET")
_COUNTERS = ("LATENCY", "ISSUED", "WAIT_DIN", "WAIT_MM", "WAIT_ROW", "TAIL", "COMPUTE", "RUNS")
_SPIN_SECONDS = 0.005  # poll without a pause this long: a run is microseconds
_UNMAPPED = "the address is not mapped for the engine's memory port: check the port in the block design and the buffers"
_WAYS_OUT = {
    "AXI_READ": _UNMAPPED,
    "AXI_WRITE": _UNMAPPED,
    "BAD_IMAGE": "generate the package again with the hwgen that made the bitstream",
    "HASH": "load the bitstream that was built for this package",
    "BAD_INSTRUCTION": "generate the package again with the hwgen that made the bitstream",
    "WATCHDOG": "the memory port is stalled or far slower than planned; look at the stall counters (stats)",
    "NOT_LOADED": "call reset() to load the package again",
    "PORT_CONFLICT": "the program is faulty: generate the package again, and report it",
}


def describe_status(status: int, info: int = 0) -> str:
    """STATUS in words: its flags, and the error code with its meaning and ERROR_INFO."""
    flags = [name for name, lsb, size, _ in abi.register("STATUS").fields if size == 1 and status >> lsb & 1]
    text = f"STATUS {status:#06x}: {'|'.join(flags) or 'no flag'}"
    code = abi.field("STATUS", "CODE", status)
    if code or status & _ERROR:
        name, meaning = abi.ERRORS.get(code, (f"code {code}", "a code this driver does not know"))
        text += f", {name}: {meaning}, ERROR_INFO {info:#x}"
    return text


class Engine:
    """One engine with one package resident. Construction checks the identity and loads; the image stays in DDR for
    reloads.
    """

    def __init__(self, port: Port, package: Package, timeout: float) -> None:
        self.port, self.package, self.timeout = port, package, timeout
        self.usable, self.loads = False, 0
        self._read, self._write, self._clock = port.read, port.write, time.perf_counter
        self._pointers = (-1, -1)
        self._check_identity()
        self._image = DmaBuffer(port, len(package.image), "load image")
        self._image.array[:] = memoryview(package.image)
        self._image.flush()
        try:
            if not self._read(_STATUS) & _IDLE:  # what an earlier, killed process left behind
                self._soft_reset()
            self.load()
        except BaseException:
            self.release([])
            raise

    def _check_identity(self) -> None:
        where, name = f"package {self.package.path.name}", getattr(self.port, "name", type(self.port).__name__)
        magic, version = self._read(_AT["MAGIC"]), self._read(_AT["ABI"])
        if magic != abi.MAGIC:
            raise NoEngineError(
                f"no hwgen engine answers at '{name}': MAGIC reads {magic:#010x} instead of {abi.MAGIC:#010x}; "
                "load the bitstream that was built for this package"
            )
        if version != self.package.manifest["abi"]:
            raise NoEngineError(
                f"the engine at '{name}' has ABI {version}, {where} needs {self.package.manifest['abi']}; "
                "build the bitstream again, or update hwgen on this machine"
            )
        found = self._read(_AT["HASH_HI"]) << 32 | self._read(_AT["HASH_LO"])
        if found != self.package.design_hash:
            raise HashMismatch(
                f"the bitstream at '{name}' is design {found:016x}, "
                f"{where} was made for design {self.package.design_hash:016x}; "
                "load the bitstream that belongs to this package, or generate the package for this bitstream"
            )

    def load(self) -> None:
        """Read the image into the engine. Raises EngineError or EngineTimeout."""
        self._image.check()
        self._write64("LOAD_PTR", self._image.address)
        self._write(_AT["LOAD_BEATS"], len(self.package.image) // abi.BEAT_BYTES)
        self._write(_AT["WATCHDOG"], 0)  # that of the manifest is for a run; the time-out guards the load
        self._write(_CONTROL, _LOAD)
        self._await(self.timeout, "load")
        self._write(_AT["WATCHDOG"], self.package.manifest["watchdog_cycles"])
        self._pointers, self.usable, self.loads = (-1, -1), True, self.loads + 1

    def start(self, source: int, target: int) -> None:
        """Run the program once on the input buffer at `source` into the output buffer at `target`."""
        if not self.usable:
            self.load_again()
        if self._pointers != (source, target):
            self._write64("IN_PTR", source)
            self._write64("OUT_PTR", target)
            self._pointers = (source, target)
        self._write(_CONTROL, _START)

    def finished(self) -> bool:
        """True once the run ended, well or not; `wait` then tells which."""
        return bool(self._read(_STATUS) & (_DONE | _ERROR))

    def wait(self, timeout: float) -> None:
        """Wait for the run. On an error or a time-out the engine is reset and loaded again, then the error raised."""
        try:
            self._await(timeout, "run")
        except DeviceFault as error:
            self.usable = False
            try:
                self.load_again()
            except DeviceFault as second:
                error.recovered = False
                error.args = (f"{error.args[0]}; and it did not come back: {second}",)
            raise

    def load_again(self) -> None:
        """Soft reset and load. Raises EngineTimeout where the engine does not come back."""
        self.usable = False
        self._soft_reset(required=True)
        self.load()

    def release(self, buffers: list[DmaBuffer]) -> None:
        """Stop the engine and give back these buffers and the image; keep them where it does not stop."""
        self.usable = False
        stopped = not self._read(_STATUS) & (_BUSY | _DRAINING) or self._soft_reset()
        for buffer in [*buffers, self._image]:
            (buffer.free if stopped else buffer.keep)()

    def latency(self) -> int:
        """Clocks from the accepted START to DONE of the last run."""
        return self._read(_AT["LATENCY"])

    def counters(self) -> dict[str, int]:
        """The counters of the last run (clocks) and the runs since reset, by lower-case register name."""
        return {name.lower(): self._read(_AT[name]) for name in _COUNTERS}

    def _await(self, timeout: float, what: str) -> None:
        """Poll until DONE. Raises EngineError or EngineTimeout; changes nothing."""
        read, clock = self._read, self._clock
        begin = clock()
        while True:
            status = read(_STATUS)
            if status & (_DONE | _ERROR):
                break
            now = clock() - begin
            if now > timeout:
                raise EngineTimeout(
                    f"package {self.package.path.name}: {what} not done after {timeout:g} s, "
                    f"{describe_status(status, read(_AT['ERROR_INFO']))}; "
                    "allow more time with timeout=, or look for a stalled memory port"
                )
            if now > _SPIN_SECONDS:
                time.sleep(50e-6)
        if status & _ERROR:
            info, code = read(_AT["ERROR_INFO"]), abi.field("STATUS", "CODE", status)
            name = abi.ERRORS.get(code, (f"code {code}", ""))[0]
            way_out = _WAYS_OUT.get(name, "load the bitstream that was built for this package")
            message = f"package {self.package.path.name}: {what} failed, {describe_status(status, info)}; {way_out}"
            raise EngineError(message, code, name, info)

    def _soft_reset(self, required: bool = False) -> bool:
        self._write(_CONTROL, _SOFT_RESET)
        begin = self._clock()
        while True:
            status = self._read(_STATUS)
            if status & _IDLE and not status & (_BUSY | _DRAINING | _ERROR):
                return True
            if self._clock() - begin > self.timeout:
                break
            if self._clock() - begin > _SPIN_SECONDS:
                time.sleep(50e-6)
        if required:
            raise EngineTimeout(
                f"soft reset not done after {self.timeout:g} s, "
                f"{describe_status(status, self._read(_AT['ERROR_INFO']))}; "
                "load the bitstream again: reset(download=True)"
            )
        return False

    def _write64(self, name: str, value: int) -> None:
        self._write(_AT[name + "_LO"], value & 0xFFFFFFFF)
        self._write(_AT[name + "_HI"], value >> 32)
