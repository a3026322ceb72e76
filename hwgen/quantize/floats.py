"""A network in float: what checkpoints and ONNX files become before they are quantized.

f = FloatNet("head")
x = f.input("x", (64,))
x = f.table(f.linear(x, weight, bias, "fc0"), "relu", "fc0.relu")
f.output(f.linear(x, weight1, bias1, "fc1"), "y")
graph = f.build()
graph.run({"x": batch})["y"]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np

from hwgen.errors import GraphError, InputError
from hwgen.graph.activations import FUNCTIONS
from hwgen.graph.builder import as_tuple
from hwgen.graph.node import Shape
from hwgen.quantize import float_ops as ops


@dataclass
class FloatGraph:
    """nodes: in order. inputs: shapes by name. outputs: tensor names by output name. shapes: of every tensor.

    pixels: inputs that are unsigned bytes, and what one step of them stands for.
    """

    name: str
    inputs: dict[str, Shape] = field(default_factory=dict)
    nodes: list[ops.Float] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    pixels: dict[str, float] = field(default_factory=dict)

    def readers(self) -> dict[str, int]:
        """How often each tensor is read, as an output of the graph, too."""
        counts = dict.fromkeys(self.shapes, 0)
        for name in (*(i for node in self.nodes for i in node.inputs), *self.outputs.values()):
            counts[name] += 1
        return counts

    def steps(self, inputs: dict[str, np.ndarray]) -> Iterator[tuple[ops.Float, dict[str, np.ndarray]]]:
        """Run node by node: yields (node, values), the values holding what later nodes and this one read."""
        values, left = dict(inputs), self.readers()
        for node in self.nodes:
            values[node.name] = node.compute(*(values[i] for i in node.inputs))
            yield node, values
            for name in node.inputs:
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)

    def run(self, inputs: dict[str, np.ndarray], keep: bool = False) -> dict[str, np.ndarray]:
        """float32 outputs by name (keep: all tensors) for inputs [batch, *shape]. Raises InputError."""
        if set(inputs) != set(self.inputs):
            raise InputError(f"{self.name} has the inputs {sorted(self.inputs)}, not {sorted(inputs)}")
        values = {k: np.asarray(v, np.float32) for k, v in inputs.items()}
        batch, kept = len(next(iter(values.values()))), dict(values)
        for node, now in self.steps(values):
            if keep or node.name in self.outputs.values():
                kept[node.name] = now[node.name]
        wide = {k: np.broadcast_to(v, (batch, *v.shape[1:])) for k, v in kept.items()}
        return wide if keep else {name: wide[source] for name, source in self.outputs.items()}


class FloatNet:
    """Builds a FloatGraph; every method that makes a tensor takes its name last and returns it."""

    def __init__(self, name: str):
        self.graph = FloatGraph(name)

    def build(self) -> FloatGraph:
        """The finished graph. Raises GraphError when it has no input or output."""
        if not (self.graph.inputs and self.graph.outputs):
            raise GraphError(f"network {self.graph.name!r} has no inputs or no outputs; it needs both")
        return self.graph

    def shape(self, x: str) -> Shape:
        """A tensor's shape."""
        return self.graph.shapes[x]

    def input(self, name: str, shape: Shape, pixels: bool | float = False) -> str:
        """An input in real units; pixels: a camera's bytes, divided by 255, or times the number given."""
        self.graph.inputs[name] = self.graph.shapes[name] = tuple(shape)
        if pixels:
            self.graph.pixels[name] = 1 / 255 if pixels is True else float(pixels)
        return name

    def output(self, x: str, name: str) -> str:
        """Mark an output."""
        self.graph.outputs[name] = x
        return x

    def constant(self, value: np.ndarray, name: str) -> str:
        """An array that every observation shares."""
        return self.add_node(ops.Constant(name=name, value=f32(value)))

    def linear(self, x: str, weight: np.ndarray, bias: np.ndarray | None, name: str) -> str:
        """x[..., in] @ weight[in, out] + bias."""
        return self.add_node(ops.Linear(name=name, inputs=(x,), weight=f32(weight), bias=f32(bias)))

    def conv(self, x: str, weight: np.ndarray, bias: np.ndarray | None, name: str, stride: int | tuple = 1,
             pads: int | tuple = 0, dilation: int | tuple = 1, groups: int = 1) -> str:  # fmt: skip
        """x[C, *space] with weight[out, C / groups, *kernel]; pads: one number, or begins and then ends."""
        n = np.ndim(weight) - 2
        if n not in (1, 2):
            raise GraphError(f"convolution {name!r} has {n} spatial axes; 1 or 2 are possible")
        window = {"stride": as_tuple(stride, n), "pads": as_tuple(pads, 2 * n), "dilation": as_tuple(dilation, n)}
        parameters = {"weight": f32(weight), "bias": f32(bias), "groups": groups}
        return self.add_node(ops.Conv(name=name, inputs=(x,), **window, **parameters))

    def conv_transpose(self, x: str, weight: np.ndarray, bias: np.ndarray | None, name: str, stride: int = 1,
                       pads: int | tuple = 0, output_padding: int = 0, groups: int = 1) -> str:  # fmt: skip
        """x[C, T] with weight[C, out / groups, k]."""
        if np.ndim(weight) != 3:
            raise GraphError(f"transposed convolution {name!r} has {np.ndim(weight) - 2} spatial axes; 1 is possible")
        window = {"stride": stride, "pads": as_tuple(pads, 2), "output_padding": output_padding, "groups": groups}
        node = ops.ConvTranspose(name=name, inputs=(x,), weight=f32(weight), bias=f32(bias), **window)
        return self.add_node(node)

    def matmul(self, a: str, b: str, name: str) -> str:
        """a[..., i, k] @ b[..., k, j]."""
        return self.add_node(ops.MatMul(name=name, inputs=(a, b)))

    def add(self, a: str, b: str, name: str) -> str:
        """a + b, broadcast."""
        return self.add_node(ops.Add(name=name, inputs=(a, b)))

    def mul(self, a: str, b: str, name: str) -> str:
        """a * b, broadcast."""
        return self.add_node(ops.Mul(name=name, inputs=(a, b)))

    def affine(self, x: str, gain: np.ndarray | float, bias: np.ndarray | float, name: str, axis: int = -1) -> str:
        """x * gain + bias, each one number or one per channel along `axis`."""
        axis = axis - len(self.shape(x)) if axis >= 0 else axis
        return self.add_node(ops.Affine(name=name, inputs=(x,), gain=f32(gain), bias=f32(bias), axis=axis))

    def table(self, x: str, fn: str | Callable[[np.ndarray], np.ndarray], name: str) -> str:
        """A function of every element: a name of activations.FUNCTIONS, or float64 -> float64."""
        if isinstance(fn, str) and fn not in FUNCTIONS:
            raise GraphError(f"{name!r}: function {fn!r} is unknown; known are {', '.join(sorted(FUNCTIONS))}")
        label, fn = (fn, FUNCTIONS[fn]) if isinstance(fn, str) else (ops.function_name(fn), fn)
        return self.add_node(ops.Table(name=name, inputs=(x,), fn=fn, label=label))

    def clip(self, x: str, lo: float, hi: float, name: str) -> str:
        """Not below lo, not above hi."""
        return self.add_node(ops.Clip(name=name, inputs=(x,), lo=float(lo), hi=float(hi)))

    def layernorm(self, x: str, gamma: np.ndarray | float, beta: np.ndarray | float, eps: float, name: str,
                  rms: bool = False) -> str:  # fmt: skip
        """LayerNorm (rms: RMSNorm) over the last axis."""
        lane = {"gamma": f32(gamma), "beta": f32(beta), "eps": float(eps)}
        return self.add_node(ops.LayerNorm(name=name, inputs=(x,), rms=rms, **lane))

    def groupnorm(self, x: str, groups: int, gamma: np.ndarray | float, beta: np.ndarray | float, eps: float,
                  name: str) -> str:  # fmt: skip
        """GroupNorm of x[C, *space]."""
        lane = {"gamma": f32(gamma), "beta": f32(beta), "eps": float(eps)}
        return self.add_node(ops.GroupNorm(name=name, inputs=(x,), groups=groups, **lane))

    def softmax(self, x: str, name: str) -> str:
        """Softmax over the last axis."""
        return self.add_node(ops.Softmax(name=name, inputs=(x,)))

    def maxpool(self, x: str, kernel: int | tuple, name: str, stride: int | tuple | None = None,
                pads: int | tuple = 0) -> str:  # fmt: skip
        """Largest value of each window."""
        return self._pool(x, kernel, stride, pads, name, mean=False)

    def avgpool(self, x: str, name: str, kernel: int | tuple | None = None, stride: int | tuple | None = None,
                pads: int | tuple = 0) -> str:  # fmt: skip
        """Mean of each window, padding counts as 0; without a kernel, of everything."""
        return self._pool(x, self.shape(x)[1:] if kernel is None else kernel, stride, pads, name, mean=True)

    def _pool(self, x: str, kernel, stride, pads, name: str, mean: bool) -> str:
        n = len(self.shape(x)) - 1
        kernel = as_tuple(kernel, n)
        window = {"kernel": kernel, "stride": as_tuple(stride or kernel, n), "pads": as_tuple(pads, 2 * n)}
        return self.add_node(ops.Pool(name=name, inputs=(x,), mean=mean, **window))

    def reshape(self, x: str, shape: Shape, name: str) -> str:
        """Row-major order stays; one axis may be -1."""
        rest = -prod(shape)
        shape = tuple(prod(self.shape(x)) // rest if n == -1 and rest > 0 else int(n) for n in shape)
        return self.add_node(ops.Reshape(name=name, inputs=(x,), shape=shape))

    def transpose(self, x: str, perm: tuple[int, ...], name: str) -> str:
        """Reorder the axes."""
        return self.add_node(ops.Transpose(name=name, inputs=(x,), perm=tuple(perm)))

    def concat(self, xs: list[str], axis: int, name: str) -> str:
        """One after the other."""
        axis = axis - len(self.shape(xs[0])) if axis >= 0 else axis
        return self.add_node(ops.Concat(name=name, inputs=tuple(xs), axis=axis))

    def slice(self, x: str, axis: int, start: int, stop: int, name: str, step: int = 1) -> str:
        """x[start:stop:step] along an axis."""
        axis = axis - len(self.shape(x)) if axis >= 0 else axis
        return self.add_node(ops.Slice(name=name, inputs=(x,), axis=axis, start=start, stop=stop, step=step))

    def attention(self, q: str, k: str, v: str, heads: int, name: str) -> str:
        """softmax(q k^T / sqrt(d)) v for each head: q[T, heads * d], k[S, heads * d], v[S, heads * e] ->
        [T, heads * e]."""
        rows, width = self.shape(q)
        if width % heads:
            raise GraphError(f"attention {name!r}: {heads} heads must divide the width {width}; change one of them")
        q, k, v = (self._split(x, heads, f"{name}.{part}") for x, part in ((q, "queries"), (k, "keys"), (v, "values")))
        logits = self.matmul(q, self.transpose(k, (0, 2, 1), f"{name}.keys.t"), f"{name}.logits")
        logits = self.affine(logits, (width // heads) ** -0.5, 0.0, f"{name}.scaled")
        y = self.matmul(self.softmax(logits, f"{name}.softmax"), v, f"{name}.mix")
        return self.reshape(self.transpose(y, (1, 0, 2), f"{name}.merge"), (rows, -1), name)

    def _split(self, x: str, heads: int, name: str) -> str:
        rows, width = self.shape(x)
        return self.transpose(self.reshape(x, (rows, heads, width // heads), f"{name}.split"), (1, 0, 2), name)

    def add_node(self, node: ops.Float) -> str:
        """Append a node that was made elsewhere. Raises GraphError when it does not fit, naming it."""
        if node.name in self.graph.shapes:
            raise GraphError(f"node {node.name!r} ({node.op}): a tensor of this name exists already")
        try:
            shape = node.out_shape([self.graph.shapes[i] for i in node.inputs])
        except KeyError as e:
            raise GraphError(f"node {node.name!r} ({node.op}) reads {e}, which does not exist; make it first") from None
        except ValueError as e:
            raise GraphError(f"node {node.name!r} ({node.op}): {e}") from None
        self.graph.nodes.append(node)
        self.graph.shapes[node.name] = tuple(shape)
        return node.name


def f32(x: np.ndarray | float | None) -> np.ndarray | None:
    """As a float32 array; None stays."""
    return None if x is None else np.asarray(x, np.float32)
