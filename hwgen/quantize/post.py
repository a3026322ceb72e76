"""Post-training quantization: a float network and calibration data become an integer graph.

result = quantize(graph, {"obs": array}, Options(bits=4))
result.graph, result.layers

Float network and integer graph grow side by side on the calibration data: every tensor's scale is set from the float
values, and what the integers of a layer are off by on average, the errors of all layers before it included, is taken
out of its bias.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hwgen.errors import HwgenError, InputError, UnsupportedError
from hwgen.graph import Graph
from hwgen.quantize import calibration, sensitivity
from hwgen.quantize import float_ops as ops
from hwgen.quantize.accuracy import Layer, measure
from hwgen.quantize.bits import by_layer
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.grids import METHODS, activation_grid
from hwgen.quantize.growing import Growing
from hwgen.quantize.pending import Pending
from hwgen.quantize.problems import complain
from hwgen.quantize.rounding import round_weight

BITS = (2, 3, 4, 8)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Options:
    """bits: of weights; "auto": 4, and 8 in the layers where 4 hurt most; or by layer, see bits.groups. method: see
    grids.METHODS.

    percentile: of magnitudes, for the method of that name. correct: take mean errors out of biases.
    compensate: round weights so that a layer's sums stay (see rounding.py), not each for itself. target: with
    "auto", the signal-to-noise ratio in dB that 4-bit weights leave at every output.
    """

    bits: int | str | Mapping[str, int] = 8
    method: str = "mse"
    percentile: float = 99.99
    correct: bool = True
    compensate: bool = True
    target: float = 20.0

    def check(self) -> None:
        """Raises InputError that names every option that is wrong."""
        problems = []
        each = isinstance(self.bits, Mapping)
        given, possible = (self.bits.values(), BITS) if each else ([self.bits], (*BITS, "auto"))
        problems += [f"bits is {bits!r}; 2, 3, 4, 8 and auto are possible" for bits in given if bits not in possible]
        if self.method not in METHODS:
            problems.append(f"method is {self.method!r}; {', '.join(METHODS)} are possible")
        if not 50 < self.percentile <= 100:
            problems.append(f"percentile is {self.percentile}; it must be above 50 and at most 100")
        if not np.isfinite(self.target):
            problems.append(f"target is {self.target}; give a number of dB, such as 20")
        complain(problems, "options", InputError)


@dataclass
class Result:
    """graph: integers. layers: accuracy of every tensor, in order. outputs: of the outputs. seconds: it took."""

    graph: Graph
    layers: list[Layer] = field(default_factory=list)
    outputs: list[Layer] = field(default_factory=list)
    seconds: float = 0.0


def quantize(graph: FloatGraph, data: dict[str, np.ndarray], options: Options | None = None,
             progress: Progress | None = None) -> Result:  # fmt: skip
    """The integer graph of a float network; data: float arrays [N, *shape] by input name.

    progress(stage, done, total) is called for every node. Raises InputError for wrong data or options, UnsupportedError
    (naming all of them) for nodes that have no integer form.
    """
    options, say, start = options or Options(), progress or (lambda *_: None), time.perf_counter()
    options.check()
    data = calibration.check(data, graph)
    with np.errstate(all="ignore"):  # what is no number is reported with its node
        bits = _bits(graph, data, options, say)
        made = Quantizer(graph, data, options, bits).run(say)
    made.seconds = time.perf_counter() - start
    return made


def _bits(graph: FloatGraph, data: dict[str, np.ndarray], options: Options, say: Progress) -> dict[str, int]:
    """Weight bits by layer."""
    if options.bits == "auto":
        return sensitivity.choose(graph, data, options.target, say)
    if isinstance(options.bits, Mapping):
        return by_layer(graph, options.bits)
    return {n.name: int(options.bits) for n in graph.nodes if isinstance(n, ops.Weighted)}


class Quantizer:
    """Goes through a float network once; see the module."""

    def __init__(self, graph: FloatGraph, data: dict[str, np.ndarray], options: Options, bits: dict[str, int]) -> None:
        self.graph, self.data, self.options, self.bits = graph, data, options, bits
        self.left = graph.readers()
        self.signed = _keys_and_values(graph)
        self.new = Growing(graph.name, list(graph.outputs))
        self.made: dict[str, Pending] = {}
        self.weights: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self.layers: list[Layer] = []

    def run(self, say: Progress) -> Result:
        """The result; raises UnsupportedError with everything that has no integer form."""
        broken = {n.name for n in self.graph.nodes if not all(_finite(a) for a in vars(n).values())}
        problems = [f"node {n.name!r} ({n.op}): its weights hold NaN or infinity; train it again"
                    for n in self.graph.nodes if n.name in broken]  # fmt: skip
        for name in self.graph.inputs:
            self._input(name)
        for i, (node, values) in enumerate(self.graph.steps(self.data)):
            say("quantize", i, len(self.graph.nodes))
            try:
                if node.name in broken or any(name not in self.made for name in node.inputs):
                    continue  # it, or what made them, is reported
                if not _finite(values[node.name]):
                    raise UnsupportedError(f"node {node.name!r} ({node.op}): it gives NaN or infinity for the "
                                           "calibration data; give it in the units of training")  # fmt: skip
                self.made[node.name] = HANDLERS[node.op](self, node, values[node.name])
            except HwgenError as error:
                problems.append(str(error))
            for name in node.inputs:
                self.left[name] -= 1
            self.made = {k: p for k, p in self.made.items() if self.left[k] > 0}
            self.new.forget({name for p in self.made.values() for name in p.needs()})
        complain(problems, "network")
        say("quantize", len(self.graph.nodes), len(self.graph.nodes))
        outputs = self._outputs()
        return Result(self.new.b.build(), self.layers, outputs)

    # -- edges -------------------------------------------------------------------------------------------------

    def _input(self, name: str) -> None:
        real = self.data[name]
        if name in self.graph.pixels:
            form = {"signed": False, "scale": self.graph.pixels[name]}
        else:
            method = "minmax" if self.options.method == "minmax" else "percentile"
            form = activation_grid(real, bool(real.min() < 0), method, self.options.percentile).form()
        self.new.input(name, self.graph.inputs[name], real, form)
        self.made[name] = Pending(name, name, real)

    def _outputs(self) -> list[Layer]:
        found = {name: self.integers(source) for name, source in self.graph.outputs.items()}
        rows = [measure(name, "output", 0, self.made[self.graph.outputs[name]].real, self.new.real(x), -1)
                for name, x in found.items()]  # fmt: skip
        renamed: dict[str, str] = {}
        for name, x in found.items():
            renamed.setdefault(x, self.new.b.output_copy(renamed.get(x, x), name))
        return rows

    # -- from pending to integers ------------------------------------------------------------------------------

    def take(self, name: str) -> Pending:
        """A tensor that may still be changed, because nothing else reads it; otherwise its integers."""
        pending = self.made[name]
        if self.left[name] > 1 or name in self.graph.outputs.values():
            self.integers(name)
            return Pending(name, pending.base, pending.real)
        return pending

    def integers(self, name: str, form: dict | None = None) -> str:
        """The 8-bit integers of a tensor, rounded now if they were not; form: signedness and scale that they must have.

        Keys and values of attention are signed, whatever they are.
        """
        pending = self.made[name]
        fixed = form or None
        if not pending.done:
            form = form or self.grid(pending.real, not pending.positive or name in self.signed)
            pending.base = self.new.settle(pending, form, self._fresh(name))
            self._measure(name, pending)
            pending.settled()
        elif name in self.signed and not self.new.b.tensor(pending.base).dtype.signed:
            fixed = self.grid(pending.real, True)
        t = self.new.b.tensor(pending.base)
        if fixed and (t.dtype.signed, t.scale) != (fixed["signed"], float(np.float32(fixed["scale"]))):
            return self.new.requantize(pending.base, fixed, self._fresh(f"{name}.same"))
        return pending.base

    def grid(self, real: np.ndarray, signed: bool) -> dict:
        """Signedness and scale for these values."""
        return activation_grid(real, signed, self.options.method, self.options.percentile).form()

    def _fresh(self, name: str) -> str:
        return self.new.fresh(name)

    def _measure(self, name: str, pending: Pending) -> None:
        real = self.new.real(pending.base)
        self.layers.append(measure(name, pending.op, pending.bits, pending.real, real, pending.axis))

    # -- layers ------------------------------------------------------------------------------------------------

    def weighted(self, node: ops.Weighted, real: np.ndarray) -> Pending:
        """A layer with weights; its bias takes the mean error away"""
        x, bits = self.integers(node.inputs[0]), self.bits[node.name]
        key = id(node.weight), bits
        if key not in self.weights:
            seen = self.new.real(x) if self.options.compensate else None
            self.weights[key] = round_weight(node, node.weight, bits, self.options.method, seen)
        ints, scale = self.weights[key]
        bias = np.zeros(len(scale)) if node.bias is None else np.asarray(node.bias, np.float64)
        acc = self.new.weighted(node, x, ints, scale, bits, self._fresh(node.name))
        if self.options.correct:
            others = tuple(i for i in range(real.ndim) if i != real.ndim + node.axis)
            bias = bias + (real.mean(others, np.float64) - self.new.real(acc).mean(others) - bias)
        return Pending(node.name, acc, real, node.op, bits, bias=bias, axis=node.axis, done=False)

    def matmul(self, node: ops.MatMul, real: np.ndarray) -> Pending:
        """A product of two tensors"""
        return self.open(node, real, self.new.matmul(*map(self.integers, node.inputs), self._fresh(node.name)))

    def mul(self, node: ops.Mul, real: np.ndarray) -> Pending:
        """A product element by element, exact until something is added to it"""
        return self.open(node, real, self.new.product(*map(self.integers, node.inputs), self._fresh(node.name)))

    def pool(self, node: ops.Pool, real: np.ndarray) -> Pending:
        """Sums of windows that are divided when they are rounded, or largest values"""
        x = self.integers(node.inputs[0])
        window = (node.kernel, node.stride, node.pads)
        name = self._fresh(node.name)
        if not node.mean:
            return self.closed(node, real, self.new.run(self.new.b.maxpool(x, *window, name=name)))
        pending = self.open(node, real, self.new.run(self.new.b.sumpool(x, *window, name=name)))
        pending.gain = np.float64(1 / np.prod(node.kernel))
        pending.positive = not self.new.b.tensor(x).dtype.signed
        return pending

    def norm(self, node: ops.LayerNorm | ops.GroupNorm, real: np.ndarray) -> Pending:
        """LayerNorm and GroupNorm, whose lane is set when it is known what follows"""
        x = self.integers(node.inputs[0])
        return Pending(node.name, x, real, node.op, make=lambda form, name: self.new.norm(node, x, form, name),
                       done=False)  # fmt: skip

    def softmax(self, node: ops.Softmax, real: np.ndarray) -> Pending:
        """Softmax, on the grid that its largest results need"""
        x = self.integers(node.inputs[0])
        form = {"signed": node.name in self.signed, "scale": self.grid(real, False)["scale"]}
        return self.closed(node, real, self.new.run(self.new.b.softmax(x, **form, name=self._fresh(node.name))))

    def table(self, node: ops.Table, real: np.ndarray) -> Pending:
        """ReLU goes along with what makes its input; other functions are tables"""
        source = node.inputs[0]
        if node.label == "relu":
            pending = self.take(source)
            return pending.clipped(node.name, real, 0.0, np.inf, self)
        x = self.integers(source)
        t = self.new.b.tensor(x)
        codes = np.arange(t.dtype.lo, t.dtype.hi + 1) * float(t.scale)
        with np.errstate(all="ignore"):
            signed = bool(np.nanmin(node.fn(codes)) < 0)
        form = self.grid(real, signed or node.name in self.signed)
        fn = node.label if node.label not in ("", "function") else node.fn
        y = self.closed(node, real, self.new.run(self.new.b.activation(x, fn, **form, name=self._fresh(node.name))))
        self._measure(node.name, y)
        return y

    def clip(self, node: ops.Clip, real: np.ndarray) -> Pending:
        """Bounds go along with what makes the input"""
        return self.take(node.inputs[0]).clipped(node.name, real, node.lo, node.hi, self)

    def affine(self, node: ops.Affine, real: np.ndarray) -> Pending:
        """A gain and an offset go along with what makes the input"""
        return self.take(node.inputs[0]).scaled(node, real, self)

    def add(self, node: ops.Add, real: np.ndarray) -> Pending:
        """A sum is rounded once: one term as it is made, the other as 8-bit integers"""
        a, b = node.inputs
        shape = self.graph.shapes[node.name]
        fits = [x for x in (a, b) if self.graph.shapes[x] == shape]
        if not fits:
            raise UnsupportedError(f"node {node.name!r} (Add): its terms {self.graph.shapes[a]} and "
                                   f"{self.graph.shapes[b]} both repeat; expand one of them before")  # fmt: skip
        if a == b:
            return self.take(a).scaled(ops.Affine(name=node.name, gain=np.float32(2), bias=np.float32(0)), real, self)
        first = max(fits, key=lambda x: (self.left[x] == 1 and self.made[x].may_add(), x == b))
        second = self.integers(b if first == a else a)
        return self.take(first).plus(node.name, second, real, self)

    # -- moves -------------------------------------------------------------------------------------------------

    def constant(self, node: ops.Constant, real: np.ndarray) -> Pending:
        """On the grid that its readers need"""
        return Pending(node.name, "", real, node.op, positive=False, done=False,
                       make=lambda form, name: self.new.constant(node.value, form, name))  # fmt: skip

    def move(self, node: ops.Float, real: np.ndarray) -> Pending:
        """Reshape, Transpose, Slice"""
        x, name, b = self.integers(node.inputs[0]), self._fresh(node.name), self.new.b
        if isinstance(node, ops.Reshape):
            y = b.reshape(x, node.shape, name=name)
        elif isinstance(node, ops.Transpose):
            y = b.transpose(x, node.perm, name=name)
        else:
            y = b.slice(x, node.axis, node.start, node.stop, node.step, name=name)
        return self.closed(node, real, self.new.run(y))

    def concat(self, node: ops.Concat, real: np.ndarray) -> Pending:
        """All parts on one grid"""
        form = self.grid(real, node.name in self.signed or not all(self._positive(x) for x in node.inputs))
        parts = [self.integers(x, form) for x in node.inputs]
        return self.closed(node, real, self.new.run(self.new.b.concat(parts, node.axis, name=self._fresh(node.name))))

    def _positive(self, name: str) -> bool:
        pending = self.made[name]
        return pending.positive if not pending.done else not self.new.b.tensor(pending.base).dtype.signed

    def open(self, node: ops.Float, real: np.ndarray, acc: str) -> Pending:
        """Sums that are not rounded yet."""
        return Pending(node.name, acc, real, node.op, done=False)

    def closed(self, node: ops.Float, real: np.ndarray, x: str) -> Pending:
        """8-bit integers."""
        return Pending(node.name, x, real, node.op)


def _finite(value: object) -> bool:
    """False of an array with NaN or infinity."""
    return not isinstance(value, np.ndarray) or bool(np.isfinite(value).all())


def _keys_and_values(graph: FloatGraph) -> set[str]:
    """Tensors that must be signed: second factors of products, and what only moves on the way there."""
    signed = {n.inputs[1] for n in graph.nodes if isinstance(n, ops.MatMul)}
    for node in reversed(graph.nodes):
        if node.name in signed and isinstance(node, (ops.Reshape, ops.Transpose, ops.Slice, ops.Concat)):
            signed.update(node.inputs)
        if node.name in signed and isinstance(node, ops.Pool) and not node.mean:
            signed.update(node.inputs)
    return signed


Q = Quantizer
HANDLERS = {
    "Linear": Q.weighted, "Conv": Q.weighted, "ConvTranspose": Q.weighted, "MatMul": Q.matmul, "Mul": Q.mul,
    "Pool": Q.pool, "LayerNorm": Q.norm, "GroupNorm": Q.norm, "Softmax": Q.softmax, "Table": Q.table, "Clip": Q.clip,
    "Affine": Q.affine, "Add": Q.add, "Constant": Q.constant, "Reshape": Q.move, "Transpose": Q.move, "Slice": Q.move,
    "Concat": Q.concat,
}  # fmt: skip
"""What each operator of a float network becomes: function(quantizer, node, float values) -> pending tensor."""
