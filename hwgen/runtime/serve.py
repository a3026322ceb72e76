"""The driver as a process, for a caller in another Python environment (pynq needs numpy 1, the flow does not):

    python -m hwgen.runtime.serve PACKAGE --sim LIBRARY            the simulated RTL behind SimDevice, through pynq
    python -m hwgen.runtime.serve PACKAGE --sim LIBRARY --direct   the same without pynq
    python -m hwgen.runtime.serve PACKAGE --bitstream FILE.bit     a board

Messages (`frames`) come in on stdin and go out on stdout; one answer to each. Requests: {"do": "info"}; {"do": "infer",
"raw"} with arrays [B, *shape], answered with outputs [B, *shape] and `cycles` uint32 [B]; {"do": "act"} with the
observations of a whole policy [B, *shape] (texts as `package_vectors.pack_texts` makes them), answered with `action`
float32 [B, chunk, dof]; {"do": "selftest"}; {"do": "stats"}; {"do": "reset"}; {"do": "close"}. An error answers
{"error": class name, "message"}, and the server goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

import numpy as np

from hwgen.runtime.driver import Accelerator
from hwgen.runtime.errors import InputFault, RuntimeFault, UsageError
from hwgen.runtime.frames import decode, encode
from hwgen.runtime.package import read_package
from hwgen.runtime.package_vectors import unpack_texts

Answer = tuple[dict, dict[str, np.ndarray]]


class Server:
    """Answers requests with one accelerator."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self._out: dict[bool, dict[str, np.ndarray]] = {}

    def answer(self, header: dict, arrays: dict[str, np.ndarray]) -> Answer:
        """The answer to one request; a RuntimeFault becomes an answer too."""
        try:
            action = getattr(self, f"_do_{header.get('do')}", None)
            if action is None:
                raise UsageError(f"unknown request {header.get('do')!r:.80}; see hwgen.runtime.serve")
            return action(header, arrays)
        except RuntimeFault as error:
            return {"error": type(error).__name__, "message": str(error)}, {}

    def _do_info(self, header: dict, arrays: dict) -> Answer:
        manifest = self.accelerator.package.manifest
        keep = ("name", "board", "design_hash", "array", "clock_mhz_assumed", "predicted_cycles", "inputs", "outputs")
        return {
            **{key: manifest[key] for key in keep},
            "device": type(self.accelerator.port).__name__,
            "pynq": _pynq(),
        }, {}

    def _do_infer(self, header: dict, arrays: dict[str, np.ndarray]) -> Answer:
        raw = bool(header.get("raw", True))
        count, package = _batch(arrays), self.accelerator.package
        outputs = {t.name: np.empty((count, *t.shape), t.dtype if raw else np.float32) for t in package.outputs}
        cycles = np.empty(count, np.uint32)
        for i in range(count):
            out = {name: array[i, ...] for name, array in outputs.items()}
            self.accelerator.infer({name: array[i] for name, array in arrays.items()}, out=out, raw=raw)
            cycles[i] = self.accelerator.last_cycles
        return {"cycles": "cycles"}, {"cycles": cycles, **{"out." + name: array for name, array in outputs.items()}}

    def _do_act(self, header: dict, arrays: dict[str, np.ndarray]) -> Answer:
        policy = self.accelerator.policy
        if policy is None:
            raise UsageError(f"package {self.accelerator.package.path.name} holds no policy; ask it to infer")
        count, columns = _batch(arrays), dict(arrays)
        for name in arrays.keys() & {o.name for o in policy.observation if o.kind == "text"}:
            try:
                columns[name] = unpack_texts(arrays[name])
            except ValueError as error:
                raise InputFault(f"observation '{name}' holds no zero-padded UTF-8 ({error}); pack texts") from error
        rows = [{name: column[i] for name, column in columns.items()} for i in range(count)]
        actions = self.accelerator.infer_batch(rows)
        return {}, {"action": np.stack(actions) if actions else np.empty((0, policy.chunk, policy.dof), np.float32)}

    def _do_selftest(self, header: dict, arrays: dict) -> Answer:
        return self.accelerator.selftest(), {}

    def _do_stats(self, header: dict, arrays: dict) -> Answer:
        return self.accelerator.stats, {}

    def _do_reset(self, header: dict, arrays: dict) -> Answer:
        self.accelerator.reset()
        return {}, {}

    def _do_close(self, header: dict, arrays: dict) -> Answer:
        self.accelerator.close()
        return {"closed": True}, {}


def _batch(arrays: dict[str, np.ndarray]) -> int:
    """The length of the first axis, which all arrays share."""
    counts = {len(a) if a.ndim else -1 for a in arrays.values()}
    if len(counts) != 1 or min(counts) < 0:
        raise InputFault("the arrays of a batch must have the same first axis")
    return counts.pop()


def open_accelerator(
    package: str, sim: str | None, direct: bool, bitstream: str | None, waves: str | None = None
) -> Accelerator:
    """The accelerator that the command line names."""
    if sim is None:
        return Accelerator(package, bitstream=bitstream)
    from hwgen.runtime.simbus import SimBus

    opened = read_package(package)
    bus = SimBus.open(sim, size=SimBus.size_for(opened), **({"waves": waves} if waves else {}))
    if direct:
        from hwgen.runtime.sim_direct import SimDirect

        return Accelerator(opened, device=SimDirect(bus))
    from hwgen.runtime.sim_device import open_sim

    device, path = open_sim(bus)
    return Accelerator(opened, bitstream=path, device=device)


def serve(
    answer: Callable[[dict, dict], Answer], read: Callable[[int], bytes], write: Callable[[bytes], object]
) -> None:
    """Answer messages until one closes or `read` raises EOFError."""
    while True:
        try:
            header, arrays = decode(read)
        except EOFError:
            return
        reply, results = answer(header, arrays)
        write(encode(reply, results))
        if reply.get("closed"):
            return


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hwgen.runtime.serve", description="the driver as a process")
    parser.add_argument("package")
    parser.add_argument("--sim", help="simulator library, or the generated folder with it")
    parser.add_argument("--direct", action="store_true", help="with --sim: without pynq")
    parser.add_argument("--waves", help="with --sim: record a waveform to this file")
    parser.add_argument("--bitstream", help="a board's bitstream")
    options = parser.parse_args()
    # stdout carries messages: whatever else prints goes to stderr.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    source = sys.stdin.buffer

    def read(count: int) -> bytes:
        data = source.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[out.write(view) :]

    try:
        accelerator = open_accelerator(options.package, options.sim, options.direct, options.bitstream, options.waves)
    except RuntimeFault as error:
        write(encode({"error": type(error).__name__, "message": str(error)}, {}))
        return 2
    write(encode({"ready": True}, {}))
    with accelerator:
        serve(Server(accelerator).answer, read, write)
    return 0


def _pynq() -> str | None:
    module = sys.modules.get("pynq")
    return getattr(module, "__version__", None)


if __name__ == "__main__":
    sys.exit(main())
