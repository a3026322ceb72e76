"""What ONNX itself demands of a node: how many inputs, which attributes of which type, windows of whole sizes."""

from __future__ import annotations

import onnx
from onnx import AttributeProto

from hwgen.graph.importer.model import OnnxNode

LEAST = {"strides": 1, "dilations": 1, "kernel_shape": 1, "pads": 0, "group": 1, "num_groups": 1, "output_padding": 0}
"""Smallest numbers that these attributes of windows and groups may hold."""
WINDOWS = ("Conv", "ConvTranspose", "MaxPool", "AveragePool")
"""Operators whose attributes have an entry for each axis of space, and pads one for each end."""


def check(node: OnnxNode) -> None:
    """Raise UnsupportedError naming a node of ONNX's own domain that ONNX does not allow."""
    try:
        schema = onnx.defs.get_schema(node.op, node.opset, "")
    except (onnx.defs.SchemaError, TypeError):  # not of this opset, or no text: the converters know what they can read
        return
    count = len(node.inputs)
    if not schema.min_input <= count <= schema.max_input or not all(node.inputs[: schema.min_input]):
        takes = f"{schema.min_input}" + (f" to {schema.max_input}" if schema.max_input > schema.min_input else "")
        node.unsupported(f"it has {sum(map(bool, node.inputs))} inputs; {node.op} of opset {node.opset} takes {takes}: "
                         "the file is damaged, export the model again")  # fmt: skip
    for attribute in node.proto.attribute:
        _check_attribute(node, attribute, schema)
    for name, known in schema.attributes.items():
        if known.required and name not in node.attrs:
            node.unsupported(f"its attribute {name!r} is missing; export the model again")
    if node.op in WINDOWS:
        _check_window(node)


def _check_attribute(node: OnnxNode, attribute: AttributeProto, schema: onnx.defs.OpSchema) -> None:
    name, known = attribute.name, schema.attributes.get(attribute.name)
    if known is not None and attribute.type != int(known.type):
        node.unsupported(f"its attribute {name!r} is of another type than {node.op} has; export the model again")
    if name in LEAST:
        values = node.attrs[name] if isinstance(node.attrs[name], (list, tuple)) else [node.attrs[name]]
        if any(value < LEAST[name] for value in values):
            node.unsupported(f"its attribute {name!r} is {node.attrs[name]}; {LEAST[name]} is the least")


def check_axes(node: OnnxNode, n: int) -> None:
    """Raise UnsupportedError when a window's attributes are not of n axes."""
    for name in ("kernel_shape", "strides", "dilations"):
        if len(node.attrs.get(name, (1,) * n)) != n:
            node.unsupported(f"its {name} is {list(node.attrs[name])}, but it has {n} axes of space; export it again")


def _check_window(node: OnnxNode) -> None:
    """Its attributes must agree on how many axes of space there are."""
    given = [name for name in ("kernel_shape", "strides", "dilations", "output_padding") if name in node.attrs]
    counts = {name: len(node.attrs[name]) for name in given}
    if "pads" in node.attrs:
        counts["pads"] = len(node.attrs["pads"]) / 2
    if len(set(counts.values())) > 1:
        lists = ", ".join(f"{name} {list(node.attrs[name])}" for name in counts)
        node.unsupported(f"its {lists} are not of the same number of axes; export the model again")
