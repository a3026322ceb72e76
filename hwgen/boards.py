"""The boards: one folder each under ``boards/``, described by its ``board.toml``.

A new board is a new folder and no code; `load` checks every field, and what is wrong is named, all of it at once.
Each field: docs/boards.md.
"""

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import tomllib

from hwgen import resources
from hwgen.errors import InputError
from hwgen.fields import Fields

FAMILIES = ("zynqmp", "zynq7", "ecp5")
DIVIDERS = sorted({a * b for a in range(1, 64) for b in range(1, 64)})  # two of six bits, in both families of Zynq
NEAR = 0.01  # a clock is reachable when the PLL makes it within 1 %


@dataclass(frozen=True)
class Processor:
    """What the silicon of a Zynq has. `windows`: control port -> first and last address behind it; `ports`: memory port
    -> widths that it can be set to, in bits."""

    windows: dict[str, tuple[int, int]]
    ports: dict[str, tuple[int, ...]]


# UG1085 (Zynq UltraScale+) chapter "PS-PL AXI Interfaces", UG585 (Zynq-7000) chapter "Interconnect".
PROCESSORS = {
    "zynq_ultra_ps_e": Processor(
        {
            "M_AXI_HPM0_FPD": (0xA000_0000, 0xAFFF_FFFF),
            "M_AXI_HPM1_FPD": (0xB000_0000, 0xBFFF_FFFF),
            "M_AXI_HPM0_LPD": (0x8000_0000, 0x9FFF_FFFF),
        },
        {f"S_AXI_{name}_FPD": (32, 64, 128) for name in ("HP0", "HP1", "HP2", "HP3", "HPC0", "HPC1")},
    ),
    "processing_system7": Processor(
        {"M_AXI_GP0": (0x4000_0000, 0x7FFF_FFFF), "M_AXI_GP1": (0x8000_0000, 0xBFFF_FFFF)},
        {f"S_AXI_HP{i}": (32, 64) for i in range(4)},
    ),
}
OF_FAMILY = {"zynqmp": "zynq_ultra_ps_e", "zynq7": "processing_system7"}


@dataclass(frozen=True)
class Resources:
    """What the part holds. ``dsp``: multipliers (DSP48, or ECP5 18x18); ``bram36``: blocks of 36 kbit; ``lutram``:
    those of the ``lut`` that can be memory."""

    lut: int
    ff: int
    dsp: int
    bram36: int
    uram: int
    lutram: int


@dataclass(frozen=True)
class Clock:
    """``assumed_mhz``: what designs are made for; it lies in ``min_mhz`` .. ``max_mhz``. ``pll_mhz``: the PLL of the
    processor that makes it over two dividers of 1..63; None where the fabric has a PLL of its own."""

    assumed_mhz: float
    min_mhz: float
    max_mhz: float
    pll_mhz: float | None

    def made(self, mhz: float) -> float:
        """The clock that comes out when ``mhz`` is asked for: the nearest that the PLL makes, in MHz."""
        if self.pll_mhz is None:
            return mhz
        return min((self.pll_mhz / divider for divider in DIVIDERS), key=lambda made: abs(made - mhz))


@dataclass(frozen=True)
class Region:
    """``bytes`` of memory from address ``base``, as the accelerator sees them."""

    base: int
    bytes: int


@dataclass(frozen=True)
class Memory:
    """The memory outside the fabric: where it lies, and the ``ports`` to it: name -> width in bits, the first one is
    used first. No port: the host feeds the board over a serial line."""

    kind: str
    regions: tuple[Region, ...]
    ports: dict[str, int]

    @property
    def bytes(self) -> int:
        """The size of all regions together."""
        return sum(region.bytes for region in self.regions)


@dataclass(frozen=True)
class Control:
    """How the processor of a Zynq reaches the registers. ``type``: the processor as Vivado's IP; ``port``: its master;
    ``base``: the address of the registers; ``pynq``: the versions of PYNQ that run on the board (PEP 440)."""

    type: str
    port: str
    base: int
    pynq: str


@dataclass(frozen=True)
class Serial:
    """The serial line to the host: ``baud`` bits a second."""

    baud: int


@dataclass(frozen=True)
class Ecp5:
    """A Lattice ECP5 as nextpnr names it (``device`` 85k, ``package`` CABGA381, ``speed`` grade 6), the oscillator
    beside it in MHz, and the file of pin ``constraints`` (.lpf) in the board's folder."""

    device: str
    package: str
    speed: int
    oscillator_mhz: float
    constraints: str


@dataclass(frozen=True)
class Board:
    """One board; ``folder`` holds its constraints. ``processor`` is None without a Zynq, ``serial`` and ``ecp5`` are
    None with one."""

    name: str
    title: str
    vendor: str
    family: str
    part: str
    board_part: str | None
    clock: Clock
    resources: Resources
    memory: Memory
    processor: Control | None
    serial: Serial | None
    ecp5: Ecp5 | None
    folder: Path

    @property
    def clock_mhz(self) -> float:
        """The clock that cycles are converted into time with, until a bitstream has been timed."""
        return self.clock.assumed_mhz


def names() -> list[str]:
    """Return the names of all boards, sorted."""
    return sorted(folder.parent.name for folder in resources.path("boards").glob("*/board.toml"))


