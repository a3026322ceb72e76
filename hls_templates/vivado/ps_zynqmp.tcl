# The processor of a Zynq UltraScale+ (zcu104, kv260, kr260, ultra96v2).
#
# ps_create NAME MHZ PORT BITS: the processor with the board's preset, one clock at MHZ (the nearest that its PLLs
# make), one AXI master for registers and the memory port PORT, BITS wide. Returns what the system connects to.
#
# On a Kria the preset is the module's alone: what hangs on the carrier is set up by the firmware before PYNQ runs, and
# a bitstream does not touch it.
proc hwgen::ps_create {name mhz port bits} {
  if {![regexp {^S_AXI_HP([0-3])_FPD$} $port -> index]} {error "memory port $port is not S_AXI_HP0_FPD .. HP3_FPD"}
  set slave [expr {$index + 2}]  ;# S_AXI_GP0 and GP1 are the coherent HPC ports
  ip xilinx.com:ip:zynq_ultra_ps_e $name
  apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e -config {apply_board_preset 1} [get_bd_cells $name]
  # A preset may open ports: all but ours are closed, for an open port without a clock is an error.
  set settings {CONFIG.PSU__USE__M_AXI_GP0 1 CONFIG.PSU__USE__M_AXI_GP1 0 CONFIG.PSU__USE__M_AXI_GP2 0}
  for {set i 0} {$i <= 6} {incr i} {lappend settings CONFIG.PSU__USE__S_AXI_GP$i [expr {$i == $slave}]}
  lappend settings CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 CONFIG.PSU__SAXIGP${slave}__DATA_WIDTH $bits \
    CONFIG.PSU__USE__IRQ0 1 CONFIG.PSU__FPGA_PL0_ENABLE 1 CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ $mhz
  set_property -dict $settings [get_bd_cells $name]
  set segments {}
  foreach what {QSPI LPS_OCM PCIE_LOW PCIE_HIGH1 PCIE_HIGH2} {
    lappend segments $name/SAXIGP$slave/HP${index}_$what
  }
  return [dict create clock $name/pl_clk0 reset $name/pl_resetn0 interrupt $name/pl_ps_irq0 \
    bus_clocks [list $name/maxihpm0_fpd_aclk $name/saxihp${index}_fpd_aclk] \
    control $name/M_AXI_HPM0_FPD memory $name/$port base 0xA0000000 space $name/Data not_memory $segments]
}

# The clock that the PLLs really make, in MHz.
proc hwgen::ps_clock {name} {
  return [get_property CONFIG.PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ [get_bd_cells $name]]
}
