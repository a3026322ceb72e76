"""A whole policy around the sample accelerator: image, vector and text in, actions out, host programs on both sides.

camera uint8 [3, 2] -axes-> pixels [2, 3] -table (x >> 4)-> k
state float32 [12] -> state [12], instruction -> words [8]; concat -> x [20]
y [20] of the accelerator -slice-> action [12] -> [4, 3]
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np

from hwgen.runtime.package import write_package
from hwgen.runtime.package_vectors import pack_texts
from hwgen.runtime.policy_spec import PolicySpec
from hwgen.runtime.text import TextEncoder
from tests.runtime import samples

WORDS = {"reach": 0.5, "red": 1.0, "cube": 1.0}
STATE, SIZE, CHUNK, DOF = 12, 8, 4, 3
SCALE = 0.125
TEXTS = ("reach the red cube", "öffne", "")
BITSTREAM = {"kind": "pynq", "tool": "Vivado 2022.2", "clock_mhz": 199.998}


def policy() -> dict:
    """The manifest's `policy`."""
    return copy.deepcopy(_POLICY)


_POLICY = {
    "name": "sample",
    "observation": [
        {"name": "camera", "kind": "image", "shape": [3, 2], "dtype": "uint8", "unit": "", "to": "pixels",
         "axes": [1, 0]},
        {"name": "state", "kind": "vector", "shape": [STATE], "dtype": "float32", "unit": "rad", "to": "state",
         "mean": [0.5] * STATE, "std": [2.0] * STATE},
        {"name": "instruction", "kind": "text", "to": "words",
         "encoder": {"kind": "hashed-words", "size": SIZE, "floor": 0.1, "weights": WORDS}},
    ],
    "before": {
        "format": 1,
        "inputs": [
            {"name": "pixels", "shape": [2, 3], "lo": 0, "hi": 255},
            {"name": "state", "shape": [STATE], "lo": -128, "hi": 127},
            {"name": "words", "shape": [SIZE], "lo": -128, "hi": 127},
        ],
        "nodes": [
            {"op": "Lookup", "inputs": ["pixels"], "output": "k", "offset": 0, "table": "shift4"},
            {"op": "Concat", "inputs": ["state", "words"], "output": "x", "axis": 0},
        ],
        "outputs": ["k", "x"],
    },
    "after": {
        "format": 1,
        "inputs": [{"name": "y", "shape": [samples.X], "lo": -128, "hi": 127}],
        "nodes": [
            {"op": "Slice", "inputs": ["y"], "output": "part", "axis": 0, "start": 0, "stop": CHUNK * DOF, "step": 1},
            {"op": "Lookup", "inputs": ["part"], "output": "moves", "offset": 128, "table": "half"},
        ],
        "outputs": ["moves"],
    },
    "action": {"from": "moves", "shape": [CHUNK, DOF], "unit": ["m", "m", ""], "mean": [0.0, 0.25, 0.0],
               "std": [1.0, 1.0, 2.0], "low": [-1.0] * DOF, "high": [1.0] * DOF},
    "chunk": CHUNK, "execute": 2, "rate_hz": 10.0, "safe_action": [0.0, 0.0, 0.0],
    "tensors": {
        "pixels": {"lo": 0, "hi": 255, "scale": 1.0, "shape": [2, 3]},
        "state": {"lo": -128, "hi": 127, "scale": SCALE, "shape": [STATE]},
        "words": {"lo": -128, "hi": 127, "scale": SCALE, "shape": [SIZE]},
        "moves": {"lo": -64, "hi": 63, "scale": 0.015625, "shape": [CHUNK * DOF]},
    },
}  # fmt: skip


def arrays() -> dict[str, np.ndarray]:
    """host.npz."""
    return {
        "before/shift4": (np.arange(256) >> 4).astype(np.uint8),
        "after/half": (np.arange(-128, 128) >> 1).astype(np.int8),
    }


def act(camera: np.ndarray, state: np.ndarray, text: str) -> np.ndarray:
    """One observation -> float32 [CHUNK, DOF], without the runtime's code for policies."""
    real = np.concatenate([(state - np.float32(0.5)) / np.float32(2), TextEncoder(WORDS, SIZE, 0.1)(text)])
    x = np.clip(np.round(real.astype(np.float32) / np.float32(SCALE)), -128, 127).astype(np.int64)
    y, _ = samples.golden(x, (camera.T >> 4).reshape(6))
    moves = (y[: CHUNK * DOF] >> 1).astype(np.float32).reshape(CHUNK, DOF) * np.float32(0.015625)
    return np.clip(moves * np.float32([1, 1, 2]) + np.float32([0, 0.25, 0]), -1, 1).astype(np.float32)


def vectors(seed: int = 1) -> dict[str, np.ndarray]:
    """policy_selftest.npz: one observation for each of TEXTS."""
    rng, count = np.random.default_rng(seed), len(TEXTS)
    camera = rng.integers(0, 256, (count, 3, 2)).astype(np.uint8)
    state = rng.normal(0, 5, (count, STATE)).astype(np.float32)
    action = np.stack([act(camera[i], state[i], text) for i, text in enumerate(TEXTS)])
    return {"camera": camera, "state": state, "instruction": pack_texts(TEXTS), "action": action}


def write(path: Path, bitstream: bool = False, **changes: object) -> Path:
    """The package written to `path`; with `bitstream` every member there is, of nonsense where nothing reads it."""
    manifest = {**samples.manifest(), "policy": policy(), **({"bitstream": BITSTREAM} if bitstream else {}), **changes}
    files = {"bitstream": b"bits" * 64, "hwh": b"<?xml version='1.0'?><EDKSYSTEM/>"} if bitstream else {}
    if bitstream:
        manifest, files["stream"] = {**manifest, **samples.STREAMS}, samples.stream()
    vectors_of_parts = samples.vectors(np.random.default_rng(1))
    return write_package(
        path, manifest, samples.image(), vectors_of_parts, policy_arrays=arrays(), policy_selftest=vectors(), **files
    )


def check(policy: PolicySpec) -> None:
    """Assert that this is the sample's policy."""
    assert [o.name for o in policy.observation] == ["camera", "state", "instruction"]
    assert (policy.chunk, policy.execute, policy.dof, policy.rate_hz) == (CHUNK, 2, DOF, 10.0)
