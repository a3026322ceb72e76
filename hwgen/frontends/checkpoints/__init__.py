"""Checkpoints of other projects -> float networks (docs/checkpoints.md). Files are data: nothing in them is run.

stored.py       what a file holds, and its readers: safetensors_file, torch_file (with pickled), flax_file
tensors.py      keys and shapes checked, all at once
policy_files.py what LeRobot keeps beside the weights
weights.py      tensors as layers; resnet.py
act.py, oft.py  one policy each: the keys that it has, and the network that they make
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from hwgen.errors import GraphError, InputError
from hwgen.frontends.checkpoints.policy_files import open_policy
from hwgen.quantize.floats import FloatGraph

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".msgpack")
KINDS = {
    "act": ("LeRobot ACT", "act", "is_act", "build"),
    "oft-head": ("OpenVLA-OFT action head", "oft", "is_head", "build_head"),
    "oft-projector": ("OpenVLA-OFT projector of the state", "oft", "is_projector", "build_projector"),
}
"""By kind: what it is called, its module here, the test of its keys, and what builds it."""


def is_checkpoint(path: Path) -> bool:
    """Whether a MODEL argument is a checkpoint: a file with one of SUFFIXES, or a folder."""
    return path.is_dir() or path.suffix in SUFFIXES


def load_float(path: Path, shapes: Mapping[str, tuple[int, ...]] | None = None) -> FloatGraph:
    """The float network of a checkpoint (a file, or LeRobot's folder). shapes: of inputs by name, without batch, for
    sizes that no weight tells, such as a picture's. Raises InputError, which names the file and lists every key that is
    wrong, and GraphError."""
    files = open_policy(Path(path), shapes or {})
    keys = set(files.stored)
    for name, module, test, build in KINDS.values():
        there = importlib.import_module(f"{__name__}.{module}")
        if getattr(there, test)(keys):
            try:
                return getattr(there, build)(files)
            except GraphError as error:
                raise InputError(f"{files.file} does not make a network of {name}: {error}") from error
    some = ", ".join(sorted(keys)[:5])
    known = ", ".join(name for name, *_ in KINDS.values())
    raise InputError(f"{files.file} is of no policy that hwgen knows ({some}, ...): {known}")
