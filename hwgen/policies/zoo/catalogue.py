"""What the zoo holds: one entry for each network, with the figures of what is built, which a test compares."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """One size of a network.

    given: the parameters of its build function. inputs, outputs: name and shape, as text. macs: multiplications for one
    observation (none for padding, what no step changes once). weights: numbers multiplied with, those that steps share
    once; biases and norms are not among them.
    """

    given: dict[str, int | str]
    inputs: str
    outputs: str
    macs: int
    weights: int


@dataclass(frozen=True)
class Entry:
    """A network. module: of hwgen.policies.zoo, with `build(name, bits, **given) -> Graph`, whose docstring has the
    source of the shapes. source: the same in short. small: the same topology, small enough to simulate its RTL."""

    name: str
    what: str
    source: str
    module: str
    full: Size
    small: Size
    bits: int = 8


SMALL = "-small"
"""What the name of an entry's small size ends in."""

ENTRIES: tuple[Entry, ...] = (
    Entry(
        "demo", "the trained demo policy: encoder and head", "docs/policy.md", "demo",
        Size(
            {"policy": "demo"},
            "image 3x64x64 uint8, text 32 int8, state 3 int8", "action 24 int8", 3_178_288, 464_048,
        ),
        Size(
            {"policy": "demo"},
            "image 3x64x64 uint8, text 32 int8, state 3 int8", "action 24 int8", 3_178_288, 464_048,
        ),
        bits=4,
    ),
    Entry(
        "octo-small-diffusion-head", "Octo-small: diffusion head, 20 steps", "arXiv:2405.12213", "octo",
        Size(
            {"head": "diffusion", "token": 384, "hidden": 256, "steps": 20},
            "token 384 int8, start 28 int8, noise 20x28 int8", "actions 28 int8", 31_842_304, 1_685_504,
        ),
        Size(
            {"head": "diffusion", "token": 64, "hidden": 64, "steps": 4},
            "token 64 int8, start 28 int8, noise 4x28 int8", "actions 28 int8", 411_648, 105_984,
        ),
    ),
    Entry(
        "octo-small-l1-head", "Octo-small: attention pooling, L1 head", "arXiv:2405.12213", "octo",
        Size(
            {"head": "l1", "token": 384, "tokens": 256},
            "tokens 256x384 int8", "actions 28 int8", 39_971_328, 1_488_384,
        ),
        Size(
            {"head": "l1", "token": 64, "tokens": 32},
            "tokens 32x64 int8", "actions 28 int8", 188_160, 43_264,
        ),
    ),
    Entry(
        "octo-smallstem-128", "Octo: tokenizer of the wrist camera", "arXiv:2405.12213", "smallstem",
        Size(
            {"image": 128, "width": 32},
            "image 6x128x128 uint8", "tokens 512x8x8 int8", 127_030_464, 1_055_424,
        ),
        Size(
            {"image": 32, "width": 8},
            "image 6x32x32 uint8", "tokens 128x2x2 int8", 511_344, 66_288,
        ),
    ),
    Entry(
        "octo-smallstem-256", "Octo: tokenizer of the main camera", "arXiv:2405.12213", "smallstem",
        Size(
            {"image": 256, "width": 32},
            "image 6x256x256 uint8", "tokens 512x16x16 int8", 519_779_520, 1_055_424,
        ),
        Size(
            {"image": 48, "width": 8},
            "image 6x48x48 uint8", "tokens 128x3x3 int8", 1_215_600, 66_288,
        ),
    ),
    Entry(
        "mlperf-tiny-kws", "keyword spotting, 4 dense layers", "arXiv:2206.11791", "mlperf_tiny",
        Size(
            {"task": "kws", "width": 256},
            "x 490 int8", "y 12 int8", 259_584, 259_584,
        ),
        Size(
            {"task": "kws", "width": 64},
            "x 490 int8", "y 12 int8", 40_320, 40_320,
        ),
    ),
    Entry(
        "mlperf-tiny-ad", "anomaly detection, dense autoencoder", "arXiv:2206.11791", "mlperf_tiny",
        Size(
            {"task": "ad", "width": 72},
            "x 64 int8", "y 64 int8", 20_736, 20_736,
        ),
        Size(
            {"task": "ad", "width": 24},
            "x 64 int8", "y 64 int8", 4_608, 4_608,
        ),
    ),
    Entry(
        "oft-l1-head", "OpenVLA-OFT: MLP-ResNet action head", "arXiv:2502.19645", "oft",
        Size(
            {"width": 4096, "chunk": 8},
            "states 8x28672 int8", "actions 8x7 int8", 1_208_188_928, 151_023_616,
        ),
        Size(
            {"width": 128, "chunk": 8},
            "states 8x896 int8", "actions 8x7 int8", 1_186_816, 148_352,
        ),
    ),
    Entry(
        "tdmpc", "TD-MPC: encoder of picture and state, policy", "arXiv:2310.16029", "tdmpc",
        Size(
            {"image": 84, "channels": 32, "hidden": 512, "latent": 50},
            "image 3x84x84 uint8, state 4 int8", "action 4 int8", 16_439_968, 366_752,
        ),
        Size(
            {"image": 48, "channels": 16, "hidden": 64, "latent": 50},
            "image 3x48x48 uint8, state 4 int8", "action 4 int8", 1_616_976, 35_536,
        ),
    ),
    Entry(
        "resnet18-84", "ACT's encoder: ResNet-18, BatchNorm folded", "arXiv:1512.03385", "resnet18",
        Size(
            {"image": 84, "width": 64, "norm": "frozen"},
            "image 3x84x84 uint8", "features 512x3x3 uint8", 240_992_256, 11_166_912,
        ),
        Size(
            {"image": 32, "width": 8, "norm": "frozen"},
            "image 3x32x32 uint8", "features 64x1x1 uint8", 574_432, 175_512,
        ),
    ),
    Entry(
        "resnet18-84-gn", "Diffusion Policy's encoder: ResNet-18, GroupNorm", "arXiv:2303.04137", "resnet18",
        Size(
            {"image": 84, "width": 64, "norm": "group"},
            "image 3x84x84 uint8", "features 512x3x3 uint8", 240_992_256, 11_166_912,
        ),
        Size(
            {"image": 32, "width": 8, "norm": "group"},
            "image 3x32x32 uint8", "features 64x1x1 uint8", 574_432, 175_512,
        ),
    ),
    Entry(
        "diffusion-unet-small", "Diffusion Policy: 1-D U-Net, 10 DDIM steps", "arXiv:2303.04137", "diffusion_unet",
        Size(
            {"width": 64, "horizon": 16, "steps": 10},
            "start 2x16 int8, condition 132 int8", "actions 2x16 int8", 139_115_008, 4_283_264,
        ),
        Size(
            {"width": 16, "horizon": 8, "steps": 2},
            "start 2x8 int8, condition 132 int8", "actions 2x8 int8", 719_488, 356_576,
        ),
    ),
    Entry(
        "act-decoder-d512", "ACT: transformer decoder, 100 actions", "arXiv:2304.13705", "act",
        Size(
            {"width": 512, "hidden": 3200, "tokens": 302, "chunk": 100},
            "memory 302x512 int8", "actions 100x14 int8", 543_870_976, 4_070_400,
        ),
        Size(
            {"width": 64, "hidden": 128, "tokens": 40, "chunk": 24},
            "memory 40x64 int8", "actions 24x14 int8", 963_584, 29_568,
        ),
    ),
    Entry(
        "act-decoder-d256", "the same with half the width", "arXiv:2304.13705", "act",
        Size(
            {"width": 256, "hidden": 2048, "tokens": 302, "chunk": 100},
            "memory 302x256 int8", "actions 100x14 int8", 166_815_744, 1_248_768,
        ),
        Size(
            {"width": 32, "hidden": 64, "tokens": 40, "chunk": 24},
            "memory 40x32 int8", "actions 24x14 int8", 276_992, 7_616,
        ),
    ),
    Entry(
        "vit-tiny", "ViT-Tiny on 64 x 64 pictures, patches of 8", "arXiv:2012.12877", "vit",
        Size(
            {"image": 64, "patch": 8, "width": 192, "blocks": 12, "classes": 0},
            "image 3x64x64 uint8", "tokens 64x192 int8", 360_972_288, 5_345_280,
        ),
        Size(
            {"image": 32, "patch": 8, "width": 64, "blocks": 2, "classes": 0},
            "image 3x32x32 uint8", "tokens 16x64 int8", 1_835_008, 110_592,
        ),
    ),
    Entry(
        "deit-tiny-224", "DeiT-Tiny with its classifier", "arXiv:2012.12877", "vit",
        Size(
            {"image": 224, "patch": 16, "width": 192, "blocks": 12, "classes": 1000},
            "image 3x224x224 uint8", "scores 1000 int8", 1_253_683_200, 5_647_872,
        ),
        Size(
            {"image": 48, "patch": 16, "width": 64, "blocks": 2, "classes": 10},
            "image 3x48x48 uint8", "scores 10 int8", 1_451_648, 148_096,
        ),
    ),
)  # fmt: skip
