"""Thousands of inferences with faults at random: every answer is right or a clear error, nothing hangs, and memory does
not grow. 10,000 under HWGEN_FULL=1 on the register model, through SimDirect and through pynq's SimDevice; some on the
simulated RTL.

Time is a clock of the tests' own: every wait of the driver looks at it, so a hang would be a loop without end.
"""

import gc
import tracemalloc

import numpy as np
import pytest

from hwgen.runtime import RuntimeFault, read_package
from hwgen.runtime.simbus import SimBus
from tests.runtime import samples
from tests.runtime.conftest import FakeClock, open_way
from tests.runtime.test_driver import frame
from tests.runtime.test_rtl import frames
from tests.runtime.test_swap import compute, taken, write
from tests.support import cases

BUFFERS = 5
CORRUPT = "corrupt.hwpkg"
WINDOWS = 5
CODES = ("AXI_READ", "AXI_WRITE", "WATCHDOG", "BAD_INSTRUCTION", "PORT_CONFLICT")


class Flaky:
    """A bus around another one, which garbles what is read or ends an access in an exception, when told to.

    garble: chance that STATUS reads garbage. left: accesses until `kind` is raised; -1: never."""

    def __init__(self, bus, rng):
        self._bus, self._rng = bus, rng
        self.ddr, self.ddr_base = bus.ddr, bus.ddr_base
        self.garble, self.kind, self.left = 0.0, None, -1

    def read(self, offset):
        self._strike()
        value = self._bus.read(offset)
        return int(self._rng.integers(0, 1 << 32)) if self._rng.random() < self.garble else value

    def write(self, offset, value):
        self._strike()
        self._bus.write(offset, value)

    def reset(self):
        self._bus.reset()

    def _strike(self):
        if self.left >= 0:
            self.left -= 1
            if self.left < 0:
                raise self.kind("planted")


def kept(accelerator):
    """Buffers that are live, without those that an engine that did not answer may still write."""
    return len(getattr(accelerator.port, "device", accelerator.port).pool.live)


class Counts(dict):
    def add(self, name):
        self[name] = self.get(name, 0) + 1


def model_step(accelerator, model, bus, packages, rng, counts):
    """One inference, or a swap, with one fault at most. Returns nothing; raises AssertionError for a wrong answer."""
    fault = rng.choice(["none", "code", "hang", "stuck", "load", "garbage", "kill", "swap", "corrupt", "full", "nan"],
                       p=[0.4, 0.12, 0.05, 0.02, 0.05, 0.1, 0.1, 0.06, 0.03, 0.03, 0.04])  # fmt: skip
    inputs, name = frame(rng), str(fault)
    model.fail = str(rng.choice(CODES)) if fault in ("code", "load", "stuck") else None
    model.fail_load = "AXI_READ" if fault == "load" else None
    model.hang, model.stuck = fault in ("hang", "stuck"), fault == "stuck"
    bus.garble = 0.3 if fault == "garbage" else 0.0
    hoard = []
    try:
        if fault == "kill":
            bus.kind = [KeyboardInterrupt, OSError][rng.integers(2)]
            bus.left = int(rng.integers(0, 45))
            if rng.random() < 0.6:
                accelerator.swap(packages[rng.integers(2)], selftest=bool(rng.integers(2)))
        elif fault == "swap":
            accelerator.swap(packages[rng.integers(2)])
        elif fault == "corrupt":
            accelerator.swap(corrupt(packages[0].path, rng))
        elif fault == "full":
            hoard = fill(accelerator)
            accelerator.swap(packages[rng.integers(2)])
        elif fault == "nan":
            inputs = {"x": np.full(20, np.nan, np.float32), "k": np.zeros((2, 3), np.float32)}
        if fault == "nan" or rng.random() < 0.3:
            got = accelerator.infer(inputs, raw=fault != "nan")
        else:
            accelerator.submit(inputs, raw=True)
            got = accelerator.result()
    except (RuntimeFault, KeyboardInterrupt, OSError) as error:
        assert str(error) and "\n" not in str(error)
        counts.add(f"{name}: {type(error).__name__}")
        accelerator._residency.current[0].clear()  # the caller lost an answer, and forgets what is in flight
    else:
        assert fault != "nan"
        assert taken(got, inputs["x"], inputs["k"]) == mark_of(accelerator, packages)
        counts.add(f"{name}: right")
    finally:
        bus.left, bus.garble, model.hang, model.stuck, model.fail, model.fail_load = -1, 0.0, False, False, None, None
        for buffer in hoard:
            buffer.freebuffer()


