"""A picture of what a design could reach and what it does: multiplications a clock over multiplications a weight byte.

The roofs: N x M multipliers; the weight memory, a word a clock; the ports that bring weights from DDR, 16 bytes a clock
each. A layer whose weights are on the chip is under the first two, one whose weights stream under the third.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwgen.codesign.causes import WORDS, Layer
from hwgen.runtime.abi import BEAT_BYTES
from hwgen.schedule.config import EngineConfig

COLOURS = dict(zip(WORDS, ("#2f6f4f", "#7fbf9f", "#bf3f3f", "#bf7f2f", "#5f7fbf", "#7f7f7f"), strict=True))
NAMED = 6  # layers


def draw(name: str, every: Sequence[Layer], config: EngineConfig, path: Path) -> Path:
    """Draw the layers that have weights under the engine's roofs; writes PNG and returns the path."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [layer for layer in every if layer.weight_bytes and layer.clocks]
    at = {layer.name: (layer.macs / layer.weight_bytes, layer.macs / layer.clocks) for layer in shown}
    figure, axes = plt.subplots(figsize=(9, 5.5), layout="constrained")
    top = config.multipliers
    xs = np.geomspace(min([0.5, *(x for x, _ in at.values())]) / 2, max([8, *(x for x, _ in at.values())]) * 2, 200)
    chip = np.minimum(top, xs * top * config.ww / 8)
    axes.plot(xs, chip, color="black", label=f"{top:,} multipliers; a word of weights a clock from the chip")
    for ports in sorted({1, max(config.stream_ports, 1)}):
        axes.plot(xs, np.minimum(top, xs * BEAT_BYTES * ports), "--", color=COLOURS["weight_bandwidth"], alpha=0.4 if
                  ports > config.stream_ports else 1, label=f"weights from DDR over {ports} port{'s'[: ports > 1]}"
                  + ("" if config.stream_ports else ", had they to come from there"))  # fmt: skip
    most = max((layer.clocks for layer in shown), default=1)
    for cause in WORDS:
        of = [layer for layer in shown if layer.binds == cause]
        if of:
            points = np.array([at[layer.name] for layer in of])
            sizes = [20 + 300 * layer.clocks / most for layer in of]
            axes.scatter(*points.T, s=sizes, color=COLOURS[cause], alpha=0.8, label=f"most clocks: {cause}", zorder=3)
    for layer in sorted(shown, key=lambda layer: -layer.clocks)[:NAMED]:
        axes.annotate(layer.name, at[layer.name], xytext=(6, -9), textcoords="offset points", fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="multiplications for each byte of weights",
             ylabel="multiplications a clock")  # fmt: skip
    axes.set_title(f"{name}: layers under the roofs of a {config.n}x{config.m} array, area as clocks", fontsize=10)
    axes.legend(fontsize=7, loc="lower right")
    axes.grid(alpha=0.2, which="both")
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
