"""The C interface of the simulated accelerator (sim/verilator/hwsim.h): its library, functions and structs.

Needs the standard library only.
"""

from __future__ import annotations

import ctypes as c
import os
from pathlib import Path

from hwgen.runtime.errors import DeviceFault

NAME, WAVES_NAME = "libhwgen_sim.so", "libhwgen_sim_waves.so"
CORE_NAME = "libcore.so"  # C simulation of a vendor's core, where the RTL has a stand-in for it


class SimError(DeviceFault):
    """The simulated engine failed, did not finish or did not answer, or the simulation was used wrongly."""


class Job(c.Structure):
    """Frames to run: `hwsim_frames`, where each field is explained."""

    _fields_ = (
        [(name, c.c_uint64) for name in ("frames", "in_bytes", "out_bytes", "in_address", "out_address", "max_clocks")]
        + [(name, c.c_void_p) for name in ("inputs", "outputs", "latency", "counters")]
        + [(name, c.c_uint32) for name in ("control", "status", "in_pointer", "out_pointer", "error_info")]
        + [(name, c.c_uint32) for name in ("counter_first", "counter_count", "start", "irq_enable", "error_bit")]
        + [("done", c.c_uint64), ("last_status", c.c_uint32), ("last_error_info", c.c_uint32)]
    )


class Traffic(c.Structure):
    """Bursts and beats of a memory port: `hwsim_traffic`."""

    _fields_ = [(name, c.c_uint64) for name in ("read_bursts", "read_beats", "write_bursts", "write_beats")]


_H, _U32, _U64 = c.c_void_p, c.c_uint32, c.c_uint64
_P32, _P64 = c.POINTER(_U32), c.POINTER(_U64)
_FUNCTIONS = {
    "version": (_U32,),
    "wave_format": (c.c_char_p,),
    "create": (_H, _U64, _U64, c.c_void_p),
    "destroy": (None, _H),
    "error": (c.c_char_p, _H),
    "protocol": (c.c_char_p, _H),
    "clear_protocol": (None, _H),
    "core": (c.c_int, _H, c.c_char_p),
    "reset": (c.c_int, _H, _U32),
    "write": (c.c_int, _H, _U32, _U32),
    "read": (c.c_int, _H, _U32, _P32),
    "run": (c.c_int, _H, _U64, c.c_int, _P64),
    "wait": (c.c_int, _H, _U32, _U32, _U32, _U64, _P32),
    "run_frames": (c.c_int, _H, c.POINTER(Job)),
    "irq": (c.c_int, _H),
    "clocks": (_U64, _H),
    "total_clocks": (_U64, _H),
    "memory_model": (c.c_int, _H, _U32, _U32, _U32, _U32),
    "stalls": (None, _H, _U64, c.POINTER(c.c_double)),
    "fault": (None, _H, c.c_int, c.c_int, c.c_int, c.c_int64, _U64, _U64, c.c_int, c.c_int),
    "clear_faults": (None, _H),
    "ports": (_U32, _H),
    "get_traffic": (None, _H, _U32, c.POINTER(Traffic)),
    "waves": (c.c_int, _H, c.c_char_p),
}


def find(where: str | os.PathLike, waves: bool = False) -> Path:
    """The library of a generated folder, or `where` itself if it is a file. Raises SimError."""
    path = Path(where)
    if path.is_file():
        return path
    library = path / "sim" / (WAVES_NAME if waves else NAME)
    if not library.is_file():
        how = "hwgen simulate --waves" if waves else "hwgen simulate"
        raise SimError(f"{library}: no such simulator; build it with `{how} {path}`")
    return library


def bind(path: Path, version: int) -> c.CDLL:
    """Load a library that speaks this version of the interface. Raises SimError."""
    try:
        library = c.CDLL(str(path.resolve()))
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(library, f"hwsim_{name}")
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise SimError(
            f"simulator {path} cannot be loaded ({error}); build it again on this machine with `hwgen simulate`"
        ) from error
    if (spoken := library.hwsim_version()) != version:
        raise SimError(
            f"simulator {path} speaks version {spoken}, this hwgen {version}; build it again with `hwgen simulate`"
        )
    return library
