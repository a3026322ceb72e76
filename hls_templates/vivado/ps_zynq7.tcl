# The processor of a Zynq-7000 (pynq-z2). Same contract as ps_zynqmp.tcl.
proc hwgen::ps_create {name mhz ports control} {
  if {![regexp {^M_AXI_GP([01])$} $control -> master]} {error "control port $control is not M_AXI_GP0 or M_AXI_GP1"}
  ip xilinx.com:ip:processing_system7 $name
  apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config {make_external "FIXED_IO, DDR" apply_board_preset 1 Master Disable Slave Disable} [get_bd_cells $name]

  # A preset may open ports: all but ours are closed, for an open port without a clock is an error.
  set settings {}
  for {set i 0} {$i <= 1} {incr i} {dict set settings CONFIG.PCW_USE_M_AXI_GP$i [expr {$i == $master}]}
  for {set i 0} {$i <= 3} {incr i} {dict set settings CONFIG.PCW_USE_S_AXI_HP$i 0}
  set clocks [list $name/${control}_ACLK]
  foreach {port bits} $ports {
    if {![regexp {^S_AXI_HP[0-3]$} $port]} {error "memory port $port is not S_AXI_HP0 .. HP3"}
    dict set settings CONFIG.PCW_USE_$port 1
    dict set settings CONFIG.PCW_${port}_DATA_WIDTH $bits
    lappend clocks $name/${port}_ACLK
  }
  foreach {key value} {USE_FABRIC_INTERRUPT 1 IRQ_F2P_INTR 1 EN_CLK0_PORT 1 EN_RST0_PORT 1} {
    dict set settings CONFIG.PCW_$key $value
  }
  dict set settings CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ $mhz
  set_property -dict $settings [get_bd_cells $name]
  return [dict create clock $name/FCLK_CLK0 reset $name/FCLK_RESET0_N interrupt $name/IRQ_F2P \
    bus_clocks $clocks space $name/Data not_memory {}]
}

# The clock that the PLL really makes, in MHz.
proc hwgen::ps_clock {name} {
  return [get_property CONFIG.PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ [get_bd_cells $name]]
}
