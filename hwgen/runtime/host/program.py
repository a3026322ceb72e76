"""A host program: a graph of integers that the robot's processor runs, from a package.

The description is JSON, the parameters are integer arrays:

    {"format": 1,
     "inputs": [{"name": "image", "shape": [3, 64, 64], "lo": 0, "hi": 255}, ...],
     "nodes": [{"op": "Conv2D", "inputs": ["image"], "output": "conv0", "weight": "0.weight", "stride": [2, 2], ...},
               {"op": "Requantize", "inputs": ["conv0"], "output": "relu0", "mult": [1], "bias": "1.bias", ...}, ...],
     "outputs": ["features"]}

docs/host-programs.md lists the entries of every operator.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hwgen.runtime.checks import as_array, check_names
from hwgen.runtime.errors import InputFault
from hwgen.runtime.fields import Complain
from hwgen.runtime.host import lane, matrix, moves, pool, rows
from hwgen.runtime.host.plan import Plan, TooLarge, Value, exact_float, value
from hwgen.runtime.host.reader import Arrays, Entry

FORMAT = 1
MAX_NODES, MAX_TENSORS = 4096, 64
OPS: dict[str, tuple[Callable[[Entry, Plan, list[Value]], Value], tuple[int, int]]] = {
    "Linear": (matrix.plan_linear, (1, 1)),
    "Conv1D": (matrix.plan_conv, (1, 1)),
    "Conv2D": (matrix.plan_conv, (1, 1)),
    "ConvTranspose1D": (matrix.plan_conv_transpose, (1, 1)),
    "MatMul": (matrix.plan_matmul, (2, 2)),
    "Constant": (moves.plan_constant, (0, 0)),
    "Requantize": (lane.plan_requantize, (1, 2)),
    "Lookup": (lane.plan_lookup, (1, 1)),
    "LayerNorm": (rows.plan_layernorm, (1, 1)),
    "GroupNorm": (rows.plan_groupnorm, (1, 1)),
    "Softmax": (rows.plan_softmax, (1, 1)),
    "Mul": (lane.plan_mul, (2, 2)),
    "MaxPool": (pool.plan_maxpool, (1, 1)),
    "SumPool": (pool.plan_sumpool, (1, 1)),
    "Reshape": (moves.plan_reshape, (1, 1)),
    "Flatten": (moves.plan_flatten, (1, 1)),
    "Transpose": (moves.plan_transpose, (1, 1)),
    "Concat": (moves.plan_concat, (1, MAX_TENSORS)),
    "Slice": (moves.plan_slice, (1, 1)),
}
"""Every operator: what plans it, and how many inputs it takes (least, most)."""


@dataclass(frozen=True)
class HostTensor:
    """An input or output: shape without the batch, and the range of its integers."""

    shape: tuple[int, ...]
    lo: int
    hi: int

    @property
    def dtype(self) -> np.dtype:
        """The narrowest of int8, uint8, int16, int32 that holds the range."""
        kinds = (np.int8, np.uint8, np.int16, np.int32)
        return np.dtype(next(k for k in kinds if np.iinfo(k).min <= self.lo and self.hi <= np.iinfo(k).max))


class HostProgram:
    """A parsed program, ready to run: `inputs` and `outputs` by name, `run` for one observation. work: of a run, in
    multiplications (plan.MAX_WORK is the most)."""

    def __init__(self, plan: Plan, inputs: dict[str, Value], outputs: dict[str, Value]) -> None:
        self.inputs = {name: HostTensor(v.shape, *v.ends) for name, v in inputs.items()}
        self.outputs = {name: HostTensor(v.shape, *v.ends) for name, v in outputs.items()}
        self.work = plan.work
        self._calls, self._sources, self._results = plan.calls, inputs, outputs
        self._lock = threading.Lock()

    @staticmethod
    def parse(description: object, arrays: Mapping[str, np.ndarray], where: str, complain: Complain) -> HostProgram:
        """Check everything and plan all work: afterwards no run can overflow or fail but for its inputs.

        `arrays`: integers, by the names that the description uses. Raises complain(where, reason) for any fault, and
        for a program that needs too much memory or time.
        """
        store, plan = Arrays(arrays, where, complain), Plan()
        try:
            return _parse(Entry(description, where, store), plan)
        except (TooLarge, MemoryError) as error:
            raise complain(where, str(error) or "needs more memory than there is") from None

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """{name: integers [*shape]} -> {name: new array [*shape] of HostTensor.dtype}. One thread at a time runs,
        others wait. Raises InputFault for a name, shape, dtype or value that is not the program's."""
        arrays = self._arrays(inputs)
        for name, x in arrays.items():
            self._check(name, x, self.inputs[name].shape)
        with self._lock:
            return self._run(arrays)

    def run_batch(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The same for arrays [B, *shape], one observation after the other."""
        arrays = self._arrays(inputs)
        counts = {len(x) if x.ndim else 0 for x in arrays.values()}
        if len(counts) != 1 or 0 in counts:
            raise InputFault("a batch must have the same number of observations, at least one, in every input")
        batch = counts.pop()
        for name, x in arrays.items():
            self._check(name, x, (batch, *self.inputs[name].shape))
        out = {name: np.empty((batch, *t.shape), t.dtype) for name, t in self.outputs.items()}
        with self._lock:
            for i in range(batch):
                for name, made in self._run({name: x[i] for name, x in arrays.items()}).items():
                    out[name][i] = made
        return out

    def _run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, x in inputs.items():
            np.copyto(self._sources[name].data, x)
        for call in self._calls:
            call()
        return {name: v.data.astype(self.outputs[name].dtype) for name, v in self._results.items()}

    def _arrays(self, inputs: Mapping[str, object]) -> dict[str, np.ndarray]:
        check_names(inputs, self.inputs, "the host program is given", "it takes")
        return {name: as_array(f"input '{name}' of the host program", inputs[name]) for name in self.inputs}

    def _check(self, name: str, x: np.ndarray, shape: tuple[int, ...]) -> None:
        tensor, what = self.inputs[name], f"input '{name}' of the host program"
        if x.shape != shape or x.dtype.kind not in "iu":
            raise InputFault(f"{what} is {x.dtype} {x.shape}; give integers of shape {shape}")
        info = np.iinfo(x.dtype)
        if (info.min < tensor.lo or info.max > tensor.hi) and (x.min() < tensor.lo or x.max() > tensor.hi):
            raise InputFault(f"{what} leaves its range {tensor.lo}..{tensor.hi}")


def _parse(f: Entry, plan: Plan) -> HostProgram:
    f.integer("format", FORMAT, FORMAT)
    inputs = _parse_inputs(f, plan)
    values = dict(inputs)
    nodes = f.get("nodes")
    f.need("nodes", isinstance(nodes, list) and len(nodes) <= MAX_NODES, f"a list of at most {MAX_NODES} nodes")
    for i, node in enumerate(nodes):
        _parse_node(Entry(node, f"{f.path('nodes')}[{i}]", f.arrays), plan, values)
    outputs = f.names("outputs", MAX_TENSORS)
    f.need("outputs", len(set(outputs)) == len(outputs) and set(outputs) <= set(values), "names of tensors, each once")
    f.done()
    f.arrays.done()
    return HostProgram(plan, inputs, {name: values[name] for name in outputs})


def _parse_inputs(f: Entry, plan: Plan) -> dict[str, Value]:
    entries, inputs = f.get("inputs"), {}
    f.need("inputs", isinstance(entries, list) and 1 <= len(entries) <= MAX_TENSORS, f"a list of 1 to {MAX_TENSORS}")
    for i, entry in enumerate(entries):
        tensor = Entry(entry, f"{f.path('inputs')}[{i}]", f.arrays)
        name, shape, (lo, hi) = tensor.text("name"), tensor.shape("shape"), tensor.clamp()
        tensor.need("name", name not in inputs, "a name that no other input has")
        tensor.done()
        inputs[name] = value(plan.buffer(shape, exact_float(max(abs(lo), abs(hi)))), lo, hi)
    return inputs


def _parse_node(f: Entry, plan: Plan, values: dict[str, Value]) -> None:
    planner, (least, most) = OPS[f.choice("op", tuple(OPS))]
    names = f.names("inputs", most, least)
    for name in names:
        f.need("inputs", name in values, "names of inputs or of outputs of earlier nodes")
    output = f.text("output")
    f.need("output", output not in values, "a name that no other tensor has")
    values[output] = planner(f, plan, [values[name] for name in names])
    f.done()
