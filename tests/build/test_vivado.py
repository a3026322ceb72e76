"""The Vivado scripts of every board run from start to end in the model, and the model catches what is planted."""

import re
import shutil
import subprocess

import pytest

from hwgen import boards
from hwgen.backends.engine import rtl
from hwgen.build import toolchain, vivado
from hwgen.errors import InputError, ToolError
from hwgen.schedule import EngineConfig
from tests.build.support import BOARDS, MODEL, engine_design, hls4ml_design, needs_tclsh, with_masters


@needs_tclsh
@pytest.mark.parametrize("backend", ["engine", "hls4ml"])
@pytest.mark.parametrize("board", BOARDS)
def test_every_board_and_backend_runs_from_start_to_end(tmp_path, board, backend):
    design = {"engine": engine_design, "hls4ml": hls4ml_design}[backend](tmp_path, board)
    vivado.write_vivado(design, boards.load(board), backend)
    told = vivado.check(design)
    assert int(re.search(r"\((\d+) commands\)", told)[1]) > 400
    assert not (design / "vivado" / "result").exists()  # the check leaves nothing behind


@needs_tclsh
@pytest.mark.parametrize("masters", [2, 3, 4])
@pytest.mark.parametrize("board", BOARDS)
def test_every_master_gets_a_memory_port(tmp_path, board, masters):
    design = with_masters(engine_design(tmp_path, board), masters)
    target = vivado.write_vivado(design, boards.load(board), "engine")
    memory = re.search(r"^ *memory +\{(.*)\}$", (target / "settings.tcl").read_text(), re.M)[1].split()
    assert memory[0::3] == ["m_axi", "m_axi_1", "m_axi_2", "m_axi_3"][:masters]
    assert memory[1::3] == list(boards.load(board).memory.ports)[:masters]
    assert vivado.check(design)


@needs_tclsh
@pytest.mark.parametrize("board", BOARDS)
def test_streamed_weights_get_memory_ports_of_their_own(tmp_path, board):
    """The top's own masters, not stand-ins: whole interfaces, each on a port with an address."""
    design, zynq = engine_design(tmp_path, board), boards.load(board)
    rtl.write(EngineConfig(8, 8, stream_ports=2), zynq, "streams", design)
    target = vivado.write_vivado(design, zynq, "engine")
    ports = list(zynq.memory.ports)
    settings = (target / "settings.tcl").read_text()
    assert all(
        f"{master} {port} " in settings for master, port in zip(("m_axi", "m_axi_1", "m_axi_2"), ports, strict=False)
    )
    assert vivado.check(design)
    file = target / "src" / "hwgen_top.v"
    file.write_text(re.sub(r"\n.*wire .*m_axi_2_awvalid,", "", file.read_text()))
    with pytest.raises(ToolError, match="m_axi_2"):
        vivado.check(design)


def test_more_masters_than_ports_are_refused(tmp_path):
    design = with_masters(engine_design(tmp_path), 5)
    with pytest.raises(InputError, match="has 5 AXI masters, zcu104 has 4 memory ports"):
        vivado.write_vivado(design, boards.load("zcu104"), "engine")


@needs_tclsh
@pytest.mark.parametrize(
    "port, base", [("M_AXI_HPM0_FPD", 0xA001_0000), ("M_AXI_HPM1_FPD", 0xB000_0000), ("M_AXI_HPM0_LPD", 0x8000_0000)]
)
def test_registers_lie_where_the_board_says(tmp_path, port, base):
    text = (boards.load("zcu104").folder / "board.toml").read_text()
    text = text.replace("M_AXI_HPM0_FPD", port).replace("0xA0000000", hex(base))
    (tmp_path / "board.toml").write_text(text.replace("S_AXI_HP0_FPD = 128", "S_AXI_HPC0_FPD = 64"))
    design = engine_design(tmp_path / "design")
    vivado.write_vivado(design, boards.load(f"{tmp_path}/"), "engine")
    assert vivado.check(design)


