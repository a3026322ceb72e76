"""The C simulation equals golden, bit for bit; and what may go wrong with it."""

import shutil
import time

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.hls4ml import csim, generate
from hwgen.backends.options import Options
from hwgen.build import toolchain
from hwgen.errors import FitError, InputError, ToolError
from hwgen.graph import Graph, GraphBuilder, golden
from hwgen.graph.random_graphs import Limits, random_graph, random_inputs
from tests.backends.hls4ml.graphs import mlp
from tests.support import cases

BOARD = boards.load("zcu104")
CAPS = (None, 96, 24)
"""Of multipliers: unrolled layers, folded ones, and both."""


def core_of(graph, out, io="parallel", multipliers=None):
    """The hls4ml project of a graph in `out`, without the shell around it."""
    mapped, foldings = generate.plan(graph, BOARD, Options(io=io, multipliers=multipliers))
    return generate.write_core(mapped, {f.layer.name: f.setting for f in foldings}, BOARD, out, 1)


def equals_golden(graph, out, io, multipliers, seed, frames=200):
    core = core_of(graph, out, io, multipliers)
    csim.compile_core(out)
    x = random_inputs(graph, seed, frames)
    got, want = csim.simulate(out, core, x), golden.run(graph, x)
    for name, values in want.items():
        assert got[name].dtype == np.int64 and (got[name] == values).all(), (graph, name)


@pytest.mark.parametrize("vectors", [True, False], ids=["mlp", "cnn"])
@pytest.mark.parametrize("io", ["parallel", "stream"])
@pytest.mark.parametrize("case", range(cases(1, 40)))
def test_random_graphs_equal_golden(tmp_path, seed, case, io, vectors):
    limits = Limits(vectors=vectors, max_width=24, power_of_two=bool(seed % 2), softmax=True, blocks=4)
    for cap in (CAPS[seed % 3], None):  # a large graph may need more multipliers than the cap
        try:
            return equals_golden(random_graph(seed, limits), tmp_path, io, cap, seed)
        except FitError:
            continue


def corners() -> Graph:
    """What random graphs seldom or never hold."""
    b, rng = GraphBuilder("corners"), np.random.default_rng(0)

    def w(*shape):
        return rng.integers(-8, 8, shape)

    # Linear over the last of several axes; a tensor that one node reads twice.
    rows, boxes = b.input("rows", (3, 4), 8), b.input("boxes", (2, 3, 4), 8)
    y = b.requantize(b.linear(rows, w(4, 5), 0.5, None, 4), bits=8, scale=8.0)
    square = b.mul(y, y, scale=512.0)
    b.output(b.requantize(square, bits=8, scale=512.0, residual=y), "residual")
    b.output(b.requantize(b.concat([y, y], axis=0), bits=4, scale=128.0), "below")
    b.output(b.requantize(b.concat([square, square], axis=1), bits=6, scale=2048.0), "beside")
    y = b.requantize(b.linear(boxes, w(4, 5), 0.5, None, 4), bits=8, scale=8.0)
    b.output(b.wide(b.linear(y, w(5, 2), 0.5, None, 4)), "wide")
    # Two readers of a flattened image; kernels of height 1, which hls4ml's streams do not count rows for.
    image = b.input("image", (2, 6, 7), 8)
    flat = b.flatten(b.requantize(b.conv(image, w(3, 2, 4, 1), 0.5, None, 4, (3, 2), (1, 0, 0, 1)), bits=8, scale=8.0))
    for name, outs in (("first", 3), ("second", 2)):
        acc = b.linear(flat, w(b.tensor(flat).shape[0], outs), 0.5, None, 4)
        b.output(b.requantize(acc, bits=8, scale=64.0), name)
    for name, kernel, stride in (("line", (1, 3), (2, 1)), ("lines", (1, 3), (1, 2)), ("dot", (1, 1), (3, 2))):
        acc = b.conv(image, w(3, 2, *kernel), 0.5, None, 4, stride, (1, 1, 0, 1))
        b.output(b.requantize(acc, bits=8, scale=8.0), name)
    # Outputs that are views: of an input, and of a layer.
    b.output(b.reshape(rows, (2, 6)), "view")
    b.output(b.flatten(b.requantize(image, bits=4, scale=16.0)), "flat")
    return b.build()


