"""Measure the driver's own time: `python -m hwgen.runtime.bench [PACKAGE]`, with a device that answers at once.

Printed: median and 99th percentile in microseconds of infer() with float32 inputs and out=, on the plain protocol and,
where pynq is installed, through pynq's Overlay, MMIO and allocate.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.driver import Accelerator
from hwgen.runtime.errors import RuntimeFault
from hwgen.runtime.instant import InstantBus
from hwgen.runtime.layout import parse_tensors
from hwgen.runtime.package import FORMAT, Package, read_package
from hwgen.runtime.sim_direct import SimDirect


def sample_package(
    shape: tuple[int, ...] = (490,), outputs: int = 12, dtype: str = "int8", scale: float = 0.0625
) -> Package:
    """A package in memory with the input x of this shape and the int8 vector y out, which no file holds."""
    in_bytes, out_bytes = -(-math.prod(shape) // 64) * 64, -(-outputs // 64) * 64
    name = f"bench {'x'.join(map(str, shape))}-{outputs}"
    manifest = {
        "format": FORMAT, "name": name, "board": "none", "backend": "engine",
        "abi": abi.ABI_VERSION, "design_hash": "0" * 16, "clock_mhz_assumed": 250.0, "array": [16, 32],
        "in_bytes": in_bytes, "out_bytes": out_bytes, "predicted_cycles": 1, "watchdog_cycles": 0,
        "inputs": [{"name": "x", "shape": list(shape), "dtype": dtype, "scale": scale, "offset": 0}],
        "outputs": [{"name": "y", "shape": [outputs], "dtype": "int8", "scale": 0.125, "offset": 0}],
    }  # fmt: skip
    specs = [
        parse_tensors(manifest[key], key, size, ValueError)
        for key, size in (("inputs", in_bytes), ("outputs", out_bytes))
    ]
    return Package(Path("bench.hwpkg"), manifest, bytes(32), {}, *specs)


def measure(accelerator: Accelerator, count: int) -> dict[str, float]:
    """Microseconds of one infer(): {"median", "p99"}, float32 in, float32 out into the caller's arrays."""
    rng = np.random.default_rng(0)
    package = accelerator.package
    inputs = {t.name: (rng.standard_normal(t.shape) * 30 * t.scale).astype(np.float32) for t in package.inputs}
    out = {t.name: np.empty(t.shape, np.float32) for t in package.outputs}
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        accelerator.infer(inputs, out=out)
        times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    return {"median": statistics.median(times), "p99": times[int(0.99 * (len(times) - 1))]}


def bench(package: Package, count: int = 2000) -> dict[str, dict[str, float]]:
    """`measure` by device: "direct", and "pynq VERSION" where pynq is installed."""
    with Accelerator(package, device=SimDirect(InstantBus(package))) as accelerator:
        results = {"direct": measure(accelerator, count)}
    try:
        import pynq

        from hwgen.runtime.sim_device import open_sim
    except ImportError:
        return results
    device, bitstream = open_sim(InstantBus(package))
    with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
        results[f"pynq {pynq.__version__}"] = measure(accelerator, count)
    return results


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hwgen.runtime.bench", description=__doc__.splitlines()[0])
    parser.add_argument("package", nargs="?", help=".hwpkg file; default: 490 int8 in, 12 int8 out")
    parser.add_argument("--count", type=int, default=2000, help="inferences measured")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        package = read_package(options.package) if options.package else sample_package()
        results = bench(package, max(1, options.count))
    except RuntimeFault as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(results))
        return 0
    print(
        f"driver overhead per infer(), {package.manifest['name']}, {options.count} inferences, device answers at once:"
    )
    for name, times in results.items():
        print(f"  {name:12s} median {times['median']:6.1f} us   99 % below {times['p99']:6.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