@needs_tclsh
def test_a_design_that_was_copied_away_is_complete(tmp_path):
    design = engine_design(tmp_path / "here")
    vivado.write_vivado(design, boards.load("zcu104"), "engine")
    away = tmp_path / "away"
    shutil.move(design / "vivado", away / "vivado")
    shutil.rmtree(design)
    assert vivado.check(away)


@needs_tclsh
def test_a_board_of_the_users_own_runs_too(tmp_path):
    board = tmp_path / "mine"
    board.mkdir()
    text = (boards.load("zcu104").folder / "board.toml").read_text()
    (board / "board.toml").write_text(text.replace("S_AXI_HP0_FPD = 128\nS_AXI_HP1_FPD = 128\n", ""))
    design = engine_design(tmp_path / "design")
    vivado.write_vivado(design, boards.load(str(board)), "engine")
    assert "S_AXI_HP2_FPD" in (design / "vivado" / "settings.tcl").read_text()
    assert vivado.check(design)


@pytest.mark.parametrize("ports", [0, 2])
def test_the_top_is_plain_verilog_for_the_packager(tmp_path, ports):
    design = engine_design(tmp_path)
    rtl.write(EngineConfig(8, 8, stream_ports=ports), boards.load("zcu104"), "streams", design)
    target = vivado.write_vivado(design, boards.load("zcu104"), "engine")
    assert (target / "src" / "hwgen_top.v").is_file() and not (target / "src" / "hwgen_top.sv").exists()
    packages = sorted((target / "src").glob("*_pkg.sv"))
    words = ["verilator", "--lint-only", "+1364-2005ext+v", "--top-module", "hwgen_top", "-y", target / "src"]
    toolchain.run([*words, "+libext+.sv", *packages, target / "src" / "hwgen_top.v"])


def test_writing_again_removes_old_files_and_keeps_the_result_of_the_same_design(tmp_path):
    design, board = engine_design(tmp_path), boards.load("zcu104")
    target = vivado.write_vivado(design, board, "engine")
    code = re.search(r"design_hash\s+\{(\w+)\}", (target / "settings.tcl").read_text())[1]
    (target / "src" / "old.sv").write_text("module old; endmodule")
    (target / "result").mkdir()
    (target / "result" / "summary.txt").write_text(f"design_hash={code}\n")
    vivado.write_vivado(design, board, "engine")
    assert not (target / "src" / "old.sv").exists() and (target / "result").exists()
    (target / "result" / "summary.txt").write_text("design_hash=0123\n")
    vivado.write_vivado(design, board, "engine")
    assert not (target / "result").exists()


@pytest.mark.parametrize(
    "change, told",
    [
        (("board_part", "# board_part"), "has no board_part"),
    ],
)  # fmt: skip
def test_a_board_that_vivado_cannot_build_for_is_named(tmp_path, change, told):
    board = tmp_path / "mine"
    board.mkdir()
    (board / "board.toml").write_text((boards.load("zcu104").folder / "board.toml").read_text().replace(*change))
    with pytest.raises(InputError, match=told):
        vivado.write_vivado(engine_design(tmp_path / "design"), boards.load(str(board)), "engine")


def test_a_folder_without_rtl_or_project_is_named(tmp_path):
    with pytest.raises(InputError, match="hwgen_top.sv is missing"):
        vivado.write_vivado(tmp_path, boards.load("zcu104"), "engine")
    design = engine_design(tmp_path / "design")
    with pytest.raises(InputError, match="project.tcl is missing"):
        vivado.write_vivado(design, boards.load("zcu104"), "hls4ml")
    (design / "project.tcl").write_text("set backend vitis\n")
    with pytest.raises(InputError, match="sets no project_name"):
        vivado.write_vivado(design, boards.load("zcu104"), "hls4ml")


@needs_tclsh
@pytest.mark.parametrize("text", ["plain", "two words", "a [bracket] $x", "{", "}", "a\\", 'q"; exit', "[exit 3]", ""])
def test_a_word_of_tcl_stands_for_its_text_alone(text):
    done = subprocess.run(
        ["tclsh"], input=f"puts [lindex [list {vivado.tcl_word(text)}] 0]\n", capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, text + "\n", "")


