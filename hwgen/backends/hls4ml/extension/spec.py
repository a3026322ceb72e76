"""One layer of ours as HLS needs it: which template, its constants, types and weight arrays. No hls4ml in here.

An operator's module makes a `Spec` from a `Place`; `config_struct` and `call` print the C++ for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from hwgen.errors import UnsupportedError

C_INTEGERS = {"signed char": 8, "short": 16, "int": 32, "long long": 64}
"""Types of constant tables and their bits."""

PARALLEL, STREAM = "io_parallel", "io_stream"


@dataclass(frozen=True)
class Spec:
    """What a template is instantiated with.

    function: name in namespace nnet::hwgen; header: its file; shape: of the output. Members of the config struct:
    constants (name -> bool or int; stream: those that differ with io_stream), typedefs (name -> C++ type), parameters
    (name -> int64 array: a function of the index, of type `<name>_t`; HLS sees constants) and roms (the same, read at
    an index that is data). stages: clocks of the pipeline, by what takes them. fill: clocks in io_stream before the
    first packet goes in. groups: packets that go through one after another in io_stream. products: multiplications per
    frame by something that is no power of two, and per group in io_stream. wires: io types in which it takes no clock.
    """

    function: str
    header: str
    shape: tuple[int, ...]
    constants: dict[str, int | bool] = field(default_factory=dict)
    stream: dict[str, int | bool] = field(default_factory=dict)
    typedefs: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    roms: dict[str, np.ndarray] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=dict)
    fill: int = 0
    groups: int = 1
    products: int = 0
    stream_products: int = 0
    wires: tuple[str, ...] = ()


def bits_of(lo: int, hi: int) -> tuple[int, bool]:
    """(bits, signed) of the smallest integer type that holds lo..hi; at least one bit."""
    if lo >= 0:
        return max(int(hi).bit_length(), 1), False
    return max(max(int(hi), 0).bit_length(), (-int(lo) - 1).bit_length()) + 1, True


def signed_bits(*bounds: int) -> int:
    """Bits of the smallest signed type that holds all bounds."""
    bits, signed = bits_of(min(bounds), max(bounds))
    return bits if signed else bits + 1


def ap(bits: int, signed: bool = True) -> str:
    """The HLS type of that many bits."""
    return f"ap_{'' if signed else 'u'}int<{bits}>"


def ap_of(lo: int, hi: int) -> str:
    """The smallest HLS integer type that holds lo..hi."""
    return ap(*bits_of(lo, hi))


def precision(text: object) -> tuple[int, bool]:
    """(bits, signed) of an hls4ml precision: a string such as "ap_ufixed<8,3>" or an object with width and signed."""
    if hasattr(text, "width"):
        return int(text.width), bool(text.signed)
    if match := re.match(r"\s*(?:ap_)?(u?)(?:fixed|int)\s*<\s*(\d+)", str(text)):
        return int(match[2]), not match[1]
    raise UnsupportedError(f"precision {text!r} is no ap_(u)fixed<W,I> or ap_(u)int<W>; give one of these")


def tree_clocks(n: int) -> int:
    """Clocks of a balanced tree over n values, two levels a clock."""
    return ceil((n - 1).bit_length() / 2)


def config_struct(spec: Spec, name: str, io: str, reuse: int = 1) -> str:
    """The C++ struct that the template takes as CONFIG_T."""
    products = spec.stream_products if io == STREAM else spec.products
    limit = max(-(-products // reuse), 1)
    lines = [f"static const unsigned {key} = {v};" for key, v in (("reuse_factor", reuse), ("multiplier_limit", limit))]
    for key, value in (spec.constants | (spec.stream if io == STREAM else {})).items():
        lines.append(f"static const {constant(key, value)};")
    lines += [f"typedef {cpp} {key};" for key, cpp in spec.typedefs.items()]
    for key, values in spec.parameters.items():
        lines += table(key, values, "ARRAY_PARTITION variable=values complete")
    for key, values in spec.roms.items():
        lines += table(key, values, "BIND_STORAGE variable=values type=rom_np impl=lutram")
    return f"struct {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "};\n"


def constant(name: str, value: int | bool) -> str:
    """A typed member with its value."""
    if isinstance(value, bool):
        return f"bool {name} = {str(value).lower()}"
    return f"unsigned {name} = {value}" if 0 <= value < 2**32 else f"long long {name} = {value}LL"


def table(name: str, values: np.ndarray, pragma: str) -> list[str]:
    """A member function that returns entry i, as narrow as the values allow."""
    lo, hi = int(values.min()), int(values.max())
    # Plain C integers compile in no time, unlike arrays of ap_int.
    kind = next(c for c, bits in C_INTEGERS.items() if -(1 << bits - 1) <= lo and hi < 1 << bits - 1)
    entries = ", ".join(f"{v}LL" if kind == "long long" else str(v) for v in values.tolist())
    return [
        f"typedef {ap_of(lo, hi)} {name}_t;",
        f"static {name}_t {name}(unsigned i) {{",
        "    #pragma HLS INLINE",
        f"    static const {kind} values[{values.size}] = {{{entries}}};",
        f"    #pragma HLS {pragma}",
        "    return values[i];",
        "}",
    ]


def call(spec: Spec, config: str, types: Sequence[str], args: Sequence[str]) -> str:
    """The C++ call: types and names of the inputs, then of the output."""
    return f"nnet::hwgen::{spec.function}<{', '.join([*types, config])}>({', '.join(args)});"


def latency(spec: Spec, io: str, reuse: int = 1) -> int:
    """Clocks from the first input to the last output, at 200 MHz; a statement of the templates' headers.

    io_parallel: the pipeline's stages, and reuse - 1 more for lanes that share multipliers. io_stream: also the clocks
    in which operands are read first, and one group each `reuse` clocks.
    """
    if io in spec.wires:
        return 0
    groups = spec.groups if io == STREAM else 1
    return sum(spec.stages.values()) + groups * reuse - 1 + (spec.fill if io == STREAM else 0)


def multipliers(spec: Spec, io: str, reuse: int = 1) -> int:
    """Products that the template makes side by side, each of a size that its types give."""
    return -(-(spec.stream_products if io == STREAM else spec.products) // reuse)
