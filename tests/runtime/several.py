"""Packages of several engines for the runtime's tests, and the models that run them: of the sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.runtime.engines_package import EnginesPackage, write_engines
from hwgen.runtime.package import write_package
from tests.runtime import samples

MANIFEST = {
    "name": "two", "board": "zcu104", "copies": [2], "inputs": ["x", "k"], "outputs": ["y", "z"],
    "predicted_cycles": 77, "interval_cycles": 39, "handover_cycles": 0, "clock_mhz_assumed": 250,
}  # fmt: skip


def replicas(path: Path, count: int = 2, stage: Path | None = None) -> EnginesPackage:
    """A package of so many replicas, written to `path`. stage: of each; default: the sample."""
    stage = stage or samples.package(path.with_name("stage.hwpkg"))
    vectors = samples.vectors(np.random.default_rng(2), 7)
    return write_engines(path, MANIFEST | {"copies": [count]}, [stage], vectors)


def models(count: int = 2, **attributes: object) -> list:
    """The sample's model for each engine, over one DDR."""
    ddr = np.zeros(1 << 20, np.uint8)
    return [samples.model(ddr=ddr, **attributes) for _ in range(count)]


def pipeline(path: Path, lo: int = -128) -> EnginesPackage:
    """A package of two stages, written to `path`: the sample, and one that turns its y around, which is to be `lo` at
    least."""
    vectors = samples.vectors(np.random.default_rng(2), 7)
    turned = {"y": vectors["y"], "w": vectors["y"][:, ::-1]}
    y = {"name": "y", "shape": [samples.X], "dtype": "int8", "scale": 0.25, "offset": 0}
    w = y | {"name": "w", "layout": "linear"}
    manifest = samples.manifest() | {"inputs": [y | {"lo": lo, "hi": 127}], "outputs": [w], "out_bytes": 64}
    first, second = samples.package(path.with_name("first.hwpkg")), path.with_name("second.hwpkg")
    write_package(second, manifest, samples.image(), {"y": turned["y"].clip(lo), "w": turned["w"]})
    return write_engines(
        path, MANIFEST | {"copies": [1, 1], "outputs": ["z", "w"]}, [first, second],
        {"x": vectors["x"], "k": vectors["k"], "z": vectors["z"], "w": turned["w"]},
    )  # fmt: skip


def pipeline_models() -> list:
    """Those of its stages."""
    first, second = models()
    second.compute, second.in_bytes, second.out_bytes = _turned, 64, 64
    return [first, second]


def _turned(data: bytes) -> bytes:
    return data[: samples.X][::-1] + bytes(64 - samples.X)
