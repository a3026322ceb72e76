"""The policy `vit-flow`: a vision transformer, pooled by what the instruction asks for, and a flow-matching head.

One definition, in parts that are float networks: training follows their gradients, and the policy is all of them with
the head's loop unrolled. They take their weights by layer name.
"""

from __future__ import annotations

import numpy as np

from hwgen.errors import InputError
from hwgen.graph.steps import euler, sinusoid
from hwgen.policies.config import VitFlowConfig
from hwgen.policies.policy import PIXEL
from hwgen.quantize.floats import FloatGraph, FloatNet

SEAM = "seen"
"""The tensor between encoder and head."""
EPS = 1e-3
NOISE = 2.0
"""The noise is a normal one, cut off at +-NOISE."""
TIME_SCALE = 20.0
"""The times 0 to 1 of the flow as the sinusoids see them."""


class Weights:
    """[weight, bias] and the like by layer name: those of a checkpoint, or new ones, drawn when they are asked for."""

    def __init__(self, arrays: dict[str, list[np.ndarray]] | None = None, seed: int = 0) -> None:
        self.arrays, self.new, self.rng = dict(arrays or {}), arrays is None, np.random.default_rng(seed)

    def linear(self, name: str, into: int, out: int, gain: float = 1.0) -> list[np.ndarray]:
        """[weight [in, out], bias]."""
        return self._take(name, (into, out), (out,), lambda: self._normal((into, out), gain * into**-0.5))

    def conv(self, name: str, into: int, out: int, kernel: int) -> list[np.ndarray]:
        """[weight [out, in, kernel, kernel], bias]."""
        shape = out, into, kernel, kernel
        return self._take(name, shape, (out,), lambda: self._normal(shape, (into * kernel**2) ** -0.5))

    def norm(self, name: str, width: int) -> list[np.ndarray]:
        """[gamma, beta]."""
        return self._take(name, (width,), (width,), lambda: np.ones(width))

    def table(self, name: str, first: np.ndarray) -> np.ndarray:
        """An array that is learned; first: what it is before."""
        return self._take(name, first.shape, None, lambda: first)[0]

    def _normal(self, shape: tuple[int, ...], deviation: float) -> np.ndarray:
        return self.rng.normal(0, deviation, shape)

    def _take(self, name, shape, offset, draw) -> list[np.ndarray]:
        shapes = [shape] if offset is None else [shape, offset]
        if name not in self.arrays and self.new:
            made = [draw(), *(np.zeros(s) for s in shapes[1:])]
            self.arrays[name] = [a.astype(np.float32) for a in made]
        found = [a.shape for a in self.arrays.get(name, ())]
        if found != shapes:
            raise InputError(f"policy vit-flow: the float weights of {name} have the shapes {found}, its config says "
                             f"{shapes}; retrain it")  # fmt: skip
        return self.arrays[name]


def tokens(f: FloatNet, w: Weights, c: VitFlowConfig, image: str) -> str:
    """image [3, H, W] -> what every patch shows [tokens, width]."""
    x = f.conv(image, *w.conv("patches", 3, c.width, c.patch), "patches", stride=c.patch)
    x = f.transpose(f.reshape(x, (c.width, c.tokens), "patches.flat"), (1, 0), "patches.rows")
    x = f.add(x, f.constant(w.table("places", places(c.tokens, c.width)), "places"), "placed")
    for i in range(c.blocks):
        x = _block(f, w, c, x, f"vit{i}")
    return f.layernorm(x, *w.norm("norm", c.width), EPS, "norm")


def _block(f: FloatNet, w: Weights, c: VitFlowConfig, x: str, at: str) -> str:
    """Attention and MLP, each with its LayerNorm before and the sum after."""
    y = f.layernorm(x, *w.norm(f"{at}.ln0", c.width), EPS, f"{at}.ln0")
    q, k, v = (f.linear(y, *w.linear(f"{at}.{part}", c.width, c.width), f"{at}.{part}") for part in "qkv")
    y = f.attention(q, k, v, c.heads, f"{at}.attention")
    x = f.add(x, f.linear(y, *w.linear(f"{at}.out", c.width, c.width, 0.5), f"{at}.out"), f"{at}.sum0")
    y = f.layernorm(x, *w.norm(f"{at}.ln1", c.width), EPS, f"{at}.ln1")
    y = f.linear(y, *w.linear(f"{at}.up", c.width, c.ratio * c.width, 2**0.5), f"{at}.up")
    y = f.table(y, "relu", f"{at}.relu")
    y = f.linear(y, *w.linear(f"{at}.down", c.ratio * c.width, c.width, 0.5), f"{at}.down")
    return f.add(x, y, f"{at}.sum1")


