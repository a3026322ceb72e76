# Step 1: the SystemVerilog becomes an IP in work/ip.

# The files of the design. An hls4ml core adds the Verilog that Vitis HLS exported: src/hls, or the project itself when
# this folder still lies inside it.
proc hwgen::design_files {} {
  variable here
  variable design
  set files [glob -directory [file join $here src] *.v *.sv]
  if {$design(hls_verilog) ne ""} {
    set found {}
    foreach folder [list [file join $here src hls] [file join $here .. $design(hls_verilog)]] {
      set found [glob -nocomplain -directory $folder *.v]
      if {[llength $found]} break
    }
    if {![llength $found]} {
      error "the Verilog of Vitis HLS is missing: run Vitis HLS in the folder above this one\
        (vitis_hls -f build_prj.tcl), or copy its syn/verilog to [file join $here src hls]"
    }
    set nested [glob -nocomplain -directory $folder *_ip.tcl]
    if {[llength $nested]} {
      error "Vitis HLS used vendor IP ([file tail [lindex $nested 0]]), which cannot be packaged: only integer and\
        fixed-point arithmetic is expected here"
    }
    lappend files {*}$found {*}[glob -nocomplain -directory $folder *.dat *.mem]
  }
  return [lsort $files]
}

# An AXI interface: Vivado finds it by the names of its ports.
proc hwgen::axi {name core} {
  if {![llength [ipx::get_bus_interfaces -quiet $name -of_objects $core]]} {
    ipx::infer_bus_interfaces xilinx.com:interface:aximm_rtl:1.0 $core
  }
  return [ipx::get_bus_interfaces $name -of_objects $core]
}

# The interface of a single port (clock, reset, interrupt), made now where Vivado did not find it by its name.
proc hwgen::signal {name type core} {
  if {![llength [ipx::get_bus_interfaces -quiet $name -of_objects $core]]} {
    ipx::infer_bus_interface $name $type $core
  }
  return [ipx::get_bus_interfaces $name -of_objects $core]
}

# A DMA master: its clock, and the address space that the block design fills.
proc hwgen::add_master {name core} {
  set master [axi $name $core]
  ipx::associate_bus_interfaces -busif $name -clock aclk $core
  if {![llength [ipx::get_address_spaces -quiet $name -of_objects $core]]} {
    set space [ipx::add_address_space $name $core]
    set_property range 16E $space
    set_property width 64 $space
    set_property master_address_space_ref $name $master
  }
}

proc hwgen::add_registers {block} {
  variable registers
  foreach row $registers {
    set fields [lassign $row name offset access about]
    set register [ipx::add_register $name $block]
    set_property address_offset $offset $register
    set_property size 32 $register
    set_property access $access $register
    set_property description $about $register
    foreach item $fields {
      lassign $item field lsb width text
      set made [ipx::add_field $field $register]
      set_property bit_offset $lsb $made
      set_property bit_width $width $made
      set_property access $access $made
      set_property description $text $made
    }
  }
}

proc hwgen::package_ip {} {
  variable here
  variable design
  set work [file join $here work]
  create_project -force pack [file join $work pack] -part $design(part)
  add_files -norecurse [design_files]
  set tables [get_files -quiet {*.dat *.mem}]
  if {[llength $tables]} {set_property file_type {Memory Initialization Files} $tables}
  set_property top $design(top) [current_fileset]
  update_compile_order -fileset sources_1
  ipx::package_project -root_dir [file join $work ip] -vendor hwgen -library accel -taxonomy /UserIP \
    -import_files -set_current true -force
  set core [ipx::current_core]
  set_property name $design(top) $core
  set_property version $design(version) $core
  set_property display_name "hwgen $design(name)" $core
  set_property supported_families {zynq Production zynquplus Production} $core

  set lite [axi s_axi_ctrl $core]
  set clock [signal aclk xilinx.com:signal:clock_rtl:1.0 $core]
  signal aresetn xilinx.com:signal:reset_rtl:1.0 $core
  set irq [signal irq_o xilinx.com:signal:interrupt_rtl:1.0 $core]
  ipx::associate_bus_interfaces -busif s_axi_ctrl -clock aclk $core
  ipx::associate_bus_interfaces -clock aclk -reset aresetn $core
  foreach {master port bits} $design(memory) {add_master $master $core}
  # A frequency that the packager writes down would have to equal the board's.
  if {[llength [ipx::get_bus_parameters -quiet FREQ_HZ -of_objects $clock]]} {
    ipx::remove_bus_parameter FREQ_HZ $clock
  }
  if {![llength [ipx::get_bus_parameters -quiet SENSITIVITY -of_objects $irq]]} {
    ipx::add_bus_parameter SENSITIVITY $irq
  }
  set_property value LEVEL_HIGH [ipx::get_bus_parameters SENSITIVITY -of_objects $irq]

  if {![llength [ipx::get_memory_maps -quiet s_axi_ctrl -of_objects $core]]} {
    ipx::add_memory_map s_axi_ctrl $core
    set_property slave_memory_map_ref s_axi_ctrl $lite
  }
  set map [ipx::get_memory_maps s_axi_ctrl -of_objects $core]
  if {![llength [ipx::get_address_blocks -quiet reg0 -of_objects $map]]} {ipx::add_address_block reg0 $map}
  set block [ipx::get_address_blocks reg0 -of_objects $map]
  set_property range 4096 $block
  set_property width 32 $block
  set_property usage register $block
  add_registers $block

  ipx::create_xgui_files $core
  ipx::update_checksums $core
  ipx::check_integrity $core
  ipx::save_core $core
  close_project
}