# What is planted: (script, text, replacement, what the model must say).
FAULTS = {
    "unknown command": ("system", "validate_bd_design", "validate_bd_desing", "unknown command 'validate_bd_desing'"),
    "unknown option": ("implement", "-jobs $jobs", "-threads $jobs", "launch_runs has no option -threads"),
    "unknown part": ("settings", "xczu7ev-ffvc1156-2-e", "xczu7ev-ffvc1156", "unknown part"),
    "part of another board": ("settings", "xczu7ev-ffvc1156-2-e", "xck26-sfvc784-2LV-c", "is for xczu7ev"),
    "unknown board": ("settings", "xilinx.com:zcu104:part0", "xilinx.com:zcu105:part0", "has no board files"),
    "unknown IP": ("system", "xilinx.com:ip:smartconnect", "xilinx.com:ip:smartconect", "is not in this Vivado"),
    "own IP not in the catalog": ("system", "  update_ip_catalog\n", "", "hwgen:accel:hwgen_top is not in"),
    "unknown cell": ("system", "net $reset reset_0/", "net $reset reset_1/", "there is no cell reset_1"),
    "unknown pin": ("system", "$name/aclk", "$name/clk", "cell control_bus has no pin clk"),
    "unknown bus": ("system", "$name/M00_AXI", "$name/M01_AXI", "cell control_bus has no bus M01_AXI"),
    "unknown property": ("ps_zynqmp", "PSU__USE__IRQ0", "PSU__USE__IRQ", "has no property CONFIG.PSU__USE__IRQ"),
    "value of a property": ("ps_zynqmp", "PSU__USE__IRQ0 1", "PSU__USE__IRQ0 yes", "takes 0 or 1, not 'yes'"),
    "clock that is none": ("settings", "{250}", "{2500}", "is no clock"),
    "clock that the PLL does not make": ("settings", "{250}", "{200}", "makes 187.498125 MHz where 200 are asked for"),
    "clock that nobody looks at": (
        "system", "  check_clock\n",
        "  set_property CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 200 [get_bd_cells ps_0]\n",
        "ps_0 makes 187.498125 MHz where 200 are asked for",
    ),
    "memory port": ("settings", "S_AXI_HP0_FPD", "S_AXI_HP4_FPD", "memory port S_AXI_HP4_FPD is not"),
    "width of a memory port": ("settings", "FPD 128}", "FPD 256}", "DATA_WIDTH 256"),
    "control port": ("settings", "M_AXI_HPM0_FPD", "M_AXI_HPM2_FPD", "control port M_AXI_HPM2_FPD is not"),
    "address of another control port": ("settings", "M_AXI_HPM0_FPD", "M_AXI_HPM1_FPD", "window of ps_0/M_AXI_HPM1"),
    "address that is not aligned": ("settings", "0xA0000000", "0xA0000800", "is not in the window"),
    "interface that the top has not": ("settings", "{m_axi S_AXI", "{m_axis S_AXI", "no bus interface m_axis"),
    "interface given to nobody": (
        "package", "foreach {master port bits} $design(memory) {add_master $master $core}", "",
        "interface m_axi is associated with no clock",
    ),
    "reset driven twice": (
        "system", "net $reset reset_0/ext_reset_in",
        "net $reset reset_0/ext_reset_in; net reset_0/mb_reset reset_0/ext_reset_in", "drive one net",
    ),
    "clock not connected": ("system", "  net $clock $name/aclk\n", "", "clock control_bus/aclk is not driven"),
    "bus between two clocks": (
        "system", "  net $clock $name/aclk\n",
        "  set_property CONFIG.PSU__FPGA_PL1_ENABLE 1 [get_bd_cells ps_0]\n  net ps_0/pl_clk1 $name/aclk\n",
        "runs on ps_0/pl_clk0, its other end control_bus/S00_AXI on ps_0/pl_clk1",
    ),
    "port that the preset opened": ("ps_zynqmp", "[expr {$i == $master}]", "[expr {$i < 2}]", "hpm1_fpd_aclk is"),
    "reset not connected": ("system", "  net $reset $name/aresetn\n", "", "reset control_bus/aresetn is not driven"),
    "interrupt not connected": ("system", "    net hwgen_top_0/irq_o $interrupt\n", "", "interrupt ps_0/pl_ps_irq0 is"),
    "reset driven by a clock": ("system", "net $reset reset_0", "net $clock reset_0", "is driven by clock"),
    "bus not connected": ("system", "  bus $name/M00_AXI $slave\n", "", "is connected to nothing"),
    "bus connected twice": (
        "system", "  bus $name/M00_AXI $slave\n", "  bus $name/M00_AXI $slave\n  bus $name/M00_AXI $slave\n",
        "is connected already",
    ),
    "two masters": ("system", "bus $master $name/S00_AXI", "bus $master $name/M00_AXI", "are both masters"),
    "switch with an open port": ("system", "NUM_SI 1", "NUM_SI 2", "S01_AXI is connected to nothing"),
    "memory without an address": ("system", "  assign_bd_address\n}", "}", "HP0_DDR_LOW has no address"),
    "address outside the window": ("settings", "0xA0000000", "0x40000000", "not in the window of ps_0/M_AXI_HPM0_FPD"),
    "more addresses than registers": ("system", "-range 4K", "-range 64K", "65536 bytes, its address block has 4096"),
    "flash within reach": (
        "system", "        exclude_bd_addr_seg -target_address_space $space $segment\n", "",
        "hwgen_top_0/m_axi reaches flash",
    ),
    "reset of the accelerator upside down": (
        "system", "net reset_0/peripheral_aresetn hwgen_top_0", "net reset_0/peripheral_reset hwgen_top_0",
        "reset hwgen_top_0/aresetn is driven by reset_high reset_0/peripheral_reset",
    ),
    "reset of a bus upside down": (
        "system", "$clock reset_0/peripheral_aresetn", "$clock reset_0/mb_reset",
        "is driven by reset_high reset_0/mb_reset",
    ),
    "no preset": ("ps_zynqmp", "apply_board_preset 1", "apply_board_preset 0", "has not got the board's preset"),
    "processor of another family": ("ps_zynqmp", "ip:zynq_ultra_ps_e", "ip:processing_system7", "not exist in"),
    "saved before validated": ("system", "  validate_bd_design\n", "", "save_bd_design before validate_bd_design"),
    "generated before saved": ("system", "  save_bd_design\n", "", "no file matches 'system.bd'"),
    "wrapper before generation": ("system", "  generate_target all $diagram\n", "", "make_wrapper before"),
    "another top than the wrapper": ("system", "top system_wrapper", "top wrapper", "not the wrapper"),
    "opened twice": ("implement", "    close_design\n", "", "open_run impl_1 while impl_1 is open"),
    "opened before it is done": ("implement", "  wait_on_run $run\n", "", "ended with"),
    "report of nothing": ("implement", "    open_run impl_1\n", "", "get_timing_paths before open_run"),
    "implementation before synthesis": ("implement", "  finish synth_1 $jobs\n", "", "impl_1 before synth_1 is done"),
    "unknown strategy": ("settings", "Performance_ExplorePostRoutePhysOpt", "Performance_Best", "unknown strategy"),
    "SystemVerilog top": ("package", "src] *.v *.sv]", "src] *.sv]", "is in no Verilog file"),
    "packaged before ordered": ("package", "  update_compile_order -fileset sources_1\n", "", "package_project before"),
    "bus without a clock": (
        "package", "  ipx::associate_bus_interfaces -busif $name -clock aclk $core\n", "", "associated with no clock",
    ),
    "clock without a reset": (
        "package", "  ipx::associate_bus_interfaces -clock aclk -reset aresetn $core\n", "", "associated with no reset",
    ),
    "frequency written into the IP": (
        "package", "    ipx::remove_bus_parameter FREQ_HZ $clock\n", "", "FREQ_HZ of hwgen_top_0/aclk is 100000000",
    ),
    "interrupt as a plain port": (
        "package", "set irq [signal irq_o xilinx.com:signal:interrupt_rtl:1.0 $core]", "set irq $clock",
        "the interrupt is a level",
    ),
    "unknown interface": ("package", "interrupt_rtl:1.0", "interupt_rtl:1.0", "unknown interface"),
    "block shorter than its addresses": ("package", "range 4096", "range 1024", "reg0 is '1024', not 4096"),
    "block wider than its bus": ("package", "width 32 $block", "width 64 $block", "reg0 is '64', not 32"),
    "block without a use": ("package", "  set_property usage register $block\n", "", "usage of address_block"),
    "no registers": ("package", "  add_registers $block\n", "", "reg0 has no registers"),
    "register without a size": ("package", "    set_property size 32 $register\n", "", "is '', not 32"),
    "register without access": ("package", "    set_property access $access $register\n", "", "has no access"),
    "field without a place": ("package", "      set_property bit_offset $lsb $made\n", "", "has no bit_offset"),
    "fields on one bit": ("package", "bit_offset $lsb", "bit_offset 0", "is taken or outside"),
    "register outside the block": ("settings", "{ABI} 0x004", "{ABI} 0x1000", "register ABI at 4096"),
    "interrupt as an edge": ("package", "value LEVEL_HIGH", "value EDGE_RISING", "the interrupt is a level"),
    "family that is not supported": ("package", "zynquplus Production", "artix7 Production", "not support the family"),
    "no report": (
        "implement", "  report_power -file [file join $result power.rpt]\n", "", "model of Vivado without a power.rpt",
    ),
    "launched again": ("implement", "    reset_runs impl_1\n", "", "launch_runs impl_1 again before reset_runs"),
    "no .hwh": ("implement", "  file copy -force", "  #", "without a .hwh"),
    "two registers at one place": ("settings", "{ABI} 0x004", "{ABI} 0x000", "two registers at 0"),
    "saved before it is checked": ("package", "  ipx::check_integrity $core\n", "", "save_core before check_integrity"),
    "project left open": ("package", "  close_project\n", "", "project pack is still open"),
    "port in no interface": ("src/hwgen_top.v", " irq_o", " more_o, output wire irq_o", "port more_o of the IP is in"),
    "AXI channel missing": ("src/hwgen_top.v", "m_axi_rready,", "m_axi_rredy,", "lacks port m_axi_rready"),
}  # fmt: skip