def pooled(f: FloatNet, w: Weights, c: VitFlowConfig, x: str, state: str, text: str) -> str:
    """Tokens, position and instruction -> what the head is told [seen]: attention, whose query the last two make."""
    told = f.concat([state, text], -1, "told")
    size = c.state + c.text
    q = f.reshape(f.linear(told, *w.linear("pool.q", size, c.width), "pool.q"), (1, c.width), "pool.query")
    k, v = (f.linear(x, *w.linear(f"pool.{part}", c.width, c.width), f"pool.{part}") for part in "kv")
    y = f.reshape(f.attention(q, k, v, c.heads, "pool"), (c.width,), "pool.flat")
    y = f.linear(y, *w.linear("seen.pool", c.width, c.seen), "seen.pool")
    z = f.linear(told, *w.linear("seen.told", size, c.seen), "seen.told")
    return f.table(f.add(y, z, "seen.sum"), "relu", SEAM)


def velocity(f: FloatNet, w: Weights, c: VitFlowConfig, x: str, seen: str, time: str | float, at: str) -> str:
    """Actions on their way [chunk * 3] -> where they go. seen: `inlet`'s; time: a tensor, or the time itself."""
    weight, bias = w.linear("inlet.x", c.action, c.hidden)
    told = w.linear("inlet.time", c.time, c.hidden)
    if isinstance(time, str):
        y = f.add(f.linear(x, weight, bias, "inlet.x"), f.linear(time, *told, "inlet.time"), "inlet.timed")
    else:
        y = f.linear(x, weight, bias + when(time, c.time) @ told[0] + told[1], f"{at}inlet.x")
    x = f.table(f.add(y, seen, f"{at}inlet.sum"), "relu", f"{at}inlet")
    for i in range(c.layers):
        y = f.layernorm(x, *w.norm(f"block{i}.ln", c.hidden), EPS, f"{at}block{i}.ln")
        y = f.linear(y, *w.linear(f"block{i}", c.hidden, c.hidden), f"{at}block{i}")
        x = f.add(x, f.table(y, "relu", f"{at}block{i}.relu"), f"{at}block{i}.sum")
    return f.linear(x, *w.linear("velocity", c.hidden, c.action, 0.5), f"{at}velocity")


def inlet(f: FloatNet, w: Weights, c: VitFlowConfig, seen: str) -> str:
    """What the encoder's answer adds to the head's first layer, the same in all steps."""
    return f.linear(seen, *w.linear("inlet.seen", c.seen, c.hidden), "inlet.seen")


def network(c: VitFlowConfig, w: Weights) -> FloatGraph:
    """The whole policy: image [3, H, W] in steps of 1/256, state, text, noise [chunk * 3] -> action [chunk * 3]."""
    f = FloatNet("vit-flow")
    image = f.input("image", (3, c.image, c.image), pixels=PIXEL)
    state, text = f.input("state", (c.state,)), f.input("text", (c.text,))
    x = f.input("noise", (c.action,))
    seen = inlet(f, w, c, pooled(f, w, c, tokens(f, w, c, image), state, text))
    for i, update in enumerate(euler(c.steps)):
        at = f"step{i}."
        y = f.affine(velocity(f, w, c, x, seen, update.time, at), update.model, 0.0, f"{at}part")
        x = f.add(x, y, f"{at}x")
    f.output(f.clip(x, -1.0, 1.0, "action.range"), "action")
    return f.build()


def training_parts(c: VitFlowConfig, w: Weights) -> tuple[FloatGraph, FloatGraph, FloatGraph]:
    """What training follows: image -> tokens; tokens, state, text -> seen; seen, x, time -> velocity, goal not."""
    a, b, d = FloatNet("tokens"), FloatNet("pooled"), FloatNet("velocity")
    a.output(tokens(a, w, c, a.input("image", (3, c.image, c.image))), "tokens")
    given = b.input("tokens", (c.tokens, c.width)), b.input("state", (c.state,)), b.input("text", (c.text,))
    b.output(pooled(b, w, c, *given), "seen")
    seen = inlet(d, w, c, d.input("seen", (c.seen,)))
    d.output(velocity(d, w, c, d.input("x", (c.action,)), seen, d.input("time", (c.time,)), ""), "velocity")
    return a.build(), b.build(), d.build()


def noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """What the head begins with, float64."""
    return rng.normal(0, 1, shape).clip(-NOISE, NOISE)


def when(time: np.ndarray | float, width: int) -> np.ndarray:
    """What the head is told of times 0 to 1: sines and cosines [..., width]."""
    return np.stack([sinusoid(TIME_SCALE * t, width) for t in np.ravel(time)]).reshape(*np.shape(time), width)


def places(count: int, width: int) -> np.ndarray:
    """Sines and cosines of the patches' rows and columns [count, width], to begin with."""
    side = int(count**0.5)
    one = np.stack([sinusoid(i, width // 2, 100.0) for i in range(side)])
    return 0.5 * np.concatenate([np.repeat(one, side, 0), np.tile(one, (side, 1))], 1).astype(np.float32)
