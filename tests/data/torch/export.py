"""Makes the .onnx files of this folder with PyTorch's two exporters (needs torch, onnx and onnxscript).

    python export.py [FOLDER]

Every file holds random weights, and beside it lies NAME.npz with inputs and PyTorch's outputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn


class MlpResNet(nn.Module):
    """The action head of OpenVLA-OFT."""

    def __init__(self, inputs: int = 24, width: int = 32, blocks: int = 2, outputs: int = 7):
        super().__init__()
        self.norm, self.inlet = nn.LayerNorm(inputs), nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU()) for _ in range(blocks)
        )
        self.last, self.outlet = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, obs):
        x = F.relu(self.inlet(self.norm(obs)))
        for block in self.blocks:
            x = x + block(x)
        return self.outlet(self.last(x))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch normalization around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.down = None
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.down is None else self.down(x)))


class ResNet18(nn.Module):
    """torchvision's ResNet18 with narrow layers."""

    def __init__(self, widths=(3, 4, 4, 5), outputs: int = 5):
        super().__init__()
        self.conv, self.bn, self.pool = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), None
        self.pool = nn.MaxPool2d(3, 2, 1)
        layers, before = [], widths[0]
        for i, width in enumerate(widths):
            layers += [BasicBlock(before, width, 1 if i == 0 else 2), BasicBlock(width, width, 1)]
            before = width
        self.layers, self.mean, self.fc = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Linear(before, outputs)

    def forward(self, image):
        x = self.pool(F.relu(self.bn(self.conv(image))))
        return self.fc(torch.flatten(self.mean(self.layers(x)), 1))


class Attention(nn.Module):
    """timm's attention, spelled out."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        share = (q * (c // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        return self.proj((share @ v).transpose(1, 2).reshape(b, t, c))


class ViT(nn.Module):
    """Patches, class token, positions, blocks of attention and MLP with the norms in front."""

    def __init__(self, image: int = 16, patch: int = 4, width: int = 16, heads: int = 2, blocks: int = 2, outputs=5):
        super().__init__()
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.5)
        self.position = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, width) * 0.3)
        self.norms1 = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.norms2 = nn.ModuleList(nn.LayerNorm(width) for _ in range(blocks))
        self.attention = nn.ModuleList(Attention(width, heads) for _ in range(blocks))
        self.mlps = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)) for _ in range(blocks)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, outputs)

    def forward(self, image):
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), dim=1) + self.position
        for norm1, attention, norm2, mlp in zip(self.norms1, self.attention, self.norms2, self.mlps, strict=True):
            x = x + attention(norm1(x))
            x = x + mlp(norm2(x))
        return self.head(self.norm(x)[:, 0])


class Decoder(nn.Module):
    """ACT's decoder: learned queries, self- and cross-attention over the memory, norms behind the sums."""

    def __init__(self, width: int = 16, heads: int = 2, chunk: int = 4, action: int = 3, layers: int = 1):
        super().__init__()
        self.queries = nn.Parameter(torch.randn(1, chunk, width))
        self.layers = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 2 * width, 0.0, batch_first=True) for _ in range(layers)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, action)

    def forward(self, memory):
        x = self.queries.expand(memory.shape[0], -1, -1)
        for layer in self.layers:
            x = layer(x, memory)
        return self.head(self.norm(x))


class UNet(nn.Module):
    """Diffusion Policy's 1-D U-Net, one level: GroupNorm and Mish, FiLM from a condition, a skip connection."""

    def __init__(self, action: int = 3, width: int = 8, condition: int = 6):
        super().__init__()
        self.inlet, self.norm1 = nn.Conv1d(action, width, 5, padding=2), nn.GroupNorm(4, width)
        self.film = nn.Sequential(nn.Mish(), nn.Linear(condition, 2 * width))
        self.down = nn.Conv1d(width, width, 3, 2, 1)
        self.middle, self.norm2 = nn.Conv1d(width, width, 5, padding=2), nn.GroupNorm(4, width)
        self.up = nn.ConvTranspose1d(width, width, 4, 2, 1)
        self.block, self.norm3 = nn.Conv1d(2 * width, width, 5, padding=2), nn.GroupNorm(4, width)
        self.outlet = nn.Conv1d(width, action, 1)

    def forward(self, sample, condition):
        x = F.mish(self.norm1(self.inlet(sample)))
        gain, offset = self.film(condition).unsqueeze(-1).chunk(2, dim=1)
        x = gain * x + offset
        y = self.down(x)
        y = y + F.mish(self.norm2(self.middle(y)))
        y = torch.cat((self.up(y), x), dim=1)
        return self.outlet(F.mish(self.norm3(self.block(y))))


MODELS = {
    "mlp": (MlpResNet, {"obs": (24,)}),
    "resnet18": (ResNet18, {"image": (3, 32, 32)}),
    "vit": (ViT, {"image": (3, 16, 16)}),
    "decoder": (Decoder, {"memory": (6, 16)}),
    "unet": (UNet, {"sample": (3, 8), "condition": (6,)}),
}
"""Class and inputs (shapes without batch) of every model."""
KINDS = {
    "script17": {"dynamo": False, "opset_version": 17},
    "script20": {"dynamo": False, "opset_version": 20},
    "dynamo18": {"dynamo": True, "opset_version": 18},
    "dynamo20": {"dynamo": True, "opset_version": 20},
}
"""Exporter and opset, by a short name."""


def build(name: str) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """A model with random weights and statistics (the same for the same name), and a batch of one."""
    torch.manual_seed(sum(map(ord, name)))
    make, shapes = MODELS[name]
    model = make().eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, 0, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 2)
        if isinstance(part, (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm)):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, 0, 0.3)
    return model, {key: torch.randn(1, *shape) for key, shape in shapes.items()}


def export(name: str, kind: str, file: Path, batch: bool = False) -> None:
    """Write one model as ONNX; batch: with a batch of any size."""
    model, inputs = build(name)
    how = dict(KINDS[kind])
    if batch and how["dynamo"]:
        size = torch.export.Dim("batch")
        how["dynamic_shapes"] = {key: {0: size} for key in inputs}
        inputs = {key: x.repeat(2, *[1] * (x.ndim - 1)) for key, x in inputs.items()}
    elif batch:
        how["dynamic_axes"] = {key: {0: "batch"} for key in (*inputs, "y")}
    args, names = tuple(inputs.values()), {"input_names": list(inputs), "output_names": ["y"]}
    torch.onnx.export(model, args, str(file), external_data=False, verbose=False, **names, **how)
    _without_notes(file)


def _without_notes(file: Path) -> None:
    """Leave out where in which source file each node comes from: it is most of a small file."""
    model = onnx.load(file)
    model.graph.ClearField("value_info")
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output,
                 *model.graph.initializer):  # fmt: skip
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, file)


def save_vectors(name: str, file: Path, count: int = 4) -> None:
    """Write inputs and outputs of a model."""
    model, inputs = build(name)
    inputs = {key: torch.randn(count, *x.shape[1:]) for key, x in inputs.items()}
    with torch.no_grad():
        y = model(*inputs.values())
    np.savez_compressed(file, **{key: x.numpy() for key, x in inputs.items()}, y=y.numpy())


def main(folder: Path) -> None:
    """All models by all exporters."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        save_vectors(name, folder / f"{name}.npz")
        for kind in KINDS:
            export(name, kind, folder / f"{name}-{kind}.onnx", batch=kind in ("script20", "dynamo18"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
