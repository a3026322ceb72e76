"""Diffusion Policy's 1-D U-Net."""

from __future__ import annotations

import numpy as np

from hwgen.errors import GraphError
from hwgen.graph import Graph
from hwgen.graph.net import Net
from hwgen.graph.steps import Update, cosine_alphas, ddim, unroll
from hwgen.policies.zoo.time_embedding import time_bias, time_embedding

ACTION = 2
CONDITION = 2 * (2 + 2 * 32)
"""Of two observations: the place of the arm and of 32 keypoints in the picture."""
LEVELS = 3
TIME = 128
TIMES = 100


def build(name: str, bits: int, width: int, horizon: int, steps: int) -> Graph:
    """A U-Net over the time of a chunk of actions predicts the actions from noisy ones, `steps` times (DDIM of 100).

    Three levels of width, 2 and 4 times width (64, 128, 256), two residual blocks each (two convolutions of 5 taps,
    GroupNorm of 8 groups, Mish; FiLM from the observation and the step), two more in the middle; strided convolutions
    down, transposed ones up. FiLM of the observation is computed once, what the step adds is a bias. It predicts the
    actions, not their noise (prediction_type "sample"), for with random weights only that loop stays in its range.
    Shapes: Chi et al., arXiv:2303.04137 (there 512, 1024, 2048);
    github.com/real-stanford/diffusion_policy, diffusion_policy/model/diffusion/conditional_unet1d.py, and
    config/train_diffusion_unet_hybrid_workspace.yaml (kernel, groups, horizon 16, step embedding 128); Push-T.
    """
    if horizon % (1 << LEVELS - 1):
        raise GraphError(
            f"{name}: horizon {horizon} is halved {LEVELS - 1} times and doubled again; give a multiple of "
            f"{1 << LEVELS - 1}"
        )
    net = Net(name, bits, samples=16)
    net.input("start", (ACTION, horizon))
    cond = net.activation(net.input("condition", (CONDITION,)), "mish", "condition.mish")
    widths = [width << level for level in range(LEVELS)]

    def predict(actions: str, time: float) -> str:
        when = time_embedding(net, time, TIME, 4 * TIME, "mish")

        def block(x: str, out: int, key: str) -> str:
            bias = time_bias(net, when, (2, out), key)
            return net.film_block(x, cond, out, key, groups=groups(out), bias=bias)

        x, skips = actions, []
        for level, out in enumerate(widths):
            x = block(block(x, out, f"down{level}.0"), out, f"down{level}.1")
            skips.append(x)
            if level < LEVELS - 1:
                x = net.quantize(net.conv(x, out, 3, f"down{level}.half", 2, 1), f"down{level}.half.q")
        x = block(block(x, widths[-1], "middle.0"), widths[-1], "middle.1")
        for level in reversed(range(LEVELS - 1)):
            x = net.join([x, skips[level + 1]], 0, f"up{level}.join")
            x = block(block(x, widths[level], f"up{level}.0"), widths[level], f"up{level}.1")
            x = net.upsample(x, f"up{level}.double")
        x = net.conv_block(x, width, "final", groups=groups(width))
        return net.quantize(net.conv(x, ACTION, 1, "outlet", gain=0.5), "outlet.q")

    net.output(
        unroll(net, "start", ddim_of_samples(cosine_alphas(TIMES), steps), predict, steps, key="step"), "actions"
    )
    return net.build()


def ddim_of_samples(alphas: np.ndarray, steps: int) -> list[Update]:
    """The table of `ddim` for a network that predicts the sample, where the noise is
    (x - sqrt(alpha) sample) / sqrt(1 - alpha)."""
    table = []
    for u in ddim(alphas, steps):
        level = alphas[int(u.time)]
        noise = u.model / np.sqrt(1 - level)
        table.append(Update(u.time, float(u.keep + noise), float(-noise * np.sqrt(level))))
    return table


def groups(channels: int) -> int:
    """Of a GroupNorm: 8."""
    return min(8, channels)
