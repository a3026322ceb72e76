"""The two dense networks of MLPerf Tiny as hls4ml and FINN submitted them for FPGAs."""

from __future__ import annotations

from hwgen.graph import Graph
from hwgen.graph.net import Net

SIZES = {"kws": (490, 256, 256, 256, 12), "ad": (64, 72, 72, 8, 72, 72, 64)}


def build(name: str, bits: int, task: str, width: int) -> Graph:
    """Dense layers with ReLU between them. width: of the widest hidden layers.

    task "kws": keyword spotting, 49 x 10 MFCC features to 12 words. "ad": anomaly detection, an autoencoder of 64
    log-mel features. Shapes: Borras et al., "Open-source FPGA-ML codesign for the MLPerf Tiny Benchmark",
    arXiv:2206.11791; github.com/mlcommons/tiny_results_v0.7, open/hls4ml-finn/code/kws/KWS-W3A3 and
    .../ad/AD08/training/ad08.yml.
    """
    inputs, *hidden, outputs = SIZES[task]
    net = Net(name, bits)
    x = net.input("x", (inputs,))
    for i, size in enumerate(hidden):
        x = net.dense(x, min(size, width), f"fc{i}", "relu")
    net.output(net.dense(x, outputs, f"fc{len(hidden)}"), "y")
    return net.build()
