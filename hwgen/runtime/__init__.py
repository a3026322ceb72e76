"""What runs on the robot: packages, devices and the driver. Imports numpy, and pynq where a board is driven; nothing
else of hwgen.
"""

from hwgen.runtime.driver import Accelerator
from hwgen.runtime.engines import Engines
from hwgen.runtime.errors import (
    DeviceFault,
    EngineError,
    EngineTimeout,
    HashMismatch,
    InputFault,
    NoEngineError,
    PackageError,
    RuntimeFault,
    SelftestError,
    UsageError,
)
from hwgen.runtime.package import Package, read_package, write_package

__all__ = [
    "Accelerator",
    "DeviceFault",
    "EngineError",
    "EngineTimeout",
    "Engines",
    "HashMismatch",
    "InputFault",
    "NoEngineError",
    "Package",
    "PackageError",
    "RuntimeFault",
    "SelftestError",
    "UsageError",
    "read_package",
    "write_package",
]
