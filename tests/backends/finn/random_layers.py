"""Random FINN layers, legal ones: for comparing our formulas with FINN's.

    python -m tests.backends.finn.random_layers FINN_CHECKOUT FINN_PYTHON

asks real FINN about them and writes expectations.json beside this file.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.support import ROOT

EXPECTATIONS = Path(__file__).with_name("expectations.json")
PART = "xczu7ev-ffvc1156-2-e"
SEED, COUNT = 1, 400


def divisor(rng: random.Random, number: int) -> int:
    return rng.choice([d for d in range(1, number + 1) if number % d == 0])


def activation(rng: random.Random) -> str:
    return rng.choice(["INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT3"])


def mvau(rng: random.Random) -> tuple[str, dict]:
    mw, mh = rng.choice([8, 27, 64, 96, 490, 512, 1152]), rng.choice([7, 12, 32, 64, 256])
    attrs = {
        "MW": mw, "MH": mh, "SIMD": divisor(rng, mw), "PE": divisor(rng, mh),
        "numInputVectors": rng.choice([[1], [4], [1, 5, 6]]), "inputDataType": activation(rng),
        "weightDataType": rng.choice(["INT8", "INT4", "INT2"]), "outputDataType": "INT24", "noActivation": 1,
        "ram_style": rng.choice(["auto", "block", "distributed"]),
    }  # fmt: skip
    if rng.random() < 0.5:
        return "MVAU_rtl", attrs
    attrs |= {
        "resType": rng.choice(["auto", "dsp", "lut"]), "accDataType": rng.choice(["INT32", "INT20"]),
        "mem_mode": rng.choice(["internal_decoupled", "internal_embedded", "external"]),
    }  # fmt: skip
    if rng.random() < 0.3:
        attrs |= {"noActivation": 0, "outputDataType": "UINT4", "ram_style_thresholds": "distributed"}
    return "MVAU_hls", attrs


def vvau(rng: random.Random) -> tuple[str, dict]:
    channels, kernel = rng.choice([3, 16, 48]), rng.choice([[1, 1], [3, 3], [5, 1]])
    return "VVAU_hls", {
        "Channels": channels, "Kernel": kernel, "Dim": [rng.randint(1, 9), rng.randint(1, 9)],
        "PE": divisor(rng, channels), "SIMD": divisor(rng, kernel[0] * kernel[1]), "noActivation": 1,
        "inputDataType": activation(rng), "weightDataType": "INT8", "outputDataType": "INT20",
        "resType": rng.choice(["auto", "dsp", "lut"]), "ram_style": rng.choice(["auto", "block", "distributed"]),
    }  # fmt: skip


def window(rng: random.Random) -> tuple[str, dict]:
    flat = rng.random() < 0.3
    kernel = [rng.choice([1, 2, 3, 5]), rng.choice([1, 2, 3, 5])]
    stride, dilation = [rng.choice([1, 2, 3]), rng.choice([1, 2, 3])], [rng.choice([1, 1, 2]), rng.choice([1, 1, 2])]
    image = [rng.randint(10, 40), rng.randint(10, 40)]
    if flat:
        i = rng.randint(0, 1)
        image[i] = kernel[i] = stride[i] = dilation[i] = 1
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(image, kernel, stride, dilation, strict=True)]
    channels, depthwise = rng.choice([1, 3, 16, 512]), rng.randint(0, 1)
    simd, parallel = divisor(rng, channels), 0
    if rng.random() < 0.3:
        parallel, simd = 1, simd if depthwise else channels
    return "ConvolutionInputGenerator_rtl", {
        "IFMChannels": channels, "IFMDim": image, "OFMDim": out, "ConvKernelDim": kernel, "Stride": stride,
        "Dilation": dilation, "SIMD": simd, "depthwise": depthwise, "parallel_window": parallel, "is1D": int(flat),
        "inputDataType": activation(rng), "outputDataType": "INT8",
        "ram_style": rng.choice(["distributed", "block", "auto"]),
    }  # fmt: skip


def thresholding(rng: random.Random) -> tuple[str, dict]:
    channels, out = rng.choice([1, 12, 64, 256]), rng.choice([2, 4, 8])
    block, ultra = rng.choice([(0, 0), (64, 0), (128, 1 << 20), (16, 256), (0, 64)])
    return "Thresholding_rtl", {
        "depth_trigger_bram": block, "depth_trigger_uram": ultra,
        "NumChannels": channels, "PE": divisor(rng, channels), "numInputVectors": rng.choice([[1], [1, 4, 4]]),
        "numSteps": 2**out - 1, "inputDataType": "INT20", "weightDataType": rng.choice(["INT20", "INT9"]),
        "outputDataType": rng.choice([f"INT{out}", f"UINT{out}"]), "ActVal": 0,
    }  # fmt: skip


def elementwise(rng: random.Random) -> tuple[str, dict]:
    op = rng.choice(["AddStreams", "DuplicateStreams", "ChannelwiseOp", "GlobalAccPool"])
    channels = rng.choice([1, 12, 64, 256])
    attrs = {
        "NumChannels": channels, "PE": divisor(rng, channels), "numInputVectors": rng.choice([[1], [1, 4, 4]]),
        "inputDataType": activation(rng),
    }  # fmt: skip
    if op == "DuplicateStreams":
        attrs["NumOutputStreams"] = 2
    if op == "ChannelwiseOp":
        attrs |= {"Func": "mul", "paramDataType": "INT8", "outputDataType": "INT16"}
        attrs["ram_style"] = rng.choice(["distributed", "block"])
    return op + "_hls", attrs


def other(rng: random.Random) -> tuple[str, dict]:
    channels = rng.choice([1, 12, 64])
    pool = rng.choice([2, 3])
    return rng.choice(
        [
            ("FMPadding_rtl", {
                "ImgDim": [rng.randint(1, 20), rng.randint(1, 20)], "Padding": [rng.randint(0, 3) for _ in range(4)],
                "NumChannels": channels, "SIMD": divisor(rng, channels), "inputDataType": "INT8"}),
            ("StreamingMaxPool_hls", {
                "ImgDim": [pool * 4, pool * 4], "PoolDim": [pool, pool], "NumChannels": channels,
                "PE": divisor(rng, channels), "dataType": "INT8"}),
            ("StreamingMaxPool_hls", {
                "ImgDim": rng.choice([[1, pool * 4 + 1], [pool * 4 + 1, 1]]), "PoolDim": [1, pool], "CeilMode": 1,
                "NumChannels": channels, "PE": divisor(rng, channels), "dataType": "INT8"}),
            ("Pool_hls", {
                "Channels": channels, "PE": divisor(rng, channels), "KernelSize": [pool, pool], "OutImgDims": [5, 4],
                "Function": "QuantAvgPool", "InputDataType": "INT8", "OutputDataType": "INT8"}),
            ("UpsampleNearestNeighbour_hls", {
                "OFMDim": 8, "IFMDim": 1, "NumChannels": channels, "inputDataType": "INT8"}),
            ("Lookup_hls", {
                "NumEmbeddings": rng.choice([256, 65536]), "EmbeddingDim": 1, "EmbeddingType": "INT16",
                "InputType": "UINT16", "InputShape": [1, 4, channels]}),
            ("LabelSelect_hls", {
                "Labels": 12, "PE": rng.choice([1, 2, 6]), "inputDataType": "INT8", "K": 1}),
            ("StreamingDataWidthConverter_hls", {
                "shape": [1, 96], "inWidth": 8 * divisor(rng, 96), "outWidth": 8 * divisor(rng, 96),
                "dataType": "INT8"}),
        ]
    )  # fmt: skip


def layers(seed: int = SEED, count: int = COUNT) -> list[dict]:
    """Reproducible from the seed."""
    rng = random.Random(seed)
    makers = (mvau, mvau, vvau, window, window, thresholding, elementwise, other)
    drawn = (rng.choice(makers)(rng) for _ in range(count))
    return [{"op": op, "attrs": attrs} for op, attrs in drawn]


def ask_finn(checkout: Path, python: str, drawn: list[dict], part: str = PART) -> list[dict]:
    """FINN's own estimates (scripts/finn_check/estimates.py in FINN's environment)."""
    run = subprocess.run(
        [python, ROOT / "scripts/finn_check/estimates.py"],
        input=json.dumps({"part": part, "layers": drawn}), capture_output=True, text=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(checkout / "src"), "FINN_ROOT": str(checkout)},
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"FINN in {checkout} with {python}: {run.stderr[-2000:]}")
    return json.loads(run.stdout)


if __name__ == "__main__":
    found = ask_finn(Path(sys.argv[1]), sys.argv[2], layers())
    kept = [{k: int(e[k]) for k in ("cycles", "BRAM_18K", "LUT", "URAM", "DSP")} for e in found]
    EXPECTATIONS.write_text("[\n" + ",\n".join(json.dumps(e) for e in kept) + "\n]\n")
