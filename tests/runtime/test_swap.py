"""Hot swap: the new package answers after it, the old one before it and after any failure, wherever that strikes."""

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from hwgen.runtime import (
    EngineError,
    HashMismatch,
    PackageError,
    SelftestError,
    UsageError,
    read_package,
    write_package,
)
from hwgen.runtime.sim_direct import SimDirect
from tests.runtime import policy_samples, samples
from tests.runtime.conftest import FakeClock, open_way
from tests.support import cases

BUFFERS = 5  # of one resident: image, two inputs, two outputs


def compute(data, image):
    """The sample, whose third output bit of y tells which image is loaded: byte 16 of it is added to y."""
    out = bytearray(samples.compute(data))
    for i in range(samples.X):
        out[i] = (out[i] + image[16]) & 0xFF
    return bytes(out)


def write(path, mark, **changes):
    """A package whose image says `mark`, with golden vectors to match."""
    image = bytearray(samples.image())
    image[16] = mark
    vectors = samples.vectors(np.random.default_rng(mark))
    vectors["y"] = (vectors["y"].view(np.uint8) + np.uint8(mark)).view(np.int8)
    return write_package(path, {**samples.manifest(), **changes}, bytes(image), vectors)


def ask(accelerator, rng):
    """The mark of the package that answered, once the rest of the answer was found right."""
    x, k = rng.integers(-128, 128, 20).astype(np.int8), rng.integers(0, 16, (2, 3)).astype(np.uint8)
    accelerator.submit({"x": x, "k": k}, raw=True)
    return taken(accelerator.result(), x, k)


def taken(got, x, k):
    y, z = samples.golden(x, k.reshape(6))
    marks = set((got["y"].view(np.uint8) - y.view(np.uint8)).tolist())
    assert (got["z"] == z).all() and len(marks) == 1
    return marks.pop()


@pytest.fixture
def model():
    double = samples.model()
    double.compute = lambda data: compute(data, double.image)
    return double


@pytest.fixture
def old(tmp_path):
    return write(tmp_path / "old.hwpkg", 1)


@pytest.fixture
def new(tmp_path):
    return write(tmp_path / "new.hwpkg", 2)


@pytest.fixture
def accelerator(way, old, model):
    with open_way(way, old, model, timeout=0.05, clock=FakeClock()) as opened:
        yield opened


def pool(accelerator):
    return getattr(accelerator.port, "device", accelerator.port).pool


@pytest.mark.parametrize("selftest", [True, False])
def test_the_new_package_answers(accelerator, new, model, rng, selftest):
    assert ask(accelerator, rng) == 1
    loads, resets = model.loads, accelerator.stats["resets"]
    accelerator.swap(new, selftest=selftest)
    assert accelerator.package.path == new and ask(accelerator, rng) == 2
    assert (model.loads, accelerator.stats["resets"], accelerator.stats["swaps"]) == (loads + 1, resets, 1)
    assert len(pool(accelerator).live) == BUFFERS


def test_to_and_fro(accelerator, old, new, rng):
    for i in range(cases(10, 200)):
        accelerator.swap((new, old)[i % 2])
        assert ask(accelerator, rng) == 2 - i % 2
    assert len(pool(accelerator).live) == BUFFERS


def test_what_was_submitted_is_answered_by_the_old_package(accelerator, new, rng):
    x, k = rng.integers(-128, 128, (3, 20)).astype(np.int8), rng.integers(0, 16, (3, 2, 3)).astype(np.uint8)
    accelerator.submit({"x": x[0], "k": k[0]}, raw=True)
    accelerator.submit({"x": x[1], "k": k[1]}, raw=True)
    accelerator.swap(new)
    assert len(pool(accelerator).live) == 2 * BUFFERS
    assert taken(accelerator.result(), x[0], k[0]) == 1
    accelerator.submit({"x": x[2], "k": k[2]}, raw=True)
    assert taken(accelerator.result(), x[1], k[1]) == 1
    assert taken(accelerator.result(), x[2], k[2]) == 2
    assert len(pool(accelerator).live) == BUFFERS


def test_in_the_background_while_others_infer(accelerator, new, rng):
    marks, stop = [], threading.Event()

    def work():
        own = np.random.default_rng(1)
        while not stop.is_set():
            marks.append(ask(accelerator, own))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        swap = accelerator.swap(new, wait=False)
        swap.result(30)
    finally:
        stop.set()
        thread.join(30)
    assert swap.done() and marks == sorted(marks) and ask(accelerator, rng) == 2
    assert not [t for t in threading.enumerate() if t.name.startswith("swap")]


