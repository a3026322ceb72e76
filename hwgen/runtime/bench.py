"""Measure the driver's own time: `python -m hwgen.runtime.bench [PACKAGE]`, with a device that answers at once.

Printed: median and 99th percentile of infer() in microseconds, with `out=`, on the plain protocol and, where pynq is
installed, through pynq's Overlay, MMIO and allocate. Of a whole policy: everything, the processor's part of the network
included, and the accelerator's integers alone.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hwgen.runtime import abi
from hwgen.runtime.driver import Accelerator
from hwgen.runtime.errors import RuntimeFault
from hwgen.runtime.instant import InstantBus
from hwgen.runtime.layout import parse_tensors
from hwgen.runtime.package import FORMAT, Package, read_package
from hwgen.runtime.selftest import observations
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


def calls(accelerator: Accelerator) -> dict[str, Callable[[], object]]:
    """What is measured, by name: each call is one infer()."""
    rng = np.random.default_rng(0)
    package = accelerator.package
    integers = {t.name: rng.integers(t.lo, t.hi + 1, t.shape).astype(t.dtype) for t in package.inputs}
    answer = {t.name: np.empty(t.shape, t.dtype) for t in package.outputs}
    alone = {"integers": lambda: accelerator.infer(integers, raw=True, out=answer)}
    if package.policy is not None:
        observation = observations(package)[0]
        actions = np.empty(package.policy.action.shape, np.float32)
        return {"whole policy": lambda: accelerator.infer(observation, out=actions), **alone}
    floats = {t.name: (integers[t.name] * t.scale).astype(np.float32) for t in package.inputs}
    result = {t.name: np.empty(t.shape, np.float32) for t in package.outputs}
    return {"float32": lambda: accelerator.infer(floats, out=result), **alone}


def measure(call: Callable[[], object], count: int) -> dict[str, float]:
    """Microseconds of one call: {"median", "p99"}."""
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        times.append((time.perf_counter() - begin) * 1e6)
    times.sort()
    return {"median": statistics.median(times), "p99": times[int(0.99 * (len(times) - 1))]}


def bench(package: Package, count: int = 2000) -> dict[str, dict[str, dict[str, float]]]:
    """`measure` of each of `calls`, by device: "direct", and "pynq VERSION" where pynq is installed."""
    results = {}
    with Accelerator(package, device=SimDirect(InstantBus(package))) as accelerator:
        results["direct"] = {name: measure(call, count) for name, call in calls(accelerator).items()}
    try:
        import pynq

        from hwgen.runtime.sim_device import open_sim
    except ImportError:
        return results
    device, bitstream = open_sim(InstantBus(package))
    with Accelerator(package, bitstream=bitstream, device=device) as accelerator:
        measured = {name: measure(call, count) for name, call in calls(accelerator).items()}
    return {**results, f"pynq {pynq.__version__}": measured}


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
    print(f"driver overhead per infer(), {package.manifest['name']}, {options.count} times, device answers at once:")
    for device, kinds in results.items():
        for kind, times in kinds.items():
            print(f"  {device:10s} {kind:12s} median {times['median']:7.1f} us   99 % below {times['p99']:7.1f} us")
    return 0


if __name__ == "__main__":
    sys.exit(main())
