"""manifest.json of a package: read as data, its own hash, and every entry that the accelerator needs, checked by hand.
docs/package.md lists the keys."""

from __future__ import annotations

import hashlib
import json
import re

from hwgen.runtime import abi
from hwgen.runtime.fields import Complain, Fields, is_number, parse_object
from hwgen.runtime.layout import TensorSpec, is_int, parse_tensors

FORMAT = 2
BACKENDS = ("engine", "hls4ml")  # what stands behind the registers of docs/abi.md
BITSTREAMS = ("pynq", "ecp5")  # an AMD .bit with its .hwh, a .bit that ecppack made
_MAX_DDR = 1 << 28  # bytes of one DMA buffer
MAX_STREAM = 1 << 30  # bytes of weights that stay in DDR
_MAX_CLOCK = 10_000  # MHz
_KEYS = (
    "format", "name", "board", "backend", "abi", "design_hash", "clock_mhz_assumed", "predicted_cycles",
    "watchdog_cycles", "array", "engine", "core", "in_bytes", "out_bytes", "stream_bytes", "inputs", "outputs",
    "bitstream", "policy", "sha256",
)  # fmt: skip


def load_manifest(text: bytes, complain: Complain) -> dict:
    """The manifest as a dict of this format; its entries are not checked yet."""
    try:
        manifest = parse_object(text)
    except ValueError as error:
        raise complain("", f"not valid JSON ({error})") from error
    found = manifest.get("format")
    if is_int(found) and 0 < found < FORMAT:
        raise complain("format", f"is {found}, which nobody shipped and this runtime does not read (it reads {FORMAT})")
    if not is_int(found) or found != FORMAT:
        raise complain("format", f"is {found!r:.40}, this runtime reads {FORMAT}; update hwgen on this machine")
    return manifest


def manifest_hash(manifest: dict) -> str:
    """SHA-256 of the JSON without the key `sha256`, keys sorted, no spaces. Raises ValueError for what is no JSON."""
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    try:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return hashlib.sha256(text.encode()).hexdigest()


def check_manifest(manifest: dict, complain: Complain) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The accelerator's inputs and outputs, once every entry about it is what it must be."""
    f = Fields(manifest, "", complain, _KEYS)
    f.text("name")
    f.text("board")
    backend = f.choice("backend", BACKENDS, ", which this driver runs")
    version = f.get("abi")
    f.need("abi", is_int(version) and version == abi.ABI_VERSION, f"{abi.ABI_VERSION}, the ABI of this runtime")
    f.matches("design_hash", "[0-9a-f]{16}", "16 lower-case hexadecimal digits")
    f.number("clock_mhz_assumed", 0, _MAX_CLOCK, "a frequency in MHz")
    if backend == "engine" or "array" in manifest:
        array = f.get("array")
        good = isinstance(array, list) and len(array) == 2 and all(is_int(n) and 1 <= n <= 4096 for n in array)
        f.need("array", good, "[N, M]")
    if "engine" in manifest:
        _check_engine(f)
    if "stream_bytes" in manifest:
        _check_stream(f)
    f.need("core", isinstance(manifest.get("core", {}), dict), "an object")
    for key in ("in_bytes", "out_bytes"):
        f.need(key, f.integer(key, 1, _MAX_DDR) % abi.BEAT_BYTES == 0, "a multiple of 16")
    f.integer("predicted_cycles", 1, (1 << 32) - 1)
    f.integer("watchdog_cycles", 0, (1 << 32) - 1)
    inputs = parse_tensors(f.get("inputs"), "inputs", manifest["in_bytes"], complain)
    outputs = parse_tensors(f.get("outputs"), "outputs", manifest["out_bytes"], complain)
    if both := {t.name for t in inputs} & {t.name for t in outputs}:
        raise complain("outputs", f"name {', '.join(sorted(both))} is also an input")
    if "bitstream" in manifest:
        _check_bitstream(Fields(f.get("bitstream"), "bitstream", complain, ("kind", "tool", "clock_mhz")))
    return inputs, outputs


def _check_engine(f: Fields) -> None:
    """Parameters by name; which ones there are is the compiler's affair (`hwgen generate --like`)."""
    engine = f.get("engine")
    good = isinstance(engine, dict) and len(engine) <= 64
    good = good and all(re.fullmatch("[a-z][a-z_]{0,39}", name) for name in engine)
    good = good and all(isinstance(v, bool) or is_int(v) and 0 <= v < 1 << 32 for v in engine.values())
    f.need("engine", good, "an object of parameters")


def _check_stream(f: Fields) -> None:
    f.need("stream_bytes", f.integer("stream_bytes", 1, MAX_STREAM) % abi.ALIGN == 0, f"a multiple of {abi.ALIGN}")
    engine = f.get("engine")
    ports = engine.get("stream_ports", 0) if isinstance(engine, dict) else 0
    f.need("engine", ports > 0, "with stream_ports where there are stream_bytes")


def _check_bitstream(f: Fields) -> None:
    f.choice("kind", BITSTREAMS)
    f.text("tool")
    clock = f.get("clock_mhz")
    f.need("clock_mhz", is_number(clock) and 0 < clock <= _MAX_CLOCK, "a frequency in MHz")
