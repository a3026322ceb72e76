# The IP packager: ports read from the top's Verilog, interfaces, registers, and the component that is saved.

namespace eval packager {
  variable core ""        ;# the component being packaged
  variable ports {}       ;# port -> in|out
  variable widths {}      ;# port -> bits
  variable buses {}       ;# interface -> {type mode}
  variable clock_of {}    ;# interface -> clock
  variable reset_of {}    ;# clock -> reset
  variable parameters {}  ;# bus NAME -> 1
  variable made {}        ;# maps, blocks and spaces that there are
  variable checked 0
  variable root ""
  variable optional {
    awid awlen awsize awburst awlock awcache awqos awregion wid wlast bid arid arlen arsize arburst arlock arcache arqos
    arregion rid rlast
  }
  variable suffixes {
    awaddr awprot awvalid awready wdata wstrb wvalid wready bresp bvalid bready araddr arprot arvalid arready rdata
    rresp rvalid rready
  }

  proc must {object} {
    variable core
    if {$core eq "" || $object ne $core} {model::fail "'$object' is not the core that is being packaged"}
  }

  # Ports of module `top` in a Verilog-2001 header: direction, optional net type and range, name.
  proc read_ports {file top} {
    variable widths {}
    set channel [open $file]
    set text [read $channel]
    close $channel
    regsub -all {//[^\n]*} $text {} text
    if {![regexp "module\\s+$top\\s*\\((\[^;\]*)\\)\\s*;" $text -> header]} {
      model::fail "$file holds no module $top"
    }
    set found {}
    foreach item [split $header ,] {
      set form {^\s*(input|output)\s+(?:wire\s+|reg\s+)?(?:\[\s*(\d+)\s*:\s*0\s*\]\s*)?(\w+)\s*$}
      if {![regexp $form $item -> direction msb name]} {
        model::fail "$file: port '[string trim $item]' is not plain Verilog"
      }
      dict set widths $name [expr {$msb eq "" ? 1 : $msb + 1}]
      dict set found $name [expr {$direction eq "input" ? "in" : "out"}]
    }
    return $found
  }

  # What a property of an object holds, or nothing where it was not set.
  proc held {object key} {
    return [expr {[info exists model::property($object,$key)] ? $model::property($object,$key) : ""}]
  }

  # Bytes of the address block of the registers.
  proc block_range {} {return [held "address_block component_1 reg0" range]}

  # The block is as wide as the bus, as long as its addresses, and holds registers that lie in it side by side.
  proc check_registers {} {
    variable widths
    set block "address_block component_1 reg0"
    foreach {key wanted} [list width [dict get $widths s_axi_ctrl_wdata] \
      range [expr {1 << [dict get $widths s_axi_ctrl_awaddr]}] usage register] {
      if {[held $block $key] ne $wanted} {model::fail "$key of $block is '[held $block $key]', not $wanted"}
    }
    set taken {}
    foreach register [array names model::kind] {
      if {$model::kind($register) ne "register"} continue
      set offset [expr {[model::get $register address_offset]}]
      if {$offset % 4 || $offset + 4 > [block_range]} {model::fail "$register at $offset"}
      if {$offset in $taken} {model::fail "two registers at $offset: $register"}
      lappend taken $offset
      if {[held $register size] != 32} {model::fail "size of $register is '[held $register size]', not 32"}
      foreach key {access description} {if {[held $register $key] eq ""} {model::fail "$register has no $key"}}
      check_fields [lindex $register 1]
    }
    if {![llength $taken]} {model::fail "$block has no registers"}
  }

  proc check_fields {register} {
    set taken {}
    foreach field [array names model::kind "field register $register *"] {
      if {$model::kind($field) ne "field"} continue
      foreach key {bit_offset bit_width access} {if {[held $field $key] eq ""} {model::fail "$field has no $key"}}
      set low [held $field bit_offset]
      for {set bit $low} {$bit < $low + [held $field bit_width]} {incr bit} {
        if {$bit > 31 || $bit in $taken} {model::fail "bit $bit of $field is taken or outside"}
        lappend taken $bit
      }
    }
  }

  # An AXI interface is whole, or it is none.
  proc axi_mode {prefix} {
    variable ports
    variable suffixes
    foreach suffix $suffixes {
      if {![dict exists $ports ${prefix}_$suffix]} {model::fail "interface $prefix lacks port ${prefix}_$suffix"}
    }
    return [expr {[dict get $ports ${prefix}_awvalid] eq "in" ? "slave" : "master"}]
  }

  # With an AXI interface come its memory map and block, or its address space; with a clock a frequency.
  proc add_bus {name type mode} {
    variable buses
    variable parameters
    set bus [model::object "bus_interface component_1 $name" bus]
    dict set buses $name [list $type $mode]
    if {$type eq "aximm" && ![model::wrong bare 0]} {
      if {$mode eq "slave"} {
        add memory_map "memory_map component_1 $name"
        add block "address_block component_1 reg0"
      } else {
        add space "address_space component_1 $name"
      }
    }
    if {$type eq "clock"} {dict set parameters "$bus FREQ_HZ" [model::object "$bus FREQ_HZ" bus_parameter]}
    return $bus
  }

  proc add {type object} {
    variable made
    if {$object in $made} {model::fail "there is $object already"}
    lappend made $object
    return [model::object $object $type]
  }

  # What the core holds, or nothing where that was asked for quietly.
  proc find {object options} {
    variable made
    if {$object in $made} {return $object}
    if {[dict exists $options -quiet]} return
    model::fail "the core has no $object"
  }

  # What Vivado finds by itself: AXI by its valid signals, clocks and resets by their names.
  proc infer {} {
    variable ports
    if {![model::wrong no_axi 0]} infer_axi
    foreach port [dict keys $ports] {
      if {$port in {aclk clk ap_clk}} {add_bus $port clock slave}
      if {$port in {aresetn rst_n ap_rst_n}} {add_bus $port reset slave}
    }
  }

  proc infer_axi {} {
    variable ports
    variable buses
    foreach port [dict keys $ports] {
      if {[regexp {^(\w+)_awvalid$} $port -> prefix] && ![dict exists $buses $prefix]} {
        add_bus $prefix aximm [axi_mode $prefix]
      }
    }
  }

  # The pins and buses as a cell of the block design sees them.
  proc component {} {
    variable ports
    variable buses
    variable clock_of
    variable parameters
    variable suffixes
    variable optional
    set pins {}
    set found {}
    set covered {}
    dict for {name entry} $buses {
      lassign $entry type mode
      if {$type eq "aximm"} {
        lappend found $name [list $mode [dict get $clock_of $name] 1 ""]
        foreach suffix [concat $suffixes $optional] {lappend covered ${name}_$suffix}
      } else {
        set hertz [expr {[dict exists $parameters "bus_interface component_1 $name FREQ_HZ"] ? 100000000 : ""}]
        lappend pins $name [list [dict get $ports $name] $type 1 $hertz]
        lappend covered $name
      }
    }
    foreach port [dict keys $ports] {
      if {$port ni $covered} {model::fail "port $port of the IP is in no interface"}
    }
    return [dict create pins $pins buses $found]
  }
}

model::command ipx::package_project {-import_files -force} {-root_dir -vendor -library -taxonomy -set_current} {0 0} {
  project::must
  if {!$project::ordered} {model::fail "package_project before update_compile_order"}
  set top $project::top
  set file [lsearch -inline -glob $project::files */$top.v]
  if {$file eq ""} {
    model::fail "the top $top is in no Verilog file: the packager does not take a SystemVerilog top"
  }
  foreach {variable value} [list core component_1 ports [packager::read_ports $file $top] buses {} clock_of {} \
    reset_of {} parameters {} made {} checked 0 root [dict get $options -root_dir]] {set packager::$variable $value}
  foreach pattern {component_1 {* component_1*} {register *} {field *}} {model::forget $pattern}
  model::object component_1 core
  model::put component_1 vendor [dict get $options -vendor]
  model::put component_1 library [dict get $options -library]
  model::put component_1 name $top
  model::put component_1 version 1.0
  packager::infer
  return component_1
}

model::command ipx::current_core {} {} {0 0} {
  packager::must $packager::core
  return $packager::core
}

model::command ipx::get_bus_interfaces {-quiet} {-of_objects} {1 1} {
  packager::must [dict get $options -of_objects]
  set name [lindex $rest 0]
  if {[dict exists $packager::buses $name]} {return "bus_interface component_1 $name"}
  if {[dict exists $options -quiet]} return
  model::fail "the core has no bus interface $name"
}

model::command ipx::infer_bus_interface {} {} {3 3} {
  lassign $rest name type core
  packager::must $core
  if {![regexp {^xilinx.com:signal:(clock|reset|interrupt)_rtl:1.0$} $type -> signal]} {
    model::fail "unknown interface $type"
  }
  if {![dict exists $packager::ports $name]} {model::fail "the core has no port $name"}
  return [packager::add_bus $name $signal slave]
}

model::command ipx::infer_bus_interfaces {} {} {2 2} {
  lassign $rest type core
  packager::must $core
  if {$type ne "xilinx.com:interface:aximm_rtl:1.0"} {model::fail "unknown interface $type"}
  packager::infer_axi
  return
}

model::command ipx::associate_bus_interfaces {} {-busif -clock -reset} {1 1} {
  packager::must [lindex $rest 0]
  dict for {option name} $options {
    if {![dict exists $packager::buses $name]} {model::fail "associate_bus_interfaces: no interface $name"}
    set type [lindex [dict get $packager::buses $name] 0]
    if {$type ne [dict get {-busif aximm -clock clock -reset reset} $option]} {model::fail "$name is a $type"}
  }
  if {[dict exists $options -busif]} {
    dict set packager::clock_of [dict get $options -busif] [dict get $options -clock]
  } else {
    dict set packager::reset_of [dict get $options -clock] [dict get $options -reset]
  }
  return
}

model::command ipx::get_bus_parameters {-quiet} {-of_objects} {1 1} {
  set name "[model::need [dict get $options -of_objects] bus] [lindex $rest 0]"
  if {[dict exists $packager::parameters $name]} {return $name}
  if {[dict exists $options -quiet]} return
  model::fail "there is no parameter $name"
}

model::command ipx::add_bus_parameter {} {} {2 2} {
  lassign $rest name bus
  if {$name ni {SENSITIVITY POLARITY FREQ_HZ ASSOCIATED_BUSIF ASSOCIATED_RESET}} {model::fail "bus parameter $name"}
  set object [model::object "[model::need $bus bus] $name" bus_parameter]
  dict set packager::parameters $object $object
  return $object
}

model::command ipx::remove_bus_parameter {} {} {2 2} {
  lassign $rest name bus
  set object "[model::need $bus bus] $name"
  if {![dict exists $packager::parameters $object]} {model::fail "there is no parameter $object"}
  dict unset packager::parameters $object
  return
}

model::command ipx::get_memory_maps {-quiet} {-of_objects} {1 1} {
  packager::must [dict get $options -of_objects]
  return [packager::find "memory_map component_1 [lindex $rest 0]" $options]
}

model::command ipx::get_address_spaces {-quiet} {-of_objects} {1 1} {
  packager::must [dict get $options -of_objects]
  return [packager::find "address_space component_1 [lindex $rest 0]" $options]
}

model::command ipx::get_address_blocks {-quiet} {-of_objects} {1 1} {
  model::need [dict get $options -of_objects] memory_map
  return [packager::find "address_block component_1 [lindex $rest 0]" $options]
}

model::command ipx::add_memory_map {} {} {2 2} {
  packager::must [lindex $rest 1]
  return [packager::add memory_map "memory_map component_1 [lindex $rest 0]"]
}

model::command ipx::add_address_space {} {} {2 2} {
  packager::must [lindex $rest 1]
  return [packager::add space "address_space component_1 [lindex $rest 0]"]
}

model::command ipx::add_address_block {} {} {2 2} {
  model::need [lindex $rest 1] memory_map
  return [packager::add block "address_block component_1 [lindex $rest 0]"]
}

model::command ipx::add_register {} {} {2 2} {
  lassign $rest name block
  model::need $block block
  if {[info exists model::kind(register\ $name)]} {model::fail "register $name twice"}
  return [model::object "register $name" register]
}
model::command ipx::add_field {} {} {2 2} {
  lassign $rest name register
  model::need $register register
  return [model::object "field $register $name" field]
}

model::command ipx::create_xgui_files {} {} {1 1} {packager::must [lindex $rest 0]; return}
model::command ipx::update_checksums {} {} {1 1} {packager::must [lindex $rest 0]; return}

# Registers must lie in the block, side by side; buses must have a clock and the clock a reset.
model::command ipx::check_integrity {} {} {1 1} {
  packager::must [lindex $rest 0]
  packager::check_registers
  set parameter "bus_interface component_1 irq_o SENSITIVITY"
  if {[packager::held $parameter value] ne "LEVEL_HIGH"} {model::fail "the interrupt is a level, and $parameter not so"}
  dict for {name entry} $packager::buses {
    if {[lindex $entry 0] eq "aximm"} {
      if {![dict exists $packager::clock_of $name]} {model::fail "interface $name is associated with no clock"}
      set clock [dict get $packager::clock_of $name]
      if {![dict exists $packager::reset_of $clock]} {model::fail "clock $clock is associated with no reset"}
      set map [dict get {slave memory_map master address_space} [lindex $entry 1]]
      if {"$map component_1 $name" ni $packager::made} {model::fail "interface $name has no $map"}
      set key [dict get {slave slave_memory_map_ref master master_address_space_ref} [lindex $entry 1]]
      if {[model::wrong bare 0] && [model::get "bus_interface component_1 $name" $key] ne $name} {
        model::fail "$key of interface $name"
      }
    }
  }
  set packager::checked 1
  return
}

model::command ipx::save_core {} {} {1 1} {
  packager::must [lindex $rest 0]
  if {!$packager::checked} {model::fail "save_core before check_integrity"}
  file mkdir $packager::root
  set vlnv [join [lmap key {vendor library name version} {model::get component_1 $key}] :]
  set families [string map {zynquplus zynqmp zynq zynq7} [dict keys [packager::held component_1 supported_families]]]
  dict set project::components $vlnv [list $packager::root [packager::component] $families]
  return
}
