"""Equal modules become one, different ones do not, and the design stays what it was."""

import itertools

import pytest

from hwgen.build import rtlil, yosys

LEAF = """
module leaf #(parameter int W = 4, parameter int ADD = 1) (
    input logic clk_i, input logic [W-1:0] d_i, output logic [W-1:0] q_o
);
  always_ff @(posedge clk_i) begin
    if (d_i[0]) q_o <= d_i + W'(ADD);
    else q_o <= d_i * d_i;
  end
endmodule
"""
TOP = """
module top (input logic clk_i, input logic [5:0][3:0] d_i, output logic [5:0][3:0] q_o, output logic [7:0] r_o);
  for (genvar i = 0; i < 5; i++) begin : g_equal
    leaf u_leaf (.clk_i, .d_i(d_i[i]), .q_o(q_o[i]));
  end
  leaf #(.ADD(3)) u_other (.clk_i, .d_i(d_i[5]), .q_o(q_o[5]));
  leaf #(.W(8)) u_wide (.clk_i, .d_i(8'(d_i)), .q_o(r_o));
endmodule
"""


@pytest.fixture
def read(tmp_path):
    """SystemVerilog -> RTLIL with a module for every instance."""
    numbers = itertools.count()

    def one(*texts: str, top: str = "top") -> str:
        folder = tmp_path / f"read{next(numbers)}"
        folder.mkdir()
        for i, text in enumerate(texts):
            (folder / f"s{i}.sv").write_text(text)
        commands = [yosys.read_slang(top, [f"s{i}.sv" for i in range(len(texts))], "--keep-hierarchy")]
        run(folder, *commands, "write_rtlil out.il")
        return (folder / "out.il").read_text()

    return one


def run(folder, *commands):
    yosys.run(commands, cwd=folder, log=folder / "yosys.log", limit_hours=0.05)


def modules(text: str) -> list[str]:
    return [line.split()[1] for line in text.splitlines() if line.startswith("module ")]


def test_equal_modules_become_one(read):
    text = read(LEAF, TOP)
    assert len(modules(text)) == 8
    merged = rtlil.merge(text, "top")
    assert sorted(modules(merged)) == ["\\leaf_0", "\\leaf_1", "\\leaf_2", "\\top"]
    used = [line.split()[1] for line in merged.splitlines() if line.startswith("  cell \\")]
    assert sorted(used.count(name) for name in set(used)) == [1, 1, 5]


def test_only_what_is_there_often_stays_a_module(read):
    merged = rtlil.merge(read(LEAF, TOP), "top").splitlines()
    kept = [merged[i + 1] for i, line in enumerate(merged) if line == "attribute \\keep_hierarchy 1"]
    assert len(kept) == 1 and kept[0] in ("module \\leaf_0", "module \\leaf_1", "module \\leaf_2")
    assert sum(line.split()[1] == kept[0].split()[1] for line in merged if line.startswith("  cell \\")) == 5


def test_instances_are_counted_through_all_levels(read):
    pairs = LEAF + "module pair (input logic clk_i, input logic [1:0][3:0] d_i, output logic [1:0][3:0] q_o);\n"
    pairs += "for (genvar i = 0; i < 2; i++) begin : g\nleaf u (.clk_i, .d_i(d_i[i]), .q_o(q_o[i]));\nend\nendmodule\n"
    pairs += "module top (input logic clk_i, input logic [3:0][3:0] d_i, output logic [3:0][3:0] q_o);\n"
    pairs += "for (genvar i = 0; i < 2; i++) begin : g\npair u (.clk_i, .d_i(d_i[2*i+:2]), .q_o(q_o[2*i+:2]));\nend\n"
    merged = rtlil.merge(read(pairs + "endmodule\n"), "top")
    assert sorted(modules(merged)) == ["\\leaf_0", "\\pair_0", "\\top"]
    assert "attribute \\keep_hierarchy 1\nmodule \\leaf_0" in merged and merged.count("keep_hierarchy") == 1


def test_the_merged_design_is_the_same_design(read, tmp_path):
    """Proved by yosys: no input makes the flat designs differ in the next state or the outputs."""
    text = read(LEAF, TOP)
    (tmp_path / "whole.il").write_text(text)
    (tmp_path / "merged.il").write_text(rtlil.merge(text, "top").replace("keep_hierarchy 1", "keep_hierarchy 0"))
    commands = []
    for name in ("whole", "merged"):
        commands += [f"read_rtlil {name}.il", "hierarchy -top top", "proc", "flatten", "opt_clean -purge"]
        commands += [f"rename top {name}", f"design -stash {name}"]
    commands += [f"design -copy-from {name} -as {name} {name}" for name in ("whole", "merged")]
    prove = [
        "equiv_make whole merged equal",
        "hierarchy -top equal",
        "equiv_simple",
        "equiv_induct",
        "equiv_status -assert",
    ]
    run(tmp_path, *commands, *prove)


def test_a_difference_in_a_constant_is_a_difference(read):
    text = read(LEAF, TOP)
    one = text.index("module \\leaf$top.g_equal[0]")
    at = text.index("4'0001", one)
    assert at < text.index("\nend\n", one)
    changed = text[:at] + "4'0010" + text[at + len("4'0001") :]
    assert len(modules(rtlil.merge(changed, "top"))) == len(modules(rtlil.merge(text, "top"))) + 1
