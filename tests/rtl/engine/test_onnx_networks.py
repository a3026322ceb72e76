"""Float networks as PyTorch's exporters write them, quantized after training, on the whole engine: golden's bits and
the predicted clocks. Drawn: which exporter, opset and weight bits; in full, all files on two array sizes."""

import numpy as np
import pytest

from hwgen.evaluate.design_sim import DesignSim
from hwgen.frontends.onnx_float import load
from hwgen.graph import golden
from hwgen.quantize.post import Options, quantize
from tests.rtl.engine.support import network_engine, package
from tests.support import FULL, ROOT, cases

TORCH = ROOT / "tests" / "data" / "torch"
NETWORKS = ("mlp", "resnet18", "vit", "decoder", "unet")
CALIBRATION, FRAMES = 32, 4

pytestmark = pytest.mark.rtl


def chosen(name: str, rng: np.random.Generator) -> list[tuple[str, int]]:
    """(file, weight bits) of a network: all files with both, or one that the seed draws."""
    files = sorted(file.name for file in TORCH.glob(f"{name}-*.onnx"))
    assert len(files) == 4
    every = [(file, bits) for file in files for bits in (8, 4)]
    return every if FULL else [every[rng.integers(len(every))]]


@pytest.mark.parametrize(("n", "m"), cases([(8, 8)], [(8, 8), (16, 16)]))
@pytest.mark.parametrize("name", NETWORKS)
def test_files_of_pytorch_on_the_engine(name, n, m, rng, tmp_path):
    config, code, library = network_engine(n, m)
    for file, bits in chosen(name, rng):
        network = load(TORCH / file)
        seen = {k: rng.normal(size=(CALIBRATION, *shape)) for k, shape in network.inputs.items()}
        graph = quantize(network, seen, Options(bits=bits)).graph
        recorded = np.load(TORCH / f"{name}.npz")
        inputs = golden.quantize_inputs(graph, {k: recorded[k][:FRAMES] for k in network.inputs})
        design, pkg = package(graph, config, code, tmp_path)
        with DesignSim(pkg, library) as sim:
            result = sim.run(inputs)
        (want,) = golden.run(graph, inputs).values()
        (found,) = result.outputs.values()
        assert np.array_equal(found, want), f"{file}, W{bits}: {(found != want).sum()} of {want.size} differ"
        assert len(np.unique(want)) > 4, f"{file}: a network that gives one value shows nothing"
        assert set(result.latency.tolist()) == {design.timing.latency}, f"{file}, W{bits}"
