"""Reading an ONNX file: constants, nodes in order and only those that matter, with errors that say what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
from onnx import numpy_helper

from hwgen.errors import GraphError, InputError, UnsupportedError
from hwgen.graph.importer.values import Shape

SMALL = {"BIPOLAR": (2, True), "TERNARY": (2, True), "BINARY": (2, False)}
"""QONNX datatypes below 2 bits, and the (bits, signed) that holds them."""


@dataclass
class OnnxNode:
    """One ONNX node. label names it in errors: its name, or its first output where it has none."""

    op: str
    domain: str
    label: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, object]
    opset: int
    proto: onnx.NodeProto = field(repr=False, default=None)

    def unsupported(self, why: str) -> NoReturn:
        """Raise UnsupportedError naming this node. `why` gives the reason and the way out."""
        raise UnsupportedError(f"node {self.label!r} ({self.op}): {why}")

    def damaged(self, error: Exception) -> UnsupportedError:
        """What is said where reading this node ended in `error`, one of errors.DAMAGE."""
        reason = " ".join(f"{type(error).__name__} {error}".split())
        return UnsupportedError(
            f"node {self.label!r} ({self.op}): its inputs, attributes and shapes do not fit together ({reason}); "
            "export the model again"
        )

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front. Raises UnsupportedError where there is none of that number."""
        if not -rank <= axis < rank:
            self.unsupported(f"it works along axis {axis} of a tensor of {rank} axes; export the model again")
        return axis % rank

    def parts(
        self, starts: list[int], ends: list[int], axes: list[int] | None, steps: list[int] | None
    ) -> Iterator[tuple[int, int, int, int]]:
        """(axis, start, end, step) of each axis that a Slice cuts. UnsupportedError unless there is one of each."""
        lists = axes or list(range(len(starts))), starts, ends, steps or [1] * len(starts)
        if len({len(numbers) for numbers in lists}) > 1 or len(set(lists[0])) < len(lists[0]):
            self.unsupported(
                f"its axes {lists[0]}, starts {starts}, ends {ends}, steps {lists[3]} are not one each for every axis; "
                "export the model again"
            )
        return zip(*lists, strict=True)

    def lengths(self, sizes: list[int], count: int, size: int) -> list[int]:
        """The lengths of a Split's parts. Raises UnsupportedError unless they are `count` that add up to `size`."""
        if len(sizes) != count or sum(sizes) != size or min(sizes) < 1:
            self.unsupported(f"its parts of {sizes} are not {count} of {size} elements; export the model again")
        return sizes

    def indices(self, numbers: np.ndarray, size: int) -> list[int]:
        """The indices of a Gather, from the front. Raises UnsupportedError for none, or one that is not there."""
        at = [int(number) for number in np.ravel(numbers)]
        if not at or min(at) < -size or max(at) >= size:
            self.unsupported(f"its indices {at} are none of {size} elements; export the model again")
        return [number % size for number in at]


@dataclass
class OnnxInput:
    """A graph input: shape without batch, and the integer type (bits, signed) that it is declared to hold, if any."""

    name: str
    shape: Shape
    int_type: tuple[int, bool] | None


@dataclass
class OnnxModel:
    """What the importer needs of a model. batch: size of the leading axis of every input."""

    name: str
    inputs: list[OnnxInput]
    outputs: list[str]
    constants: dict[str, np.ndarray]
    nodes: list[OnnxNode]
    batch: int


OTHERS, WEIGHTS = (".keras", ".pt", ".pth", ".msgpack", ".safetensors"), "model.safetensors"
"""What models that are not ONNX lie in."""


def read(source: str | Path | bytes | onnx.ModelProto) -> onnx.ModelProto:
    """A model from a path, bytes, or as it is. Raises InputError for what is not an ONNX model."""
    if isinstance(source, onnx.ModelProto):
        return source
    what = "the model" if isinstance(source, bytes) else f"{source}"
    if what.endswith(OTHERS) or (Path(what) / WEIGHTS).is_file():
        raise InputError(f"{what} is no ONNX model, but `hwgen quantize {what} -o graph.onnx` makes one of it (a float "
                         "one needs recorded inputs: --calibration)")  # fmt: skip
    try:
        proto = onnx.load_from_string(source) if isinstance(source, bytes) else onnx.load(str(source))
    except FileNotFoundError as e:
        raise InputError(f"{what}: no such file ({e.filename or 'external data'}); check the path") from None
    except IsADirectoryError:
        raise InputError(f"{what} is a folder; give the .onnx file in it") from None
    except PermissionError:
        raise InputError(f"{what} cannot be read (permission); check its access rights") from None
    except Exception as e:  # protobuf's DecodeError, onnx's checks of external data
        text = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise InputError(f"{what} is not an ONNX model or is cut off ({text}); export or copy it again") from None
    if not proto.graph.node and not proto.graph.output:
        raise InputError(f"{what} is not an ONNX model or is empty; export or copy it again")
    return proto


