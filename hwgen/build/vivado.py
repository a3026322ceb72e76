"""DIR/vivado: the scripts that make a bitstream of DIR/rtl, and the check of them where there is no Vivado.

The scripts are hls_templates/vivado, copied as they are; only settings.tcl differs between designs.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import jinja2

from hwgen import resources
from hwgen.boards import Board
from hwgen.build import process, reports
from hwgen.errors import InputError, ToolError
from hwgen.runtime import abi

TOP = "hwgen_top"
SCRIPTS = ("build.tcl", "package.tcl", "system.tcl", "implement.tcl")
FAMILIES = ("zynqmp", "zynq7")
STRATEGIES = ("Performance_ExplorePostRoutePhysOpt", "Performance_NetDelay_high", "Performance_ExtraTimingOpt")
"""Implementation strategies, tried in this order until one meets the clock."""
PRODUCTS = ("*.bit", "*.hwh", "summary.txt", "utilization.rpt", "utilization_by_module.rpt", "timing.rpt", "power.rpt")
RETRY = "slacks {-0.1 0.1}"
LIMIT_HOURS = 120 / 3600  # of the model, which takes a fraction of a second
ACCESS = {"ro": "read-only", "rw": "read-write"}


def write_vivado(folder: Path, board: Board, backend: str) -> Path:
    """Write DIR/vivado for DIR/rtl and DIR/manifest.json; returns it. Results of the same design are kept.

    backend: `engine` or `hls4ml`; the latter adds the Verilog that Vitis HLS makes of DIR's project. Raises InputError
    for a board that Vivado does not build for, or a folder without RTL; ToolError for a spoilt manifest.
    """
    check_board(board)
    rtl = folder / "rtl"
    if not (rtl / f"{TOP}.sv").is_file():
        raise InputError(f"{folder}: rtl/{TOP}.sv is missing; give a folder that `hwgen generate` made")
    manifest = read_manifest(folder)
    target = begin(folder, board, manifest)
    memory = " ".join(f"{master} {port} {bits}" for master, port, bits in _memory(folder, board))
    settings = common(board, manifest) | {
        "backend": backend, "memory": memory, "hls_verilog": hls_verilog(folder) if backend == "hls4ml" else "",
    }  # fmt: skip
    (target / "settings.tcl").write_text(render(settings))
    copy_sources(rtl, target / "src")
    return target


def begin(folder: Path, board: Board, manifest: dict) -> Path:
    """DIR/vivado with the scripts, and nothing else but results of this very design."""
    target = folder / "vivado"
    _forget(target, manifest["design_hash"])
    target.mkdir(parents=True, exist_ok=True)
    for name in (*SCRIPTS, f"ps_{board.family}.tcl"):
        shutil.copyfile(resources.path("hls_templates", "vivado", name), target / name)
    return target


def copy_sources(rtl: Path, target: Path) -> None:
    """The SystemVerilog of a design, its top as Verilog: the packager wants that, and this one is."""
    target.mkdir(parents=True)
    for file in sorted(rtl.glob("*.sv")) + sorted(rtl.glob("*.v")):
        shutil.copyfile(file, target / (f"{TOP}.v" if file.stem == TOP else file.name))


def check_board(board: Board) -> None:
    """Raise InputError for a board that these scripts cannot build for; names the field."""
    if board.family not in FAMILIES:
        raise InputError(f"{board.name} is {board.family}: Vivado builds for {' and '.join(FAMILIES)} boards")
    if board.board_part is None:
        raise InputError(f"{board.name}: board.toml has no board_part, and the processor's settings come from there")


def read_manifest(folder: Path) -> dict:
    """DIR/manifest.json. Raises ToolError when it is missing or spoilt."""
    return reports.read_json(folder / "manifest.json", "generate the design again")


def design_name(manifest: dict) -> str:
    """The manifest's name as a file name: <name>.bit."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", str(manifest["name"])).strip("_") or "hwgen"


def tcl_word(value: object) -> str:
    """One word of Tcl that stands for the text of `value`, whatever characters it holds."""
    text = " ".join(str(value).split())
    if not re.search(r"[{}\\]", text):
        return "{" + text + "}"
    return re.sub(r'([\s{}\[\]$"\\;])', r"\\\1", text)