class Planted(Exception):
    """A fault between two device accesses."""


@pytest.mark.parametrize("kind", cases([KeyboardInterrupt], [Planted, KeyboardInterrupt, OSError]))
@pytest.mark.parametrize("selftest", [True, False])
def test_killed_at_each_access_of_the_device(old, new, rng, kind, selftest):
    """Plant the exception at the first, second, ... access of a swap until one gets through."""
    old, new = read_package(old), read_package(new)
    for at in range(10_000):
        model = samples.model()
        model.compute = lambda data, model=model: compute(data, model.image)
        device = Saboteur(model)
        with open_way("device", old, device, timeout=0.05, clock=FakeClock()) as accelerator:
            device.kind, device.left = kind, at
            try:
                accelerator.swap(new, selftest=selftest)
            except kind:
                through = False
            except Exception as error:
                assert kind is not KeyboardInterrupt and "memory" in str(error)  # allocate: named by the driver
                through = False
            else:
                through = True
            struck, device.left = device.left < 0, -1
            mark = ask(accelerator, rng)
            assert mark == ask(accelerator, rng) == (2 if accelerator.package is new else 1)
            assert mark == (2 if through else 1)
            gc.collect()
            assert len(device.pool.live) == BUFFERS
            accelerator.swap(old if mark == 2 else new)
            assert ask(accelerator, rng) == 3 - mark
        assert not device.pool.live
        if not struck:
            break
    assert at > (35 if selftest else 15) and through


class Saboteur(SimDirect):
    """A device that raises `kind` in the access after `left` more (-1: never again)."""

    def __init__(self, bus):
        super().__init__(bus)
        self.kind, self.left = None, -1
        for name in ("read", "write", "allocate"):
            setattr(self, name, self._wrap(getattr(self, name)))

    def _wrap(self, function):
        def guarded(*arguments):
            self._strike()
            made = function(*arguments)
            if hasattr(made, "flush"):
                made.flush, made.invalidate = self._wrap(made.flush), self._wrap(made.invalidate)
            return made

        return guarded

    def _strike(self):
        if self.left >= 0 and self.kind is not None:
            self.left -= 1
            if self.left < 0:
                kind, self.kind = self.kind, None
                raise kind("planted")


def test_a_load_that_fails_keeps_the_old_package(accelerator, new, model, rng):
    model.fail_load = "BAD_IMAGE"
    with pytest.raises(EngineError, match="new.hwpkg: load failed.*BAD_IMAGE"):
        accelerator.swap(new)
    loads = model.loads
    assert ask(accelerator, rng) == 1 and model.loads == loads and len(pool(accelerator).live) == BUFFERS
    accelerator.swap(new)
    assert ask(accelerator, rng) == 2


def test_a_package_that_computes_wrong_never_answers(accelerator, tmp_path, rng):
    wrong = read_package(write(tmp_path / "wrong.hwpkg", 3))
    wrong.selftest["y"] = wrong.selftest["y"] ^ 1
    with pytest.raises(SelftestError, match="wrong.hwpkg: vector 0"):
        accelerator.swap(wrong)
    assert ask(accelerator, rng) == 1
    accelerator.swap(wrong, selftest=False)
    assert ask(accelerator, rng) == 3


def test_the_old_package_that_cannot_come_back_at_once_comes_back_later(accelerator, new, model, rng):
    model.hang = model.stuck = True
    with pytest.raises(Exception, match="not done"):
        accelerator.swap(new)
    model.hang = model.stuck = False
    assert ask(accelerator, rng) == 1 and len(pool(accelerator).live) == BUFFERS