@needs_tclsh
@pytest.mark.parametrize("name", list(FAULTS))
def test_the_model_catches(tmp_path, name):
    script, text, replacement, told = FAULTS[name]
    design = engine_design(tmp_path)
    target = vivado.write_vivado(design, boards.load("zcu104"), "engine")
    file = target / (script if "/" in script else f"{script}.tcl")
    content = file.read_text()
    assert text in content
    file.write_text(content.replace(text, replacement))
    with pytest.raises(ToolError, match=re.escape(told)):
        vivado.check(design)


# With two masters: what is planted in the second way to memory.
SECOND = {
    "no way to memory": (
        "system", "      way ${master}_bus", "      if {$master eq {m_axi}} continue\n      way ${master}_bus",
        "ps_0/S_AXI_HP0_FPD is connected to nothing",
    ),
    "the same port twice": ("settings", "S_AXI_HP1_FPD", "S_AXI_HP0_FPD", "S_AXI_HP0_FPD is connected already"),
    "master without a port": ("settings", " m_axi_1 S_AXI_HP1_FPD 128", "", "interface m_axi_1 is associated with no"),
    "port that is not clocked": (
        "ps_zynqmp", "  return [dict create", "  set clocks [lrange $clocks 0 1]\n  return [dict create",
        "clock ps_0/saxihp1_fpd_aclk is not driven",
    ),
    "channel missing": ("src/hwgen_top.v", "m_axi_1_bready,", "m_axi_1_bredy,", "lacks port m_axi_1_bready"),
}  # fmt: skip


