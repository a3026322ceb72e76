"""DIR/vivado of several engines: the scripts of one, with an IP for each stage and a cell for each engine."""

from __future__ import annotations

import shutil
from pathlib import Path

from hwgen import resources
from hwgen.boards import Board
from hwgen.build import vivado
from hwgen.errors import InputError
from hwgen.evaluate.design_files import read_stages

SCRIPT = "engines.tcl"


def write_vivado(folder: Path, board: Board) -> Path:
    """Write DIR/vivado for the stages in DIR; returns it. Raises InputError, ToolError as `vivado.write_vivado`, and
    where the board has too few memory ports."""
    vivado.check_board(board)
    stages = read_stages(folder)
    rtl = [folder / stage["folder"] / "rtl" for stage in stages]
    if missing := [one for one in rtl if not (one / f"{vivado.TOP}.sv").is_file()]:
        raise InputError(f"{missing[0]}/{vivado.TOP}.sv is missing; generate the design again")
    versions = [f"1.{number}" for number in range(len(stages))]
    engines = [number for number, stage in enumerate(stages) for _ in range(stage["copies"])]
    memory = _memory([vivado.masters(rtl[number]) for number in engines], board)
    manifest = vivado.read_manifest(folder)
    settings = vivado.common(board, manifest) | {
        "backend": "engines", "hls_verilog": "", "memory": memory,
        "cores": " ".join(f"{stage['folder']} {v}" for stage, v in zip(stages, versions, strict=True)),
        "engines": " ".join(versions[number] for number in engines),
    }  # fmt: skip
    target = vivado.begin(folder, board, manifest)
    (target / "settings.tcl").write_text(vivado.render(settings))
    shutil.copyfile(resources.path("hls_templates", "vivado", SCRIPT), target / SCRIPT)
    for stage, source in zip(stages, rtl, strict=True):
        vivado.copy_sources(source, target / stage["folder"] / "src")
    return target


def _memory(masters: list[list[str]], board: Board) -> str:
    """Engine, master, port and width of each AXI master of each engine. Raises InputError."""
    ports = list(board.memory.ports.items())
    if sum(map(len, masters)) > len(ports):
        raise InputError(f"the engines have {sum(map(len, masters))} AXI masters, {board.name} has {len(ports)} memory "
                         "ports: give fewer --engines or --stream-ports")  # fmt: skip
    every = [(number, master) for number, own in enumerate(masters) for master in own]
    return " ".join(f"{number} {master} {port} {bits}"
                    for (number, master), (port, bits) in zip(every, ports, strict=False))  # fmt: skip
