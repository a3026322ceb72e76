"""A small package and what it computes, for the runtime's tests: y = relu(x) - 3, z = 1000 * x + channel (planar
int32).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.layout import int32_to_planar
from hwgen.runtime.package import write_package
from tests.runtime.model import EngineModel

HASH = 0x0123456789ABCDEF
STREAMS = {"engine": {"stream_ports": 2}, "stream_bytes": 192}
"""Of the manifest of a package with weights that stay in DDR."""
X, K, LANES = 20, 6, 8  # x has 20 int8, k has 6 uint8; y has 20 int8, z has 20 int32 in groups of 8


def golden(x: np.ndarray, k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Integers of x [.., 20] and k [.., 6] -> y [.., 20] int8, z [.., 20] int32."""
    x, k = x.astype(np.int64), k.astype(np.int64)
    y = np.clip(np.maximum(x, 0) - 3 + k.sum(-1, keepdims=True) % 5, -128, 127)
    return y.astype(np.int8), (1000 * x + np.arange(X) - 7_000_000 * k[..., :1]).astype(np.int32)


def manifest() -> dict:
    """The manifest without what write_package adds."""
    return {
        "name": "sample", "board": "zcu104", "backend": "engine", "abi": abi.ABI_VERSION, "design_hash": f"{HASH:016x}",
        "clock_mhz_assumed": 250, "array": [8, 8], "in_bytes": 64, "out_bytes": 144,
        "predicted_cycles": 77, "watchdog_cycles": 4000,
        "inputs": [
            {"name": "x", "shape": [X], "dtype": "int8", "scale": 0.125, "offset": 0},
            {"name": "k", "shape": [2, 3], "dtype": "uint8", "scale": 0.3, "offset": 32, "lo": 0, "hi": 15},
        ],
        "outputs": [
            {"name": "y", "shape": [X], "dtype": "int8", "scale": 0.25, "offset": 0, "layout": "linear"},
            {"name": "z", "shape": [X], "dtype": "int32", "scale": [0.001 * (i + 1) for i in range(X)], "offset": 48,
             "layout": {"planar": LANES}},
        ],
    }  # fmt: skip


def image(design_hash: int = HASH, beats: int = 5) -> bytes:
    """A load image with a header, filler and an END section."""
    header = abi.pack(abi.IMAGE_HEADER, magic=abi.IMAGE_MAGIC, abi=abi.ABI_VERSION, hash=_signed(design_hash))
    end = abi.pack(abi.SECTION_HEADER, magic=abi.SECTION_MAGIC, target=abi.TARGETS["END"] - 256, first=0, words=0)
    return header + bytes(range(16)) * beats + end


def stream(mark: int = 1) -> bytes:
    """Weights that stay in DDR, for STREAMS."""
    return bytes((mark + i) % 251 for i in range(STREAMS["stream_bytes"]))


def vectors(rng: np.random.Generator, count: int = 3) -> dict[str, np.ndarray]:
    """Golden vectors by tensor name."""
    x = rng.integers(-128, 128, (count, X)).astype(np.int8)
    k = rng.integers(0, 16, (count, 2, 3)).astype(np.uint8)
    y, z = golden(x, k.reshape(count, 6))
    return {"x": x, "k": k, "y": y, "z": z}


def package(path: Path, seed: int = 1, **changes: object) -> Path:
    """The sample written to `path`."""
    return write_package(path, {**manifest(), **changes}, image(), vectors(np.random.default_rng(seed)))


def compute(data: bytes) -> bytes:
    """What the hardware does, bytes to bytes."""
    raw = np.frombuffer(data, np.uint8)
    assert not raw[X:32].any() and not raw[38:].any(), "the padding must be zero"
    y, z = golden(raw[:X].view(np.int8), raw[32:38])
    out = np.zeros(144, np.uint8)
    out[:X] = y.view(np.uint8)
    out[48:144] = int32_to_planar(z[None], LANES).reshape(-1)
    return out.tobytes()


def model(**attributes: object) -> EngineModel:
    """A register-level engine that computes the sample."""
    double = EngineModel(compute, 64, 144, HASH)
    for name, value in attributes.items():
        setattr(double, name, value)
    return double


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
