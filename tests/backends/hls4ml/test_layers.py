import re

import numpy as np
import pytest

from hwgen.backends.hls4ml.layers import ABSENT, MAX_READERS, METHODS, map_graph
from hwgen.errors import UnsupportedError
from hwgen.graph import GraphBuilder, ops
from tests.backends.hls4ml.graphs import cnn, mlp
from tests.graph.engine_only import ENGINE_ONLY, engine_only

IOS = ("io_parallel", "io_stream")


def kinds(mapped) -> list[str]:
    return [layer.kind for layer in mapped.layers]


def test_one_layer_a_node():
    mapped = map_graph(mlp((6, 5, 4)), "io_parallel")
    assert kinds(mapped) == ["InputLayer", "Dense", "HwgenRequantize", "Dense", "HwgenRequantize"]
    assert mapped.outputs["y"].layer == mapped.layers[-1].name
    assert [layer.node.name for layer in mapped.layers[1:]] == [n.name for n in mapped.graph.nodes]


def test_every_operator_has_a_way():
    assert set(METHODS) | set(ABSENT) == set(ops.OPS) and not set(METHODS) & set(ABSENT)


@pytest.mark.parametrize("kind", ENGINE_ONLY)
def test_what_only_the_engine_has_is_refused(kind):
    with pytest.raises(UnsupportedError, match=rf"node 'it' \({kind}\): hls4ml has no .*; use --backend engine"):
        map_graph(engine_only(kind), "io_parallel")


def test_names_are_identifiers_that_differ_in_lower_case():
    b = GraphBuilder("names")
    x = b.input("input", (4,))
    for name in ("3 x", "a/b", "A_b", "a_b", "int", "ä"):
        x = b.requantize(x, bits=8, name=name)
    b.output(x, "y")
    names = [layer.name for layer in map_graph(b.build(), "io_parallel").layers]
    assert all(re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) for name in names)
    assert len({name.lower() for name in names}) == len(names) and "input" not in names


def test_weights_carry_the_fraction_that_the_types_leave_out():
    for layer in map_graph(mlp((6, 5, 4), scale=2.0**-3), "io_parallel").layers:
        if layer.kind == "Dense":
            integers = layer.attrs["weight_data"] * 2.0 ** layer.types["weight"].fraction
            assert (integers == layer.node.weight).all()


def test_a_linear_behind_flatten_takes_its_rows_in_the_order_of_the_pixels():
    mapped = map_graph(cnn((6, 5)), "io_parallel")
    assert "Transpose" not in kinds(mapped) and mapped.inputs["image"].layout.order == (1, 2, 0)
    dense = next(layer for layer in mapped.layers if layer.kind == "Dense")
    rows = dense.attrs["weight_data"] * 2.0 ** dense.types["weight"].fraction
    filters, *space = mapped.graph.tensors[mapped.graph.nodes[0].output].shape
    stored = np.arange(filters * np.prod(space)).reshape(filters, *space).transpose(1, 2, 0).reshape(-1)
    assert (rows == dense.node.weight[stored]).all()


def test_a_flattened_image_that_leaves_the_graph_is_put_in_the_graphs_order():
    b = GraphBuilder("flat")
    x = b.input("x", (2, 4, 4), 8)
    acc = b.conv(x, np.ones((3, 2, 3, 3), int), 1.0, None, 2)
    b.output(b.flatten(b.requantize(acc, bits=8)), "y")
    mapped = map_graph(b.build(), "io_parallel")
    assert kinds(mapped).count("Transpose") == 1 and mapped.outputs["y"].layout.hls_shape == (12,)


@pytest.mark.parametrize("io", IOS)
def test_a_transposition_is_no_layer(io):
    b = GraphBuilder("t")
    x = b.input("x", (2, 3, 4), 8)
    b.output(b.requantize(b.transpose(x, (2, 0, 1)), bits=4), "y")
    mapped = map_graph(b.build(), io)
    assert kinds(mapped) == ["InputLayer", "HwgenRequantize"]
    place = mapped.outputs["y"].layout
    assert place.shape == (4, 2, 3) and place.hls_shape == mapped.inputs["x"].layout.hls_shape


@pytest.mark.parametrize("io", IOS)
def test_an_output_that_another_output_or_an_input_is_gets_a_layer_of_its_own(io):
    b = GraphBuilder("same")
    x = b.input("x", (4, 4), 8)
    y = b.requantize(x, bits=4)
    b.output(y, "y")
    b.output(b.transpose(b.graph.outputs[0], (1, 0)), "z")
    mapped = map_graph(b.build(), io)
    layers = [p.layer for p in mapped.outputs.values()]
    assert len(set(layers)) == 2


def test_what_no_output_needs_is_left_out():
    b = GraphBuilder("dead")
    x = b.input("x", (4,), 8)
    b.requantize(x, bits=4, name="dead")
    b.output(b.requantize(x, bits=8), "y")
    assert kinds(map_graph(b.build(), "io_stream")) == ["InputLayer", "HwgenRequantize"]


def test_an_input_that_no_node_reads_is_an_error():
    b = GraphBuilder("idle")
    b.input("idle", (4,), 8)
    b.output(b.requantize(b.input("x", (4,), 8), bits=4), "y")
    with pytest.raises(UnsupportedError, match="'idle'.*remove"):
        map_graph(b.build(), "io_parallel")


def test_reshaping_a_vector_to_channels_keeps_its_packet():
    b = GraphBuilder("film")
    x, gamma = b.input("x", (4, 3, 3), 8), b.input("g", (4,), 8)
    x = b.maxpool(x, (2, 2))  # whose windows want channels last
    b.output(b.mul(x, b.reshape(gamma, (4, 1, 1)), scale=64.0), "y")
    mapped = map_graph(b.build(), "io_stream")
    assert [layer.shape for layer in mapped.layers if layer.kind == "Repack"] == [(1, 1, 4)]


def test_a_stream_with_too_many_readers_is_an_error():
    b = GraphBuilder("many")
    x = b.requantize(b.input("x", (4,), 8), bits=8, name="wide_fan")
    for i in range(MAX_READERS + 1):
        b.output(b.requantize(x, bits=4), f"y{i}")
    graph = b.build()
    with pytest.raises(UnsupportedError, match="'wide_fan'.*--io parallel"):
        map_graph(graph, "io_stream")
    assert len(map_graph(graph, "io_parallel").outputs) == MAX_READERS + 1


def test_joining_tensors_of_four_axes_is_an_error_that_names_the_node():
    b = GraphBuilder("four")
    x = b.requantize(b.reshape(b.input("x", (16,), 8), (2, 2, 2, 2)), bits=8)
    b.output(b.requantize(b.concat([x, x], axis=0, name="join"), bits=4), "y")
    with pytest.raises(UnsupportedError, match="'join'.*engine"):
        map_graph(b.build(), "io_parallel")


def test_names_without_a_letter_of_ascii_are_named_anew():
    b = GraphBuilder("net")
    x = b.input("é α", (4,), bits=8, signed=True, scale=0.5)
    b.output(b.requantize(b.linear(x, np.eye(4, 3, dtype=int), 1.0, weight_bits=4), bits=8, scale=0.5), "ü")
    names = [layer.name for layer in map_graph(b.build(), "io_parallel").layers]
    assert names[0] == "nin" and all(name.isidentifier() and name.isascii() for name in names)
