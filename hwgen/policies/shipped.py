"""The policies that come along, by name, and their parts as graphs: `demo:head`, `demo-nonorm:encoder`."""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import InputError
from hwgen.policies.config import PolicyConfig

SHAPES = {
    "demo": PolicyConfig(),
    "demo-nonorm": PolicyConfig(norm=False),  # for flows without LayerNorm, FINN's above all
}
"""What `hwgen train NAME` trains."""
PARTS = ("head", "encoder")


def checkpoint_file(name: str) -> Path:
    """Where the checkpoint of a shipped policy lies. Raises InputError for an unknown name."""
    if name not in SHAPES:
        raise InputError(f"no policy {name!r} comes along; there are {', '.join(SHAPES)}, or give a checkpoint's path")
    return Path(__file__).parent / "checkpoints" / f"{name}.safetensors"


def is_part(text: str) -> bool:
    """True of `NAME:PART`, such as `demo:head`, right or misspelt; paths hold no colon."""
    return ":" in text and not Path(text).exists()


def save_part(text: str, folder: Path) -> Path:
    """Write the graph of `NAME:PART` as QONNX into `folder`; returns the file. Raises InputError for another name."""
    from hwgen.graph import qonnx_out
    from hwgen.policies.demo import load_demo

    name, _, part = text.partition(":")
    file = checkpoint_file(name)
    if part not in PARTS:
        raise InputError(f"{text}: a policy has the parts {' and '.join(PARTS)}, so {name}:{PARTS[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    qonnx_out.save(getattr(load_demo(file), part), folder / f"{name}-{part}.onnx")
    return folder / f"{name}-{part}.onnx"