def check(folder: Path, wrong: str = RETRY) -> str | None:
    """Run DIR/vivado/build.tcl from start to end against the model of Vivado in sim/vivado.

    wrong: what goes wrong in the model (sim/vivado/model.tcl): the first strategy misses the clock, so that the next is
    tried, too.
    Returns a line that says what was checked, or None where there is no tclsh. Raises ToolError that names the fault.
    """
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        return None
    source = folder / "vivado"
    with tempfile.TemporaryDirectory(prefix="hwgen-vivado-") as name:
        copy = Path(name) / "vivado"
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("work", "result"))
        _stand_in(folder, copy)
        model = resources.path("sim", "vivado", "model.tcl")
        words = [tclsh, model, copy / "build.tcl"]
        log = Path(name) / "model.log"
        code = process.stream(words, cwd=copy, log=log, limit_hours=LIMIT_HOURS, env={"HWGEN_MODEL": wrong})
        told = log.read_text(errors="replace").replace(str(copy), str(source))
        if code != 0:
            raise ToolError(f"{source / 'build.tcl'} does not pass the model of Vivado: {process.complaint(told)}")
        for product in PRODUCTS:
            if not list((copy / "result").glob(product)):
                raise ToolError(f"{source / 'build.tcl'} ends in the model of Vivado without a {product.lstrip('*')}")
    commands = re.search(r"model: (\d+) commands", told)
    return f"vivado/build.tcl runs from start to end in a model of Vivado ({commands[1] if commands else '?'} commands)"


def hls_verilog(folder: Path) -> str:
    """Where Vitis HLS leaves the Verilog of the hls4ml project in DIR, relative to it. Raises InputError."""
    return f"{project_name(folder)}_prj/solution1/syn/verilog"


def project_name(folder: Path) -> str:
    """The name in DIR/project.tcl, which is also the top function's. Raises InputError."""
    file = folder / "project.tcl"
    if not file.is_file():
        raise InputError(f"{file} is missing: {folder} is no hls4ml project; generate it with --backend hls4ml")
    found = re.search(r'^set project_name "?(\w+)"?\s*$', file.read_text(errors="replace"), re.M)
    if found is None:
        raise InputError(f"{file} sets no project_name: generate the project again")
    return found[1]


def common(board: Board, manifest: dict) -> dict[str, str]:
    """The settings that do not depend on the accelerator."""
    return {
        "name": design_name(manifest), "design_hash": manifest["design_hash"], "top": TOP, "version": "1.0",
        "board": board.name, "family": board.family, "part": board.part, "board_part": board.board_part,
        "clock_mhz": f"{board.clock_mhz:g}", "control_port": board.processor.port,
        "control_base": f"0x{board.processor.base:X}", "strategies": " ".join(STRATEGIES),
    }  # fmt: skip


def render(settings: dict[str, str]) -> str:
    """The text of settings.tcl."""
    env = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    env.filters["tcl"] = tcl_word
    template = env.from_string(resources.path("hls_templates", "vivado", "settings.tcl.j2").read_text())
    width = max(map(len, settings))
    return template.render(settings=settings, width=width, registers=abi.REGISTERS, access=ACCESS)


def masters(rtl: Path) -> list[str]:
    """The AXI masters of a top (m_axi, m_axi_1, ...)."""
    text = (rtl / f"{TOP}.sv").read_text()
    return sorted(set(re.findall(r"\b(m_axi(?:_\d+)?)_arvalid\b", text)), key=lambda name: (len(name), name))


def _memory(folder: Path, board: Board) -> list[tuple[str, str, int]]:
    """The AXI masters of DIR's top (m_axi, m_axi_1, ...), each with the memory port that it gets and its width in bits.

    Raises InputError when the board has fewer ports.
    """
    found = masters(folder / "rtl")
    ports = list(board.memory.ports.items())
    if len(found) > len(ports):
        raise InputError(
            f"the design has {len(found)} AXI masters, {board.name} has {len(ports)} memory ports: name more in "
            f"memory.ports of its board.toml, or generate a design with fewer"
        )
    return [(master, *port) for master, port in zip(found, ports, strict=False)]


def _forget(target: Path, code: str) -> None:
    """Remove what an earlier generation left; the result stays when it is of this very design."""
    summary = target / "result" / "summary.txt"
    same = summary.is_file() and f"design_hash={code}\n" in summary.read_text(errors="replace")
    for entry in target.iterdir() if target.is_dir() else ():
        if entry.name == "result" and same:
            continue
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _stand_in(folder: Path, copy: Path) -> None:
    """Put the Verilog of Vitis HLS into the copy; an empty module of that name where it has not run yet."""
    found = re.search(r"^\s*hls_verilog\s+\{(\S+)\}", (copy / "settings.tcl").read_text(), re.M)
    if found is None or list((copy / "src").glob("hls/*.v")):
        return
    there = folder / found[1]
    if list(there.glob("*.v")):
        shutil.copytree(there, copy / "src" / "hls")
        return
    (copy / "src" / "hls").mkdir()
    name = found[1].partition("_prj/")[0]
    (copy / "src" / "hls" / f"{name}.v").write_text(f"module {name}();\nendmodule\n")
