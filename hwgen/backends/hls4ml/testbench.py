"""Golden vectors for hls4ml's own test bench, which Vitis runs as C simulation and against the RTL."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hwgen.backends.hls4ml.mapped import Mapped, Place

FRAMES = 8  # the RTL simulation of a large core takes minutes a frame


def write(out: Path, mapped: Mapped, vectors: dict[str, np.ndarray]) -> None:
    """Write DIR/tb_data/tb_input_features.dat and tb_output_predictions.dat: one line a frame, all inputs (outputs) one
    after the other as the core stores them, real numbers of hls4ml's types."""
    folder = out / "tb_data"
    folder.mkdir(exist_ok=True)
    for name, places in (("tb_input_features", mapped.inputs), ("tb_output_predictions", mapped.outputs)):
        rows = np.concatenate([
            stored(vectors[tensor][:FRAMES], place) * 2.0 ** -mapped.types[tensor].fraction
            for tensor, place in places.items()
        ], axis=1)  # fmt: skip
        lines = (" ".join(f"{value:.17g}" for value in row) for row in rows)
        (folder / f"{name}.dat").write_text("".join(f"{line}\n" for line in lines))


def stored(values: np.ndarray, place: Place) -> np.ndarray:
    """[frames, *graph shape] -> [frames, elements] as the core stores them."""
    return values.transpose(0, *(a + 1 for a in place.layout.order)).reshape(len(values), -1)
