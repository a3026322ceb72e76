"""Which hardware the command line means: `--device auto|pynq|sim:DIR|serial:PORT|instant`, of one engine or several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hwgen.runtime.driver import Accelerator
from hwgen.runtime.engines import Engines
from hwgen.runtime.engines_package import EnginesPackage
from hwgen.runtime.errors import UsageError
from hwgen.runtime.package import Package

HELP = """auto (default) or pynq: the bitstream in the package or beside it; sim:DIR: the simulated RTL of a generated
folder; serial:/dev/ttyUSB0: a board on a serial line; instant: answers at once and computes nothing"""


@contextmanager
def open_accelerator(
    package: Package | EnginesPackage, device: str, timeout: float | None
) -> Iterator[Accelerator | Engines]:
    """The package on the device that the text names, closed in the end. Raises UsageError for another text, and what
    opening raises."""
    kind, _, where = device.partition(":")
    if isinstance(package, EnginesPackage):
        with _several(package, kind, where) as ports, Engines(package, devices=ports, timeout=timeout) as engines:
            yield engines
    elif kind == "sim" and where:
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
        raise _unknown(device)


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


@contextmanager
def _several(package: EnginesPackage, kind: str, where: str) -> Iterator[list | None]:
    """A device for each engine; None: those of the bitstream."""
    from hwgen.runtime import sim_engines
    from hwgen.runtime.simlib import SimError

    device = f"{kind}:{where}" if where else kind
    if kind == "sim" and where:
        with ExitStack() as closing:
            try:
                devices = closing.enter_context(sim_engines.simulated(package, where))
            except SimError as error:
                raise UsageError(f"--device {device}: {error}") from error
            yield devices
    elif device == "instant":
        yield sim_engines.instant(package)
    elif device in ("auto", "pynq"):
        yield None
    elif kind == "serial":
        raise UsageError(f"--device {device} reaches one engine, {package.path.name} is for {len(package.engines)}; "
                         "give auto, pynq, sim:DIR or instant")  # fmt: skip
    else:
        raise _unknown(device)


def _unknown(device: str) -> UsageError:
    return UsageError(f"--device {device} is unknown; give auto, pynq, sim:DIR, serial:/dev/ttyUSB0 or instant")
