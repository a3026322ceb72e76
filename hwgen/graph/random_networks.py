"""Random networks of the kinds that policies are made of, small enough to be simulated as hardware.

    graph = random_network(seed)                                    # any kind
    graph = random_network(seed, "transformer", Sizes(width=64))

`random_graphs` draws single operators with all their corners; here they meet as they do in policies: residuals around
convolutions, attention over tokens, FiLM, U-Nets, loops whose steps share weights. The kinds are the keys of `KINDS`.
Together they reach every operator with every attribute that an engine has a path of its own for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph import ops
from hwgen.graph.graph import Graph
from hwgen.graph.net import Net
from hwgen.graph.steps import Update, cosine_alphas, ddim, ddpm, euler, sinusoid, unroll

FUNCTIONS = ("relu", "gelu", "silu", "mish", "tanh", "gelu_tanh")
TIME_WIDTH = 8
"""Elements of the time embedding of loops."""
OBSERVATIONS = 48
"""Random inputs that scales are set from: few, for tests draw many networks."""
ATTEMPTS = 20


@dataclass(frozen=True)
class Sizes:
    """Bounds of what is drawn.

    width: channels. image: pixels a side. tokens: rows of transformers and positions of sequences. layers: blocks one
    after the other. steps: of loops. power_of_two: all scales are powers of two. bits: widths of activations to draw
    from. weight_bits: the same for weights, one for each graph.
    """

    width: int = 24
    image: int = 9
    tokens: int = 7
    layers: int = 2
    steps: int = 3
    power_of_two: bool = True
    bits: tuple[int, ...] = (8, 8, 8, 6, 5)
    weight_bits: tuple[int, ...] = (8, 4)


def random_network(seed: int, kind: str | None = None, sizes: Sizes | None = None) -> Graph:
    """A valid graph of a kind (None: any); the same arguments give the same graph."""
    rng, sizes = np.random.default_rng(seed), sizes or Sizes()
    kind = kind or str(rng.choice(sorted(KINDS)))
    for attempt in range(ATTEMPTS):
        net = _Random(f"{kind}-{seed}-{attempt}", rng, sizes)
        try:
            net.output(net.ended(KINDS[kind](net)), "y")
            return net.build()
        except UnsupportedError:  # scales that no lane can bridge, as of a tensor that hardly varies: draw again
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


class _Random(Net):
    """A Net that draws its shapes, and types of activations."""

    def __init__(self, name: str, draws: np.random.Generator, sizes: Sizes):
        super().__init__(name, int(draws.choice(sizes.weight_bits)))
        self.draws, self.sizes, self.samples = draws, sizes, OBSERVATIONS
        self.rms: dict[str, bool] = {}

    def format(self, key: str, real: np.ndarray) -> dict:
        if key not in self.formats:
            form, bits = super().format(key, real), int(self.draws.choice(self.sizes.bits))
            scale = form["scale"] * 2.0 ** (8 - bits)
            scale *= 1 if self.sizes.power_of_two else self.draws.uniform(0.7, 1.4)
            signed = form["signed"] or bits == 8 and key.endswith((".key.q", ".value.q"))  # the engine has no others
            self.formats[key] = {"bits": bits, "signed": signed, "scale": float(np.float32(scale))}
        return self.formats[key]

    def pick(self, *choices):
        """One of these."""
        return choices[int(self.draws.integers(len(choices)))]

    def upto(self, most: int, least: int = 1) -> int:
        """A number from least to most."""
        return int(self.draws.integers(least, max(most, least) + 1))

    def channels(self, divisor: int = 1) -> int:
        """A width that the divisor divides."""
        return divisor * self.upto(max(self.sizes.width // divisor, 1))

    def groups(self, channels: int) -> int:
        """A number of groups that divides the channels."""
        return self.pick(*(g for g in range(1, channels + 1) if channels % g == 0))

    def fn(self) -> str:
        return self.pick(*FUNCTIONS)

    def layernorm(self, x: str, key: str, eps: float = 1e-5, relu: bool = False, rms: bool | None = None) -> str:
        """LayerNorm or, one in three, RMSNorm."""
        rms = self.rms.setdefault(key, self.pick(True, False, False)) if rms is None else rms
        return super().layernorm(x, key, eps, relu, rms)

    def any_conv(self, x: str, out: int, kernel: int, key: str, groups: int = 1) -> str:
        """A convolution with stride, dilation, and pads that differ from end to end -> accumulator."""
        channels, *space = self.shape(x)
        n = len(space)
        pads = [self.upto(kernel // 2, 0) for _ in range(2 * n)]
        room = min(size + pads[i] + pads[n + i] for i, size in enumerate(space))
        kernel = min(kernel, room)
        dilation = self.upto(min((room - 1) // max(kernel - 1, 1), 3))
        how = {"stride": (self.upto(2),) * n, "pads": tuple(pads), "dilation": (dilation,) * n, "groups": groups}
        cls, shape = (ops.Conv2D if n == 2 else ops.Conv1D), (out, channels // groups, *(kernel,) * n)
        return self._weighted(cls, x, shape, key, 1.0, axis=1, **how)

    def any_conv_transpose(self, x: str, key: str) -> str:
        """A transposed convolution of any stride, pads, output padding and groups -> accumulator."""
        channels, length = self.shape(x)
        groups, kernel, stride = self.groups(channels), self.upto(5), self.upto(3)
        cut = max((length - 1) * stride + kernel - 2, 0)  # two positions stay
        pads = (self.upto(min(kernel // 2, cut // 2), 0), self.upto(min(kernel // 2, cut // 2), 0))
        how = {"stride": stride, "pads": pads, "output_padding": self.upto(stride - 1, 0), "groups": groups}
        outs = self.upto(max(self.sizes.width // groups, 1))
        return self._weighted(ops.ConvTranspose1D, x, (channels, outs, kernel), key, 1.0, axis=1, **how)

    def average(self, x: str, key: str) -> str:
        """The mean of windows of two positions a side, so that powers of two stay powers of two."""
        n = len(self.shape(x)) - 1
        kernel = tuple(min(2, size) for size in self.shape(x)[1:])
        acc = self.emit(self.b.sumpool(x, kernel, self.upto(2), self.pick(0, (*(k // 2 for k in kernel), *(0,) * n))))
        return self.quantize(acc, key, gain=1 / float(np.prod(kernel)))

    def ended(self, x: str) -> str:
        """A graph's output is not one of its inputs, nor a move of one; some end without a last quantizer."""
        if len(self.shape(x)) > 1 or self.pick(True, True, False):
            return self.quantize(x, "end")
        return self.emit(self.b.wide(self.linear(x, self.channels(), "end")))


