"""The integer graph as a list of hls4ml layers, one a node: names, shapes, weights and types, nothing left to guess.

    mapped = map_graph(graph, "io_parallel")
    mapped.layers                # in the order in which they run
    mapped.outputs["y"].layer    # the layer that makes a graph output, and in which axis order

Linear and convolutions are hls4ml's own Dense, Conv1D and Conv2D, without bias; everything that rounds, clamps or looks
up is a layer of our extension. Weights come as integers times the power of two that makes types fit (types.py).
"""

from __future__ import annotations

import re

import numpy as np

from hwgen.backends.hls4ml import convolution
from hwgen.backends.hls4ml.layout import Layout, Shape, channels_last, plain, same_data
from hwgen.backends.hls4ml.mapped import HlsLayer, Mapped, Place
from hwgen.backends.hls4ml.types import tensor_types, weight_type
from hwgen.backends.shell.core import RESERVED
from hwgen.errors import UnsupportedError
from hwgen.graph import Graph, ops

MAX_READERS = 7
"""Of a stream: hls4ml clones no stream more often."""


def map_graph(graph: Graph, io: str) -> Mapped:
    """Map a graph; io: "io_parallel" or "io_stream". Raises UnsupportedError naming a node that hls4ml cannot take."""
    return _Mapper(graph, io).run()


