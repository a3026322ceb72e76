"""DIR/rtl: the shell's SystemVerilog around a core; DIR/sim/rtl: a stand-in for the core that only simulation reads."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jinja2

from hwgen import __version__, resources
from hwgen.backends.design import input_entry, output_entry
from hwgen.backends.engine import rtl
from hwgen.backends.shell.core import CoreDescription, CorePort
from hwgen.backends.shell.plan import ShellPlan, plan
from hwgen.backends.shell.wiring import Wiring, expected
from hwgen.boards import Board
from hwgen.graph import Graph
from hwgen.runtime import abi

ENGINE_MODULES = ("hwgen_pkg", "bus_fifo", "axi_burst", "axi_rd", "axi_wr", "axil_regs", "control", "loader")
"""What the shell takes of the engine's library."""
TOP, ADAPTER, STAND_IN = "shell/top/hwgen_top.sv.j2", "shell/top/hwgen_core.sv.j2", "shell/sim/core_model.sv.j2"


def library() -> list[Path]:
    """The SystemVerilog files that every shell is made of, the package first."""
    engine = [resources.path("hls_templates", "engine", "rtl", f"{name}.sv") for name in ENGINE_MODULES]
    return engine + sorted(resources.path("hls_templates", "shell", "rtl").glob("*.sv"))


def write(name: str, board: Board, core: CoreDescription, out: Path) -> int:
    """Write DIR/rtl and DIR/sim/rtl for a core; returns the design hash. The hls4ml project must be in DIR already: its
    sources, weights included, are part of the bitstream and so of the hash. Raises InputError."""
    shell = plan(core)
    for folder in (out / "rtl", out / "sim" / "rtl"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.sv"):
            old.unlink()
    for file in library():
        shutil.copyfile(file, out / "rtl" / file.name)
    code = design_hash(shell, board, out)
    values = {
        "name": name, "version": __version__, "board": board.name, "clock_mhz": board.clock_mhz,
        "hash": f"64'h{code:016X}",
        "core": core, "inputs": shell.inputs, "outputs": shell.outputs, "reads": shell.reads, "writes": shell.writes,
        "lite_in": rtl.LITE_IN, "lite_out": rtl.LITE_OUT, "axi_in": rtl.AXI_IN, "axi_out": rtl.AXI_OUT,
    }  # fmt: skip
    templates = _templates()
    (out / "rtl" / "hwgen_top.sv").write_text(templates.get_template(TOP).render(values))
    (out / "rtl" / "hwgen_core.sv").write_text(adapter(shell))
    (out / "sim" / "rtl" / f"{core.top}.sv").write_text(templates.get_template(STAND_IN).render(values))
    return code


def adapter(shell: ShellPlan, wiring: Wiring | None = None) -> str:
    """Text of hwgen_core.sv: the core's module behind one stream an argument. wiring: of the module that Vitis HLS
    really made, where it is there."""
    values = {"core": shell.core, "inputs": shell.inputs, "outputs": shell.outputs}
    return _templates().get_template(ADAPTER).render(values, wiring=wiring or expected(shell))


def design_hash(shell: ShellPlan, board: Board, out: Path) -> int:
    """64 bits over everything that the bitstream depends on: the core's description and sources, shell, board, ABI."""
    digest = hashlib.sha256(json.dumps([abi.ABI_VERSION, board.name, shell.core.as_dict()], sort_keys=True).encode())
    sources = sorted(path for path in (out / "firmware").rglob("*") if path.suffix in (".h", ".cpp"))
    for file in [*library(), *_templates_of_tops(), *sources]:
        label = file.relative_to(out) if file in sources else Path(file.name)
        digest.update(str(label).encode() + b"\0" + file.read_bytes())
    return int.from_bytes(digest.digest()[:8], "big")


def image(code: int) -> bytes:
    """The load image: a header that names the design, and END. There is no program."""
    end = {"magic": abi.SECTION_MAGIC, "target": abi.TARGETS["END"], "first": 0, "words": 0}
    header = abi.pack(abi.IMAGE_HEADER, magic=abi.IMAGE_MAGIC, abi=abi.ABI_VERSION, hash=code)
    return header + abi.pack(abi.SECTION_HEADER, **end)


def manifest_ports(graph: Graph, core: CoreDescription) -> dict:
    """The manifest's `inputs`, `outputs`, `in_bytes` and `out_bytes` (docs/package.md)."""
    shell = plan(core)

    def place(port: CorePort, offset: int) -> dict:
        same = tuple(port.axes) == tuple(range(len(port.axes)))
        return {"offset": offset, "layout": "linear"} | ({} if same else {"axes": list(port.axes)})

    return {
        "inputs": [input_entry(graph, p.tensor) | place(p, p.offset) for p in shell.inputs],
        "outputs": [output_entry(graph, p.tensor) | place(p, p.offset) for p in shell.outputs],
        "in_bytes": shell.in_bytes, "out_bytes": shell.out_bytes,
    }  # fmt: skip


def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(resources.path("hls_templates"))
    return jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


def _templates_of_tops() -> list[Path]:
    engine = resources.path("hls_templates", "engine", "top", "hwgen_top.sv.j2")
    return [engine, *(resources.path("hls_templates", *top.split("/")) for top in (TOP, ADAPTER))]
