"""The policies that come along, by name, whole or in parts, as graphs: `demo`, `demo:head`, `demo-nonorm:encoder`."""

from __future__ import annotations

from pathlib import Path

from hwgen.errors import InputError
from hwgen.policies.config import PolicyConfig, VitFlowConfig

SHAPES = {
    "demo": PolicyConfig(),
    "demo-nonorm": PolicyConfig(norm=False),  # for flows without LayerNorm, FINN's above all
    "vit-flow": VitFlowConfig(),
}
"""What `hwgen train NAME` trains."""
PARTS = ("whole", "head", "encoder")
POLICY_KEY = "hwgen.policy"
"""Metadata of the QONNX file: the name of the policy that it was taken from."""


def checkpoint_file(name: str) -> Path:
    """Where the checkpoint of a shipped policy lies. Raises InputError for an unknown name."""
    if name not in SHAPES:
        raise InputError(f"no policy {name!r} comes along; there are {', '.join(SHAPES)}, or give a checkpoint's path")
    return Path(__file__).parent / "checkpoints" / f"{name}.safetensors"


def path_of(policy: str | Path) -> Path:
    """The checkpoint of a policy: a name in SHAPES, or a path. Raises InputError for a word that is neither."""
    known = policy in SHAPES or not (Path(policy).suffix or Path(policy).exists())
    return checkpoint_file(str(policy)) if known else Path(policy)


def is_part(text: str) -> bool:
    """True of `demo`, `demo:head`, `mine.safetensors:head` and misspelt ones; a graph's path ends otherwise."""
    return text in SHAPES or text.endswith(".safetensors") or (":" in text and not Path(text).exists())


def is_whole(text: str) -> bool:
    """True of a policy without `:PART`, or with `:whole`."""
    name, _, part = text.partition(":")
    return part in ("", PARTS[0]) and (name in SHAPES or name.endswith(".safetensors"))


def save_part(text: str, folder: Path) -> Path:
    """Write the graph of `NAME:PART` as QONNX into `folder`; returns the file.

    NAME: a policy that comes along, or a checkpoint's path; PART: `head`, `encoder`, or `whole`, which may be left out.
    Raises InputError.
    """
    import onnx

    from hwgen.graph import qonnx_out
    from hwgen.policies.loading import load_policy

    name, _, part = text.partition(":")
    part = part or PARTS[0]
    if part not in PARTS:
        raise InputError(f"{text}: the parts of a policy are {', '.join(PARTS)}, so {name}, or {name}:{PARTS[1]}")
    source = Path(name) if name.endswith(".safetensors") else checkpoint_file(name)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{source.stem}{'' if part == PARTS[0] else f'-{part}'}.onnx"
    model = qonnx_out.to_model(load_policy(source).part(part))
    if name in SHAPES:
        onnx.helper.set_model_props(model, {POLICY_KEY: name})
    onnx.save(model, str(file))
    return file


def policy_of(file: Path) -> str | None:
    """Name of the shipped policy that a QONNX file says it is a part of, None where it says nothing known."""
    import onnx

    props = onnx.load(str(file), load_external_data=False).metadata_props
    name = next((prop.value for prop in props if prop.key == POLICY_KEY), None)
    return name if name in SHAPES else None
