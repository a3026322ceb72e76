"""Runs our HLS templates without a whole hls4ml project: many instances in one C++ file, called through ctypes."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from math import prod
from pathlib import Path

import hls4ml
import numpy as np

from hwgen import resources
from hwgen.backends.hls4ml.extension import STREAM, lower
from hwgen.backends.hls4ml.extension.spec import Spec, call, config_struct
from hwgen.graph import golden, ops
from hwgen.graph.types import IntType, Tensor

TEMPLATES = Path(hls4ml.__file__).parent / "templates" / "vivado"

PRELUDE = """
template <class T> void fill(const long long *from, T *to, unsigned n) {
    for (unsigned i = 0; i < n; i++) nnet::hwgen::store(to[i], ap_int<64>(from[i]));
}
template <class T> void drain(const T *from, long long *to, unsigned n) {
    for (unsigned i = 0; i < n; i++) to[i] = (long long)nnet::hwgen::to_raw(from[i]).to_int64();
}
template <class P> void fill(const long long *from, hls::stream<P> &to, unsigned n) {
    for (unsigned i = 0; i < n; i += P::size) {
        P p;
        fill(from + i, p.data, P::size);
        to.write(p);
    }
}
template <class P> void drain(hls::stream<P> &from, long long *to, unsigned n) {
    for (unsigned i = 0; i < n; i += P::size) drain(from.read().data, to + i, P::size);
}
"""


@dataclass
class Case:
    """One template instance, and integers to send through it.

    inputs: per input int64 [batch, *shape] in the graph's layout. types: the graph's. hls_types, out_type: C++ types of
    the tensors there. io: io_parallel or io_stream.
    """

    node: ops.Node
    inputs: list[np.ndarray]
    types: list[IntType]
    hls_types: list[str]
    out_type: str
    io: str
    ranges: list[tuple[int, int]] | None = None
    perm: tuple[int, ...] | None = None
    reuse: int = 1

    @property
    def spec(self) -> Spec:
        """What the template is made from."""
        return lower(self.node, [x.shape[1:] for x in self.inputs], self.types, self.out_type, self.ranges, self.perm)

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """A batch in the layout of the HLS tensors."""
        return x if self.perm is None else x.transpose(0, *(p + 1 for p in self.perm))

    def golden(self) -> np.ndarray:
        """What must come out, laid out likewise."""
        tensors = [
            Tensor(f"t{i}", x.shape[1:], t) for i, (x, t) in enumerate(zip(self.inputs, self.types, strict=True))
        ]
        return self.laid_out(golden.EVAL[self.node.op](self.node, self.inputs, tensors))

    def source(self, index: int) -> str:
        """C++ of a function run_<index>(input pointers, output pointer) for one frame."""
        spec = self.spec
        shapes = [self.laid_out(x).shape[1:] for x in self.inputs] + [spec.shape]
        types = [*self.hls_types, self.out_type]
        if stream := self.io == STREAM:
            types = [f"nnet::array<{t}, {s[-1]}>" for t, s in zip(types, shapes, strict=True)]
        names = [f"t{i}" for i in range(len(types))]
        sizes = [prod(s) for s in shapes]
        typedefs = [f"type_{index}_{i}" for i in range(len(types))]
        lines = [f"typedef {t} {name};" for t, name in zip(types, typedefs, strict=True)]
        lines += [config_struct(spec, f"config{index}", self.io, self.reuse)]
        lines += [f'extern "C" void run_{index}({", ".join(f"long long *p{i}" for i in range(len(types)))}) {{']
        for name, t, size in zip(names, typedefs, sizes, strict=True):
            lines += [f"hls::stream<{t}> {name};" if stream else f"static {t} {name}[{size}];"]
        lines += [f"fill(p{i}, {name}, {sizes[i]});" for i, name in enumerate(names[:-1])]
        lines += [call(spec, f"config{index}", typedefs, names), f"drain({names[-1]}, p{len(names) - 1}, {sizes[-1]});"]
        if stream:
            lines += [f'if (!{name}.empty()) std::puts("left in stream");' for name in names]
        return "\n".join([*lines, "}"])


def build(cases: list[Case], folder: Path) -> ctypes.CDLL:
    """Compile all cases into one library."""
    headers = sorted({case.spec.header for case in cases})
    text = ["#include <cstdio>", *(f'#include "{h}"' for h in headers), '#include "nnet_types.h"', PRELUDE]
    text += [case.source(i) for i, case in enumerate(cases)]
    (folder / "cases.cpp").write_text("\n".join(text))
    ours = resources.path("hls_templates", "hls4ml", "nnet_utils")
    theirs = [f"-isystem{TEMPLATES / name}" for name in ("nnet_utils", "ap_types")]
    # C++11 is what Vitis HLS is told to use.
    flags = [
        "-std=c++11",
        "-O0",
        "-fno-gnu-unique",
        "-fPIC",
        "-shared",
        "-Wall",
        "-Wno-unknown-pragmas",
        "-Wno-unused-label",
    ]
    command = ["g++", *flags, f"-I{ours}", *theirs, "cases.cpp", "-o", "cases.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[:4000]
    assert "warning" not in done.stderr, done.stderr[:4000]
    return ctypes.CDLL(str(folder / "cases.so"))


def check(cases: list[Case], folder: Path) -> None:
    """Compile the cases, run every frame of each, and compare with golden."""
    library = build(cases, folder)
    for i, case in enumerate(cases):
        expected = case.golden()
        inputs = [np.ascontiguousarray(case.laid_out(x), np.int64) for x in case.inputs]
        got = np.empty(expected.shape, np.int64)
        for frame in range(len(got)):
            pointers = [a[frame].ctypes.data_as(ctypes.c_void_p) for a in (*inputs, got)]
            getattr(library, f"run_{i}")(*pointers)
        wrong = np.argwhere(got != expected)
        assert not len(wrong), (
            f"case {i} ({case.node.op}, {case.io}): {len(wrong)} of {got.size} differ, first at "
            f"{wrong[0]}: {got[tuple(wrong[0])]} for {expected[tuple(wrong[0])]}\n{case.source(i)[:2000]}"
        )
