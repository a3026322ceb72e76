"""Which engine the command line means: `--device auto|pynq|sim:DIR|serial:PORT|instant`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hwgen.runtime.driver import Accelerator
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package

HELP = """auto (default) or pynq: the bitstream in the package or beside it; sim:DIR: the simulated RTL of a generated
folder; serial:/dev/ttyUSB0: a board on a serial line; instant: answers at once and computes nothing"""


@contextmanager
def open_accelerator(package: Package, device: str, timeout: float | None) -> Iterator[Accelerator]:
    """The package on the device that the text names, closed in the end. Raises UsageError for another text, and what
    opening raises."""
    kind, _, where = device.partition(":")
    if kind == "sim" and where:
        with _simulated(package, where) as port, Accelerator(package, device=port, timeout=timeout) as accelerator:
            yield accelerator
    elif kind == "serial" and where:
        from hwgen.runtime.serial import open_serial

        port = open_serial(where)
        try:
            with Accelerator(package, device=port, timeout=timeout) as accelerator:
                yield accelerator
        finally:
            port.close()
    elif device == "instant":
        from hwgen.runtime.instant import InstantBus
        from hwgen.runtime.sim_direct import SimDirect

        with Accelerator(package, device=SimDirect(InstantBus(package)), timeout=timeout) as accelerator:
            yield accelerator
    elif device in ("auto", "pynq"):
        with Accelerator(package, timeout=timeout) as accelerator:
            yield accelerator
    else:
        raise UsageError(f"--device {device} is unknown; give auto, pynq, sim:DIR, serial:/dev/ttyUSB0 or instant")


@contextmanager
def _simulated(package: Package, folder: str) -> Iterator[object]:
    from hwgen.runtime.sim_direct import SimDirect
    from hwgen.runtime.simbus import SimBus
    from hwgen.runtime.simlib import SimError

    try:
        bus = SimBus.open(folder, size=SimBus.size_for(package))
    except SimError as error:
        raise UsageError(f"--device sim:{folder}: {error}") from error
    try:
        yield SimDirect(bus)
    finally:
        bus.close()
