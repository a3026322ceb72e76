"""The engine as its registers show it: identity, load, start, wait, recover, counters. docs/abi.md is the table behind
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwgen.runtime import abi
from hwgen.runtime.clock import SYSTEM, Clock
from hwgen.runtime.device import Port
from hwgen.runtime.errors import DeviceFault, EngineError, EngineTimeout, HashMismatch, NoEngineError
from hwgen.runtime.package import Package

if TYPE_CHECKING:
    from hwgen.runtime.resident import Resident, Slot


def _bit(register: str, name: str) -> int:
    return next(1 << lsb for field, lsb, _, _ in abi.register(register).fields if field == name)


_AT = {item.name: item.offset for item in abi.REGISTERS}
_STATUS, _CONTROL = _AT["STATUS"], _AT["CONTROL"]
_IDLE, _BUSY, _DRAINING = _bit("STATUS", "IDLE"), _bit("STATUS", "BUSY"), _bit("STATUS", "DRAINING")
_DONE, _ERROR = _bit("STATUS", "DONE"), _bit("STATUS", "ERROR")
_LOADED = _bit("STATUS", "LOADED")
_ENDED_WELL = _IDLE | _DONE | _LOADED
_IN_ERROR = {_ERROR, _ERROR | _LOADED, _ERROR | _DRAINING, _ERROR | _LOADED | _DRAINING}
_CODE = sum(((1 << size) - 1) << lsb for name, lsb, size, _ in abi.register("STATUS").fields if name == "CODE")
_START, _LOAD, _SOFT_RESET = _bit("CONTROL", "START"), _bit("CONTROL", "LOAD"), _bit("CONTROL", "SOFT_RESET")
_COUNTERS = ("LATENCY", "ISSUED", "WAIT_DIN", "WAIT_MM", "WAIT_ROW", "TAIL", "COMPUTE", "RUNS")
_BUS_ERRORS = ("AXI_READ", "AXI_WRITE")
_SPIN_SECONDS = 0.005  # poll without a pause this long: a run is microseconds
_NAP_SECONDS = 50e-6
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


def _ended(status: int) -> bool:
    """True where STATUS says that a command ended. What no engine says is garbage off the bus, and says nothing."""
    return status == _ENDED_WELL or (status & _CODE and status & ~_CODE in _IN_ERROR)


class Engine:
    """One engine. `loaded` is the resident whose image it surely holds; None whenever that is in doubt, also after an
    exception such as KeyboardInterrupt at any point of a command: the next start then resets it and loads again.
    `counts`: loads, resets, timeouts, bus_errors, engine_errors since construction."""

    def __init__(self, port: Port, timeout: float, clock: Clock = SYSTEM) -> None:
        self.port, self.timeout = port, timeout
        self.loaded: Resident | None = None
        self.counts = dict.fromkeys(("loads", "resets", "timeouts", "bus_errors", "engine_errors"), 0)
        self._read, self._write, self._now, self._sleep = port.read, port.write, clock.now, clock.sleep
        self._pointers = (-1, -1)
        self._open = False  # a run was perhaps begun and its end not seen

    def check_identity(self, package: Package) -> None:
        """Raise NoEngineError or HashMismatch unless this is an engine that `package` was made for."""
        where, name = f"package {package.path.name}", getattr(self.port, "name", type(self.port).__name__)
        magic, version = self._read(_AT["MAGIC"]), self._read(_AT["ABI"])
        if magic != abi.MAGIC:
            raise NoEngineError(
                f"no hwgen engine answers at '{name}': MAGIC reads {magic:#010x} instead of {abi.MAGIC:#010x}; "
                "load the bitstream that was built for this package"
            )
        if version != package.manifest["abi"]:
            raise NoEngineError(
                f"the engine at '{name}' has ABI {version}, {where} needs {package.manifest['abi']}; "
                "build the bitstream again, or update hwgen on this machine"
            )
        found = self._read(_AT["HASH_HI"]) << 32 | self._read(_AT["HASH_LO"])
        if found != package.design_hash:
            raise HashMismatch(
                f"the bitstream at '{name}' is design {found:016x}, "
                f"{where} was made for design {package.design_hash:016x}; "
                "load the bitstream that belongs to this package, or generate the package for this bitstream"
            )

    def load(self, resident: Resident) -> None:
        """Read the resident's image into the engine. Raises EngineError or EngineTimeout."""
        self.loaded = None
        package = resident.package
        resident.check()
        if not self._read(_STATUS) & _IDLE or self._open:  # what an interrupted command or a killed process left
            self._soft_reset(required=True)
        self._write64("LOAD_PTR", resident.image.address)
        if resident.stream is not None:
            self._write64("STREAM_PTR", resident.stream.address)
        self._write(_AT["LOAD_BEATS"], len(package.image) // abi.BEAT_BYTES)
        self._write(_AT["WATCHDOG"], 0)  # that of the manifest is for a run; the time-out guards the load
        self._open = True
        self._write(_CONTROL, _LOAD)
        self._await(self.timeout, package.path.name + ": load")
        self._write(_AT["WATCHDOG"], package.manifest["watchdog_cycles"])
        self._pointers = (-1, -1)
        self.counts["loads"] += 1
        self.loaded, self._open = resident, False

    def start(self, slot: Slot) -> None:
        """Run the program of the slot's resident once, from its input buffer into its output buffer."""
        if self._open or self.loaded is not slot.resident:
            self.load_again(slot.resident)
        pointers = (slot.source.address, slot.target.address)
        if self._pointers != pointers:
            self._pointers = (-1, -1)
            self._write64("IN_PTR", pointers[0])
            self._write64("OUT_PTR", pointers[1])
            self._pointers = pointers
        self._open = True
        self._write(_CONTROL, _START)

    def runs(self, slot: Slot) -> bool:
        """True while the slot's run is under way, as far as is known."""
        return self._open and self.loaded is slot.resident

    def finished(self) -> bool:
        """True once the run ended, well or not; `wait` then tells which."""
        return _ended(self._read(_STATUS))

    def wait(self, slot: Slot, timeout: float) -> None:
        """Wait for the run. On an error or a time-out the engine is reset and loaded again, then the error raised."""
        try:
            self._await(timeout, slot.resident.package.path.name + ": run")
        except DeviceFault as error:
            try:
                self.load_again(slot.resident)
            except DeviceFault as second:
                error.recovered = False
                error.args = (f"{error.args[0]}; and it did not come back: {second}",)
            raise
        self._open = False

    def load_again(self, resident: Resident) -> None:
        """Soft reset and load. Raises EngineTimeout where the engine does not come back."""
        self.loaded = None
        self._soft_reset(required=True)
        self.load(resident)

    def stop(self) -> bool:
        """End whatever runs; False where the engine does not stop, and its buffers must not be given away."""
        self.loaded = None
        return not self._read(_STATUS) & (_BUSY | _DRAINING) or self._soft_reset()

    def latency(self) -> int:
        """Clocks from the accepted START to DONE of the last run."""
        return self._read(_AT["LATENCY"])

    def counters(self) -> dict[str, int]:
        """The counters of the last run (clocks) and the runs since reset, by lower-case register name."""
        return {name.lower(): self._read(_AT[name]) for name in _COUNTERS}

    def _await(self, timeout: float, what: str) -> None:
        """Poll until DONE. Raises EngineError or EngineTimeout; changes nothing but the counts."""
        read, now = self._read, self._now
        begin = now()
        while True:
            status = read(_STATUS)
            if _ended(status):
                break
            passed = now() - begin
            if not passed <= timeout and not _ended(status := read(_STATUS)):  # time passes unseen, too
                self.counts["timeouts"] += 1
                raise EngineTimeout(
                    f"package {what} not done after {timeout:g} s, "
                    f"{describe_status(status, read(_AT['ERROR_INFO']))}; "
                    "allow more time with timeout=, or look for a stalled memory port"
                )
            if passed > _SPIN_SECONDS:
                self._sleep(_NAP_SECONDS)
        if status != _ENDED_WELL:
            info, code = read(_AT["ERROR_INFO"]), abi.field("STATUS", "CODE", status)
            name = abi.ERRORS.get(code, (f"code {code}", ""))[0]
            self.counts["bus_errors" if name in _BUS_ERRORS else "engine_errors"] += 1
            way_out = _WAYS_OUT.get(name, "load the bitstream that was built for this package")
            raise EngineError(f"package {what} failed, {describe_status(status, info)}; {way_out}", code, name, info)

    def _soft_reset(self, required: bool = False) -> bool:
        self.counts["resets"] += 1
        self._write(_CONTROL, _SOFT_RESET)
        begin = self._now()
        while True:
            status = self._read(_STATUS)
            if status & _IDLE and not status & ~_ENDED_WELL:
                self._open = False
                return True
            passed = self._now() - begin
            if passed > self.timeout:
                break
            if passed > _SPIN_SECONDS:
                self._sleep(_NAP_SECONDS)
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
