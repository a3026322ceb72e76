"""What it costs the robot's processor to hand one camera frame to the accelerator: FINN's generated driver beside ours.

    PYTHON_OF_FINN scripts/finn_packing.py --finn PATH/TO/finn [--shape 224x224x3] [--simd 3] [--repeat 3]

FINN's side is its own code out of the checkout, unchanged: `FINNExampleOverlay.fold_input`, `pack_input` (with the
`fast_mode=True` that its driver passes) and `copy_input_data_to_device` of templates/driver/driver_base.py over
finn.util.data_packing. Only the import of pynq is stood in for, and the DMA buffer is a NumPy array. Ours is
`hwgen.runtime.convert.Packer`, which writes into a NumPy array of the same kind, and the whole of `infer()` on a device
that answers at once. Both get the same frame, whose bytes in the buffer must come out equal. PYTHON_OF_FINN has numpy,
qonnx and the old bitstring 3 that FINN's code wants, as its own environment does.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from hwgen.runtime import Accelerator  # noqa: E402
from hwgen.runtime.bench import sample_package  # noqa: E402
from hwgen.runtime.convert import Packer  # noqa: E402
from hwgen.runtime.instant import InstantBus  # noqa: E402
from hwgen.runtime.sim_direct import SimDirect  # noqa: E402

DRIVER = "src/finn/qnn-data/templates/driver/driver_base.py"


class Memory(np.ndarray):
    """A DMA buffer that needs no flush."""

    def flush(self) -> None:
        """Nothing."""


def finn_pack(checkout: Path, shape: tuple[int, ...], simd: int) -> tuple[Callable[[np.ndarray], None], np.ndarray]:
    """FINN's way from a frame of this shape to its packed buffer, and that buffer."""
    stand_in, ps = types.ModuleType("pynq"), types.ModuleType("pynq.ps")
    stand_in.Overlay, stand_in.allocate, ps.Clocks = object, None, None
    sys.modules.update({"pynq": stand_in, "pynq.ps": ps})
    sys.path.insert(0, str(checkout / "src"))
    spec = importlib.util.spec_from_file_location("driver_base", checkout / DRIVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    driver = object.__new__(module.FINNExampleOverlay)
    folded = (1, *shape[:-1], shape[-1] // simd, simd)
    driver._batch_size = 1
    driver._io_shape_dict = {
        "idt": [module.DataType["UINT8"]],
        "ishape_normal": [(1, *shape)],
        "ishape_folded": [folded],
        "ishape_packed": [folded],
    }
    driver.ibuf_packed_device = [np.zeros(folded, np.uint8).view(Memory)]

    def pack(frame: np.ndarray) -> None:
        driver.copy_input_data_to_device(driver.pack_input(driver.fold_input(frame[None])))

    return pack, driver.ibuf_packed_device[0]


def median_of(call: Callable[[], object], count: int) -> float:
    """The median of `count` calls in seconds of the processor, which other processes do not lengthen."""
    times = []
    for _ in range(count):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def measure(checkout: Path, shape: tuple[int, ...], simd: int, repeat: int) -> list[tuple[str, str, float]]:
    """Rows of (driver, frame given as, seconds)."""
    frame = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    frames = {"float32": frame.astype(np.float32), "uint8": frame}
    pack, packed = finn_pack(checkout, shape, simd)
    rows = []
    for kind, given in frames.items():
        packed[:] = 0
        rows.append(("FINN", kind, median_of(lambda given=given: pack(given), repeat if kind == "float32" else 500)))
        assert packed.tobytes() == frame.tobytes(), "FINN's bytes are the frame's"
    cast = median_of(lambda: pack(frames["float32"].astype(np.uint8)), 500)
    rows.append(("FINN, its caller casts to uint8", "float32", cast))

    package = sample_package(shape, dtype="uint8", scale=1.0)
    (spec,) = package.inputs
    buffer = np.zeros(package.manifest["in_bytes"], np.uint8)
    packer = Packer(spec, buffer)
    for kind, convert in (("float32", packer.real), ("uint8", packer.raw)):
        buffer[:] = 0
        rows.append(("hwgen, packing", kind, median_of(lambda c=convert, k=kind: c(frames[k]), 500)))
        assert buffer[: frame.size].tobytes() == frame.tobytes(), "our bytes are the frame's"
    with Accelerator(package, device=SimDirect(InstantBus(package))) as accelerator:
        for kind, raw in (("float32", False), ("uint8", True)):
            given, out = {"x": frames[kind]}, {"y": np.zeros(12, np.int8 if raw else np.float32)}
            seconds = median_of(lambda g=given, o=out, r=raw: accelerator.infer(g, raw=r, out=o), 500)
            rows.append(("hwgen, all of infer()", kind, seconds))
    return rows


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="finn_packing.py", description=__doc__.splitlines()[0])
    parser.add_argument("--finn", type=Path, required=True, help="a checkout of FINN")
    parser.add_argument("--shape", default="224x224x3", help="height x width x channels")
    parser.add_argument("--simd", type=int, default=3, help="channels that FINN's first layer takes at a time")
    parser.add_argument("--repeat", type=int, default=3, help="runs of FINN's float32 path")
    options = parser.parse_args()
    shape = tuple(int(part) for part in options.shape.split("x"))
    if len(shape) != 3 or min(shape) < 1 or options.simd < 1 or shape[-1] % options.simd:
        parser.error("--shape is height x width x channels, and --simd divides the channels")
    if not (options.finn / DRIVER).is_file():
        parser.error(f"{options.finn} is no checkout of FINN: it lacks {DRIVER}")
    rows = measure(options.finn, shape, options.simd, options.repeat)
    finn = {kind: seconds for name, kind, seconds in rows if name == "FINN"}
    print(f"one {options.shape} frame into the DMA buffer; Python {platform.python_version()}, numpy {np.__version__}")
    print("| driver | frame given as | processor time, median | FINN's time for the same / ours |")
    print("|---|---|---|---|")
    for name, kind, seconds in rows:
        ratio = "" if name.startswith("FINN") else f"{finn[kind] / seconds:.3g}"
        print(f"| {name} | {kind} | {seconds * 1e6:,.1f} µs | {ratio} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
