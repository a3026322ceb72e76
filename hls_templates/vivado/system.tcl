# Step 2: the block design. Processor -> AXI4-Lite -> registers; every DMA master -> a memory port; a SmartConnect on
# each way. One clock and one reset for all. What differs between the chip families is in ps_FAMILY.tcl.

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

# SmartConnect NAME between a master and a slave: width, protocol and address bits are its business.
proc hwgen::way {name master slave clock reset} {
  ip xilinx.com:ip:smartconnect $name
  set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1} [get_bd_cells $name]
  net $clock $name/aclk
  net $reset $name/aresetn
  bus $master $name/S00_AXI
  bus $name/M00_AXI $slave
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

# A clock far from the one asked for would only be seen in the timing report, hours later.
proc hwgen::check_clock {} {
  variable design
  set made [ps_clock ps_0]
  if {abs($made - $design(clock_mhz)) > 0.01 * $design(clock_mhz)} {
    error "the processor makes $made MHz where $design(clock_mhz) are asked for: set clock.pll_mhz and\
      clock.assumed_mhz of $design(board) to what its preset has"
  }
}

proc hwgen::assign_addresses {ps} {
  variable design
  assign_bd_address -offset $design(control_base) -range 4K \
    -target_address_space [get_bd_addr_spaces [dict get $ps space]] \
    [get_bd_addr_segs hwgen_top_0/s_axi_ctrl/reg0]
  exclude_all_but_memory $ps hwgen_top_0 $design(memory)
  assign_bd_address
}

# Memory only: a wrong pointer must not reach the boot flash or the firmware's on-chip memory. memory: {master port bits
# ...} of the cell.
proc hwgen::exclude_all_but_memory {ps cell memory} {
  foreach {master port bits} $memory {
    set space [get_bd_addr_spaces $cell/$master]
    foreach name [dict get $ps not_memory] {
      if {![string match */[string map {S_AXI_ {} _FPD {}} $port]_* $name]} continue
      foreach segment [get_bd_addr_segs -quiet $name] {
        exclude_bd_addr_seg -target_address_space $space $segment
      }
    }
  }
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

  set ports {}
  foreach {master port bits} $design(memory) {lappend ports $port $bits}
  set ps [ps_create ps_0 $design(clock_mhz) $ports $design(control_port)]
  check_clock
  ip hwgen:accel:$design(top) hwgen_top_0
  ip xilinx.com:ip:proc_sys_reset reset_0
  dict with ps {
    net $clock {*}$bus_clocks reset_0/slowest_sync_clk hwgen_top_0/aclk
    net $reset reset_0/ext_reset_in
    net reset_0/peripheral_aresetn hwgen_top_0/aresetn
    net hwgen_top_0/irq_o $interrupt
    way control_bus ps_0/$design(control_port) hwgen_top_0/s_axi_ctrl $clock reset_0/peripheral_aresetn
    foreach {master port bits} $design(memory) {
      way ${master}_bus hwgen_top_0/$master ps_0/$port $clock reset_0/peripheral_aresetn
    }
  }
  assign_addresses $ps
  finish_system
}

# The diagram is whole: checked, and wrapped as the top of the project.
proc hwgen::finish_system {} {
  validate_bd_design
  save_bd_design

  set diagram [get_files system.bd]
  generate_target all $diagram
  add_files -norecurse [make_wrapper -files $diagram -top]
  set_property top system_wrapper [current_fileset]
  update_compile_order -fileset sources_1
}
