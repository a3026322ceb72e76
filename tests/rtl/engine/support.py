"""Engines that many graphs share: built once, then every graph is only another package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hwgen import boards
from hwgen.backends.design import golden_vectors
from hwgen.backends.engine import rtl
from hwgen.backends.engine.generate import describe
from hwgen.build.verilate import build
from hwgen.graph import Graph
from hwgen.runtime.package import Package, read_package, write_package
from hwgen.schedule import Design, EngineConfig, compile_onto
from hwgen.schedule.image import image
from tests.support import ROOT

BOARD = "zcu104"
UNITS = {"vec_param_depth": 256, "vec_mul": True, "vec_maxpool": True, "vec_residual": True, "kv_depth": 256}
"""Of networks beyond products with weights."""
STREAMED_WEIGHTS = 8192
"""Room for so many weights where ports bring the others: a quarter to a half of the random networks have more."""


def everything(n: int, m: int, **more: int | bool) -> EngineConfig:
    """An engine of n x m with every unit that graphs without products need, and memories for any random graph."""
    depth = 600 * 600 // (n * m) * 8 + 4096
    return EngineConfig(
        n, m, ww=8, act_depth=2048, weight_depth=depth, param_depth=2048, row_param_depth=1024, slots=16,
        prog_depth=128, unit_prog_depth=128, residual=True, wide=True, padded=True, win_ring=4096, win_ports=2,
        row_words=64, softmax_slots=4, group_words=8,
        **more,
    )  # fmt: skip


@cache
def engine(n: int, m: int, **more: int | bool) -> tuple[EngineConfig, int, Path]:
    """(configuration, design hash, simulator library) of the engine with everything, and more units."""
    config = everything(n, m, **more)
    folder = ROOT / "build" / "test-cache" / "-".join(["engine", f"{n}x{m}", *more])
    code = rtl.write(config, boards.load(BOARD), "everything", folder)
    return config, code, build(folder)


@cache
def network_engine(
    n: int, m: int, ww: int = 8, win_ports: int = 3, stream_ports: int = 0
) -> tuple[EngineConfig, int, Path]:
    """The same of the engine with every unit, memories for whole networks and programs as long as unrolled loops
    need. ww: bits of stored weights; win_ports: kernel rows that a step of windows joins; stream_ports: ports that
    bring weights, for there is room for few."""
    sizes = {"act_depth": 4096, "prog_depth": 1024, "unit_prog_depth": 1024, "param_depth": 4096, "ww": ww}
    config = everything(n, m, **UNITS).resized(**sizes, win_ports=win_ports, stream_ports=stream_ports)
    config = config.resized(weight_depth=max(STREAMED_WEIGHTS // (n * m), 32)) if stream_ports else config
    folder = ROOT / "build" / "test-cache" / f"engine-networks-{n}x{m}-{ww}-{win_ports}-{stream_ports}"
    code = rtl.write(config, boards.load(BOARD), "networks", folder)
    return config, code, build(folder)


def package(graph: Graph, config: EngineConfig, code: int, folder: Path) -> tuple[Design, Package]:
    """The graph as a package for an engine that exists."""
    design = compile_onto(graph, config)
    manifest = describe(design, boards.load(BOARD), code)
    file = folder / "policy.hwpkg"
    write_package(file, manifest, image(design.program, config, code), golden_vectors(graph, 1), stream=design.stream)
    return design, read_package(file)