@needs_tclsh
@pytest.mark.parametrize("name", list(SECOND))
def test_the_model_catches_in_a_second_way_to_memory(tmp_path, name):
    script, text, replacement, told = SECOND[name]
    design = with_masters(engine_design(tmp_path), 2)
    target = vivado.write_vivado(design, boards.load("zcu104"), "engine")
    assert vivado.check(design)
    file = target / (script if "/" in script else f"{script}.tcl")
    content = file.read_text()
    assert text in content
    file.write_text(content.replace(text, replacement))
    with pytest.raises(ToolError, match=re.escape(told)):
        vivado.check(design)


@needs_tclsh
def test_the_model_catches_what_zynq7_must_bring_out(tmp_path):
    design = engine_design(tmp_path, "pynq-z2")
    target = vivado.write_vivado(design, boards.load("pynq-z2"), "engine")
    file = target / "ps_zynq7.tcl"
    file.write_text(file.read_text().replace('"FIXED_IO, DDR"', '"FIXED_IO"'))
    with pytest.raises(ToolError, match="must be made external"):
        vivado.check(design)


@needs_tclsh
@pytest.mark.parametrize(
    "wrong, told",
    [
        ("no_boards 1", "has no board files for zcu104"),
        ("fail synth_1", "synth_1 ended with"),
        ("fail impl_1", "impl_1 ended with"),
        ("no_paths 1", "no timed path .setup.: its clock is not constrained"),
        (
            "slacks -0.2",
            "timing is not met at 249.9975.* MHz .* worst path system_i/hwgen_top_0/.* \\(module mm_unit\\)",
        ),
    ],
)
def test_what_goes_wrong_in_vivado_ends_with_its_reason(tmp_path, wrong, told):
    design = engine_design(tmp_path)
    vivado.write_vivado(design, boards.load("zcu104"), "engine")
    with pytest.raises(ToolError, match=told):
        vivado.check(design, wrong)


