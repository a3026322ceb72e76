"""DIR/rtl: the engine's SystemVerilog library and the top level with this design's parameters."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import jinja2

from hwgen import __version__, resources
from hwgen.backends.engine import board_top
from hwgen.boards import Board
from hwgen.runtime import abi
from hwgen.schedule import fit
from hwgen.schedule.config import EngineConfig

LITE_IN = ("awaddr", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arvalid", "rready")
LITE_OUT = ("awready", "wready", "bresp", "bvalid", "arready", "rdata", "rresp", "rvalid")
AXI_IN = ("arready", "rdata", "rresp", "rlast", "rvalid", "awready", "wready", "bresp", "bvalid")
AXI_OUT = (
    "araddr", "arlen", "arsize", "arburst", "arcache", "arprot", "arvalid", "rready",
    "awaddr", "awlen", "awsize", "awburst", "awcache", "awprot", "awvalid", "wdata", "wstrb", "wlast", "wvalid",
    "bready",
)  # fmt: skip
PORTS = {"lite_in": LITE_IN, "lite_out": LITE_OUT, "axi_in": AXI_IN, "axi_out": AXI_OUT}
EBR_WORDS = 2048  # of an ECP5 memory block of nine bits, the shape that yosys takes for deep memories


def library() -> list[Path]:
    """The SystemVerilog files of the engine, the package first."""
    files = sorted(resources.path("hls_templates", "engine", "rtl").glob("*.sv"))
    return sorted(files, key=lambda f: not f.name.endswith("_pkg.sv"))


def parameters(config: EngineConfig, board: Board) -> dict[str, str]:
    """Parameters of module `engine` as SystemVerilog text, without the hash."""
    where = fit.placement(config, board)
    products = fit.products(config, board)
    values: dict[str, object] = {
        "N": config.n, "M": config.m, "WW": config.ww, "BANKS": config.banks, "ACT_DEPTH": config.act_depth,
        "WEIGHT_DEPTH": config.weight_depth, "PARAM_DEPTH": config.param_depth,
        "ROW_PARAM_DEPTH": config.row_param_depth, "SOFTMAX_SLOTS": config.softmax_slots,
        "ROW_WORDS": max(config.row_words, 1), "GROUP_WORDS": config.group_words,
        "SLOTS": config.slots, "PROG_DEPTH": config.prog_depth,
        "UNIT_PROG_DEPTH": config.unit_prog_depth, "RESIDUAL": f"1'b{int(config.residual)}",
        "WIDE": f"1'b{int(config.wide)}", "PADDED": f"1'b{int(config.padded)}", "KV_DEPTH": config.kv_depth,
        "VEC_PARAM_DEPTH": config.vec_param_depth, "VEC_MUL": f"1'b{int(config.vec_mul)}",
        "VEC_MAXPOOL": f"1'b{int(config.vec_maxpool)}", "VEC_RESIDUAL": f"1'b{int(config.vec_residual)}",
        "WIN_RING": config.win_ring, "WIN_PORTS": config.win_ports, "STREAM_PORTS": config.stream_ports,
        "WEIGHT_STYLE": '"ultra"' if where.ultra else '"auto"', "WEIGHT_STYLED": where.ultra,
        "PARAM_STYLE": '"distributed"' if where.param_luts else '"auto"',
        "ACT_STYLE": '"ultra"' if where.act_ultra else '"auto"',
        "WEIGHT_SPLIT": EBR_WORDS if board.family == "ecp5" else 0,
        "PROG_STYLE": '"block"' if board.family == "ecp5" else '"distributed"', "DSP_BITS": products.dsp_bits,
        "MAC_LUTS": f"1'b{int(products.in_luts)}",
    }  # fmt: skip
    return {key: str(value) for key, value in values.items()}


def meanings() -> dict[str, str]:
    """What each parameter of module `engine` is, as its source says."""
    source = resources.path("hls_templates", "engine", "rtl", "engine.sv").read_text()
    return dict(re.findall(r"^ *parameter .*?(\w+) += .*?///< (.*)$", source, re.MULTILINE))


def design_hash(config: EngineConfig, board: Board) -> int:
    """64 bits over everything that the bitstream depends on: parameters, RTL,
    ABI. The policy's weights are not part of it."""
    digest = hashlib.sha256(json.dumps([abi.ABI_VERSION, parameters(config, board)], sort_keys=True).encode())
    for file in [*library(), resources.path("hls_templates", "engine", "top", "hwgen_top.sv.j2")]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    for file_name, text in board_top.files(board, PORTS).items():
        digest.update(f"{file_name}\0{text}".encode())
    return int.from_bytes(digest.digest()[:8], "big")


def write(config: EngineConfig, board: Board, name: str, out: Path) -> int:
    """Write DIR/rtl; returns the design hash."""
    rtl = out / "rtl"
    rtl.mkdir(parents=True, exist_ok=True)
    for old in rtl.glob("*.sv"):
        old.unlink()
    for file in library():
        shutil.copyfile(file, rtl / file.name)
    code = design_hash(config, board)
    template = jinja2.Template(
        resources.path("hls_templates", "engine", "top", "hwgen_top.sv.j2").read_text(),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    tag = f"64'h{code:016X}"
    text = template.render(
        name=name, version=__version__, hash=tag, n=config.n, m=config.m, ww=config.ww, clock_mhz=board.clock_mhz,
        board=board.name, parameters=parameters(config, board) | {"HASH": tag}, meanings=meanings(),
        streams=config.stream_ports, **PORTS,
    )  # fmt: skip
    (rtl / "hwgen_top.sv").write_text(text)
    for file_name, text in board_top.files(board, PORTS).items():
        (rtl / file_name).write_text(text)
    return code
