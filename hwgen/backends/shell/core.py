"""What the shell has to know of a core: its module, its arguments and their bits, and how long it takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from hwgen.errors import InputError

_NAME = re.compile(r"[A-Za-z_]\w*")
RESERVED = frozenset(
    "always and assign begin bit buf byte case cell class clocking config const context cover default disable do edge "
    "else end endcase endmodule enum event final for force fork function generate if import in initial inout input int "
    "integer interface join large local logic longint medium modport module nand negedge new nor not null or output "
    "package parameter posedge priority property pull0 pull1 pure rand reg release repeat return scalared sequence "
    "signed small specify static string strong0 strong1 struct super supply0 supply1 table task this time tran tri "
    "type typedef union unique unsigned use var vectored virtual void wait wand weak0 weak1 while wire with xnor "
    "xor".split()
)
"""Words of SystemVerilog that no module or port can be called."""


@dataclass(frozen=True)
class CorePort:
    """One argument of the core.

    tensor: the graph's name. port: stem of the Verilog ports. bits: of an element's ap_(u)fixed or ap_(u)int. shape: as
    stored, row-major. axes: stored = np.transpose(tensor, axes). elements: of one beat (io_stream: n_elem of
    nnet::array); io_parallel has one beat of all elements.
    """

    tensor: str
    port: str
    bits: int
    signed: bool
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    elements: int

    @property
    def count(self) -> int:
        """Elements of the tensor."""
        return math.prod(self.shape)

    @property
    def beats(self) -> int:
        """Beats of the tensor on the core's stream."""
        return self.count // self.elements

    @property
    def bytes(self) -> int:
        """Bytes of an element in DDR: 1, or 4 for a wide output."""
        return 1 if self.bits <= 8 else 4


@dataclass(frozen=True)
class CoreDescription:
    """A core: `top` is the HLS top function and the Verilog module, `io` "parallel" or "stream" (hls4ml's io types),
    ports in the order of its arguments, `latency` the estimated clocks from its first input (io_parallel: ap_start) to
    its last output (ap_done)."""

    top: str
    io: str
    inputs: tuple[CorePort, ...]
    outputs: tuple[CorePort, ...]
    latency: int

    def check(self) -> None:
        """Raise InputError naming what no shell can be made for."""
        if self.io not in ("parallel", "stream"):
            raise InputError(f"core {self.top}: io {self.io!r} is unknown: parallel or stream")
        names = [self.top, *(p.port for p in (*self.inputs, *self.outputs))]
        for name in names:
            if not _NAME.fullmatch(name) or name in RESERVED:
                raise InputError(f"core {self.top}: {name!r} cannot name a Verilog module or port; choose another name")
        if len(set(names)) != len(names):
            raise InputError(f"core {self.top}: two ports, or a port and the core, have one name: {', '.join(names)}")
        if not self.inputs or not self.outputs or max(len(self.inputs), len(self.outputs)) > 64 or self.latency < 1:
            raise InputError(f"core {self.top}: 1 to 64 inputs, 1 to 64 outputs and a latency of at least 1 are needed")
        for port in (*self.inputs, *self.outputs):
            self._check_port(port, port in self.inputs)

    def _check_port(self, port: CorePort, is_input: bool) -> None:
        where = f"core {self.top}, port {port.port} (tensor {port.tensor!r})"
        most = 8 if is_input else 32
        if not 1 <= port.bits <= most:
            raise InputError(f"{where}: {port.bits} bits; an {'input' if is_input else 'output'} has 1 to {most}")
        if port.bits == 32 and not port.signed:
            raise InputError(f"{where}: 32 unsigned bits do not fit the driver's int32")
        if sorted(port.axes) != list(range(len(port.shape))):
            raise InputError(f"{where}: axes {port.axes} are no order of the {len(port.shape)} axes of {port.shape}")
        if port.count < 1 or port.elements < 1 or port.count % port.elements:
            raise InputError(f"{where}: {port.count} elements are not whole beats of {port.elements}")
        if self.io == "parallel" and port.beats != 1:
            raise InputError(f"{where}: io_parallel has one beat of all {port.count} elements, not of {port.elements}")

    def as_dict(self) -> dict:
        """For the manifest's key `core`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: object) -> CoreDescription:
        """A description from a manifest, checked. Raises InputError."""
        try:
            ports = {key: tuple(_port(entry) for entry in _list(data[key])) for key in ("inputs", "outputs")}
            core = cls(str(data["top"]), str(data["io"]), **ports, latency=int(data["latency"]))
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"the description of the core is damaged ({error!r})") from None
        core.check()
        return core


def _list(value: object) -> Iterable:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r:.40} is no list")
    return value


def _port(entry: dict) -> CorePort:
    sizes = {key: tuple(int(n) for n in _list(entry[key])) for key in ("shape", "axes")}
    return CorePort(
        str(entry["tensor"]), str(entry["port"]), int(entry["bits"]), bool(entry["signed"]), **sizes,
        elements=int(entry["elements"]),
    )  # fmt: skip
