"""The simulated accelerator from Python: `SimLib` drives the shared library that `hwgen.build.verilate.build` makes.

The library holds the RTL, an AXI4-Lite master for the registers and the DDR model of each memory port (sim/verilator).
Time passes only inside calls: a register access takes a few clocks, `run`, `wait` and `run_frames` take as many as they
need. Needs only numpy and the standard library, so that it also runs beside pynq.
"""

from __future__ import annotations

import ctypes as c
import mmap
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.sim_binding import CORE_NAME, Job, SimError, Traffic, bind, find

VERSION = 3  # of the C interface; sim/verilator/hwsim.h
BASE, SIZE = 0x8_0000_0000, 64 << 20  # a high address, so that the upper pointer registers are used
CHANNELS = ("ar", "r", "aw", "w", "b")
_KINDS = {"slverr": 0, "decerr": 1, "hang": 2}
_COUNTERS = 8  # LATENCY to RUNS
_MAX_CLOCKS = 10_000_000
_PAGE = 4096


class Frames(NamedTuple):
    """What `SimLib.run_frames` returns: bytes [n, out_bytes], clocks [n], counters [n, 8] (LATENCY to RUNS) or None."""

    outputs: np.ndarray
    latency: np.ndarray
    counters: np.ndarray | None


class SimLib:
    """One simulated accelerator with its memory. A context manager; several may live at once, each in one thread.

    `memory` is its DDR as bytes (a view, zero copy), `base` and `size` the window's place on the bus. Beats outside the
    window are answered DECERR.
    """

    def __init__(
        self, library: Path, base: int, size: int, memory: np.ndarray | None, waves: str | os.PathLike | None
    ) -> None:
        self._handle: int | None = None
        if memory is not None:
            flags = memory.flags
            if memory.dtype != np.uint8 or memory.ndim != 1 or not flags.c_contiguous or not flags.writeable:
                raise SimError(
                    f"memory is {memory.dtype} of shape {memory.shape}; give a writeable, contiguous uint8 vector"
                )
            size = memory.nbytes
        if base % 4096 or size <= 0 or base < 0 or base + size > 1 << 64:
            raise SimError(
                f"memory window {base:#x} + {size:#x}: base must be a multiple of 4096 and the window fit 64 bits"
            )
        self.path, self.base, self.size = library, base, size
        self._lib = bind(library, VERSION)
        # Owned here, not by the library, so that a view may outlive the simulation; pages come when they are touched.
        self._memory = self.memory = np.frombuffer(mmap.mmap(-1, size), np.uint8) if memory is None else memory
        self._handle = self._lib.hwsim_create(base, size, self._memory.ctypes.data)
        if not self._handle:
            raise SimError(f"simulator {library} did not start")
        if waves is not None:
            self.waves(waves)
        core = library.with_name(CORE_NAME)
        if core.is_file():
            self._check(self._lib.hwsim_core(self._handle, os.fsencode(core.resolve())))
        self.reset()

    @classmethod
    def open(
        cls,
        where: str | os.PathLike,
        *,
        base: int = BASE,
        size: int = SIZE,
        memory: np.ndarray | None = None,
        waves: str | os.PathLike | None = None,
    ) -> SimLib:
        """Open the simulator of a generated folder (or a library file) and reset the engine. A `libcore.so` beside it
        is the C simulation of the core that the RTL has a stand-in for (docs/shell.md).

        `memory`: the DDR's bytes if the caller owns them, uint8 [size]; else `size` zeroed bytes. `waves`: a file for a
        waveform from the first clock on (takes the folder's waves library). Raises SimError.
        """
        return cls(find(where, waves is not None), base, size, memory, waves)

    def close(self) -> None:
        """Free the simulation and end its waveform; views of the memory stay valid."""
        if self._handle:
            handle, self._handle = self._handle, None
            self._lib.hwsim_destroy(handle)

    def __enter__(self) -> SimLib:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    def __repr__(self) -> str:
        state = f"{self.total_clocks} clocks" if self._handle else "closed"
        return f"<SimLib {self.path}, {state}>"

    # --- registers and time -------------------------------------------------------------------------------------------

    def read(self, offset: int) -> int:
        """One 32-bit register, by AXI4-Lite. Raises SimError when it is not answered in 10,000 clocks."""
        value = c.c_uint32()
        self._check(self._lib.hwsim_read(self._open(), offset, c.byref(value)))
        return value.value

    def write(self, offset: int, value: int) -> None:
        """Write one 32-bit register, by AXI4-Lite. Raises SimError when it is not answered in 10,000 clocks."""
        self._check(self._lib.hwsim_write(self._open(), offset, value & 0xFFFFFFFF))

    def run(self, max_clocks: int, until_irq: bool = True) -> int:
        """Let time pass, at most until the interrupt is seen (needs CONTROL.IRQ_ENABLE). Returns the clocks it took."""
        advanced = c.c_uint64()
        self._check(self._lib.hwsim_run(self._open(), max_clocks, int(until_irq), c.byref(advanced)))
        return advanced.value

    def wait(self, max_clocks: int = _MAX_CLOCKS, gap: int = 8) -> int:
        """Poll STATUS every `gap` clocks until the engine is neither busy nor draining, or max_clocks have passed.

        Returns STATUS.
        """
        value = c.c_uint32()
        mask = _mask("STATUS", "BUSY") | _mask("STATUS", "DRAINING")
        code = self._lib.hwsim_wait(self._open(), _at("STATUS"), mask, gap, max_clocks, c.byref(value))
        self._check(code)
        return value.value

    def reset(self, clocks: int = 16) -> None:
        """Hold aresetn low; what is under way on the buses is forgotten, memory and faults stay."""
        self._check(self._lib.hwsim_reset(self._open(), clocks))

    @property
    def irq(self) -> bool:
        """The interrupt line now."""
        return bool(self._lib.hwsim_irq(self._open()))

    @property
    def clocks(self) -> int:
        """Clocks since the last reset."""
        return self._lib.hwsim_clocks(self._open())

    @property
    def total_clocks(self) -> int:
        """Clocks since the simulation was opened."""
        return self._lib.hwsim_total_clocks(self._open())

    # --- programs -----------------------------------------------------------------------------------------------------

    def view(self, address: int, nbytes: int) -> np.ndarray:
        """The bytes at a bus address, uint8 [nbytes], zero copy. Raises SimError outside the window."""
        self._open()
        start = address - self.base
        if start < 0 or nbytes < 0 or start + nbytes > self.size:
            window = f"{self.base:#x} .. {self.base + self.size:#x}"
            raise SimError(f"{nbytes} bytes at {address:#x} are outside the memory at {window}")
        return self.memory[start : start + nbytes]

    def load(
        self,
        image: bytes | np.ndarray,
        address: int | None = None,
        max_clocks: int = _MAX_CLOCKS,
        stream: bytes | np.ndarray = b"",
    ) -> None:
        """Put a load image into memory (default: at its beginning), behind it the weights that stay there, and have the
        engine read the image. Raises SimError."""
        address = self.base if address is None else address
        data, streamed = np.frombuffer(image, np.uint8), np.frombuffer(stream, np.uint8)
        self.view(address, data.size)[:] = data
        if streamed.size:
            behind = -(-(address + data.size) // _PAGE) * _PAGE
            self.view(behind, streamed.size)[:] = streamed
            self._pointer("STREAM_PTR_LO", behind)
        self._pointer("LOAD_PTR_LO", address)
        self.write(_at("LOAD_BEATS"), data.size // abi.BEAT_BYTES)
        control = self.read(_at("CONTROL")) & _mask("CONTROL", "IRQ_ENABLE")
        self.write(_at("CONTROL"), control | _mask("CONTROL", "LOAD"))
        status = self.wait(max_clocks)
        if not status & _mask("STATUS", "LOADED") or status & _mask("STATUS", "ERROR"):
            why = _describe(status, self.read(_at("ERROR_INFO")))
            raise SimError(f"the image was not loaded: {why}; SOFT_RESET makes the engine usable again")

    def run_frames(
        self,
        inputs: np.ndarray,
        out_bytes: int,
        *,
        in_address: int | None = None,
        out_address: int | None = None,
        max_clocks: int = _MAX_CLOCKS,
        outputs: np.ndarray | None = None,
        latency: np.ndarray | None = None,
        counters: bool = False,
    ) -> Frames:
        """Run the loaded program on every row of `inputs`, uint8 [n, in_bytes], one after the other.

        Latency is counted outside the engine: from the clock in which the write of CONTROL.START is accepted (address
        and data both taken) to the first clock in which irq_o is high; register LATENCY says the same. The output area
        is filled with 0xA5 before each frame, so that bytes which the engine does not write show. `outputs` uint8
        [n, out_bytes] and `latency` uint32 [n] may be given. Addresses default to the upper half of the memory.
        Raises SimError naming the frame.
        """
        if inputs.ndim != 2 or inputs.dtype != np.uint8:
            raise SimError(f"inputs are {inputs.dtype} of shape {inputs.shape}; give uint8 [frames, bytes]")
        inputs = np.ascontiguousarray(inputs)
        count, in_bytes = inputs.shape
        in_address = self.base + (self.size // 2 & ~4095) if in_address is None else in_address
        out_address = in_address + -(-in_bytes // 4096) * 4096 if out_address is None else out_address
        outputs = _result(outputs, (count, out_bytes), np.uint8, "outputs")
        latency = _result(latency, (count,), np.uint32, "latency")
        table = np.zeros((count, _COUNTERS), np.uint32) if counters else None
        job = Job(
            count, in_bytes, out_bytes, in_address, out_address, max_clocks,
            inputs.ctypes.data, outputs.ctypes.data, latency.ctypes.data, None if table is None else table.ctypes.data,
            *(_at(name) for name in ("CONTROL", "STATUS", "IN_PTR_LO", "OUT_PTR_LO", "ERROR_INFO", "LATENCY")),
            _COUNTERS, _mask("CONTROL", "START"), _mask("CONTROL", "IRQ_ENABLE"), _mask("STATUS", "ERROR"),
        )  # fmt: skip
        code = self._lib.hwsim_run_frames(self._open(), c.byref(job))
        self._check(code, lambda: f"frame {job.done} of {count}, {_describe(job.last_status, job.last_error_info)}")
        return Frames(outputs, latency, table)

    # --- the memory model ---------------------------------------------------------------------------------------------

    def memory_model(
        self, read_latency: int = 40, write_response: int = 4, outstanding: int = 16, read_jitter: int = 0
    ) -> None:
        """Change the timing of all memory ports, in clocks; the defaults are the standard model.

        `read_jitter`: up to so many clocks more, drawn per burst.
        """
        self._check(self._lib.hwsim_memory_model(self._open(), read_latency, write_response, outstanding, read_jitter))

    def stalls(self, seed: int, **probability: float) -> None:
        """Stall channels at random: for each of ar, r, aw, w, b the probability per clock (0 where not given)."""
        unknown = sorted(set(probability) - set(CHANNELS))
        if unknown:
            raise SimError(f"no channel '{unknown[0]}'; there are {', '.join(CHANNELS)}")
        values = (c.c_double * len(CHANNELS))(*(probability.get(name, 0.0) for name in CHANNELS))
        self._lib.hwsim_stalls(self._open(), seed & (1 << 64) - 1, values)

    def fault(
        self,
        direction: str,
        kind: str = "slverr",
        *,
        burst: int | None = None,
        address: tuple[int, int] | None = None,
        beat: int | None = None,
        times: int = 1,
        port: int | None = None,
    ) -> None:
        """Let bursts fail: `direction` "read" or "write", `kind` "slverr", "decerr" or "hang".

        Which: the `burst`-th from now on (0: the next), or those that touch the bus addresses [first, behind the last);
        `times` of them, -1 for all. `beat`: only that beat of a read carries the error. `port`: only those of m_axi
        (0), m_axi_1 (1) and so on; None: of any. A burst that hangs is not answered before clear_faults().
        """
        if direction not in ("read", "write") or kind not in _KINDS or (burst is None) == (address is None):
            kinds = ", ".join(_KINDS)
            raise SimError(
                f"fault({direction!r}, {kind!r}): give read or write, one of {kinds}, and burst= or address="
            )
        self._check_port(port or 0)
        first, last = address or (0, 0)
        self._lib.hwsim_fault(
            self._open(), int(direction == "write"), -1 if port is None else port, _KINDS[kind],
            -1 if burst is None else burst, first, last, -1 if beat is None else beat, times,
        )  # fmt: skip

    def clear_faults(self) -> None:
        """Forget all faults; bursts that hang are answered now."""
        self._lib.hwsim_clear_faults(self._open())

    @property
    def protocol_error(self) -> str | None:
        """The engine's first violation of the AXI4 rules, with its clock, or None."""
        return self._lib.hwsim_protocol(self._open()).decode() or None

    def clear_protocol_error(self) -> None:
        """Forget the violation."""
        self._lib.hwsim_clear_protocol(self._open())

    @property
    def ports(self) -> int:
        """Memory ports: m_axi, and those that bring streamed weights."""
        return self._lib.hwsim_ports(self._open())

    def traffic(self, port: int = 0) -> dict[str, int]:
        """Bursts and beats of a memory port since the simulation was opened; 0: m_axi, 1: m_axi_1 and so on."""
        self._check_port(port)
        traffic = Traffic()
        self._lib.hwsim_get_traffic(self._open(), port, c.byref(traffic))
        return {name: getattr(traffic, name) for name, _ in Traffic._fields_}

    def _check_port(self, port: int) -> None:
        if not 0 <= port < self.ports:
            raise SimError(f"no memory port {port}; the accelerator has 0 to {self.ports - 1}")

    @property
    def wave_format(self) -> str | None:
        """What this library can record: "vcd", "fst" or None."""
        return self._lib.hwsim_wave_format().decode() or None

    def waves(self, path: str | os.PathLike | None) -> None:
        """Start recording a waveform into `path`; None ends it. Raises SimError in a library without waves."""
        self._check(self._lib.hwsim_waves(self._open(), None if path is None else os.fsencode(path)))

    # --- inside -------------------------------------------------------------------------------------------------------

    def _open(self) -> int:
        if not self._handle:
            raise SimError("this simulation is closed; open it again with SimLib.open()")
        return self._handle

    def _check(self, code: int, more=None) -> None:
        if code:
            message = self._lib.hwsim_error(self._handle).decode()
            raise SimError(f"simulated engine: {message}" + (f" ({more()})" if more else ""))

    def _pointer(self, low: str, address: int) -> None:
        self.write(_at(low), address & 0xFFFFFFFF)
        self.write(_at(low) + 4, address >> 32)


def _result(array: np.ndarray | None, shape: tuple[int, ...], dtype: type, name: str) -> np.ndarray:
    if array is None:
        return np.zeros(shape, dtype)
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous or not array.flags.writeable:
        wanted = f"{np.dtype(dtype)} {list(shape)}"
        raise SimError(f"{name} is {array.dtype} of shape {array.shape}; give a writeable, contiguous {wanted}")
    return array


def _at(name: str) -> int:
    return abi.register(name).offset


def _mask(register: str, field: str) -> int:
    for name, lsb, width, _ in abi.register(register).fields:
        if name == field:
            return ((1 << width) - 1) << lsb
    raise KeyError(f"register {register} has no field {field}")


def _describe(status: int, info: int) -> str:
    fields = abi.register("STATUS").fields
    flags = [name for name, _, width, _ in fields if width == 1 and abi.field("STATUS", name, status)]
    code = abi.field("STATUS", "CODE", status)
    name, meaning = abi.ERRORS.get(code, ("?", "unknown code"))
    text = f"status {status:#x}: {' '.join(flags) or 'nothing set'}"
    return f"{text}, code {name} ({meaning}), info {info:#x}" if code else text
