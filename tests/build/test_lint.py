"""The RTL lint: the library is clean, and a module that is not clean is told with its reason."""

import numpy as np
import pytest

from hwgen import boards
from hwgen.backends.engine import generate
from hwgen.build import lint
from hwgen.errors import InputError
from hwgen.graph import Graph, GraphBuilder
from hwgen.schedule import compile_graph
from tests.support import cases

CLEAN = """module clean (input logic a_i, output logic b_o);
  assign b_o = ~a_i;
endmodule
"""


@pytest.mark.rtl
@pytest.mark.parametrize("file", lint.library(), ids=lambda file: file.stem)
def test_the_library_is_clean(file):
    assert lint.lint(file) is None


def small_graph(rng: np.random.Generator) -> Graph:
    """One of each thing the engine has: a layer, a residual, a norm, a table."""
    b = GraphBuilder("lint")
    x = b.input("x", (24,), bits=8, signed=True, scale=2**-6)
    h = b.linear(x, rng.integers(-7, 8, (24, 40)), weight_scale=2**-4, weight_bits=4)
    h = b.requantize(h, bits=8, signed=False, scale=2**-4, relu=True)
    h = b.linear(h, rng.integers(-7, 8, (40, 24)), weight_scale=2**-6, weight_bits=4)
    h = b.requantize(h, bits=8, scale=2**-3, residual=x)
    h = b.layernorm(h, np.ones(24), np.zeros(24), eps=1e-5, bits=8, scale=2**-5)
    h = b.linear(h, rng.integers(-7, 8, (24, 8)), weight_scale=2**-6, weight_bits=4)
    b.output(b.activation(b.requantize(h, bits=8, scale=2**-5), "tanh", bits=8, scale=2**-7), "y")
    return b.build()


@pytest.mark.rtl
@pytest.mark.parametrize("array", cases([(8, 8), (16, 32)], [(8, 8), (8, 64), (64, 8), (16, 32), (32, 32), (32, 64)]))
def test_a_generated_top_is_clean(array, rng, tmp_path):
    generate.write(compile_graph(small_graph(rng), *array), boards.load("zcu104"), tmp_path)
    assert lint.lint(tmp_path / "rtl" / "hwgen_top.sv") is None


def test_a_warning_counts_and_is_shown(tmp_path, capsys):
    (tmp_path / "clean.sv").write_text(CLEAN)
    (tmp_path / "narrow.sv").write_text(CLEAN.replace("clean", "narrow").replace("output logic", "output logic [3:0]"))
    assert lint.main([str(tmp_path / "clean.sv")]) == 0
    assert lint.main([str(tmp_path / "clean.sv"), str(tmp_path / "narrow.sv")]) == 1
    told = capsys.readouterr()
    assert "WIDTH" in told.err and "narrow.sv" in told.err
    assert "1 of 2 modules clean" in told.out


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match="nothing.sv does not exist"):
        lint.main(["nothing.sv"])