def load(name: str) -> Board:
    """Return the board called ``name``, or the one described in the folder of that path (it must hold a slash).

    Raises `InputError` when there is none, or when its board.toml lacks a field or holds a wrong one.
    """
    if "/" in name:
        folder = Path(name)
        if not (folder / "board.toml").is_file():
            raise InputError(f"{folder} holds no board.toml: give a board's name ({', '.join(names())}) or its folder")
        return read(folder)
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(
            f"unknown board {name!r}{hint}: known are {', '.join(names())}; a new one is a folder with a board.toml"
        )
    return read(resources.path("boards", name))


def read(folder: Path) -> Board:
    """Read and check ``folder/board.toml``. Raises `InputError` that names every field that is wrong."""
    file = folder / "board.toml"
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{file} is not TOML: {error}") from error
    take = Fields(str(file), data)
    family = take.choice("family", FAMILIES)
    zynq = family in OF_FAMILY
    board = Board(
        name=folder.resolve().name,
        title=take.text("title"),
        vendor=take.text("vendor"),
        family=family,
        part=take.text("part"),
        board_part=take.text("board_part", r"[\w.-]+:[\w.-]+:[\w.-]+") if zynq and "board_part" in data else None,
        clock=Clock(
            assumed_mhz=take.number("clock.assumed_mhz", 1, 1000),
            min_mhz=take.number("clock.min_mhz", 1, 1000),
            max_mhz=take.number("clock.max_mhz", 1, 1000),
            pll_mhz=take.number("clock.pll_mhz", 1, 4000) if zynq else None,
        ),
        resources=Resources(
            lut=take.whole("resources.lut", 1),
            ff=take.whole("resources.ff", 1),
            dsp=take.whole("resources.dsp"),
            bram36=take.whole("resources.bram36"),
            uram=take.whole("resources.uram"),
            lutram=take.whole("resources.lutram"),
        ),
        memory=Memory(
            kind=take.text("memory.kind"),
            regions=tuple(Region(*pair) for pair in take.pairs("memory.regions")),
            ports=take.table("memory.ports", PROCESSORS[OF_FAMILY[family]].ports) if zynq else {},
        ),
        processor=_processor(take, OF_FAMILY[family]) if zynq else None,
        serial=Serial(take.whole("serial.baud", 1200, 12_000_000)) if family == "ecp5" else None,
        ecp5=_ecp5(take) if family == "ecp5" else None,
        folder=folder,
    )
    take.nothing_left()
    take.finish()
    _agree(take, board)
    take.finish()
    return board


def _processor(take: Fields, kind: str) -> Control:
    return Control(
        type=take.choice("processor.type", (kind,)),
        port=take.choice("processor.port", tuple(PROCESSORS[kind].windows)),
        base=take.whole("processor.base", high=2**40),
        pynq=take.text("processor.pynq", r"[<>=!~]=?\d+(\.\d+)*(,[<>=!~]=?\d+(\.\d+)*)*"),
    )


def _ecp5(take: Fields) -> Ecp5:
    return Ecp5(
        device=take.choice("ecp5.device", ("12k", "25k", "45k", "85k")),
        package=take.text("ecp5.package", r"[A-Z]+\d+"),
        speed=take.whole("ecp5.speed", 6, 8),
        oscillator_mhz=take.number("ecp5.oscillator_mhz", 1, 400),
        constraints=take.text("ecp5.constraints", r"[\w-]+\.lpf"),
    )


def _agree(take: Fields, board: Board) -> None:
    """Complain of fields that are right alone and wrong together."""
    clock, held, memory = board.clock, board.resources, board.memory
    if clock.min_mhz > clock.max_mhz:
        take.wrong("clock.min_mhz", clock.min_mhz, f"at most clock.max_mhz ({clock.max_mhz:g})")
    elif not clock.min_mhz <= clock.assumed_mhz <= clock.max_mhz:
        take.wrong("clock.assumed_mhz", clock.assumed_mhz, f"within {clock.min_mhz:g} to {clock.max_mhz:g} MHz")
    elif not math.isclose(clock.made(clock.assumed_mhz), clock.assumed_mhz, rel_tol=NEAR):
        made = clock.made(clock.assumed_mhz)
        take.wrong("clock.assumed_mhz", clock.assumed_mhz, f"a clock that clock.pll_mhz makes: {made:g} is the nearest")
    if held.lutram > held.lut:
        take.wrong("resources.lutram", held.lutram, f"at most resources.lut ({held.lut})")
    ends = sorted((region.base, region.base + region.bytes) for region in memory.regions)
    if any(end > base for (_, end), (base, _) in zip(ends, ends[1:], strict=False)):
        take.wrong("memory.regions", [list(pair) for pair in ends], "regions that do not overlap")
    if board.processor is not None:
        _agree_processor(take, board, PROCESSORS[board.processor.type])


def _agree_processor(take: Fields, board: Board, silicon: Processor) -> None:
    control = board.processor
    low, high = silicon.windows[control.port]
    if not low <= control.base <= high or control.base % 4096:
        take.wrong("processor.base", hex(control.base), f"a multiple of 4096 within {low:#x} to {high:#x}")
    for name, bits in board.memory.ports.items():
        widths = silicon.ports[name]
        if bits not in widths:
            take.wrong(f"memory.ports.{name}", bits, f"one of {', '.join(map(str, widths))} bits")
    form = {"zynqmp": r"xc(zu\d+|k\d+)\S*-\S+", "zynq7": r"xc7z\d{3}\S*-\S+"}[board.family]
    if not re.fullmatch(form, board.part):
        take.wrong("part", board.part, f"a part of family {board.family} as Vivado spells it")
