"""The errors of the robot's side. Each message names the thing, the reason and the way out.

They stand apart from `hwgen.errors`, because the runtime imports nothing else of hwgen.
"""


class RuntimeFault(Exception):
    """Base of every error the runtime raises on purpose."""


class PackageError(RuntimeFault):
    """A `.hwpkg` file is missing, truncated, altered or malformed. Names the file, the part and the reason."""


class InputFault(RuntimeFault):
    """What the caller handed in is wrong: a name, a shape, a dtype, NaN or infinity, an out= array."""


class DeviceFault(RuntimeFault):
    """The accelerator or the way to it failed. `recovered` tells whether the device is usable again."""

    recovered = True


class NoEngineError(DeviceFault):
    """The bitstream holds no hwgen engine, or none answers at its address: wrong bitstream, wrong board."""


class HashMismatch(DeviceFault):
    """Bitstream and package were made for different designs. Names both hashes."""


class EngineError(DeviceFault):
    """The engine stopped with an error code. `code`, `code_name`, `info` hold what it said."""

    def __init__(self, message: str, code: int = 0, code_name: str = "NONE", info: int = 0) -> None:
        super().__init__(message)
        self.code, self.code_name, self.info = code, code_name, info


class EngineTimeout(DeviceFault, TimeoutError):
    """The engine did not answer in time. Names the decoded status."""


class SelftestError(DeviceFault):
    """The engine's integers differ from the package's golden vectors. Names the first difference."""


class UsageError(RuntimeFault):
    """The driver was called in the wrong order: closed, a freed buffer, no free slot, nothing submitted."""


class DeadlineMissed(RuntimeFault):
    """A control loop with overrun="stop" was late. Names the tick and by how much."""