@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_corners_equal_golden(tmp_path, io):
    equals_golden(corners(), tmp_path, io, 100, 1, frames=50)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A small project with its library, and the core's description."""
    folder = tmp_path_factory.mktemp("csim")
    core = core_of(mlp((6, 5, 4)), folder)
    (folder / "manifest.json").write_text('{"core": {"top": "hwgen_mlp"}}')
    return folder, core, csim.library(folder)


def test_a_second_build_takes_what_the_first_made(project, monkeypatch):
    folder, _, lib = project
    monkeypatch.setattr(csim, "compile_core", lambda *_: pytest.fail("compiled again"))
    assert csim.library(folder) == lib
    lib.unlink()
    assert csim.library(folder) == lib and lib.is_file()


def test_the_library_finds_its_weights_wherever_the_folder_lies(project, tmp_path):
    folder, core, _ = project
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    x = random_inputs(mlp((6, 5, 4)), 0, 20)
    assert (csim.simulate(moved, core, x)["y"] == csim.simulate(folder, core, x)["y"]).all()
    shutil.rmtree(moved / "firmware" / "weights")
    with pytest.raises(ToolError, match="weights.*does not exist"):
        csim.simulate(moved, core, x)


def test_axes_are_put_back(tmp_path):
    b = GraphBuilder("axes")
    x = b.maxpool(b.input("x", (2, 3, 4), 8), (1, 1))
    b.output(b.requantize(b.transpose(x, (1, 0, 2)), bits=8), "y")
    equals_golden(b.build(), tmp_path, "parallel", None, 5)


def test_progress_is_told(project):
    folder, core, _ = project
    told = []
    csim.simulate(folder, core, random_inputs(mlp((6, 5, 4)), 0, 5000), told.append)
    assert sorted(told) == told and told[-1] == 5000


def library_of(tmp_path, code: str):
    source = tmp_path / "bad.cpp"
    source.write_text(
        "#include <cstdint>\n#include <cstdlib>\n#include <cstdio>\n#include <unistd.h>\n"
        f'extern "C" void hwgen_core(const int32_t *in, int32_t *out) {{ {code} }}'
    )
    toolchain.run(["g++", "-shared", "-fPIC", source, "-o", tmp_path / "bad.so"])
    return tmp_path / "bad.so"


def test_a_simulation_that_crashes_is_an_error(tmp_path):
    with pytest.raises(ToolError, match="code"):
        csim.run(library_of(tmp_path, 'fprintf(stderr, "no good\\n"); abort();'), np.zeros((3, 2)), 1)


def test_what_a_simulation_prints_does_no_harm(tmp_path):
    lib = library_of(tmp_path, 'puts("12 frogs"); fflush(stdout); out[0] = in[1];')
    assert csim.run(lib, np.array([[1, 2], [3, 4]]), 1).tolist() == [[2], [4]]


def test_a_simulation_that_hangs_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(csim, "SILENCE", 0.5)
    begin = time.monotonic()
    with pytest.raises(ToolError, match="no frame"):
        csim.run(library_of(tmp_path, "for (;;) pause();"), np.zeros((3, 2)), 1)
    assert time.monotonic() - begin < 60


def test_a_missing_compiler_is_named_with_its_package(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolError, match="apt-get install g\\+\\+"):
        csim.library(project[0])


def test_code_that_does_not_compile_is_an_error_with_its_log(tmp_path):
    core_of(mlp((6, 5, 4)), tmp_path)
    source = tmp_path / "firmware" / "hwgen_mlp.cpp"
    source.write_text(source.read_text() + "nonsense;\n")
    with pytest.raises(ToolError, match="nonsense.*|compile.log"):
        csim.compile_core(tmp_path)
    assert "nonsense" in (tmp_path / "sim" / "compile.log").read_text()


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", '{"core": {"top": "hwgen_absent"}}'])
def test_a_folder_that_is_no_project_is_named(tmp_path, manifest):
    if manifest is not None:
        (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match="generate"):
        csim.library(tmp_path)
