"""The whole system as the driver sees it: Accelerator, registers, DMA, shell, and a core's C simulation behind DPI."""

from pathlib import Path

import pytest

from hwgen.build.verilate import build
from hwgen.evaluate.design_sim import DesignSim
from hwgen.runtime import Accelerator
from hwgen.runtime.errors import EngineError, SelftestError
from hwgen.runtime.sim_direct import SimDirect
from hwgen.runtime.simbus import SimBus
from hwgen.runtime.simlib import SimError, SimLib
from tests.rtl.shell import cores
from tests.support import cases

pytestmark = pytest.mark.rtl


def accelerator(folder: Path) -> Accelerator:
    return Accelerator(folder / "policy.hwpkg", device=SimDirect(SimBus.open(folder)))


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_a_made_up_core(tmp_path, rng, io):
    core = cores.random_core(rng, io, 2, 2)
    plan = cores.make(tmp_path, core, rng, library=True)
    build(tmp_path)
    with accelerator(tmp_path) as device:
        result = device.selftest()
        assert result["vectors"] == cores.VECTORS
        assert io == "stream" or result["latency_cycles"] == plan.predicted_cycles  # of a stream it is an estimate
        frames = cores.vectors(core, rng, cases(4, 100))
        for p in plan.inputs:  # zero copy: the views are the DMA buffers, in the graph's order of axes
            device.input_views()[p.tensor][...] = frames[p.tensor][0]
        device.run()
        for p in plan.outputs:
            assert (device.output_views()[p.tensor] == frames[p.tensor][0]).all()
        sim = device.port.bus.sim
        sim.stalls(int(rng.integers(1 << 30)), ar=0.5, r=0.5, aw=0.5, w=0.5, b=0.5)
        for i in range(len(frames[core.inputs[0].tensor])):
            got = device.infer({p.tensor: frames[p.tensor][i] for p in plan.inputs}, raw=True)
            assert all((got[p.tensor] == frames[p.tensor][i]).all() for p in plan.outputs)
        sim.fault("read", "slverr", burst=0)
        with pytest.raises(EngineError, match="AXI_READ") as caught:
            device.infer({p.tensor: frames[p.tensor][0] for p in plan.inputs}, raw=True)
        assert caught.value.recovered
        device.selftest()
        assert sim.protocol_error is None
    with DesignSim.of(tmp_path) as sim:  # frames in batches
        result = sim.run({p.tensor: frames[p.tensor] for p in plan.inputs})
        assert all((result.outputs[p.tensor] == frames[p.tensor]).all() for p in plan.outputs)


def test_a_core_without_its_model_and_a_wrong_one(tmp_path, rng):
    core = cores.one_beat("parallel", 20, 4, 8)
    cores.make(tmp_path, core, rng)
    build(tmp_path)
    with pytest.raises(SimError, match="C simulation is not there"), accelerator(tmp_path) as device:
        device.selftest()
    (tmp_path / "sim" / "libcore.so").write_bytes(b"no library")
    with pytest.raises(SimError, match="C simulation cannot be loaded"):
        SimLib.open(tmp_path)
    (tmp_path / "sim" / "libcore.so").unlink()
    cores.make(tmp_path, core, rng, library=True)
    text = (tmp_path / "model.cpp").read_text()
    (tmp_path / "model.cpp").write_text(text.replace("uint32_t s = 1;", "uint32_t s = 2;"))
    cores.compile_model(tmp_path)
    with pytest.raises(SelftestError, match="golden says"), accelerator(tmp_path) as device:
        device.selftest()


@pytest.mark.parametrize("io, network", [
    ("parallel", "mlp"), pytest.param("stream", "mlp", marks=pytest.mark.full),
    pytest.param("stream", "cnn", marks=pytest.mark.full), pytest.param("parallel", "cnn", marks=pytest.mark.full),
])  # fmt: skip
def test_hls4ml_behind_the_driver(tmp_path, rng, io, network):
    """A project that hls4ml wrote: its own C simulation, compiled by g++, through driver and RTL."""
    from hwgen.backends.hls4ml import csim, generate
    from hwgen.backends.options import Options
    from hwgen.graph import qonnx_out
    from hwgen.graph.builder import GraphBuilder
    from tests.evaluate import vitis_export

    if network == "mlp":
        graph = vitis_export.graph(rng)
    else:
        b = GraphBuilder("cnn")
        x = b.input("image", (3, 6, 8), signed=False, scale=2**-8)
        weight, bias = rng.integers(-8, 8, (4, 3, 3, 3)), rng.normal(size=4)
        a = b.conv(x, weight, 2.0**-4, bias, weight_bits=4, stride=2, pads=1)
        b.output(b.requantize(a, bits=8, signed=False, scale=2**-4, relu=True), "features")
        graph = b.build()
    qonnx_out.save(graph, tmp_path / "in.onnx")
    folder = generate.generate(tmp_path / "in.onnx", "zcu104", Options(io=io), tmp_path / "design")
    csim.library(folder)
    build(folder)
    with accelerator(folder) as device:
        result = device.selftest()
    assert result["vectors"] == 32
    if io == "parallel":
        assert result["latency_cycles"] == result["predicted_cycles"]
