"""Finding an export and reading its ports; matching them with a design."""

from pathlib import Path

import pytest

from hwgen.backends import shell
from hwgen.backends.shell import CoreDescription, CorePort
from hwgen.backends.shell.wiring import Port, expected, match
from hwgen.errors import InputError
from hwgen.evaluate import exported_rtl
from tests.evaluate import vitis_export

CONTROL = {"ap_clk": 1, "ap_start": 1, "-ap_done": 1, "-ap_ready": 1, "-ap_idle": 1}
PARALLEL = CONTROL | {"ap_rst": 1, "x": 12, "x_ap_vld": 1, "-y_0": 20, "-y_0_ap_vld": 1, "-y_1": 20, "-y_1_ap_vld": 1}
STREAM = CONTROL | {"ap_rst_n": 1, "x_TDATA": 24, "x_TVALID": 1, "-x_TREADY": 1,
                    "-y_TDATA": 64, "-y_TVALID": 1, "y_TREADY": 1}  # fmt: skip


def plan(io: str, outputs: int = 2) -> shell.ShellPlan:
    """x: 3 elements of 4 bits, y: elements of 20 bits."""
    x, y = CorePort("x", "x", 4, True, (3,), (0,), 3), CorePort("y", "y", 20, True, (outputs,), (0,), outputs)
    return shell.plan(CoreDescription("myproject", io, (x,), (y,), 5))


def ports(widths: dict[str, int]) -> dict[str, Port]:
    """Ports from name -> width, outputs marked with a minus."""
    return {name.lstrip("-"): Port(not name.startswith("-"), width) for name, width in widths.items()}


def without(widths: dict[str, int], *names: str) -> dict[str, int]:
    return {name: width for name, width in widths.items() if name not in names}


@pytest.mark.parametrize("io, widths", [("parallel", PARALLEL), ("stream", STREAM)])
def test_the_expected_ports_match(io, widths):
    assert match(plan(io), ports(widths)) == expected(plan(io))


def test_other_ways_to_say_the_same():
    split = without(PARALLEL, "x", "x_ap_vld") | {
        f"x_{i}{end}": w for i in range(3) for end, w in (("", 4), ("_ap_vld", 1))
    }
    found = match(plan("parallel"), ports(split)).connections["x"]
    assert [(c.port, c.low, c.width, c.vld) for c in found] == [(f"x_{i}", 4 * i, 4, f"x_{i}_ap_vld") for i in range(3)]
    whole = without(PARALLEL, "-y_0", "-y_0_ap_vld", "-y_1", "-y_1_ap_vld") | {"-y_V": 40, "-y_V_ap_vld": 1}
    (found,) = match(plan("parallel"), ports(whole)).connections["y"]
    assert (found.port, found.low, found.width, found.vld) == ("y_V", 0, 40, "y_V_ap_vld")
    one = without(PARALLEL, "-y_0", "-y_0_ap_vld", "-y_1", "-y_1_ap_vld") | {"-y": 20, "-y_ap_vld": 1}
    assert match(plan("parallel", 1), ports(one)) == expected(plan("parallel", 1))
    bare = match(plan("parallel"), ports(without(PARALLEL, "-y_0_ap_vld", "-y_1_ap_vld", "-ap_idle")))
    assert [c.vld for c in bare.connections["y"]] == [None, None] and not bare.has_idle
    renamed = {name.replace("x_T", "x_r_T"): width for name, width in STREAM.items()}
    assert match(plan("stream"), ports(renamed)).connections["x"][0].port == "x_r"


@pytest.mark.parametrize("io, widths, message", [
    ("parallel", without(PARALLEL, "ap_start"), "no port ap_start: .*ap_ctrl_hs"),
    ("parallel", without(PARALLEL, "ap_rst"), "no reset"),
    ("parallel", without(PARALLEL, "x", "x_ap_vld"), "no port x for 'x'"),
    ("parallel", without(PARALLEL, "x", "x_ap_vld") | {"-x_address0": 3, "x_q0": 4}, "became a memory"),
    ("parallel", without(PARALLEL, "-y_1"), "no port y_1"),
    ("parallel", without(PARALLEL, "-y_0", "-y_0_ap_vld") | {"-y_0_o": 20, "y_0_i": 20}, "reads its own result"),
    ("parallel", PARALLEL | {"x": 13}, "port x is an input of 13 bits; .* 12 bits"),
    ("parallel", without(PARALLEL, "-y_0") | {"y_0": 20}, "port y_0 is an input of 20 bits"),
    ("parallel", without(PARALLEL, "-y_1_ap_vld"), "no output y_1_ap_vld"),
    ("parallel", PARALLEL | {"w2_q0": 8}, "nothing drives its input w2_q0"),
    ("stream", STREAM | {"x_TDATA": 12}, "port x_TDATA is an input of 12 bits; .* 24 bits"),
    ("stream", without(STREAM, "-x_TREADY"), "no output x_TREADY"),
    ("stream", PARALLEL, "no port x_TDATA"),
])  # fmt: skip
def test_other_ports_are_named(io, widths, message):
    with pytest.raises(InputError, match=f"module myproject.*{message}"):
        match(plan(io), ports(widths))


@pytest.mark.rtl
@pytest.mark.parametrize("io", ["parallel", "stream"])
def test_ports_of_an_export(tmp_path, rng, io):
    net = vitis_export.graph(rng)
    folder = vitis_export.export(tmp_path, net, io)
    core = vitis_export.design(tmp_path, net, io)
    for path in (tmp_path, folder, folder / "myproject.v", folder.parent.parent):
        export = exported_rtl.find(path, "myproject")
        assert export.core == folder / "myproject.v" and folder in export.data[0].parents
        assert match(shell.plan(core), exported_rtl.ports(export)) == expected(shell.plan(core))


@pytest.mark.rtl
def test_headers_of_other_styles(tmp_path):
    file = tmp_path / "other_name.v"
    file.write_text("""// module myproject (fake);
    (* keep = "yes" *) module myproject #(parameter W = 4, parameter N = 3) (input wire ap_clk,
      input [W*N-1:0] x /* input [3:0] not_this; */, output reg signed [0:6] y);
      localparam Z = 1; // input z;
      always @(*) y = x[6:0];
    endmodule""")
    found = exported_rtl.ports(exported_rtl.find(file, "myproject"))
    assert found == {"ap_clk": Port(True, 1), "x": Port(True, 12), "y": Port(False, 7)}


def test_what_is_no_export(tmp_path):
    def fails(path: Path, message: str) -> None:
        with pytest.raises(InputError, match=message):
            exported_rtl.find(path, "myproject")

    fails(tmp_path / "nowhere", "does not exist")
    fails(tmp_path, "holds no Verilog")
    (tmp_path / "readme.txt").write_text("module myproject();")
    fails(tmp_path / "readme.txt", "is no Verilog file")
    (tmp_path / "other.v").write_text("module other();\nendmodule\nmodule another();\nendmodule\n")
    fails(tmp_path, "no module myproject in 1 Verilog files .modules: another, other.")
    fails(tmp_path / "other.v", "no module myproject")


@pytest.mark.rtl
@pytest.mark.parametrize("text, message", [
    ("module myproject (x", "has no end"),
    ("module myproject;\nendmodule\n", "has no ports"),
    ("module myproject (x);\ninput [3:0 x;\nendmodule\n", "cannot be read: .*syntax error"),
])  # fmt: skip
def test_ports_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "myproject.v").write_text(text)
    with pytest.raises(InputError, match=message):
        exported_rtl.ports(exported_rtl.find(tmp_path, "myproject"))
