"""Parts of a policy that are no RTL: graphs of integers, run by NumPy on the robot's processor, bit for bit."""

from hwgen.runtime.host.program import HostProgram, HostTensor

__all__ = ["HostProgram", "HostTensor"]