class _Mapper:
    """Walks the graph; `places` holds where each tensor is, in every layout that was asked for."""

    def __init__(self, graph: Graph, io: str) -> None:
        self.graph, self.io = graph, io
        self.types, self.ranges = tensor_types(graph), graph.ranges()
        self.out = Mapped(graph, io, self.types)
        self.places: dict[str, list[Place]] = {}
        self.names: set[str] = {"input"}

    def run(self) -> Mapped:
        for name in self.graph.inputs:
            self.input(name)
        for node in self.graph.nodes:
            if node.op not in METHODS:
                raise UnsupportedError(f"node {node.name!r} ({node.op}): {ABSENT[node.op]}; use --backend engine")
            METHODS[node.op](self, node)
        for name in self.graph.outputs:
            self.output(name)
        self.drop_unread()
        self.check_readers()
        return self.out

    # -- what every node needs ---------------------------------------------------------------------------------

    def name(self, wanted: str) -> str:
        """An identifier in C and Verilog that no other layer has; hls4ml compares names in lower case."""
        base = re.sub(r"\W", "_", wanted, flags=re.ASCII).strip("_") or "layer"
        name = base = f"n{base}" if base[0].isdigit() or base in RESERVED else base
        count = 1
        while name.lower() in self.names:
            count += 1
            name = f"{base}_{count}"
        self.names.add(name.lower())
        return name

    def add(self, wanted: str, kind: str, inputs: list[str], shape: Shape, attrs: dict, tensor: str, **more) -> str:
        """Append a layer that holds a tensor of the graph; returns its name."""
        types = {"result": self.types[tensor], **more.pop("types", {})}
        layer = HlsLayer(self.name(wanted), kind, inputs, tuple(shape), attrs, types, tensor, **more)
        self.out.layers.append(layer)
        return layer.name

    def made(self, tensor: str, layer: str, layout: Layout) -> None:
        self.places[tensor] = [Place(layer, layout)]

    def layout(self, tensor: str) -> Layout:
        """The layout in which a tensor was made."""
        return self.places[tensor][0].layout

    def get(self, tensor: str, layout: Layout) -> str:
        """The layer that holds a tensor in this layout; moves its elements first where that is needed."""
        for place in self.places[tensor]:
            if place.layout == layout:
                return place.layer
        have, layer = self.places[tensor][0].layout, self.places[tensor][0].layer
        if not same_data(have, layout):
            name, attrs = f"{tensor}_transposed", {"perm": [have.order.index(a) for a in layout.order]}
            layer, have = self.add(name, "Transpose", [layer], layout.hls_shape, attrs, tensor), layout
        layer = self.reshape(layer, have, layout, tensor)
        self.places[tensor].append(Place(layer, layout))
        return layer

    def reshape(self, layer: str, have: Layout, want: Layout, tensor: str) -> str:
        """The same elements in the same places under another shape: no hardware but, between streams, repacking."""
        if have.hls_shape == want.hls_shape:
            return layer
        kind, shape = "Reshape" if self.io == "io_parallel" else "Repack", want.hls_shape
        small, large = sorted((have.hls_shape[-1], shape[-1]))
        if kind == "Repack" and large % small:  # hls4ml repacks where one size divides the other: gather all first
            flat = (int(np.prod(shape)),)
            layer = self.add(f"{tensor}_gathered", kind, [layer], flat, {"target_shape": list(flat)}, tensor)
        return self.add(f"{tensor}_reshaped", kind, [layer], shape, {"target_shape": list(shape)}, tensor)

    def preferred(self, tensor: str) -> Layout:
        """The layout that a graph input's readers want: channels last where a window slides over it."""
        shape = self.graph.tensors[tensor].shape
        for node in self.graph.consumers(tensor):
            if isinstance(node, (ops.Conv, ops.MaxPool, ops.SumPool)):
                return channels_last(shape)
            out = self.graph.tensors[node.output].shape
            if len(shape) > 1 and len(out) == len(shape):
                if isinstance(node, ops.Transpose):
                    order = self.preferred(node.output).order
                    return Layout(shape, tuple(node.perm[a] for a in order))
                if node.op not in ("Linear", "LayerNorm", "Softmax", "Reshape"):
                    return Layout(shape, self.preferred(node.output).order)
        return plain(shape)

    # -- inputs and outputs ------------------------------------------------------------------------------------

    def input(self, tensor: str) -> None:
        if not self.graph.consumers(tensor) and tensor not in self.graph.outputs:
            raise UnsupportedError(
                f"input {tensor!r} is read by no node, and Vitis would leave out its port; remove it from the graph"
            )
        layout = self.preferred(tensor)
        attrs = {"input_shape": list(layout.hls_shape)}
        layer = self.add(f"{tensor}_in", "InputLayer", [], layout.hls_shape, attrs, tensor)
        self.made(tensor, layer, layout)
        self.out.inputs[tensor] = Place(layer, layout)

    def output(self, tensor: str) -> None:
        """A graph output: its own layer, in an order that is a permutation of the tensor's axes."""
        layout = self.layout(tensor)
        layer = self.get(tensor, layout)
        while self.out.layer(layer).kind == "Reshape":  # only a view of what another layer makes
            layer = self.out.layer(layer).inputs[0]
        taken = {p.layer for p in (*self.out.inputs.values(), *self.out.outputs.values())}
        if layer in taken:
            layer = self.copy(tensor, layer, layout)
        self.out.outputs[tensor] = Place(layer, layout)

    def copy(self, tensor: str, layer: str, layout: Layout) -> str:
        """A layer that changes nothing: hls4ml needs a variable of its own for each output."""
        t = self.graph.tensors[tensor]
        one, zero = np.array(1, np.int64), np.array(0, np.int64)
        node = ops.Requantize(
            name=f"{tensor}_out", inputs=(tensor,), output=f"{tensor}_out", mult=[one], bias=zero, shift=zero,
            lo=t.dtype.lo, hi=t.dtype.hi,
        )  # fmt: skip
        return self.ours(node, [layer], layout, tensor)

    def drop_unread(self) -> None:
        """Remove layers that no output needs: a stream that nobody reads would fill up."""
        needed = {p.layer for p in (*self.out.inputs.values(), *self.out.outputs.values())}
        for layer in reversed(self.out.layers):
            if layer.name in needed:
                needed.update(layer.inputs)
        self.out.layers = [layer for layer in self.out.layers if layer.name in needed]

    def check_readers(self) -> None:
        """Raise UnsupportedError for a stream that more layers read than hls4ml can clone it for."""
        if self.io != "io_stream":
            return
        readers = [i for layer in self.out.layers for i in layer.inputs]
        readers += [p.layer for p in self.out.outputs.values()]
        for layer in self.out.layers:
            if (count := readers.count(layer.name)) > MAX_READERS:
                raise UnsupportedError(
                    f"node {layer.node.name if layer.node else layer.name!r}: {count} layers read its stream, hls4ml "
                    f"clones a stream {MAX_READERS} times; use --io parallel, or the backend engine"
                )

    # -- layers with weights -----------------------------------------------------------------------------------

    def weighted(self, node: ops.Node, kind: str, x_layer: str, weight: np.ndarray, space: Shape, attrs: dict) -> str:
        """A layer of hls4ml with weights [..., in, out] at each point of a space, and the types that make it exact."""
        x, acc = self.types[node.inputs[0]], self.types[node.output]
        w = weight_type(node, x, acc)
        attrs = attrs | {"weight_data": np.multiply(weight, 2.0**-w.fraction, dtype=np.float64), "bias_data": None}
        more = {"types": {"accum": acc, "weight": w}, "positions": int(np.prod(space)), "node": node}
        return self.add(node.name, kind, [x_layer], (*space, weight.shape[-1]), attrs, node.output, **more)

    def linear(self, node: ops.Linear) -> None:
        shape = self.graph.tensors[node.inputs[0]].shape
        if len(shape) == 1:
            place = self.places[node.inputs[0]][0]
            weight = node.weight[place.layout.elements()]  # rows in the order in which the elements come
            attrs = {"n_in": weight.shape[0], "n_out": weight.shape[1]}
            layer = self.weighted(node, "Dense", place.layer, weight, (), attrs)
            return self.made(node.output, layer, plain((weight.shape[1],)))
        rows, out = (int(np.prod(shape[:-1])), shape[-1]), self.graph.tensors[node.output].shape
        x = self.reshape(self.get(node.inputs[0], plain(shape)), plain(shape), plain(rows), node.inputs[0])
        attrs = convolution.attributes(rows[:1], rows[:1], (1,), (1,), (0, 0), *node.weight.shape)
        layer = self.weighted(node, "Conv1D", x, node.weight[None], rows[:1], attrs)
        layer = self.reshape(layer, plain((rows[0], out[-1])), plain(out), node.output)
        return self.made(node.output, layer, plain(out))

    def conv(self, node: ops.Conv) -> None:
        shape, out = (self.graph.tensors[name].shape for name in (node.inputs[0], node.output))
        window = convolution.window(node, self.io)
        attrs = convolution.attributes(
            shape[1:], out[1:], window.weight.shape[:-2], window.stride, window.pads, *window.weight.shape[-2:]
        )
        x = self.get(node.inputs[0], channels_last(shape))
        kind = f"Conv{len(shape) - 1}D"
        layer = self.weighted(node, kind, x, window.weight, out[1:], attrs)
        self.made(node.output, layer, channels_last(out))

    # -- layers that move elements -----------------------------------------------------------------------------

    def flatten(self, node: ops.Node) -> None:
        """Into one axis. Where only Linear reads it, the elements stay in hls4ml's order and its weights follow."""
        layout = self.layout(node.inputs[0])
        readers = self.graph.consumers(node.output)
        size = (int(np.prod(layout.shape)),)
        if node.output not in self.graph.outputs and readers and all(isinstance(n, ops.Linear) for n in readers):
            layer = self.places[node.inputs[0]][0].layer
            if layout.hls_shape != size:
                # Between streams hls4ml takes the packets as they come: no repacking before Dense.
                layer = self.add(node.name, "Reshape", [layer], size, {"target_shape": list(size)}, node.output)
            return self.made(node.output, layer, layout)
        return self.to_shape(node, size)

    def to_shape(self, node: ops.Node, shape: Shape) -> None:
        """A reshape keeps the order of the long axes; those of size 1 come first, so that a stream's packets stay."""
        source = plain(self.graph.tensors[node.inputs[0]].shape)
        layout = Layout(shape, tuple(sorted(range(len(shape)), key=lambda a: shape[a] > 1)))
        layer = self.get(node.inputs[0], source)
        layer = self.reshape(layer, source, layout, node.output)
        self.made(node.output, layer, layout)

    def reshape_node(self, node: ops.Reshape) -> None:
        if len(node.shape) == 1:
            return self.flatten(node)
        return self.to_shape(node, node.shape)

    def transpose_node(self, node: ops.Transpose) -> None:
        """Only other names for the axes: no layer."""
        place = self.places[node.inputs[0]][0]
        self.made(node.output, place.layer, place.layout.transposed(node.perm))

    def concat(self, node: ops.Concat) -> None:
        layout = self.shared_layout(node)
        if len(layout.order) > 3:
            raise UnsupportedError(
                f"node {node.name!r} (Concat): its tensors have {len(layout.order)} axes; hls4ml joins tensors of at "
                "most 3: reshape around it, or use the backend engine"
            )
        axis = layout.order.index(node.axis % len(layout.order))
        layouts = [Layout(self.graph.tensors[i].shape, layout.order) for i in node.inputs]
        layer, *others = (self.get(i, at) for i, at in zip(node.inputs, layouts, strict=True))
        shape = list(layouts[0].hls_shape)
        attrs = {"axis": axis + 1, "op": f"concatenate{len(layout.order)}d"}
        for part, at in zip(others, layouts[1:], strict=True):  # hls4ml joins two at a time
            shape[axis] += at.hls_shape[axis]
            layer = self.add(node.name, "Concatenate", [layer, part], shape, attrs, node.output, node=node)
        self.made(node.output, layer, Layout(self.graph.tensors[node.output].shape, layout.order))

    # -- our own layers ----------------------------------------------------------------------------------------

    def shared_layout(self, node: ops.Node) -> Layout:
        """The layout of the largest input, whose order of axes all inputs and the output take."""
        return self.layout(max(node.inputs, key=lambda i: self.graph.tensors[i].size))

    def elementwise(self, node: ops.Node) -> None:
        self.own(node, self.shared_layout(node).order)

    def windowed(self, node: ops.Node) -> None:
        self.own(node, channels_last(self.graph.tensors[node.inputs[0]].shape).order)

    def rows(self, node: ops.Node) -> None:
        """An operator over the graph's last axis, which must be hls4ml's last."""
        layout = self.shared_layout(node)
        last = len(layout.order) - 1
        self.own(node, layout.order if layout.order[-1] == last else tuple(range(last + 1)))

    def own(self, node: ops.Node, order: tuple[int, ...]) -> None:
        inputs = [self.get(i, Layout(self.graph.tensors[i].shape, order)) for i in node.inputs]
        layout = Layout(self.graph.tensors[node.output].shape, order)
        self.made(node.output, self.ours(node, inputs, layout, node.output), layout)

    def ours(self, node: ops.Node, inputs: list[str], layout: Layout, tensor: str) -> str:
        """A layer of the extension."""
        from hwgen.backends.hls4ml import extension

        tensors = [self.graph.tensors[i] for i in node.inputs]
        ranges = [self.ranges[i].flat() for i in node.inputs]
        attrs = extension.layer_dict(
            node, name="", inputs=inputs, shapes=[t.shape for t in tensors], types=[t.dtype for t in tensors],
            ranges=[(r.lo, r.hi) for r in ranges], result=str(self.types[tensor]), perm=layout.order,
        )  # fmt: skip
        kind = attrs["class_name"]
        attrs = {k: v for k, v in attrs.items() if k not in ("name", "class_name", "inputs")}
        return self.add(node.name, kind, inputs, layout.hls_shape, attrs, tensor, node=node)


METHODS = {
    "Linear": _Mapper.linear, "Conv1D": _Mapper.conv, "Conv2D": _Mapper.conv,
    "Requantize": _Mapper.elementwise, "Lookup": _Mapper.elementwise, "Mul": _Mapper.elementwise,
    "Slice": _Mapper.elementwise, "LayerNorm": _Mapper.rows, "Softmax": _Mapper.rows,
    "MaxPool": _Mapper.windowed, "SumPool": _Mapper.windowed, "Flatten": _Mapper.flatten,
    "Reshape": _Mapper.reshape_node, "Transpose": _Mapper.transpose_node, "Concat": _Mapper.concat,
}  # fmt: skip
"""How each operator becomes layers."""
ABSENT = {
    "MatMul": "hls4ml has no product of two activations for this backend",
    "GroupNorm": "hls4ml has no GroupNorm",
    "ConvTranspose1D": "hls4ml has no transposed convolution",
    "Constant": "hls4ml has no constant tensors",
}
"""Why the other operators cannot."""
