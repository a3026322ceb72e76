"""Host programs run by the golden model's functions: each node becomes one of the graph's, and int64 does the rest."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from hwgen.graph import golden, ops


def interpret(description: dict, arrays: dict[str, np.ndarray], inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Integers [B, *shape] by name -> int64 of every tensor."""
    values = {name: np.asarray(x, np.int64) for name, x in inputs.items()}
    for entry in description["nodes"]:
        fields = {key: _value(key, value, arrays) for key, value in entry.items() if key != "op"}
        # A Constant reads nothing; golden takes the number of observations from its argument.
        args = [values[name] for name in fields["inputs"]] or [next(iter(values.values()))]
        # golden asks for the type of a Lookup's and a MaxPool's input; here the node says what it needs of it.
        args[0] = args[0] + fields.pop("offset", 128) - 128
        kind = SimpleNamespace(dtype=SimpleNamespace(signed=True, lo=fields.pop("fill", None)))
        if entry["op"] == "Softmax":
            fields["step"] = 1.0  # which no integer depends on
        node = ops.OPS[entry["op"]](name="n", **fields)
        values[node.output] = golden.EVAL[node.op](node, args, [kind] * len(args))
    return values


def _value(key: str, value: object, arrays: dict[str, np.ndarray]) -> object:
    if key == "output":
        return value
    if key in ("inputs", "shape", "perm", "stride", "pads", "dilation", "kernel") and isinstance(value, list):
        return tuple(value)
    if isinstance(value, list):
        return [_value("", v, arrays) for v in value]
    if isinstance(value, str):
        array = arrays[value]
        return array if key == "weight" else array.astype(np.int64)
    return np.int64(value) if isinstance(value, int) and key in ("", "bias", "shift", "mult", "gamma_mult") else value
