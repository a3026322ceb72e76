"""The demo policy's float half as one float network, from its checkpoint: what quantization after training starts from.

It is `FloatPolicy` node for node. Inputs: image [3, H, W] in steps of 1/256 (a camera's bytes), state, text; output:
action [chunk * 3].
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwgen.policies.float_forward import FILM_RANGE, RANGE
from hwgen.policies.policy import PIXEL
from hwgen.quantize.floats import FloatGraph, FloatNet

if TYPE_CHECKING:
    from hwgen.policies.demo import Demo


def network(demo: Demo) -> FloatGraph:
    """The float policy."""
    c, f = demo.config, FloatNet("demo")
    f.input("image", (3, c.image, c.image), pixels=PIXEL)
    state, text = f.input("state", (c.state,)), f.input("text", (c.text,))
    vector = f.concat([_features(demo, f, text), state, text], -1, "vector")
    x = _dense(demo, f, vector, "inlet")
    x = f.clip(x, 0.0, RANGE, "inlet.range")
    for i in range(c.blocks):
        y = f.layernorm(x, *demo.weights[f"block{i}_ln"], c.norm_eps, f"block{i}_ln") if c.norm else x
        y = _dense(demo, f, y, f"block{i}")
        y = f.table(y, "relu", f"block{i}.relu") if c.norm else y
        x = f.clip(f.add(x, y, f"block{i}.sum"), 0.0, RANGE, f"block{i}.range")
    f.output(_dense(demo, f, x, "action.fc"), "action")
    return f.build()


def _features(demo: Demo, f: FloatNet, text: str) -> str:
    c, x = demo.config, "image"
    last = len(c.widths) - 1
    for i in range(last + 1):
        kernel, bias = demo.weights[f"conv{i}"]  # [kh, kw, in, out]; one row and column of zeros at the far end
        x = f.conv(x, kernel.transpose(3, 2, 0, 1), bias, f"conv{i}", stride=2, pads=(0, 0, 1, 1))
        if i > last - c.film:
            scale, shift = (_film(demo, f, text, f"film{i}_{part}") for part in ("scale", "shift"))
            x = f.mul(f.clip(x, -RANGE, RANGE, f"conv{i}.range"), scale, f"film{i}.product")
            x = f.add(x, shift, f"film{i}")
        x = f.clip(x, 0.0, 2.0**c.vector_integer if i == last else RANGE, f"conv{i}.out")
    return f.reshape(x, (-1,), "features")


def _film(demo: Demo, f: FloatNet, text: str, name: str) -> str:
    y = f.clip(_dense(demo, f, text, name), -FILM_RANGE, FILM_RANGE, f"{name}.range")
    return f.reshape(y, (*f.shape(y), 1, 1), f"{name}.map")


def _dense(demo: Demo, f: FloatNet, x: str, name: str) -> str:
    kernel, bias = demo.weights[name.removesuffix(".fc")]
    return f.linear(x, kernel, bias, name)
