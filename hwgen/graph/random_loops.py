"""Random networks around a loop: U-Nets, transformers with adaptive norms and MLPs in diffusion and flow matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwgen.graph.random_net import RandomNet
from hwgen.graph.steps import Update, cosine_alphas, ddim, ddpm, euler, sinusoid, unroll

TIME_WIDTH = 8
"""Elements of the time embedding of loops."""


def unet(net: RandomNet) -> str:
    """A 1-D U-Net around one half of the positions (Diffusion Policy), without its loop."""
    x = net.input("x", (net.upto(4), 2 * net.upto(net.sizes.tokens // 2)))
    return net.quantize(_unet(net, net.input("cond", (net.channels(),)), _plan(net))(x, 0.0), "out.q")


def loop(net: RandomNet) -> str:
    """Diffusion or flow matching around a U-Net, a transformer with adaptive norms, or an MLP."""
    count = net.upto(net.sizes.steps, 2)
    noisy, cond = net.pick(True, False), net.input("cond", (net.channels(),))
    shape = (2 * net.upto(3), 2 * net.upto(net.sizes.tokens // 2))
    x = net.input("x", shape, scale=2.0**-5)
    updates: list[Update] = (
        ddpm(cosine_alphas(count)) if noisy else net.pick(euler(count), ddim(cosine_alphas(20), count))
    )
    noise = net.input("noise", (count, *shape), scale=2.0**-5) if noisy else None
    predict = net.pick(_unet, _dit, _mlp)(net, cond, _plan(net, shape))
    return unroll(net, x, updates, predict, count, noise)


@dataclass(frozen=True)
class _Plan:
    """What every step of a loop has in common, drawn before it. shape: of x."""

    shape: tuple[int, ...]
    width: int
    groups: int
    kernel: int
    heads: int
    fn: str


def _plan(net: RandomNet, shape: tuple[int, ...] = ()) -> _Plan:
    groups = net.upto(2)
    return _Plan(shape, net.channels(2 * groups), groups, net.pick(3, 5), net.pick(1, 2), net.fn())


def _time(net: RandomNet, key: str, channels: int, time: float) -> np.ndarray:
    """What the time adds to (gamma, beta): real [2, channels], on a grid that float32 holds."""
    table = net.table(f"{key}.time", (2, channels, TIME_WIDTH), 0.1)
    return np.round(table @ sinusoid(time, TIME_WIDTH) * 2.0**8) / 2.0**8


def _unet(net: RandomNet, cond: str, plan: _Plan) -> Callable[[str, float], str]:
    def block(x: str, out: int, key: str, time: float) -> str:
        bias = _time(net, key, out, time)
        return net.film_block(x, cond, out, key, plan.kernel, plan.groups, plan.fn, bias)

    def predict(x: str, time: float) -> str:
        fine = block(x, plan.width, "down", time)
        y = net.quantize(net.conv(fine, plan.width, 3, "half", stride=2, pad=1), "half.q")
        y = net.upsample(block(y, plan.width, "mid", time), "double")
        y = block(net.join([y, fine], 0, "skip"), plan.width, "up", time)
        return net.conv(y, net.shape(x)[0], 1, "out")

    return predict


def _dit(net: RandomNet, cond: str, plan: _Plan) -> Callable[[str, float], str]:
    def predict(x: str, time: float) -> str:
        h = net.positional(net.linear(x, plan.width, "embed"), "position")
        a = net.adaln(h, cond, "ada", _time(net, "ada", plan.width, time))
        h = net.attention(a, "attention", plan.heads, residual=h)
        h = net.mlp(net.layernorm(h, "norm"), plan.width, "mlp", plan.fn, residual=h)
        return net.linear(h, net.shape(x)[-1], "out")

    return predict


def _mlp(net: RandomNet, cond: str, plan: _Plan) -> Callable[[str, float], str]:
    def predict(x: str, time: float) -> str:
        flat = net.flatten(x, "flat")
        fixed = net.once("fixed", lambda: net.dense(cond, plan.width, "fixed"))
        h = net.quantize(net.linear(flat, plan.width, "in"), "in.q", residual=fixed,
                         bias=_time(net, "in", plan.width, time)[0])  # fmt: skip
        h = net.dense(net.activation(h, plan.fn, "in.fn"), plan.width, "mid", residual=h)
        y = net.quantize(net.linear(h, int(np.prod(plan.shape)), "out"), "out.q")
        return net.reshape(y, plan.shape, "out.row")

    return predict
