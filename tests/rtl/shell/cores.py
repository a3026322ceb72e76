"""Made-up cores for the shell's tests: random shapes and widths, and a C model whose outputs depend on every input."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends import shell
from hwgen.backends.shell import CoreDescription, CorePort
from hwgen.build import toolchain
from hwgen.runtime import abi
from hwgen.runtime.package import write_package

VECTORS = 8
_MODEL = """
#include <cstdint>
static const int BITS[] = {%(bits)s}, SIGNED[] = {%(signed)s};
extern "C" __attribute__((visibility("default"))) void hwgen_core(const int32_t* x, int32_t* y) {
    uint32_t s = 1;
    for (int i = 0; i < %(inputs)d; ++i) s = s * 1664525u + uint32_t(x[i]) + 1013904223u;
    for (int i = 0; i < %(outputs)d; ++i) {
        s = s * 1664525u + 1013904223u;
        y[i] = SIGNED[i] ? int32_t(s) >> (32 - BITS[i]) : int32_t(s >> (32 - BITS[i]));
    }
}
extern "C" void hwgen_core_eval(const int* x, int* y) { hwgen_core(x, y); }
"""


def dtype(port: CorePort) -> np.dtype:
    """How the driver sees an element."""
    return np.dtype("i4" if port.bytes == 4 else "i1" if port.signed else "u1")


def bounds(port: CorePort) -> tuple[int, int]:
    """Least and greatest element."""
    return (-(1 << port.bits - 1), (1 << port.bits - 1) - 1) if port.signed else (0, (1 << port.bits) - 1)


def random_port(rng: np.random.Generator, name: str, io: str, wide: bool) -> CorePort:
    """A port of up to three axes, some in another order in memory, and of odd sizes."""
    rank = int(rng.integers(1, 4))
    shape = tuple(int(rng.integers(1, (70, 13, 6)[rank - 1])) for _ in range(rank))
    axes = tuple(int(a) for a in rng.permutation(rank))
    bits = int(rng.integers(9, 33)) if wide and rng.integers(2) else int(rng.integers(1, 9))
    elements = int(np.prod(shape)) if io == "parallel" else shape[-1]
    signed = bits > 8 or bool(rng.integers(2)) and bits > 1
    return CorePort(f"t_{name}", name, bits, signed, shape, axes, elements)


def random_core(rng: np.random.Generator, io: str, inputs: int, outputs: int) -> CoreDescription:
    """A core with so many inputs and outputs."""
    ins = tuple(random_port(rng, f"x{i}", io, wide=False) for i in range(inputs))
    outs = tuple(random_port(rng, f"layer{i}_out", io, wide=True) for i in range(outputs))
    return CoreDescription("myproject", io, ins, outs, latency=int(rng.integers(1, 60)))


def one_beat(io: str, count: int, results: int, bits: int, latency: int = 7) -> CoreDescription:
    """A vector in, a vector out: each one beat."""
    x = CorePort("t_x", "x", 8, True, (count,), (0,), count)
    y = CorePort("t_y", "layer2_out", bits, True, (results,), (0,), results)
    return CoreDescription("myproject", io, (x,), (y,), latency)


def expected(core: CoreDescription, stored: list[np.ndarray]) -> list[np.ndarray]:
    """The C model in Python, on arrays as stored."""
    mask, state = 0xFFFFFFFF, 1
    for value in np.concatenate([a.reshape(-1) for a in stored]).tolist():
        state = state * 1664525 + value + 1013904223 & mask
    results = []
    for port in core.outputs:
        values = []
        for _ in range(port.count):
            state = state * 1664525 + 1013904223 & mask
            values.append((state - (state >> 31 << 32 if port.signed else 0)) >> 32 - port.bits)
        results.append(np.array(values, dtype(port)).reshape(port.shape))
    return results


def vectors(core: CoreDescription, rng: np.random.Generator, count: int = VECTORS) -> dict[str, np.ndarray]:
    """Random frames and their results by tensor, in the graph's order of axes, batch first."""
    out: dict[str, list] = {p.tensor: [] for p in (*core.inputs, *core.outputs)}
    for _ in range(count):
        stored = [rng.integers(*bounds(p), p.shape, endpoint=True).astype(dtype(p)) for p in core.inputs]
        for port, array in zip((*core.inputs, *core.outputs), stored + expected(core, stored), strict=True):
            out[port.tensor].append(array.transpose(np.argsort(port.axes)))
    return {name: np.stack(arrays) for name, arrays in out.items()}


def make(folder: Path, core: CoreDescription, rng: np.random.Generator, library: bool = False) -> shell.ShellPlan:
    """Write what `hwgen generate` would: RTL, stand-in, manifest, golden vectors, package; `library`: and the C model
    as DIR/sim/libcore.so."""
    board, plan = boards.load("zcu104"), shell.plan(core)
    folder.mkdir(parents=True, exist_ok=True)
    code = shell.write("made up", board, core, folder)

    def entry(port) -> dict:
        shape = [port.shape[i] for i in np.argsort(port.axes)]
        lo, hi = bounds(port)
        return {"name": port.tensor, "shape": shape, "dtype": str(dtype(port)), "scale": 1.0, "offset": port.offset,
                "lo": lo, "hi": hi, "layout": "linear", "axes": list(port.axes)}  # fmt: skip

    manifest = {
        "name": "made up", "board": board.name, "backend": "hls4ml", "abi": abi.ABI_VERSION,
        "design_hash": f"{code:016x}", "clock_mhz_assumed": board.clock_mhz, "core": core.as_dict(),
        "inputs": [entry(p) for p in plan.inputs], "outputs": [entry(p) for p in plan.outputs],
        "in_bytes": plan.in_bytes, "out_bytes": plan.out_bytes, "predicted_cycles": plan.predicted_cycles,
        "watchdog_cycles": 100_000,
    }  # fmt: skip
    golden = vectors(core, rng)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    np.savez(folder / "golden.npz", **golden)
    write_package(folder / "policy.hwpkg", manifest, shell.image(code), golden)
    elements = [(p.bits, int(p.signed)) for p in core.outputs for _ in range(p.count)]
    fields = {"bits": ",".join(str(b) for b, _ in elements), "signed": ",".join(str(s) for _, s in elements)}
    counts = {key: sum(p.count for p in getattr(core, key)) for key in ("inputs", "outputs")}
    model = folder / "model.cpp"
    model.write_text(_MODEL % (fields | counts))
    if library:
        compile_model(folder)
    return plan


def compile_model(folder: Path) -> None:
    """The C model as DIR/sim/libcore.so."""
    made = folder / "sim" / "libcore.so"
    words = [toolchain.find("g++"), "-shared", "-fPIC", "-O1", folder / "model.cpp", "-o", made.with_suffix(".new")]
    subprocess.run(words, check=True, timeout=120)
    made.with_suffix(".new").replace(made)  # one that is loaded stays as it is
