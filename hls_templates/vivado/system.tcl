# Step 2: the block design. Processor -> AXI4-Lite -> registers; DMA master -> SmartConnect -> one memory port.
# One clock and one reset for all. What differs between the chip families is in ps_FAMILY.tcl.

# The newest version of an IP in the catalog.
proc hwgen::ip {vln name} {
  set found [get_ipdefs -all -quiet $vln:*]
  if {![llength $found]} {error "IP $vln is not in this Vivado's catalog"}
  return [create_bd_cell -type ip -vlnv [get_property VLNV [lindex [lsort -dictionary $found] end]] $name]
}

proc hwgen::net {driver args} {
  foreach pin $args {connect_bd_net [get_bd_pins $driver] [get_bd_pins $pin]}
}

proc hwgen::bus {master slave} {
  connect_bd_intf_net [get_bd_intf_pins $master] [get_bd_intf_pins $slave]
}

proc hwgen::switch_of_two {name} {
  ip xilinx.com:ip:smartconnect $name
  set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} [get_bd_cells $name]
}

# Board files that did not come with Vivado may lie in a folder named by HWGEN_BOARD_FILES.
proc hwgen::choose_board {} {
  variable design
  global env
  if {[info exists env(HWGEN_BOARD_FILES)]} {set_param board.repoPaths [list $env(HWGEN_BOARD_FILES)]}
  set found [get_board_parts -quiet -latest_file_version $design(board_part):*]
  if {![llength $found]} {
    error "Vivado has no board files for $design(board) ($design(board_part)): install them (Tools > Vivado Store >\
      Boards), or set HWGEN_BOARD_FILES to the folder that holds them"
  }
  set_property board_part [lindex $found end] [current_project]
}

proc hwgen::assign_addresses {ps} {
  assign_bd_address -offset [dict get $ps base] -range 4K \
    -target_address_space [get_bd_addr_spaces [dict get $ps space]] \
    [get_bd_addr_segs hwgen_top_0/s_axi_ctrl/reg0]
  # Memory only: a wrong pointer must not reach the boot flash or the firmware's on-chip memory.
  set space [get_bd_addr_spaces hwgen_top_0/m_axi]
  foreach name [dict get $ps not_memory] {
    foreach segment [get_bd_addr_segs -quiet $name] {
      exclude_bd_addr_seg -target_address_space $space $segment
    }
  }
  assign_bd_address
}

proc hwgen::build_system {} {
  variable here
  variable design
  set work [file join $here work]
  create_project -force system [file join $work system] -part $design(part)
  choose_board
  set_property ip_repo_paths [file join $work ip] [current_project]
  update_ip_catalog
  create_bd_design system

  set ps [ps_create ps_0 $design(clock_mhz) $design(memory_port) $design(memory_port_bits)]
  ip hwgen:accel:$design(top) hwgen_top_0
  ip xilinx.com:ip:proc_sys_reset reset_0
  switch_of_two control_bus
  switch_of_two memory_bus

  dict with ps {
    net $clock {*}$bus_clocks reset_0/slowest_sync_clk control_bus/aclk memory_bus/aclk hwgen_top_0/aclk
    net $reset reset_0/ext_reset_in
    net reset_0/peripheral_aresetn control_bus/aresetn memory_bus/aresetn hwgen_top_0/aresetn
    net hwgen_top_0/irq_o $interrupt
    bus $control control_bus/S00_AXI
    bus control_bus/M00_AXI hwgen_top_0/s_axi_ctrl
    bus hwgen_top_0/m_axi memory_bus/S00_AXI
    bus memory_bus/M00_AXI $memory
  }
  assign_addresses $ps
  validate_bd_design
  save_bd_design

  set diagram [get_files system.bd]
  generate_target all $diagram
  add_files -norecurse [make_wrapper -files $diagram -top]
  set_property top system_wrapper [current_fileset]
  update_compile_order -fileset sources_1
}
