"""Random networks of the kinds that policies are made of, small enough to be simulated as hardware.

    graph = random_network(seed)                                    # any kind
    graph = random_network(seed, "transformer", Sizes(width=64))

`random_graphs` draws single operators with all their corners; here they meet as they do in policies: residuals around
convolutions, attention over tokens, FiLM, U-Nets, loops whose steps share weights. The kinds are the keys of `KINDS`.
Together they reach every operator with every attribute that an engine has a path of its own for.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hwgen.errors import UnsupportedError
from hwgen.graph.graph import Graph
from hwgen.graph.random_loops import loop, unet
from hwgen.graph.random_net import RandomNet, Sizes

ATTEMPTS = 20


def random_network(seed: int, kind: str | None = None, sizes: Sizes | None = None) -> Graph:
    """A valid graph of a kind (None: any); the same arguments give the same graph."""
    rng, sizes = np.random.default_rng(seed), sizes or Sizes()
    kind = kind or str(rng.choice(sorted(KINDS)))
    for attempt in range(ATTEMPTS):
        net = RandomNet(f"{kind}-{seed}-{attempt}", rng, sizes)
        try:
            net.output(net.ended(KINDS[kind](net)), "y")
            net.look_inside()
            if np.ptp(net.values["y"]):  # one that depends on nothing would show no defect
                return net.build()
        except UnsupportedError:  # scales that no lane can bridge, as of a tensor that hardly varies: draw again
            if attempt == ATTEMPTS - 1:
                raise
    raise UnsupportedError(f"no network of kind {kind!r} that varies was found for seed {seed}; take another seed")


def convolutions(net: RandomNet) -> str:
    """A stem, then residual blocks, depthwise convolutions, pools and moves, then a vector by one of the usual ways."""
    x = net.normed(_stem(net), "stem.norm", net.pick(None, 2), relu=True)
    for i in range(net.upto(net.sizes.layers)):
        x = net.pick(_residual, _depthwise, _grouped, _pool, _rearranged)(net, x, f"l{i}")
    end = net.pick("mean", "largest", "spatial", "flat")
    if end == "mean":
        x = net.mean(x, "mean")
    elif end == "largest":
        x = net.emit(net.b.maxpool(x, net.shape(x)[1:]))
    elif end == "spatial":
        x = net.spatial_softmax(x, "spatial")
    return net.dense(net.flatten(x, "flat"), net.channels(), "head", net.pick("", "relu", "tanh"))


def _stem(net: RandomNet) -> str:
    """The first convolution, over an image as cameras give it, or over one of any shape."""
    signed, channels, out = net.pick(True, False), net.upto(6), net.channels(2)
    if net.pick(True, False, False):
        x = net.input("image", (channels, net.upto(net.sizes.image), net.upto(net.sizes.image)), signed=signed)
        return net.any_conv(x, out, 7, "stem")
    kernel = net.pick(1, 2, 3, 4, 5, 7)
    size = net.upto(net.sizes.image, max(kernel, 5))
    x = net.input("image", (channels, size, size), signed=signed)
    return net.conv(x, out, kernel, "stem", stride=net.upto(2), pad=net.upto(kernel // 2, 0))


def _residual(net: RandomNet, x: str, key: str) -> str:
    out = net.pick(net.shape(x)[0], net.channels(2))
    return net.basic_block(x, out, key, net.upto(2), net.pick(None, net.groups(out)))


def _depthwise(net: RandomNet, x: str, key: str) -> str:
    channels = net.shape(x)[0]
    y = net.conv(x, channels, 3, f"{key}.depth", stride=net.upto(2), pad=1, groups=channels)
    return net.activated(net.conv(net.quantize(y, f"{key}.depth.q", relu=True), net.channels(), 1, key), key, net.fn())


def _grouped(net: RandomNet, x: str, key: str) -> str:
    groups = net.groups(net.shape(x)[0])
    acc = net.any_conv(x, net.channels(groups) if groups <= net.sizes.width else groups, net.upto(4), key, groups)
    return net.activated(acc, key, net.pick("", "relu", net.fn()))


def _pool(net: RandomNet, x: str, key: str) -> str:
    return net.average(x, key) if net.pick(True, False) else net.largest(x, key)


def _rearranged(net: RandomNet, x: str, key: str) -> str:
    """An image's elements moved about: a crop, pixels as channels, axes turned, layers side by side."""
    channels, height, width = net.shape(x)
    kind = net.pick("crop", "pixels", "turned", "beside")
    if kind == "crop":
        for axis, size in enumerate((height, width), 1):
            start, stop, step = net.upto(size - 1, 0), size, net.upto(3)
            x = net.emit(net.b.slice(x, axis, start, stop, step, name=net.name(f"{key}.crop{axis}")))
        return net.quantize(x, key)
    if kind == "pixels" and height % 2 == width % 2 == 0:
        split = net.reshape(x, (channels, height // 2, 2, width // 2, 2), f"{key}.split")
        moved = net.transpose(split, net.pick((2, 4, 0, 1, 3), (0, 2, 4, 1, 3)), f"{key}.moved")
        return net.reshape(moved, (4 * channels, height // 2, width // 2), key)
    if kind == "turned":
        turned = net.transpose(x, net.pick((0, 2, 1), (1, 2, 0), (2, 0, 1)), f"{key}.turned")
        return net.activated(net.conv(turned, net.channels(), net.pick(1, 3), key, pad=1), key)
    beside = net.quantize(net.conv(x, net.pick(channels, net.channels()), 3, key, pad=1), f"{key}.q", relu=True)
    return net.join(net.pick([x, beside], [beside, x, beside]), 0, f"{key}.join")


def transformer(net: RandomNet) -> str:
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


def decoder(net: RandomNet) -> str:
    """Rows that attend to themselves and to a memory, norms behind the sums (ACT)."""
    heads = net.upto(3)
    width = net.channels(heads)
    memory = net.input("memory", (net.upto(net.sizes.tokens), net.channels()))
    x = net.input("rows", (net.upto(net.sizes.tokens), width))
    for i in range(net.upto(net.sizes.layers)):
        x = net.transformer_block(x, f"block{i}", heads, net.channels(), net.fn(), memory, net.groups(heads),
                                  net.pick("pre", "post"))  # fmt: skip
    return net.dense(x, net.channels(), "head")


def film(net: RandomNet) -> str:
    """A few convolutions over an image or a sequence, each scaled and shifted by what a vector says, and gates."""
    space = net.pick((net.upto(net.sizes.image), net.upto(net.sizes.image)), (net.upto(net.sizes.tokens),))
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
    if net.pick(True, False):  # a gate for each position, of all channels
        x = net.mul(x, _gate(net, net.conv(x, 1, 1, "where"), "where"), "attended")
    gate = _gate(net, net.linear(cond, net.shape(x)[0], "gate"), "gate")
    return net.mul(x, net.reshape(gate, (-1, *(1,) * len(space)), "gate.row"), "gated")


def _gate(net: RandomNet, acc: str, key: str) -> str:
    return net.activation(net.quantize(acc, f"{key}.q"), "sigmoid", f"{key}.s")


def sequence(net: RandomNet) -> str:
    """Convolutions and transposed ones over time, pools, norms over the channels, moves, and parts put together."""
    x = net.input("x", (net.channels(), net.upto(net.sizes.tokens)))
    for i in range(net.upto(net.sizes.layers) + 1):
        x = net.pick(_stretched, _grouped, _pool, _turned, _parted)(net, x, f"l{i}")
    return net.flatten(x, "flat") if net.pick(True, False) else x


def _stretched(net: RandomNet, x: str, key: str) -> str:
    """Behind a transposed convolution, a residual of as many channels joins in half of the cases."""
    acc = net.any_conv_transpose(x, key)
    channels, length = net.shape(acc)
    one = net.input(f"{key}.added", (channels, net.pick(1, length))) if net.pick(True, False) else None
    return net.quantize(acc, f"{key}.q", relu=net.pick(True, False), residual=one)


def _turned(net: RandomNet, x: str, key: str) -> str:
    """Rows instead of columns for a norm or a linear layer, and back."""
    rows = net.transpose(x, (1, 0), f"{key}.rows")
    done = net.layernorm(rows, key) if net.pick(True, False) else net.dense(rows, net.channels(), key, net.fn())
    return net.transpose(done, (1, 0), f"{key}.columns")


def _parted(net: RandomNet, x: str, key: str) -> str:
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
    return net.emit(net.b.slice(joined, axis, net.upto(1, 0), size, net.upto(3, 2), name=net.name(f"{key}.every")))


KINDS: dict[str, Callable[[RandomNet], str]] = {
    f.__name__: f for f in (convolutions, sequence, transformer, decoder, film, unet, loop)
}
"""Every kind of network by name."""
