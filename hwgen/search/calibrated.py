"""A float network with calibration data: bits by layer, quantized after training, judged by the noise this adds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwgen.errors import InputError
from hwgen.graph import Graph
from hwgen.quantize import bits as by_layer
from hwgen.quantize.floats import FloatGraph
from hwgen.quantize.post import Options, Result, quantize
from hwgen.search import space as spaces
from hwgen.search.space import Choice, Space
from hwgen.search.subject import SQNR, Judge, Outcome, Say

if TYPE_CHECKING:
    import optuna


class Calibrated:
    """network, data: as for `quantize`. The quality is the worst output's signal-to-noise ratio."""

    quality = SQNR

    def __init__(self, name: str, network: FloatGraph, data: dict[str, np.ndarray], space: Space, source: str) -> None:
        self.name, self.network, self.data, self.space, self.source = name, network, data, space, source
        self.layers = list(by_layer.groups(network))
        if space.width or space.depth or space.chunk:
            raise InputError(f"{name} is a network as it is: it cannot be trained, so leave --width, --depth and "
                             "--chunk away; of demo, demo-nonorm, vit-flow they are searched for")  # fmt: skip
        if not self.layers:
            raise InputError(f"{name} has no layers with weights, so there is nothing to search for")

    def identity(self) -> dict[str, object]:
        """The network's and the data's fingerprint, and the bits."""
        return {"policy": self.name, "source": self.source, "bits": list(self.space.bits), "quality": self.quality.name}

    def first(self) -> list[Choice]:
        """Every layer with the same bits."""
        return [self._uniform(bits) for bits in sorted(self.space.bits, reverse=True)]

    def smallest(self) -> tuple[Graph, str]:
        """All layers with the fewest bits."""
        fewest = min(self.space.bits)
        return self._quantized(self._uniform(fewest)).graph, f"{self.name} with weights of {fewest} bits"

    def ask(self, trial: optuna.Trial) -> Choice:
        """Bits of every layer; those that share weights are one."""
        return Choice(spaces.bits(trial, self.space, self.layers))

    def choice(self, parameters: dict[str, float | int]) -> Choice:
        """Of a finished trial."""
        return Choice({name: int(parameters[f"bits.{name}"]) for name in self.layers})

    def run(self, choice: Choice, keep: Path, judge: Judge, say: Say) -> Outcome:
        """Calibrate, compile, measure."""
        result = self._quantized(choice, say)
        engine = judge.hardware(result.graph)
        return Outcome(min(row.sqnr for row in result.outputs), engine)

    def write(self, choice: Choice, trained: Path | None, folder: Path, say: Say) -> Path:
        """`best.onnx`, calibrated again: the same data, the same graph."""
        from hwgen.graph import qonnx_out

        file = folder / "best.onnx"
        qonnx_out.save(self._quantized(choice, say).graph, file)
        return file

    def _uniform(self, bits: int) -> Choice:
        return Choice(dict.fromkeys(self.layers, bits))

    def _quantized(self, choice: Choice, say: Say | None = None) -> Result:
        return quantize(self.network, self.data, Options(choice.bits), say)


def fingerprint(*files: Path) -> str:
    """Of the files' contents."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
