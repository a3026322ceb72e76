"""What LeRobot keeps beside the weights: `config.json` with the policy's settings and the shapes of what it observes,
and the normalization, in the weights' file (older versions) or in one of its own (newer ones)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hwgen.errors import InputError
from hwgen.frontends.checkpoints.stored import FLOATS, Stored
from hwgen.frontends.checkpoints.tensors import open_checkpoint
from hwgen.quantize.floats import FloatNet

CONFIG, MODEL, NORMALIZER = "config.json", "model.safetensors", "policy_preprocessor*normalizer*.safetensors"
LARGEST_CONFIG = 1 << 20
BUFFERS = ("normalize_inputs.buffer_", "unnormalize_outputs.buffer_")
IGNORED = ("normalize_inputs.*", "normalize_targets.*", "unnormalize_outputs.*")
"""Keys of older files that belong to the normalization."""
EPS = 1e-8
"""What LeRobot adds to a divisor."""


@dataclass
class PolicyFiles:
    """file: the weights. stored: their tensors. config: config.json, {} without one. shapes: of inputs by name, from
    elsewhere (calibration data), for what config.json does not tell. statistics: mean, std, min, max by feature. part:
    which network of several is asked for."""

    file: Path
    stored: dict[str, Stored]
    config: dict[str, Any] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    statistics: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    part: str = ""

    def setting(self, key: str, default: int | float | str | bool) -> Any:
        """A setting of config.json. Raises InputError when it has another type than the default."""
        value = self.config.get(key)
        if value is None:
            return default
        good = isinstance(value, (int, float) if isinstance(default, float) else type(default))
        if not good or isinstance(value, bool) != isinstance(default, bool):
            raise InputError(f"{self.file.parent / CONFIG}: {key} is {value!r}, not like {default!r}; correct it")
        return value

    def features(self, kind: str) -> dict[str, tuple[int, ...]]:
        """Inputs of a kind of LeRobot's (VISUAL, STATE, ENV) with their shapes, as config.json lists them."""
        listed = self.config.get("input_features") or {}
        found = {}
        for name, feature in listed.items() if isinstance(listed, dict) else ():
            if isinstance(feature, dict) and feature.get("type") == kind:
                shape = feature.get("shape")
                if not isinstance(shape, list) or not all(type(n) is int and 0 < n < 1 << 16 for n in shape):
                    raise InputError(f"{self.file.parent / CONFIG}: {name} has shape {shape!r}, not a list of sizes; "
                                     "correct it")  # fmt: skip
                found[name] = tuple(shape)
        return found

    def images(self) -> dict[str, tuple[int, ...]]:
        """Cameras with shapes [3, H, W]: of config.json, else those in `shapes`. Raises InputError without any."""
        images = self.features("VISUAL") or {
            name: tuple(shape) for name, shape in self.shapes.items() if name.startswith("observation.image")
        }
        bad = [name for name, shape in images.items() if len(shape) != 3 or shape[0] != 3]
        if bad:
            raise InputError(f"{self.file}: camera {bad[0]} has shape {list(images[bad[0]])}; give [3, height, width]")
        if not images:
            raise InputError(f"{self.file}: how large its pictures are is not in it; put its config.json beside it, or "
                             "give calibration data with observation.images.NAME [N, 3, height, width]")  # fmt: skip
        return images

    def picture(self, net: FloatNet, name: str, shape: tuple[int, ...], default: str = "MEAN_STD") -> str:
        """A camera as an input, pixels of 0 to 1, normalized as the policy was trained; default: mode of normalization
        where config.json does not tell."""
        x = net.input(name, shape, pixels=True)
        mode, found = self.mode("VISUAL", default), self.statistics.get(name, {})
        if mode == "IDENTITY" or not found:
            return x
        gain, bias = (part.reshape(-1) for part in normalization(self.file, name, found, mode))
        return net.affine(x, gain, bias, f"{name}.normalized", axis=0)

    def mode(self, kind: str, default: str) -> str:
        """MEAN_STD, MIN_MAX or IDENTITY for a kind of feature."""
        modes = self.config.get("normalization_mapping")
        return str(modes.get(kind, default)) if isinstance(modes, dict) else default


def open_policy(path: Path, shapes: Mapping[str, tuple[int, ...]], part: str = "") -> PolicyFiles:
    """A checkpoint's file, or LeRobot's folder, with what lies beside it. Raises InputError."""
    file = path / MODEL if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{path} holds no {MODEL}; give the checkpoint's file" if path.is_dir()
                         else f"{path} does not exist: check the path")  # fmt: skip
    stored = open_checkpoint(file)
    return PolicyFiles(file, stored, read_config(file.parent / CONFIG), shapes, read_statistics(file, stored), part)


def read_config(file: Path) -> dict[str, Any]:
    """config.json; {} when there is none. Raises InputError for one that is no JSON object."""
    if not file.is_file():
        return {}
    try:
        if file.stat().st_size > LARGEST_CONFIG:
            raise ValueError(f"it is larger than {LARGEST_CONFIG >> 20} MiB")
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} cannot be read ({error}); take it from the policy again") from error
    return config


def read_statistics(file: Path, stored: Mapping[str, Stored]) -> dict[str, dict[str, np.ndarray]]:
    """mean, std, min and max by feature, from the weights' file or the normalizer's beside it."""
    tensors = {_feature(k): v for k, v in stored.items() if k.startswith(BUFFERS)}
    for other in sorted(file.parent.glob(NORMALIZER)) if not tensors and file.name == MODEL else ():
        tensors |= open_checkpoint(other)
    found: dict[str, dict[str, np.ndarray]] = {}
    for key, entry in tensors.items():
        name, _, part = key.rpartition(".")
        if part in ("mean", "std", "min", "max") and entry.dtype in FLOATS:
            found.setdefault(name, {})[part] = np.asarray(entry.read(), np.float64)
    return found


def _feature(key: str) -> str:
    """observation.images.top.mean of normalize_inputs.buffer_observation_images_top.mean."""
    name, _, part = key.partition("buffer_")[2].rpartition(".")
    for kind in ("observation_images_", "observation_"):
        if name.startswith(kind):
            name = kind.replace("_", ".") + name.removeprefix(kind)
            break
    return f"{name}.{part}"


def normalization(file: Path, name: str, found: Mapping[str, np.ndarray], mode: str) -> tuple[np.ndarray, np.ndarray]:
    """(gain, bias) that normalize a feature. Raises InputError, naming it, when its statistics are missing or no
    numbers (LeRobot writes infinity where it had no dataset)."""
    parts = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max")}.get(mode)
    if parts is None:
        raise InputError(f"{file}: {name} is normalized by {mode}; MEAN_STD, MIN_MAX and IDENTITY are known")
    missing = [p for p in parts if p not in found or not np.isfinite(found[p]).all()]
    if missing:
        raise InputError(f"{file}: {' and '.join(missing)} of {name} are missing or infinite; give the policy with its "
                         "dataset's statistics")  # fmt: skip
    a, b = (found[p] for p in parts)
    gain = 1 / (b + EPS) if mode == "MEAN_STD" else 2 / (b - a + EPS)
    return gain, -a * gain - (mode == "MIN_MAX")
