# Several engines in the place of one: an IP for each stage (hwgen_top 1.0, 1.1, ...), a cell hwgen_top_K for each
# engine, its registers at control_base + K times 64K, a memory port and an interrupt line of its own. Sourced behind the
# other scripts, two of whose steps it replaces.
#
# design(cores): {folder version ...} of the IPs. design(engines): the version of each engine's IP. design(memory):
# {engine master port bits ...}.

rename hwgen::package_ip hwgen::package_core

# {master port bits ...} of an engine.
proc hwgen::memory_of {engine} {
  variable design
  set found {}
  foreach {of master port bits} $design(memory) {
    if {$of == $engine} {lappend found $master $port $bits}
  }
  return $found
}

proc hwgen::package_ip {} {
  variable here
  variable design
  set whole $here
  set memory $design(memory)
  foreach {folder version} $design(cores) {
    set own [memory_of [lsearch -exact $design(engines) $version]]
    set here [file join $whole $folder]
    set design(memory) $own
    set design(version) $version
    package_core
    set here $whole
    set design(memory) $memory
  }
}

# Registers of each engine; its masters reach memory only, as those of a single one.
proc hwgen::assign_addresses {ps} {
  variable design
  for {set k 0} {$k < [llength $design(engines)]} {incr k} {
    assign_bd_address -offset [format 0x%X [expr {$design(control_base) + 0x10000 * $k}]] -range 4K \
      -target_address_space [get_bd_addr_spaces [dict get $ps space]] \
      [get_bd_addr_segs hwgen_top_$k/s_axi_ctrl/reg0]
    exclude_all_but_memory $ps hwgen_top_$k [memory_of $k]
  }
  assign_bd_address
}

proc hwgen::build_system {} {
  variable here
  variable design
  create_project -force system [file join $here work system] -part $design(part)
  choose_board
  set repositories {}
  foreach {folder version} $design(cores) {lappend repositories [file join $here $folder work ip]}
  set_property ip_repo_paths $repositories [current_project]
  update_ip_catalog
  create_bd_design system

  set ports {}
  foreach {engine master port bits} $design(memory) {lappend ports $port $bits}
  set ps [ps_create ps_0 $design(clock_mhz) $ports $design(control_port)]
  check_clock
  set count [llength $design(engines)]
  ip xilinx.com:ip:proc_sys_reset reset_0
  ip xilinx.com:ip:xlconcat interrupts
  set_property CONFIG.NUM_PORTS $count [get_bd_cells interrupts]
  ip xilinx.com:ip:smartconnect control_bus
  set_property -dict [list CONFIG.NUM_SI 1 CONFIG.NUM_MI $count] [get_bd_cells control_bus]
  dict with ps {
    set resetn reset_0/peripheral_aresetn
    net $clock {*}$bus_clocks reset_0/slowest_sync_clk control_bus/aclk
    net $reset reset_0/ext_reset_in
    net $resetn control_bus/aresetn
    net interrupts/dout $interrupt
    bus ps_0/$design(control_port) control_bus/S00_AXI
    for {set k 0} {$k < $count} {incr k} {
      create_bd_cell -type ip -vlnv hwgen:accel:$design(top):[lindex $design(engines) $k] hwgen_top_$k
      net $clock hwgen_top_$k/aclk
      net $resetn hwgen_top_$k/aresetn
      net hwgen_top_$k/irq_o interrupts/In$k
      bus control_bus/[format M%02d_AXI $k] hwgen_top_$k/s_axi_ctrl
      foreach {master port bits} [memory_of $k] {
        way ${master}_bus_$k hwgen_top_$k/$master ps_0/$port $clock $resetn
      }
    }
  }
  assign_addresses $ps
  finish_system
}
