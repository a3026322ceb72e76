"""`hwgen simulate DIR --rtl PATH`: exported Verilog that is right passes and is measured, anything else is named."""

import json

import numpy as np
import pytest

from hwgen.errors import HwgenError, InputError, ToolError
from hwgen.evaluate import simulate_rtl
from hwgen.graph import golden
from tests.evaluate import vitis_export

pytestmark = pytest.mark.rtl


@pytest.fixture
def net(rng):
    return vitis_export.graph(rng)


def test_a_right_export(tmp_path, net, rng):
    vitis_export.design(tmp_path, net, "parallel")
    vitis_export.export(tmp_path, net, "parallel")
    report = simulate_rtl.simulate(tmp_path, tmp_path / "myproject_prj")
    check(report, 32)
    assert json.loads((tmp_path / "report.json").read_text()) == report


def check(report: dict, vectors: int) -> None:
    """5 states behind the start; the shell adds reading (42 + 1 beat), writing (1 beat + 4) and DONE (2)."""
    assert report["bit_exact"] is True and report["vectors"] == vectors and report["wrong_frames"] == {"y": 0}
    assert report["latency_cycles"] == report["latency_cycles_min"] == 5 + 50
    assert (report["core_latency_cycles"], report["core_interval_cycles"]) == (5, 6)
    assert report["latency_source"] == "exported RTL simulated"


def test_frames_of_the_user(tmp_path, net, rng):
    vitis_export.design(tmp_path, net, "stream")
    verilog = vitis_export.export(tmp_path, net, "stream")
    real = rng.normal(0, 4, (5, vitis_export.INPUTS)).astype(np.float32)
    np.savez(tmp_path / "in.npz", x=real)
    check(simulate_rtl.simulate(tmp_path, verilog, tmp_path / "in.npz", tmp_path / "out.npz"), 5)
    integers = np.clip(np.rint(real * 16), -128, 127).astype(np.int64)
    expected = golden.run(net, {"x": integers})["y"] * net.tensors["y"].scale
    assert (np.load(tmp_path / "out.npz")["y"] == expected.astype(np.float32)).all()


@pytest.mark.parametrize("io", ["stream", pytest.param("parallel", marks=pytest.mark.full)])
def test_a_wrong_weight_is_caught(tmp_path, net, io):
    vitis_export.design(tmp_path, net, io)
    vitis_export.export(tmp_path, net, io, wrong=True)
    with pytest.raises(HwgenError, match=r"differs from golden in \d+ of 32 frames .*output 'y', frame \d+, element"):
        simulate_rtl.simulate(tmp_path, tmp_path)
    assert "latency_source" not in json.loads((tmp_path / "report.json").read_text())


@pytest.mark.parametrize("io, text, instead", [
    ("parallel", "assign ap_done = ", "assign ap_done = 1'b0 & "),
    pytest.param("stream", "assign layer4_out_TVALID = ", "assign layer4_out_TVALID = 1'b0 & ", marks=pytest.mark.full),
])  # fmt: skip
def test_a_core_that_never_finishes(tmp_path, net, io, text, instead):
    vitis_export.design(tmp_path, net, io)
    file = vitis_export.export(tmp_path, net, io) / "myproject.v"
    changed = file.read_text().replace(text, instead)
    assert changed != file.read_text()
    file.write_text(changed)
    with pytest.raises(HwgenError, match="the core stopped: nothing moved for .* 0 ap_done"):
        simulate_rtl.simulate(tmp_path, file.parent)


@pytest.mark.full
def test_too_many_beats(tmp_path, net):
    """A stream that gives its beat twice."""
    vitis_export.design(tmp_path, net, "stream")
    file = vitis_export.export(tmp_path, net, "stream") / "myproject.v"
    changed = file.read_text().replace("layer4_out_TVALID & layer4_out_TREADY;", "layer4_out_TVALID & twice;")
    late = "reg [2:0] state;\nreg twice;\nalways @(posedge ap_clk) twice <= layer4_out_TVALID;"
    changed = changed.replace("reg [2:0] state;", late)
    assert changed.count("twice") == 3
    file.write_text(changed)
    with pytest.raises(HwgenError, match="output 'y' gives more beats than 32 frames have"):
        simulate_rtl.simulate(tmp_path, file.parent)


def test_verilog_that_does_not_compile(tmp_path, net):
    vitis_export.design(tmp_path, net, "parallel")
    file = vitis_export.export(tmp_path, net, "parallel") / "myproject.v"
    file.write_text(
        file.read_text().replace("always @ (posedge ap_clk) begin", "always @ (posedge ap_clk) begin begin )")
    )
    with pytest.raises(ToolError, match=r"the bench did not run .*syntax error"):
        simulate_rtl.simulate(tmp_path, file.parent)


def test_the_rom_is_missing(tmp_path, net):
    vitis_export.design(tmp_path, net, "parallel")
    folder = vitis_export.export(tmp_path, net, "parallel")
    (folder / "myproject_w4_ROM_AUTO_1R.dat").unlink()
    with pytest.raises(InputError, match=r"reads ./myproject_w4_ROM_AUTO_1R.dat, which is not there"):
        simulate_rtl.simulate(tmp_path, folder)


def test_a_folder_without_a_core(tmp_path, net):
    vitis_export.design(tmp_path, net, "parallel")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for change in ({"core": None}, {"core": {"top": "x"}}, {"core": manifest["core"] | {"io": "serial"}}):
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(InputError, match="core"):
            simulate_rtl.simulate(tmp_path, tmp_path)
