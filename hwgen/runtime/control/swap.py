"""Hot swap: `policy.swap("new.hwpkg")` changes to another package while the old one goes on answering.

    prepare   read and verify the file, compare design and interface, allocate, upload      the old package answers
    switch    between two inferences: one LOAD, then the new package's golden vectors       inferences wait
    commit    one assignment; from here on the new package answers                          the new package answers

Whatever fails before the commit, an exception such as KeyboardInterrupt included, leaves the old package: it is loaded
again at once, or, where that is not possible, by the next inference. Everything that belongs to a package is reached
through one object, so that no answer mixes two. Observations that were submitted before the switch are answered by the
old package.

The new package must be for the same design (the same bitstream) and have the same names, shapes and units. With
`allow_stop`, one for another design that holds its own bitstream is taken, too: then the engine stops, the bitstream is
loaded, and inferences wait until the new engine answers.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hwgen.runtime.checks import check_timeout
from hwgen.runtime.errors import DeviceFault, EngineTimeout, HashMismatch, RuntimeFault, UsageError
from hwgen.runtime.package import Package, read_package

if TYPE_CHECKING:
    from hwgen.runtime.driver import Accelerator


class Swap:
    """A swap, done or under way. `result(timeout)` waits, and raises why it failed; the old package then answers."""

    def __init__(self, name: str) -> None:
        self.name, self.error = name, None
        self._ended = threading.Event()

    def done(self) -> bool:
        """True once the new package answers or the swap failed."""
        return self._ended.is_set()

    def result(self, timeout: float = 60.0) -> None:
        """Wait for the end. Raises PackageError, HashMismatch, UsageError, SelftestError or another DeviceFault where
        the old package stayed; EngineTimeout when the swap is still under way after `timeout` seconds."""
        if not self._ended.wait(check_timeout(timeout)):
            raise EngineTimeout(f"the swap to {self.name} is not done after {timeout:g} s; wait longer with timeout=")
        if self.error is not None:
            raise self.error

    def join(self, timeout: float) -> None:
        """Wait for the end without raising its error."""
        self._ended.wait(timeout)

    def _run(self, accelerator: Accelerator, package: object, selftest: bool, allow_stop: bool) -> None:
        try:
            swap_now(accelerator, package, selftest, allow_stop)
        finally:
            self._ended.set()

    def _run_quietly(self, accelerator: Accelerator, package: object, selftest: bool, allow_stop: bool) -> None:
        try:
            swap_now(accelerator, package, selftest, allow_stop)
        except RuntimeFault as error:
            self.error = error.with_traceback(None)  # which would hold the package and its buffers
        except Exception as error:
            self.error = DeviceFault(f"the swap to {self.name} failed ({type(error).__name__}: {error})")
        finally:
            self._ended.set()


def begin_swap(
    accelerator: Accelerator, package: str | os.PathLike | Package, selftest: bool, allow_stop: bool, wait: bool
) -> Swap:
    """What `Accelerator.swap` does: with `wait` in this thread, else in one of its own. Raises UsageError while another
    swap is under way; with `wait` all that `Swap.result` raises."""
    name = Path(getattr(package, "path", str(package))).name
    swap = Swap(name)
    with accelerator._lock:
        if accelerator._swap is not None and not accelerator._swap.done():
            raise UsageError(f"a swap to {accelerator._swap.name} is under way; wait for its result() first")
        accelerator._swap = swap
    arguments = (accelerator, package, selftest, allow_stop)
    if wait:
        swap._run(*arguments)
    else:
        threading.Thread(target=swap._run_quietly, args=arguments, name=f"swap to {name}", daemon=True).start()
    return swap


def swap_now(accelerator: Accelerator, package: object, selftest: bool, allow_stop: bool) -> None:
    """Prepare and switch in this thread."""
    new = package if isinstance(package, Package) else read_package(package)
    old = accelerator.package
    check_interface(old, new)
    if new.design_hash == old.design_hash:
        accelerator._switch(new, selftest)
    elif allow_stop and new.hwh is not None:
        accelerator._restart(new, selftest)
    else:
        way_out = "allow_stop=True loads the bitstream inside it" if new.hwh is not None else "close, and open it alone"
        raise HashMismatch(
            f"package {new.path.name} was made for design {new.design_hash:016x}, {old.path.name} and the bitstream "
            f"are design {old.design_hash:016x}; generate it with --like {old.path.name}, or {way_out}"
        )


def check_interface(old: Package, new: Package) -> None:
    """Raise UsageError where a caller of `old` could not call `new` in the same way."""
    for what, had, has in zip(("takes", "answers"), _interface(old), _interface(new), strict=True):
        if had != has:
            raise UsageError(
                f"package {new.path.name} {what} {_words(has)}, the running {old.path.name} {_words(had)}; "
                "close this Accelerator and open the other package instead"
            )


def _interface(package: Package) -> tuple[dict, dict]:
    policy = package.policy
    if policy is None:
        takes, answers = ({t.name: t.shape for t in part} for part in (package.inputs, package.outputs))
        return takes, answers
    optional = ["optional"]
    takes = {o.name: (o.kind, o.shape, o.unit, *optional * (o.default is not None)) for o in policy.observation}
    return takes, {"action": (policy.action.shape, policy.action.unit)}


def _words(interface: dict) -> str:
    text = ", ".join(f"{name} {value}" for name, value in interface.items())
    return text if len(text) <= 300 else text[:297] + "..."
