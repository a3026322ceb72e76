"""The Vivado scripts of several engines run from start to end in the model, and it catches what is planted."""

import re
import shutil

import pytest

from hwgen import boards
from hwgen.build import vivado, vivado_engines
from hwgen.errors import InputError, ToolError
from hwgen.graph.split import cuts
from tests.build.support import needs_tclsh
from tests.codesign.test_search import mlp
from tests.codesign.ways import written


@pytest.fixture(scope="module")
def designs(tmp_path_factory):
    """DIR of 3 replicas, and of a pipeline 2 -> 1, of 8x8 engines on a zcu104."""
    graph, board, out = mlp((16, 16, 16)), boards.load("zcu104"), {}
    for copies in ((3,), (2, 1)):
        out[copies] = tmp_path_factory.mktemp("design")
        written(out[copies], graph, board, copies, [cuts(graph)[0].at][: len(copies) - 1])
    return out


def copied(designs, copies, tmp_path, board="zcu104"):
    design = tmp_path / "design"
    shutil.copytree(designs[copies], design)
    vivado_engines.write_vivado(design, boards.load(board))
    return design


@needs_tclsh
@pytest.mark.parametrize("board", ["zcu104", "kv260", "ultra96v2", "pynq-z2"])
@pytest.mark.parametrize("copies", [(3,), (2, 1)])
def test_every_board_runs_from_start_to_end(designs, tmp_path, copies, board):
    design = copied(designs, copies, tmp_path, board)
    assert vivado.check(design)
    text = (design / "vivado" / "settings.tcl").read_text()
    ports = list(boards.load(board).memory.ports)
    memory = re.search(r"^ *memory +\{(.*)\}$", text, re.M)[1].split()
    assert memory[0::4] == ["0", "1", "2"] and memory[1::4] == ["m_axi"] * 3 and memory[2::4] == ports[:3]
    assert re.search(r"^ *engines +\{(.*)\}$", text, re.M)[1] == ("1.0 1.0 1.0" if copies == (3,) else "1.0 1.0 1.1")


FAULTS = {
    "registers of two engines": ("engines.tcl", "0x10000 * $k", "0x10000 * ($k / 2)", "overlap at 0xa0000000"),
    "an interrupt left out": ("engines.tcl", "interrupts/In$k", "interrupts/In0", "drive one net"),
    "too few lines": ("engines.tcl", "CONFIG.NUM_PORTS $count", "CONFIG.NUM_PORTS 2", "no pin In2"),
    "interrupts that nobody takes": ("engines.tcl", "    net interrupts/dout $interrupt\n", "", "is"),
    "a clock left out": ("engines.tcl", "      net $clock hwgen_top_$k/aclk\n", "", "clock hwgen_top_0/aclk is not"),
    "a reset left out": ("engines.tcl", "      net $resetn hwgen_top_$k/aresetn\n", "", "aresetn is not driven"),
    "a switch with an open port": ("engines.tcl", "NUM_MI $count", "NUM_MI 4", "M03_AXI is connected to nothing"),
    "one memory port for two": ("settings.tcl", "1 m_axi S_AXI_HP1", "1 m_axi S_AXI_HP0", "is connected already"),
    "an IP that nobody packaged": ("engines.tcl", "[lindex $design(engines) $k] hw", "2.0 hw", "unknown IP .*:2.0"),
    "a repository left out": ("engines.tcl", "lappend repositories", "set repositories", "1.0 is not in the catalog"),
    "an engine of no stage": ("settings.tcl", "1.0 1.0 1.1}", "1.0 1.0 1.2}", "m_axi is associated with no clock"),
    "an IP of another stage": ("settings.tcl", "stage1 1.1", "stage1 1.0", "1.1"),
    "flash within reach": ("engines.tcl", "    exclude_all_but_memory $ps hwgen_top_$k [memory_of $k]\n", "",
                           "hwgen_top_0/m_axi reaches flash"),
}  # fmt: skip


@needs_tclsh
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_model_catches(designs, tmp_path, fault):
    script, text, instead, told = FAULTS[fault]
    design = copied(designs, (2, 1), tmp_path)
    file = design / "vivado" / script
    assert text in file.read_text()
    file.write_text(file.read_text().replace(text, instead))
    with pytest.raises(ToolError, match=told):
        vivado.check(design)


def test_a_board_with_too_few_ports_is_named(designs, tmp_path):
    text = (boards.load("zcu104").folder / "board.toml").read_text()
    (tmp_path / "board.toml").write_text(text.replace("S_AXI_HP1_FPD = 128\nS_AXI_HP2_FPD = 128\n", ""))
    with pytest.raises(InputError, match="the engines have 3 AXI masters, .* has 2 memory ports"):
        copied(designs, (3,), tmp_path / "x", f"{tmp_path}/")


def test_the_parts_of_one_design_are_of_one_hash(designs, tmp_path):
    """The whole's hash changes with the copies, so that a result of other engines is refused."""
    codes = {c: vivado.read_manifest(d)["design_hash"] for c, d in designs.items()}
    assert len(set(codes.values())) == 2 and all(re.fullmatch("[0-9a-f]{16}", code) for code in codes.values())