def test_a_damaged_package(accelerator, new, rng):
    data = bytearray(new.read_bytes())
    data[len(data) // 2] ^= 4
    new.write_bytes(data)
    with pytest.raises(PackageError, match="new.hwpkg"):
        accelerator.swap(new)
    swap = accelerator.swap(new.with_name("none.hwpkg"), wait=False)
    with pytest.raises(PackageError, match="cannot be read"):
        swap.result(30)
    assert ask(accelerator, rng) == 1


def test_no_memory_for_a_second_package(way, old, new, model, rng):
    model.ddr = model.ddr[: 8 * 4096]
    with open_way(way, old, model, clock=FakeClock()) as accelerator:
        for _ in range(3):
            with pytest.raises(Exception, match="no DMA memory for the"):
                accelerator.swap(new)
            assert ask(accelerator, rng) == 1 and len(pool(accelerator).live) == BUFFERS


def test_another_design(accelerator, tmp_path, rng):
    image = bytearray(samples.image(samples.HASH + 1))
    other = write_package(
        tmp_path / "other.hwpkg", {**samples.manifest(), "design_hash": f"{samples.HASH + 1:016x}"}, bytes(image),
        samples.vectors(rng),
    )  # fmt: skip
    for allow in (False, True):  # it brings no bitstream either
        with pytest.raises(HashMismatch, match="other.hwpkg was made for design 0123456789abcdf0, old.hwpkg .*--like"):
            accelerator.swap(other, allow_stop=allow)
    assert ask(accelerator, rng) == 1


def test_another_interface(accelerator, tmp_path, rng):
    outputs = samples.manifest()["outputs"]
    outputs[0]["name"] = "grip"
    vectors = samples.vectors(rng)
    vectors["grip"] = vectors.pop("y")
    manifest = {**samples.manifest(), "outputs": outputs}
    other = write_package(tmp_path / "other.hwpkg", manifest, samples.image(), vectors)
    with pytest.raises(UsageError, match="other.hwpkg answers grip .*, the running old.hwpkg y"):
        accelerator.swap(other)
    policy = policy_samples.write(tmp_path / "policy.hwpkg")
    with pytest.raises(UsageError, match="policy.hwpkg takes camera"):
        accelerator.swap(policy)
    assert ask(accelerator, rng) == 1


def test_a_second_swap_meanwhile_and_a_closed_accelerator(accelerator, new, rng):
    with accelerator._lock:  # the switch waits for it
        swap = accelerator.swap(new, wait=False)
        with pytest.raises(UsageError, match="a swap to new.hwpkg is under way"):
            accelerator.swap(new)
        with pytest.raises(TimeoutError, match="not done after 0 s"):
            swap.result(0)
    swap.result(30)
    with accelerator._lock:
        swap = accelerator.swap(new, wait=False)
        accelerator.close()
    with pytest.raises(UsageError, match="closed"):
        swap.result(30)
    assert not pool(accelerator).live
    with pytest.raises(UsageError, match="closed"):
        accelerator.swap(new)


@pytest.mark.pynq
class TestOtherBitstream:
    """A package of another design that brings its bitstream."""

    @pytest.fixture
    def other(self, tmp_path):
        from hwgen.runtime.hwh import make_hwh

        image = bytearray(samples.image(samples.HASH + 1))
        image[16] = 2
        vectors = samples.vectors(np.random.default_rng(2))
        vectors["y"] = (vectors["y"].view(np.uint8) + np.uint8(2)).view(np.int8)
        manifest = {
            **samples.manifest(), "design_hash": f"{samples.HASH + 1:016x}", "bitstream": policy_samples.BITSTREAM,
        }  # fmt: skip
        return write_package(
            tmp_path / "other.hwpkg", manifest, bytes(image), vectors, bitstream=b"bits",
            hwh=make_hwh().encode(),
        )  # fmt: skip

    def test_a_stop_that_is_allowed(self, old, other, model, rng):
        with open_way("pynq", old, model, clock=FakeClock()) as accelerator:
            with pytest.raises(HashMismatch, match="allow_stop=True loads the bitstream inside it"):
                accelerator.swap(other)
            model.on_reset = lambda: model.fixed.update(HASH_LO=(samples.HASH + 1) & 0xFFFFFFFF)
            accelerator.swap(other, allow_stop=True)
            assert ask(accelerator, rng) == 2 and len(pool(accelerator).live) == BUFFERS
            folder = Path(accelerator.port.folder.name)
            assert folder.stat().st_mode & 0o777 == 0o700 and (folder / "hwgen.bit").read_bytes() == b"bits"
        assert not folder.exists()

    def test_a_stop_that_fails_brings_the_old_bitstream_back(self, old, other, model, rng):
        with open_way("pynq", old, model, clock=FakeClock()) as accelerator:
            resets = model.resets
            with pytest.raises(HashMismatch, match="other.hwpkg was made for design"):
                accelerator.swap(other, allow_stop=True)  # the model stays the old design
            assert model.resets == resets + 2 and ask(accelerator, rng) == 1
            assert len(pool(accelerator).live) == BUFFERS