def mark_of(accelerator, packages):
    """The mark that the package in charge must put on its answers. A turned bit that nothing reads, of the archive's
    padding, leaves a package what it was: the first."""
    paths = [p.path for p in packages] + [packages[0].path.with_name(CORRUPT)]
    return (1, 2, 1)[paths.index(accelerator.package.path)]


def corrupt(path, rng):
    """The package with one bit of it turned, beside it."""
    data = bytearray(path.read_bytes())
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)
    bad = path.with_name(CORRUPT)
    bad.write_bytes(data)
    return bad


def fill(accelerator):
    """All DMA memory but a little, which is too little for another package."""
    hoard = []
    try:
        while True:
            hoard.append(accelerator.port.allocate(4096))
    except (MemoryError, RuntimeError):
        for _ in range(min(3, len(hoard))):
            hoard.pop().freebuffer()
    return hoard


def test_the_register_model(way, tmp_path, rng):
    model = samples.model()
    model.ddr = model.ddr[: 40 * 4096]
    model.compute = lambda data: compute(data, model.image)
    packages = [read_package(write(tmp_path / f"{name}.hwpkg", mark)) for name, mark in (("one", 1), ("two", 2))]
    bus, counts = Flaky(model, rng), Counts()
    with open_way(way, packages[0], bus, timeout=0.05, clock=FakeClock(2e-3)) as accelerator:
        tracemalloc.start()
        try:
            sizes = []
            for _ in range(WINDOWS):
                for _ in range(cases(150, 2000)):
                    model_step(accelerator, model, bus, packages, rng, counts)
                    model.log.clear()
                accelerator.reset()  # whatever still waits to be given back
                gc.collect()
                assert kept(accelerator) == BUFFERS
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        print("soak:", dict(sorted(counts.items())), "bytes at the ends of windows:", sizes)
        assert max(sizes[2:]) - sizes[1] < 60_000
        inputs = frame(rng)
        assert taken(accelerator.infer(inputs, raw=True), inputs["x"], inputs["k"]) == mark_of(accelerator, packages)
    assert sum(n for name, n in counts.items() if name.endswith("right")) > 0.4 * sum(counts.values())
    assert not getattr(accelerator.port, "device", accelerator.port).pool.live


@pytest.mark.rtl
@pytest.mark.xdist_group("runtime-rtl")
@pytest.mark.parametrize("kind", ["designs", "streamed_designs"])
def test_the_simulated_rtl(kind, request, rng):
    """Swaps between two sets of weights, bus errors, garbage and kills on the real engine; golden's inputs, outputs."""
    designs = request.getfixturevalue(kind)
    packages = [read_package(folder / "policy.hwpkg") for folder in designs]
    known = {p.path: list(frames(folder)) for p, folder in zip(packages, designs, strict=True)}
    counts = Counts()
    with SimBus.open(designs[0]).sim as sim:
        bus = Flaky(SimBus(sim), rng)
        with open_way("direct", packages[0], bus, timeout=5, clock=FakeClock()) as accelerator:
            for _ in range(cases(60, 2000)):
                fault = str(rng.choice(["none", "axi", "garbage", "kill", "swap"], p=[0.4, 0.15, 0.15, 0.15, 0.15]))
                bus.garble = 0.3 if fault == "garbage" else 0.0
                bus.kind, bus.left = KeyboardInterrupt, int(rng.integers(0, 60)) if fault == "kill" else -1
                if fault == "axi":
                    sim.fault(("read", "write")[rng.integers(2)], "slverr", burst=int(rng.integers(4)))
                try:
                    if fault in ("kill", "swap"):
                        accelerator.swap(packages[rng.integers(2)], selftest=False)
                    inputs, want = known[accelerator.package.path][rng.integers(20)]
                    got = accelerator.infer(inputs, raw=True)
                except (RuntimeFault, KeyboardInterrupt) as error:
                    counts.add(f"{fault}: {type(error).__name__}")
                else:
                    assert all((got[name] == array).all() for name, array in want.items())
                    counts.add(f"{fault}: right")
                bus.left, bus.garble = -1, 0.0
                sim.clear_faults()
            accelerator.reset()
            assert kept(accelerator) == BUFFERS + (kind == "streamed_designs")
        print("soak on the RTL:", dict(sorted(counts.items())))
