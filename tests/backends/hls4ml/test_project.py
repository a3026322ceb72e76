import re
import sys

import pytest

from hwgen.backends.hls4ml import project
from hwgen.backends.hls4ml.layers import map_graph
from hwgen.backends.hls4ml.project import Setting
from hwgen.errors import HwgenError, ToolError
from tests.backends.hls4ml.graphs import cnn, mlp

PART = "xczu7ev-ffvc1156-2-e"


def write(graph, out, io="io_parallel", settings=None):
    mapped = map_graph(graph, io)
    return mapped, project.write(mapped, settings or {}, out, "hwgen_net", PART, 200.0)


@pytest.mark.parametrize("io", ["io_parallel", "io_stream"])
def test_every_type_in_the_project_is_the_graphs(tmp_path, io):
    mapped, _ = write(cnn((6, 5)), tmp_path, io)
    text = (tmp_path / "firmware" / "defines.h").read_text()
    found = {re.sub(r"\s", "", t) for t in re.findall(r"ap_u?(?:fixed|int)<[^>]*>", text)}
    ours = {str(t) for layer in mapped.layers for t in layer.types.values()}
    assert found <= ours | {"ap_uint<1>"}  # the bias that is not there, and an index that is not used
    assert "default" not in text


def test_strategy_and_reuse_factor_reach_the_firmware(tmp_path):
    graph = mlp((6, 4))
    name = map_graph(graph, "io_parallel").layers[1].name
    write(graph, tmp_path, settings={name: Setting("Resource", 3)})
    text = (tmp_path / "firmware" / "parameters.h").read_text()
    assert "strategy = nnet::resource" in text and "reuse_factor = 3" in text


@pytest.mark.parametrize(("reuse", "pragma"), [(1, "HLS PIPELINE"), (4, "HLS DATAFLOW")])
def test_layers_that_share_multipliers_are_processes(tmp_path, reuse, pragma):
    graph = mlp((6, 4))
    name = map_graph(graph, "io_parallel").layers[2].name
    write(graph, tmp_path, settings={name: Setting(reuse=reuse)})
    top = (tmp_path / "firmware" / "hwgen_net.cpp").read_text()
    assert pragma in top.split("load weights")[0]


def test_two_bit_weights_are_multiplied_not_taken_for_ternary(tmp_path):
    graph = mlp((6, 4))
    graph.nodes[0].weight_bits, graph.nodes[0].weight = 2, graph.nodes[0].weight.clip(-2, 1)
    write(graph, tmp_path)
    assert "product::mult<" in (tmp_path / "firmware" / "parameters.h").read_text()


def test_the_project_names_part_and_clock(tmp_path):
    write(mlp(), tmp_path)
    text = (tmp_path / "project.tcl").read_text()
    assert PART in text and re.search(r"clock_period 5(\.0)?\b", text) and "hwgen_net" in text


def test_a_reuse_factor_that_hls4ml_would_change_is_an_error(tmp_path):
    graph = mlp((6, 4))
    name = map_graph(graph, "io_parallel").layers[1].name
    with pytest.raises(HwgenError, match=name):
        write(graph, tmp_path, settings={name: Setting("Resource", 5)})


def test_hls4ml_says_nothing_and_leaves_keras_alone(tmp_path, capfd):
    before = "keras" in sys.modules
    write(mlp(), tmp_path)
    assert capfd.readouterr() == ("", "")
    assert ("keras" in sys.modules) == before


def test_a_missing_hls4ml_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "hls4ml", None)
    with pytest.raises(ToolError, match="make env"):
        project.hls4ml()


def test_another_version_is_named(monkeypatch):
    monkeypatch.setattr(project.hls4ml(), "__version__", "0.8.1")
    with pytest.raises(ToolError, match=r"0\.8\.1.*1\.3"):
        project.hls4ml()
