# The processor of a Zynq UltraScale+ (zcu104, kv260, kr260, ultra96v2).
#
# ps_create NAME MHZ PORTS CONTROL: the processor with the board's preset, one clock at MHZ (the nearest that its PLL
# makes), the AXI master CONTROL for registers, and PORTS {port bits ...} to the memory. Returns what the system connects
# to: clock, reset, interrupt, bus_clocks, space, not_memory.
#
# On a Kria the preset is the module's alone: what hangs on the carrier is set up by the firmware before PYNQ runs, and
# a bitstream does not touch it.

namespace eval hwgen {
  # Ports as the properties of the IP number them: S_AXI_GP0, M_AXI_GP0, ...
  variable ps_slaves {HPC0 0 HPC1 1 HP0 2 HP1 3 HP2 4 HP3 5}
  variable ps_masters {M_AXI_HPM0_FPD 0 M_AXI_HPM1_FPD 1 M_AXI_HPM0_LPD 2}
}

proc hwgen::ps_create {name mhz ports control} {
  variable ps_slaves
  variable ps_masters
  if {![dict exists $ps_masters $control]} {error "control port $control is not one of [dict keys $ps_masters]"}
  set master [dict get $ps_masters $control]
  ip xilinx.com:ip:zynq_ultra_ps_e $name
  apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset 1} [get_bd_cells $name]

  # A preset may open ports: all but ours are closed, for an open port without a clock is an error.
  set settings {}
  for {set i 0} {$i <= 2} {incr i} {dict set settings CONFIG.PSU__USE__M_AXI_GP$i [expr {$i == $master}]}
  for {set i 0} {$i <= 6} {incr i} {dict set settings CONFIG.PSU__USE__S_AXI_GP$i 0}
  dict set settings CONFIG.PSU__MAXIGP${master}__DATA_WIDTH 32
  set clocks [list $name/[string tolower [string map {M_AXI_ maxi} $control]]_aclk]
  set excluded {}
  foreach {port bits} $ports {
    if {![regexp {^S_AXI_(HPC?\d)_FPD$} $port -> short] || ![dict exists $ps_slaves $short]} {
      error "memory port $port is not S_AXI_HP0_FPD .. HP3_FPD or S_AXI_HPC0_FPD, HPC1_FPD"
    }
    set slave [dict get $ps_slaves $short]
    dict set settings CONFIG.PSU__USE__S_AXI_GP$slave 1
    dict set settings CONFIG.PSU__SAXIGP${slave}__DATA_WIDTH $bits
    lappend clocks $name/saxi[string tolower $short]_fpd_aclk
    foreach what {QSPI LPS_OCM PCIE_LOW PCIE_HIGH1 PCIE_HIGH2} {
      lappend excluded $name/SAXIGP$slave/${short}_$what
    }
  }
  dict set settings CONFIG.PSU__USE__IRQ0 1
  dict set settings CONFIG.PSU__FPGA_PL0_ENABLE 1
  dict set settings CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $mhz
  set_property -dict $settings [get_bd_cells $name]
  return [dict create clock $name/pl_clk0 reset $name/pl_resetn0 interrupt $name/pl_ps_irq0 \
    bus_clocks $clocks space $name/Data not_memory $excluded]
}

# The clock that the PLL really makes, in MHz.
proc hwgen::ps_clock {name} {
  return [get_property CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ [get_bd_cells $name]]
}
