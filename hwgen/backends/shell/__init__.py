"""The system around a core with streams: registers, DMA, driver package. Today's cores are hls4ml's (docs/shell.md)."""

from hwgen.backends.shell.core import CoreDescription, CorePort
from hwgen.backends.shell.plan import ShellPlan, plan
from hwgen.backends.shell.write import image, manifest_ports, write

__all__ = ["CoreDescription", "CorePort", "ShellPlan", "image", "manifest_ports", "plan", "write"]
