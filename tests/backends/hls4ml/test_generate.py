"""What DIR holds after `hwgen generate --backend hls4ml`."""

import json

import numpy as np
import pytest

from hwgen import backends, boards
from hwgen.backends.hls4ml import generate
from hwgen.backends.hls4ml.project import Setting
from hwgen.backends.options import Options
from hwgen.backends.shell import CoreDescription
from hwgen.errors import FitError, InputError, UnsupportedError
from hwgen.graph import GraphBuilder, golden, qonnx_out
from hwgen.policies.demo import load_demo
from tests.backends.hls4ml.graphs import cnn, mlp

BOARD = boards.load("zcu104")


def make(graph, folder, **options):
    folder.mkdir(exist_ok=True)
    qonnx_out.save(graph, folder / "graph_in.onnx")
    return backends.generate(folder / "graph_in.onnx", "zcu104", "hls4ml", Options(**options), folder / "out")


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module", params=["parallel", "stream"])
def design(request, tmp_path_factory):
    return make(cnn((6, 5)), tmp_path_factory.mktemp(request.param), io=request.param), request.param


def test_dir_is_an_hls4ml_project_and_a_design(design):
    folder, _ = design
    files = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert files >= {
        "firmware/hwgen_cnn.cpp", "firmware/hwgen_cnn.h", "firmware/parameters.h", "firmware/defines.h",
        "firmware/weights/w2.h", "build_prj.tcl", "build_opt.tcl", "project.tcl", "build_lib.sh", "hls4ml_config.yml",
        "hwgen_cnn_test.cpp", "tb_data/tb_input_features.dat", "tb_data/tb_output_predictions.dat", "sim/core.cpp",
        "rtl/hwgen_top.sv", "rtl/hwgen_core.sv", "vivado/build.tcl", "graph.onnx", "golden.npz", "manifest.json",
        "report.json", "policy.hwpkg",
    }  # fmt: skip


def test_the_manifest_says_where_each_axis_lies(design):
    folder, io = design
    manifest = read(folder, "manifest.json")
    core = CoreDescription.from_dict(manifest["core"])
    assert manifest["backend"] == "hls4ml" and core.io == io and core.top == "hwgen_cnn"
    (image,) = core.inputs
    assert image.axes == (1, 2, 0) and image.shape == (6, 5, 2) and image.elements == (60 if io == "parallel" else 2)
    assert manifest["inputs"][0]["shape"] == [2, 6, 5] and manifest["inputs"][0]["axes"] == [1, 2, 0]
    assert manifest["predicted_cycles"] > core.latency


def test_the_report_adds_up(design):
    folder, io = design
    report = read(folder, "report.json")
    assert report["latency_cycles"] is None and "formula" in report["predicted_source"]
    assert report["multipliers"] == sum(layer["multipliers"] for layer in report["layers"])
    assert report["resources"]["lut"] == sum(layer["lut"] for layer in report["layers"])
    assert report["macs"] == cnn((6, 5)).macs() and report["io"] == io
    weighted = [layer for layer in report["layers"] if "strategy" in layer]
    assert [layer["op"] for layer in weighted] == ["Conv2D", "Linear"]
    assert all(layer["types"]["accum"] == layer["types"]["result"] for layer in weighted)
    assert generate.settings_of(report)[weighted[0]["name"]].strategy == weighted[0]["strategy"]


def test_vectors_are_goldens_in_the_order_of_the_core(design):
    folder, _ = design
    with np.load(folder / "golden.npz") as data:
        image, y = data["image"], data["y"]
    graph = cnn((6, 5))
    assert (golden.run(graph, {"image": image.astype(np.int64)})["y"] == y).all()
    rows = np.loadtxt(folder / "tb_data" / "tb_input_features.dat")
    assert (rows * 8 == image[: len(rows)].transpose(0, 2, 3, 1).reshape(len(rows), -1)).all()
    assert (np.loadtxt(folder / "tb_data" / "tb_output_predictions.dat") * 4 == y[: len(rows)]).all()


def test_the_same_graph_gives_the_same_hash_over_what_was_there(tmp_path):
    first = read(make(mlp((6, 5, 4)), tmp_path), "manifest.json")["design_hash"]
    other = read(make(cnn((6, 5)), tmp_path), "manifest.json")["design_hash"]
    again = read(make(mlp((6, 5, 4)), tmp_path), "manifest.json")["design_hash"]
    assert first == again != other
    assert not (tmp_path / "out" / "hwgen_cnn_test.cpp").exists()


def test_the_demos_head_fits_and_a_cap_is_kept(tmp_path):
    head = load_demo().head
    mapped, foldings = generate.plan(head, BOARD, Options(multipliers=512))
    assert sum(f.cost.multipliers for f in foldings) <= 512
    fast = generate.plan(head, BOARD, Options())[1]
    assert sum(f.cost.cycles for f in fast) < sum(f.cost.cycles for f in foldings) / 3
    assert sum(f.cost.lut for f in fast) < BOARD.resources.lut and sum(f.cost.dsp for f in fast) < BOARD.resources.dsp
    assert mapped.graph is head


def test_the_demos_encoder_is_for_streams():
    encoder = load_demo().encoder
    assert generate.plan(encoder, BOARD, Options(io="stream"))
    with pytest.raises(UnsupportedError, match="'image'.*12288.*--io stream"):
        generate.plan(encoder, BOARD, Options())


def test_a_deadline_buys_the_cheapest_design():
    graph = mlp((64, 64, 32))
    fast, cheap = (generate.plan(graph, BOARD, Options(deadline_us=d))[1] for d in (None, 5.0))
    assert sum(f.cost.lut for f in cheap) < sum(f.cost.lut for f in fast) / 2
    for deadline, says in ((0.01, "before the first layer"), (0.24, "cycles")):
        with pytest.raises(FitError, match=says):
            generate.plan(graph, BOARD, Options(deadline_us=deadline))


@pytest.mark.parametrize(
    ("name", "top"),
    [("", "hwgen_policy"), ("My net/3", "hwgen_my_net_3"), ("main", "hwgen_main"), ("ä", "hwgen_policy")],
)
def test_the_top_function_has_a_harmless_name(name, top):
    graph = mlp()
    graph.name = name
    assert generate.top_name(graph) == top


def test_settings_come_back_from_the_report():
    entry = {"name": "a", "strategy": "Resource", "reuse_factor": 4, "parallelization": 2}
    report = {"layers": [entry, {"name": "b", "reuse_factor": 8}, {"name": "c"}]}
    assert generate.settings_of(report) == {"a": Setting("Resource", 4, 2), "b": Setting("Latency", 8, 1)}


def test_wrong_options_and_boards_are_named(tmp_path):
    with pytest.raises(InputError, match="--array"):
        make(mlp(), tmp_path, array=(8, 8))
    with pytest.raises(InputError, match="io type"):
        make(mlp(), tmp_path, io="serial")
    qonnx_out.save(mlp(), tmp_path / "g.onnx")
    with pytest.raises(FitError, match="ulx3s"):
        backends.generate(tmp_path / "g.onnx", "ulx3s", "hls4ml", Options(), tmp_path / "out")


def test_a_network_that_is_too_large_for_the_board_is_named_by_layer(tmp_path):
    b = GraphBuilder("large")
    x = b.input("x", (4000,), 8)
    b.output(b.requantize(b.linear(x, np.ones((4000, 1000), int), 1.0, None, 8, name="huge"), bits=8), "y")
    with pytest.raises(FitError, match="huge"):
        make(b.build(), tmp_path)
