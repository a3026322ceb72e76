# The processor of a Zynq-7000 (pynq-z2). Same contract as ps_zynqmp.tcl.
proc hwgen::ps_create {name mhz port bits} {
  if {![regexp {^S_AXI_HP([0-3])$} $port -> index]} {error "memory port $port is not S_AXI_HP0 .. HP3"}
  ip xilinx.com:ip:processing_system7 $name
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config {make_external "FIXED_IO, DDR" apply_board_preset 1 Master Disable Slave Disable} [get_bd_cells $name]
  # A preset may open ports: all but ours are closed, for an open port without a clock is an error.
  set settings {CONFIG.PCW_USE_M_AXI_GP0 1 CONFIG.PCW_USE_M_AXI_GP1 0}
  for {set i 0} {$i <= 3} {incr i} {lappend settings CONFIG.PCW_USE_S_AXI_HP$i [expr {$i == $index}]}
  lappend settings CONFIG.PCW_S_AXI_HP${index}_DATA_WIDTH $bits CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
    CONFIG.PCW_IRQ_F2P_INTR 1 CONFIG.PCW_EN_CLK0_PORT 1 CONFIG.PCW_EN_RST0_PORT 1 \
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $mhz
  set_property -dict $settings [get_bd_cells $name]
  return [dict create clock $name/FCLK_CLK0 reset $name/FCLK_RESET0_N interrupt $name/IRQ_F2P \
    bus_clocks [list $name/M_AXI_GP0_ACLK $name/S_AXI_HP${index}_ACLK] \
    control $name/M_AXI_GP0 memory $name/$port base 0x40000000 space $name/Data not_memory {}]
}

# The clock that the PLLs really make, in MHz.
proc hwgen::ps_clock {name} {
  return [get_property CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ [get_bd_cells $name]]
}
