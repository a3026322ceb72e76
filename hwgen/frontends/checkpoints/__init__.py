"""Checkpoints of other projects -> float networks (docs/checkpoints.md). Files are data: nothing in them is run.

stored.py       what a file holds, and its readers: safetensors_file, torch_file (with pickled), flax_file
tensors.py      keys and shapes checked, all at once
policy_files.py what LeRobot keeps beside the weights; description.py: what the numbers mean, from that
weights.py      tensors as layers; resnet.py, loops.py
act.py, ...     one policy each: the keys that it has, and the network that they make
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from hwgen.errors import GraphError, InputError
from hwgen.frontends.checkpoints.description import describe
from hwgen.frontends.checkpoints.policy_files import PolicyFiles, open_policy
from hwgen.frontends.checkpoints.safetensors_file import is_own
from hwgen.quantize.floats import FloatGraph

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".msgpack")


@dataclass(frozen=True)
class Kind:
    """A policy that is known. name: for messages. module: of this package, with the functions `known` (of the keys) and
    `build`. parts: the networks that it consists of, when there are several."""

    name: str
    module: str
    known: str
    build: str = "build"
    parts: tuple[str, ...] = ()


KINDS = (
    Kind("LeRobot ACT", "act", "is_act"),
    Kind("LeRobot Diffusion Policy", "diffusion", "is_diffusion", parts=("encoder", "unet")),
    Kind("LeRobot TD-MPC", "tdmpc", "is_tdmpc"),
    Kind("LeRobot SmolVLA", "smolvla", "is_smolvla", parts=("state", "action-in", "action-out")),
    Kind("OpenVLA-OFT action head", "oft", "is_head", "build_head"),
    Kind("OpenVLA-OFT projector of the state", "oft", "is_projector", "build_projector"),
    Kind("Octo action head", "octo", "is_octo"),
)


def split(text: str | Path) -> tuple[Path, str]:
    """(file or folder, part) of `PATH` or `PATH:PART`."""
    path, colon, part = str(text).rpartition(":")
    return (Path(path), part) if colon and "/" not in part and not Path(text).exists() else (Path(text), "")


def is_checkpoint(text: str | Path) -> bool:
    """Whether a MODEL argument is another project's checkpoint: a file with one of SUFFIXES or a folder, with a part or
    without. hwgen's own policies are safetensors, too, and are none."""
    path, _ = split(text)
    return path.is_dir() or (path.suffix in SUFFIXES and not is_own(path))


def load_float(text: str | Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> FloatGraph:
    """The float network of a checkpoint: a file, or LeRobot's folder, with `:PART` for one network of several.

    shapes: of inputs by name, without batch, for sizes that no weight tells, such as a picture's. Raises InputError,
    which names the file and lists every key that is wrong.
    """
    files, kind, module = _recognized(text, shapes or {})
    path, part = split(text)
    if part not in (kind.parts or ("",)):
        raise InputError(f"{files.file} is a {kind.name}, " + (
            f"several networks: ask for one, {' or '.join(f'{path}:{p}' for p in kind.parts)}"
            if kind.parts else f"one network: leave out {':' + part!r}"))  # fmt: skip
    try:
        return getattr(module, kind.build)(files)
    except GraphError as error:
        raise InputError(f"{files.file} does not make a network of {kind.name}: {error}") from error


def description(text: str | Path, graph: FloatGraph) -> str | None:
    """What the numbers of a policy's network mean, TOML for `hwgen package --policy`; None where the network is a part
    of a policy. Raises InputError where the statistics of its dataset are missing."""
    files, _, module = _recognized(text, {})
    modes = getattr(module, "MODES", None)
    return None if modes is None else describe(files, graph, modes)


def _recognized(text: str | Path, shapes: Mapping[str, tuple[int, ...]]) -> tuple[PolicyFiles, Kind, ModuleType]:
    """The files of a checkpoint, what policy it is, and the module that knows it. Raises InputError."""
    path, part = split(text)
    files = open_policy(path, shapes, part)
    keys = set(files.stored)
    for kind in KINDS:
        module = importlib.import_module(f"{__name__}.{kind.module}")
        if getattr(module, kind.known)(keys):
            return files, kind, module
    some, known = ", ".join(sorted(keys)[:5]), ", ".join(kind.name for kind in KINDS)
    raise InputError(f"{files.file} is of no policy that hwgen knows ({some}, ...): {known}")