def convolutions(net: _Random) -> str:
    """A stem, then residual blocks, depthwise convolutions and pools, then a vector by one of the usual ways."""
    kernel = net.pick(1, 2, 3, 4, 5, 7)
    size = net.upto(net.sizes.image, max(kernel, 5))
    x = net.input("image", (net.upto(6), size, size), signed=net.pick(True, False))
    stem = net.conv(x, net.channels(2), kernel, "stem", stride=net.upto(2), pad=net.upto(kernel // 2, 0))
    x = net.normed(stem, "stem.norm", net.pick(None, 2), relu=True)
    for i in range(net.upto(net.sizes.layers)):
        x = net.pick(_residual, _depthwise, _grouped, _pool)(net, x, f"l{i}")
    end = net.pick("mean", "largest", "spatial", "flat")
    if end == "mean":
        x = net.mean(x, "mean")
    elif end == "largest":
        x = net.emit(net.b.maxpool(x, net.shape(x)[1:]))
    elif end == "spatial":
        x = net.spatial_softmax(x, "spatial")
    return net.dense(net.flatten(x, "flat"), net.channels(), "head", net.pick("", "relu", "tanh"))


def _residual(net: _Random, x: str, key: str) -> str:
    out = net.pick(net.shape(x)[0], net.channels(2))
    return net.basic_block(x, out, key, net.upto(2), net.pick(None, net.groups(out)))


def _depthwise(net: _Random, x: str, key: str) -> str:
    channels = net.shape(x)[0]
    y = net.conv(x, channels, 3, f"{key}.depth", stride=net.upto(2), pad=1, groups=channels)
    return net.activated(net.conv(net.quantize(y, f"{key}.depth.q", relu=True), net.channels(), 1, key), key, net.fn())


def _grouped(net: _Random, x: str, key: str) -> str:
    groups = net.groups(net.shape(x)[0])
    acc = net.any_conv(x, net.channels(groups) if groups <= net.sizes.width else groups, net.upto(4), key, groups)
    return net.activated(acc, key, net.pick("", "relu", net.fn()))


def _pool(net: _Random, x: str, key: str) -> str:
    if min(net.shape(x)[1:]) < 2:
        return net.quantize(x, key)
    return net.average(x, key) if net.pick(True, False) else net.maxpool(x, net.upto(3, 2), net.upto(2), 1, key)


def transformer(net: _Random) -> str:
    """An image's patches or rows of numbers, encoder blocks, then attention pooling, the first token or all."""
    heads = net.upto(3)
    kv_heads, width = net.groups(heads), net.channels(heads)
    if net.pick(True, False):
        patch = net.upto(3, 2)
        image = net.input("image", (net.upto(4), patch * 2, patch * 2), 2.0**-8, signed=False)
        x = net.patches(image, width, patch, "patches", net.pick(True, False))
    else:
        x = net.input("tokens", (net.upto(net.sizes.tokens), net.channels()))
        x = net.positional(net.linear(x, width, "embed"), "position")
    for i in range(net.upto(net.sizes.layers)):
        x = net.transformer_block(x, f"block{i}", heads, net.channels(), net.fn(), kv_heads=kv_heads)
    end = net.pick("map", "first", "all")
    if end == "map":
        return net.map_pool(x, "map", heads, net.upto(3), net.pick(None, net.channels()))
    return net.dense(net.slice(x, 0, 0, 1, "first") if end == "first" else x, net.channels(), "head")


def decoder(net: _Random) -> str:
    """Rows that attend to themselves and to a memory, norms behind the sums (ACT)."""
    heads = net.upto(3)
    width = net.channels(heads)
    memory = net.input("memory", (net.upto(net.sizes.tokens), net.channels()))
    x = net.input("rows", (net.upto(net.sizes.tokens), width))
    for i in range(net.upto(net.sizes.layers)):
        x = net.transformer_block(x, f"block{i}", heads, net.channels(), net.fn(), memory, norm=net.pick("pre", "post"))
    return net.dense(x, net.channels(), "head")


def film(net: _Random) -> str:
    """A few convolutions over an image or a sequence, each scaled and shifted by what a vector says, and a gate."""
    space = net.pick((net.upto(net.sizes.image, 3),) * 2, (net.upto(net.sizes.tokens, 3),))
    x, cond = net.input("x", (net.upto(6), *space)), net.input("cond", (net.channels(),))
    for i in range(net.upto(net.sizes.layers)):
        out = net.channels()
        y = net.quantize(net.conv(x, out, 3, f"conv{i}", pad=1), f"conv{i}.q")
        gamma, beta = net.modulation(cond, out, (out, *(1,) * len(space)), f"film{i}")
        if net.pick(True, True, False):
            x = net.film(y, gamma, beta, f"film{i}", net.pick("", net.fn()))
        else:  # what passes a gate is added to what came
            acc = net.emit(net.b.product(y, gamma, name=f"film{i}.product"))
            x = net.quantize(acc, f"film{i}.q", relu=True, residual=y)
    if net.pick(True, False):  # a weight for each element
        x = net.mul(x, net.constant(1 + net.table("weight", net.shape(x), 0.3), "weight.table"), "weight")
    gate = net.activation(net.quantize(net.linear(cond, net.shape(x)[0], "gate"), "gate.q"), "sigmoid", "gate.s")
    return net.mul(x, net.reshape(gate, (-1, *(1,) * len(space)), "gate.row"), "gated")


def sequence(net: _Random) -> str:
    """Convolutions and transposed ones over time, pools, norms over the channels, moves, and parts put together."""
    x = net.input("x", (net.channels(), net.upto(net.sizes.tokens, 3)))
    for i in range(net.upto(net.sizes.layers) + 1):
        x = net.pick(_stretched, _grouped, _pool, _turned, _parted)(net, x, f"l{i}")
    return net.flatten(x, "flat") if net.pick(True, False) else x


def _stretched(net: _Random, x: str, key: str) -> str:
    """Behind a transposed convolution, a residual of as many channels joins in half of the cases."""
    acc = net.any_conv_transpose(x, key)
    channels, length = net.shape(acc)
    one = net.input(f"{key}.added", (channels, net.pick(1, length))) if net.pick(True, False) else None
    return net.quantize(acc, f"{key}.q", relu=net.pick(True, False), residual=one)


def _turned(net: _Random, x: str, key: str) -> str:
    """Rows instead of columns for a norm or a linear layer, and back."""
    rows = net.transpose(x, (1, 0), f"{key}.rows")
    done = net.layernorm(rows, key) if net.pick(True, False) else net.dense(rows, net.channels(), key, net.fn())
    return net.transpose(done, (1, 0), f"{key}.columns")


def _parted(net: _Random, x: str, key: str) -> str:
    """Slices along an axis, with steps, in another order; the second of another scale."""
    axis = net.pick(0, 1)
    size = net.shape(x)[axis]
    if size < 2:
        return net.quantize(x, key)
    cut = net.upto(size - 1)
    first, second = net.slice(x, axis, 0, cut, f"{key}.first"), net.slice(x, axis, cut, size, f"{key}.second")
    joined = net.join([net.quantize(second, f"{key}.second.q"), first], axis, f"{key}.join")
    if net.shape(joined)[axis] < 4:
        return joined
    return net.emit(net.b.slice(joined, axis, net.upto(1, 0), size, 2, name=net.name(f"{key}.every")))


def unet(net: _Random) -> str:
    """A 1-D U-Net around one half of the positions (Diffusion Policy), without its loop."""
    x = net.input("x", (net.upto(4), 2 * net.upto(net.sizes.tokens // 2, 2)))
    return net.quantize(_unet(net, net.input("cond", (net.channels(),)), _plan(net))(x, 0.0), "out.q")


def loop(net: _Random) -> str:
    """Diffusion or flow matching around a U-Net, a transformer with adaptive norms, or an MLP."""
    count = net.upto(net.sizes.steps, 2)
    noisy, cond = net.pick(True, False), net.input("cond", (net.channels(),))
    shape = (2 * net.upto(3), 2 * net.upto(net.sizes.tokens // 2, 2))
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


def _plan(net: _Random, shape: tuple[int, ...] = ()) -> _Plan:
    groups = net.upto(2)
    return _Plan(shape, net.channels(2 * groups), groups, net.pick(3, 5), net.pick(1, 2), net.fn())


def _time(net: _Random, key: str, channels: int, time: float) -> np.ndarray:
    """What the time adds to (gamma, beta): real [2, channels], on a grid that float32 holds."""
    table = net.table(f"{key}.time", (2, channels, TIME_WIDTH), 0.1)
    return np.round(table @ sinusoid(time, TIME_WIDTH) * 2.0**8) / 2.0**8


def _unet(net: _Random, cond: str, plan: _Plan) -> Callable[[str, float], str]:
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


def _dit(net: _Random, cond: str, plan: _Plan) -> Callable[[str, float], str]:
    def predict(x: str, time: float) -> str:
        h = net.positional(net.linear(x, plan.width, "embed"), "position")
        a = net.adaln(h, cond, "ada", _time(net, "ada", plan.width, time))
        h = net.attention(a, "attention", plan.heads, residual=h)
        h = net.mlp(net.layernorm(h, "norm"), plan.width, "mlp", plan.fn, residual=h)
        return net.linear(h, net.shape(x)[-1], "out")

    return predict


def _mlp(net: _Random, cond: str, plan: _Plan) -> Callable[[str, float], str]:
    def predict(x: str, time: float) -> str:
        flat = net.flatten(x, "flat")
        fixed = net.once("fixed", lambda: net.dense(cond, plan.width, "fixed"))
        h = net.quantize(net.linear(flat, plan.width, "in"), "in.q", residual=fixed,
                         bias=_time(net, "in", plan.width, time)[0])  # fmt: skip
        h = net.dense(net.activation(h, plan.fn, "in.fn"), plan.width, "mid", residual=h)
        y = net.quantize(net.linear(h, int(np.prod(plan.shape)), "out"), "out.q")
        return net.reshape(y, plan.shape, "out.row")

    return predict


KINDS: dict[str, Callable[[_Random], str]] = {
    f.__name__: f for f in (convolutions, sequence, transformer, decoder, film, unet, loop)
}
"""Every kind of network by name."""