@needs_tclsh
def test_a_strategy_that_misses_the_clock_is_followed_by_the_next(tmp_path):
    design = engine_design(tmp_path)
    vivado.write_vivado(design, boards.load("zcu104"), "engine")
    assert vivado.check(design, "slacks {-0.2 -0.1 0.05}") and vivado.check(design, "")


@needs_tclsh
def test_a_packager_that_infers_less_gets_the_rest_from_the_script(tmp_path):
    design = engine_design(tmp_path)
    target = vivado.write_vivado(design, boards.load("zcu104"), "engine")
    assert vivado.check(design, "no_axi 1")
    assert vivado.check(design, "bare 1")
    file = target / "package.tcl"
    file.write_text(file.read_text().replace("    set_property master_address_space_ref $name $master\n", ""))
    assert vivado.check(design)  # nobody misses it where the packager does it itself
    with pytest.raises(ToolError, match="master_address_space_ref"):
        vivado.check(design, "bare 1")


@needs_tclsh
def test_hls_verilog_is_taken_from_the_project_or_from_beside_the_scripts(tmp_path):
    design = hls4ml_design(tmp_path)
    target = vivado.write_vivado(design, boards.load("zcu104"), "hls4ml")
    verilog = design / vivado.hls_verilog(design)
    verilog.mkdir(parents=True)
    (verilog / "policy_core.v").write_text("module policy_core(); endmodule\n")
    (verilog / "policy_core_rom.dat").write_text("0\n")
    assert vivado.check(design)
    (verilog / "policy_core_sitofp_ip.tcl").write_text("create_ip\n")
    with pytest.raises(ToolError, match="vendor IP"):
        vivado.check(design)
    words = ["tclsh", str(MODEL), str(target / "build.tcl")]  # where it lies, inside the project
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "vendor IP" in done.stdout
    shutil.rmtree(design / "policy_core_prj")
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "Verilog of Vitis HLS is missing" in done.stdout


def test_without_tclsh_there_is_no_check(tmp_path, monkeypatch):
    design = engine_design(tmp_path)
    vivado.write_vivado(design, boards.load("zcu104"), "engine")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert vivado.check(design) is None