def parse(proto: onnx.ModelProto) -> OnnxModel:
    """Constants, inputs and the nodes that the outputs need, in order. Raises GraphError / UnsupportedError."""
    graph = proto.graph
    opset = next((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), None)
    if opset is None:
        raise InputError("the model does not say its opset, so it may be cut off; export it again")
    constants = {}
    for init in graph.initializer:
        try:
            constants[init.name] = numpy_helper.to_array(init)
        except Exception as e:
            raise InputError(f"initializer {init.name!r} cannot be read ({e}); export the model again") from None
    if graph.sparse_initializer:
        raise UnsupportedError("the model has sparse initializers; export it with dense weights")
    declared = _annotations(graph)
    batches: dict[str, int] = {}
    inputs = [_input(v, declared, batches) for v in graph.input if v.name not in constants]
    if len(set(batches.values())) > 1:
        raise UnsupportedError(f"inputs have different batch sizes {batches}; export the model with batch size 1")
    nodes = order([_node(n, opset, i) for i, n in enumerate(graph.node)], graph, constants)
    name = graph.name or "graph"
    return OnnxModel(name, inputs, [o.name for o in graph.output], constants, nodes, next(iter(batches.values()), 1))


def _node(n: onnx.NodeProto, opset: int, index: int) -> OnnxNode:
    label = n.name or next((o for o in n.output if o), f"#{index}")
    attrs = {a.name: _attribute(a, n, label) for a in n.attribute}
    return OnnxNode(n.op_type, n.domain, label, list(n.input), list(n.output), attrs, opset, n)


def _attribute(a: onnx.AttributeProto, n: onnx.NodeProto, label: str) -> object:
    if a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
        raise UnsupportedError(f"node {label!r} ({n.op_type}): control flow is not supported; export a static graph")
    value = onnx.helper.get_attribute_value(a)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _annotations(graph: onnx.GraphProto) -> dict[str, str]:
    """QONNX datatype by tensor name, e.g. INT8."""
    found = {}
    for a in graph.quantization_annotation:
        for kv in a.quant_parameter_tensor_names:
            if kv.key == "finn_datatype":
                found[a.tensor_name] = kv.value
    return found


def _input(v: onnx.ValueInfoProto, declared: dict[str, str], batches: dict[str, int]) -> OnnxInput:
    tensor = v.type.tensor_type
    if not v.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise UnsupportedError(f"input {v.name!r} has no tensor shape; export the model with static shapes")
    dims = list(tensor.shape.dim)
    if len(dims) < 2:
        raise UnsupportedError(
            f"input {v.name!r} has {len(dims)} axes; it needs a batch axis and at least one more, e.g. [1, 32]"
        )
    for i, d in enumerate(dims[1:], 1):
        if not d.HasField("dim_value") or d.dim_value <= 0:
            raise UnsupportedError(
                f"input {v.name!r} has a dynamic axis {i} ({d.dim_param or d.dim_value or '?'}); "
                "export the model with static shapes (only the batch axis may be dynamic)"
            )
    batches[v.name] = dims[0].dim_value if dims[0].HasField("dim_value") and dims[0].dim_value > 0 else 1
    shape = tuple(d.dim_value for d in dims[1:])
    return OnnxInput(v.name, shape, _int_type(v, declared.get(v.name)))


def _int_type(v: onnx.ValueInfoProto, annotation: str | None) -> tuple[int, bool] | None:
    if v.type.tensor_type.elem_type == onnx.TensorProto.INT8:
        return 8, True
    if v.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
        return 8, False
    if annotation in (None, "FLOAT32", "FLOAT16", "FLOAT64"):
        return None
    if annotation in SMALL:
        return SMALL[annotation]
    for prefix, signed in (("UINT", False), ("INT", True)):
        if annotation.startswith(prefix) and annotation[len(prefix) :].isdigit():
            bits = int(annotation[len(prefix) :])
            if not 2 <= bits <= 8:
                raise UnsupportedError(f"input {v.name!r} is annotated {annotation}; 2 to 8 bits are possible")
            return bits, signed
    if annotation.startswith("SCALEDINT"):
        return None  # says nothing of the scale; a Quant must follow
    raise UnsupportedError(f"input {v.name!r} is annotated {annotation}; only INTn and UINTn (n = 2 to 8) are possible")


def order(nodes: list[OnnxNode], graph: onnx.GraphProto, constants: dict[str, np.ndarray]) -> list[OnnxNode]:
    """The nodes that outputs depend on, each after the ones that it reads. Raises GraphError for a cycle or a gap."""
    maker: dict[str, OnnxNode] = {}
    for n in nodes:
        for out in filter(None, n.outputs):
            if out in maker:
                raise GraphError(f"nodes {maker[out].label!r} and {n.label!r} both make {out!r}; rename one output")
            maker[out] = n
    given = {v.name for v in graph.input} | set(constants)
    done: list[OnnxNode] = []
    state: dict[int, str] = {}
    stack = [(o.name, None) for o in reversed(graph.output)]
    if not stack:
        raise GraphError("the model has no outputs; mark at least one")
    while stack:
        name, reader = stack.pop()
        if isinstance(name, OnnxNode):
            state[id(name)] = "done"
            done.append(name)
            continue
        node = maker.get(name)
        if node is None:
            if name not in given:
                who = f"node {reader.label!r} ({reader.op}) reads" if reader else "the model's outputs list"
                raise GraphError(f"{who} {name!r}, which nothing makes; the file is damaged or incomplete")
        elif state.get(id(node)) == "open":
            raise GraphError(f"node {node.label!r} ({node.op}) depends on its own output {name!r}: the graph is cyclic")
        elif id(node) not in state:
            state[id(node)] = "open"
            stack.append((node, None))
            stack.extend((i, node) for i in reversed(node.inputs) if i)
    return done
