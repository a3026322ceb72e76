"""Small whole accelerators for tests: a graph with every kind of unit, compiled, with package and golden vectors."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.graph import Graph
from hwgen.graph.builder import GraphBuilder
from hwgen.runtime import abi
from hwgen.runtime.package import Package, read_package
from hwgen.schedule import compile_graph
from hwgen.schedule.compile import with_streams


def graph(rng: np.random.Generator) -> Graph:
    """Linear, ReLU, LayerNorm, table, residual, an int8 and an int32 output. Fixed shapes, drawn numbers."""
    b = GraphBuilder("small")

    def linear(x: str, rows: int, columns: int) -> str:
        weight = rng.integers(-8, 8, (rows, columns))
        return b.linear(x, weight, 2.0**-6, rng.normal(size=columns), weight_bits=4)

    x = b.input("x", (75,), scale=2**-6)
    h = b.requantize(linear(x, 75, 40), bits=8, signed=True, scale=2**-4)
    n = b.layernorm(h, rng.normal(1, 0.2, 40), rng.normal(0, 0.2, 40))
    n = b.requantize(n, bits=8, signed=True, scale=2**-5)
    h = b.requantize(linear(n, 40, 40), bits=8, signed=True, scale=2**-4, residual=h)
    t = b.activation(h, np.tanh, bits=8, signed=True, scale=2**-7)
    b.output(b.requantize(linear(t, 40, 12), bits=8, signed=True, scale=2**-4), "y")
    b.output(b.wide(linear(t, 40, 9)), "z")
    return b.build()


@dataclass(frozen=True)
class Small:
    """A generated folder with what a test needs of it: frames as the engine reads and writes them, uint8 [n, bytes]."""

    folder: Path
    package: Package
    inputs: np.ndarray
    outputs: np.ndarray
    written: np.ndarray  # bool [out_bytes]: bytes that mean something

    @property
    def image(self) -> bytes:
        return self.package.image

    @property
    def stream_bytes(self) -> int:
        """Of the stream buffer, what the program reads."""
        if not self.package.stream:
            return 0
        engine, (at, size) = self.package.manifest["engine"], sections(self)[abi.TARGETS["PROG_STREAM"]]
        mine = -(-engine["n"] * engine["m"] * engine["ww"] // 128 // engine["stream_ports"])
        words = [abi.unpack(abi.STREAM, self.image[i : i + 16]) for i in range(at + 16, at + 16 + size, 16)]
        others = engine["stream_ports"] - 1
        return 16 * max(word["offset"] + others * word["stride"] + word["words"] * mine for word in words)

    @property
    def out_bytes(self) -> int:
        return self.package.manifest["out_bytes"]

    @property
    def predicted(self) -> int:
        return self.package.manifest["predicted_cycles"]

    def same(self, outputs: np.ndarray, frames: slice = slice(None)) -> bool:
        """Whether outputs [n, out_bytes] are golden's."""
        return bool((outputs[:, self.written] == self.outputs[frames][:, self.written]).all())


def make(
    folder: Path, rng: np.random.Generator, n: int = 8, m: int = 8, ports: int = 0, board: str = "zcu104"
) -> Small:
    """Compile and write the design for an n x m array; with ports, the weight memory holds three quarters, and the rest
    comes over them."""
    design = compile_graph(graph(rng), n, m)
    if ports:
        design = with_streams(design, 3 * len(design.program.weights) // 4, ports)
    generate.write(design, boards.load(board), folder)
    return load(folder)


def load(folder: Path) -> Small:
    """A generated folder as `Small`: any design whose outputs are linear or planar."""
    package = read_package(folder / generate.PACKAGE)
    manifest, golden = package.manifest, np.load(folder / "golden.npz")
    count = len(golden[manifest["inputs"][0]["name"]])
    inputs = np.zeros((count, manifest["in_bytes"]), np.uint8)
    for tensor in manifest["inputs"]:
        data = _stored(tensor, golden).view(np.uint8)
        inputs[:, tensor["offset"] : tensor["offset"] + data.shape[1]] = data
    outputs = np.zeros((count, manifest["out_bytes"]), np.uint8)
    written = np.zeros(manifest["out_bytes"], bool)
    for tensor in manifest["outputs"]:
        values = _stored(tensor, golden)
        at = tensor["offset"] + _places(tensor, values.shape[1])
        outputs[:, at] = values.view(np.uint8).reshape(count, -1)
        written[at] = True
    return Small(folder, package, inputs, outputs, written)


def _stored(tensor: dict, golden: dict[str, np.ndarray]) -> np.ndarray:
    """A tensor's vectors [n, elements] in the order of memory."""
    values = golden[tensor["name"]]
    axes = tensor.get("axes", range(values.ndim - 1))
    return np.ascontiguousarray(values.transpose(0, *(1 + axis for axis in axes))).reshape(len(values), -1)


def _places(tensor: dict, count: int) -> np.ndarray:
    """Byte offsets of an output's bytes, in the order of NumPy's memory."""
    layout = tensor["layout"]
    if layout == "linear":
        return np.arange(count * np.dtype(tensor["dtype"]).itemsize)
    m = layout["planar"]  # int32, by groups of m channels: the m low bytes, then the next ones, ...
    channels = tensor["shape"][tensor.get("axes", [-1])[-1]]
    row, channel, byte = np.ogrid[: count // channels, :channels, :4]
    return (row * -(-channels // m) * 4 * m + channel // m * 4 * m + byte * m + channel % m).reshape(-1)


def sections(small: Small) -> dict[int, tuple[int, int]]:
    """Sections of a load image: target -> (offset of its header, bytes of its words)."""
    image, engine = small.image, small.package.manifest["engine"]
    n, m = engine["n"], engine["m"]
    word = {"WEIGHT": -(-n * m * engine["ww"] // 128), "PARAM": m, "TABLE": 16, "ROW_PARAM": max(n, m, 16), "END": 0}
    word |= {f"PROG_{unit}": abi.beats(fields) for unit, fields in abi.INSTRUCTIONS.items()}
    beats = {abi.TARGETS[name]: value for name, value in word.items()}
    at, found = 16, {}
    while at < len(image):
        header = abi.unpack(abi.SECTION_HEADER, image[at : at + 16])
        found[header["target"]] = at, header["words"] * beats[header["target"]] * 16
        at += 16 + found[header["target"]][1]
    return found
