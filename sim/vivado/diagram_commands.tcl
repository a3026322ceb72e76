# The commands that draw the block design (diagram.tcl holds it).

model::command create_bd_design {} {} {1 1} {
  project::must
  set diagram::design [lindex $rest 0]
  return $diagram::design
}

model::command get_ipdefs {-all -quiet} {-filter} {1 1} {
  project::must
  set found {}
  dict for {name version} $catalog::versions {
    if {[string match [lindex $rest 0] $name:$version]} {lappend found $name:$version}
  }
  dict for {vlnv entry} $project::components {
    set there [expr {[lindex $entry 0] in $project::repository && $project::catalogued}]
    if {$there && [string match [lindex $rest 0] $vlnv]} {lappend found $vlnv}
  }
  foreach vlnv $found {
    model::object $vlnv ipdef
    model::put $vlnv VLNV $vlnv
  }
  return $found
}

model::command create_bd_cell {} {-type -vlnv} {1 1} {
  diagram::must
  set name [lindex $rest 0]
  set vlnv [dict get $options -vlnv]
  if {[dict get $options -type] ne "ip"} {model::fail "create_bd_cell -type [dict get $options -type]"}
  if {[dict exists $diagram::cells $name]} {model::fail "there is a cell $name already"}
  if {[dict exists $project::components $vlnv]} {
    if {!$project::catalogued || [lindex [dict get $project::components $vlnv] 0] ni $project::repository} {
      model::fail "IP $vlnv is not in the catalog"
    }
    if {[catalog::family $project::part] ni [lindex [dict get $project::components $vlnv] 2]} {
      model::fail "$vlnv does not support the family of $project::part"
    }
    dict set diagram::cells $name $vlnv
    dict set diagram::config $name {}
  } else {
    set ip [lindex [split $vlnv :] 2]
    if {![llength [info procs ::ip::$ip]]} {model::fail "unknown IP $vlnv"}
    set processor [dict get {zynq7 processing_system7 zynqmp zynq_ultra_ps_e} [catalog::family $project::part]]
    if {$ip in {zynq_ultra_ps_e processing_system7} && $ip ne $processor} {
      model::fail "$ip does not exist in $project::part"
    }
    dict set diagram::cells $name $ip
    dict set diagram::config $name [ip::${ip}_defaults]
    dict for {key value} [ip::${ip}_defaults] {model::put $name CONFIG.$key $value}
  }
  diagram::changed
  return [model::object $name cell]
}

model::command get_bd_cells {-quiet} {} {1 1} {
  diagram::must
  set name [lindex $rest 0]
  if {![dict exists $diagram::cells $name]} {model::fail "there is no cell $name"}
  return $name
}

model::command get_bd_pins {-quiet} {} {1 1} {
  get_bd_cells [lindex [split $rest /] 0]
  diagram::pin $rest
  return [model::object [lindex $rest 0] pin]
}

model::command get_bd_intf_pins {-quiet} {} {1 1} {
  get_bd_cells [lindex [split $rest /] 0]
  diagram::bus $rest
  return [model::object [lindex $rest 0] bus_pin]
}

model::command apply_bd_automation {} {-rule -config} {1 1} {
  diagram::must
  set cell [model::need [lindex $rest 0] cell]
  set ip [dict get $diagram::cells $cell]
  if {[dict get $options -rule] ne "xilinx.com:bd_rule:$ip"} {model::fail "rule [dict get $options -rule] for a $ip"}
  set config [dict get $options -config]
  if {![dict exists $config apply_board_preset] || ![dict get $config apply_board_preset]} {return}
  if {$project::board eq ""} {model::fail "the board's preset needs a board_part"}
  if {$ip eq "processing_system7" && [dict get $config make_external] ne "FIXED_IO, DDR"} {
    model::fail "FIXED_IO and DDR of $cell must be made external"
  }
  # Presets open more than one port on some boards; the scripts may not rely on either.
  if {$ip eq "zynq_ultra_ps_e"} {
    foreach i {0 1} {diagram::configure $cell CONFIG.PSU__USE__M_AXI_GP$i 1}
    diagram::configure $cell CONFIG.PSU__USE__M_AXI_GP2 0
    diagram::configure $cell CONFIG.PSU__USE__IRQ0 1
  }
  lappend diagram::preset $cell
  return
}

model::command connect_bd_net {} {-net} {2 99} {
  diagram::must
  foreach path $rest {model::need $path pin}
  foreach path [lrange $rest 1 end] {diagram::connect [lindex $rest 0] $path}
  return
}

model::command connect_bd_intf_net {} {-intf_net} {2 2} {
  diagram::must
  lassign $rest a b
  foreach path $rest {
    model::need $path bus_pin
    if {[dict exists $diagram::bus_to $path]} {model::fail "bus $path is connected already"}
  }
  if {[lindex [diagram::bus $a] 0] eq [lindex [diagram::bus $b] 0]} {
    model::fail "$a and $b are both [lindex [diagram::bus $a] 0]s"
  }
  dict set diagram::bus_to $a $b
  dict set diagram::bus_to $b $a
  diagram::changed
  return
}

model::command get_bd_addr_spaces {-quiet} {} {1 1} {
  diagram::must
  foreach {bus space} [diagram::spaces] {if {$space eq [lindex $rest 0]} {return [model::object $space address_space]}}
  model::fail "there is no address space [lindex $rest 0]"
}

model::command get_bd_addr_segs {-quiet} {} {1 1} {
  diagram::must
  foreach {path entry} [diagram::every buses] {
    if {[lindex $entry 0] ne "slave" || [dict get $diagram::cells [lindex [split $path /] 0]] eq "smartconnect"} continue
    if {[lindex $rest 0] in [diagram::segments $path]} {return [model::object [lindex $rest 0] segment]}
  }
  if {[dict exists $options -quiet]} return
  model::fail "there is no address segment [lindex $rest 0]"
}

model::command assign_bd_address {-force} {-offset -range -target_address_space} {0 1} {
  diagram::must
  if {[llength $rest]} {
    set segment [model::need [lindex $rest 0] segment]
    set space [model::need [dict get $options -target_address_space] address_space]
    set offset [expr {[dict get $options -offset]}]
    set range [expr [string map {K *1024 M *1048576 G *1073741824} [dict get $options -range]]]
    if {$range != [packager::block_range]} {
      model::fail "$segment gets $range bytes, its address block has [packager::block_range]"
    }
    foreach {bus owner} [diagram::spaces] {
      if {$owner ne $space || $segment ni [diagram::reach $bus]} continue
      lassign [dict get $catalog::windows [lindex [split $bus /] 1]] low high
      if {$offset % 4096 || $offset < $low || $offset > $high} {
        model::fail "$segment at [format %#x $offset] is not in the window of $bus, $low to $high"
      }
    }
    dict set diagram::assigned $segment,$space $offset
  } else {
    foreach {bus space} [diagram::spaces] {
      foreach segment [diagram::reach $bus] {
        if {"$segment,$space" ni $diagram::excluded && ![dict exists $diagram::assigned $segment,$space]} {
          dict set diagram::assigned $segment,$space auto
        }
      }
    }
  }
  diagram::changed
  return
}

model::command exclude_bd_addr_seg {} {-target_address_space} {1 1} {
  set space [model::need [dict get $options -target_address_space] address_space]
  lappend diagram::excluded [model::need [lindex $rest 0] segment],$space
  diagram::changed
  return
}

model::command validate_bd_design {} {} {0 0} {
  diagram::must
  diagram::validate
  set diagram::state valid
  return
}

model::command save_bd_design {} {} {0 0} {
  diagram::must
  if {"valid" ni $diagram::state} {model::fail "save_bd_design before validate_bd_design"}
  lappend diagram::state saved
  set file [file normalize [file join $project::folder $project::open.srcs sources_1 bd $diagram::design \
    $diagram::design.bd]]
  lappend project::files [model::object $file file]
  return $file
}

model::command generate_target {} {} {2 2} {
  diagram::must
  if {"saved" ni $diagram::state} {model::fail "generate_target before save_bd_design"}
  model::need [lindex $rest 1] file
  lappend diagram::state generated
  set handoff [file join $project::folder $project::open.gen sources_1 bd $diagram::design hw_handoff]
  runs::leave [file join $handoff $diagram::design.hwh] "<EDKSYSTEM/>"
  return
}

model::command make_wrapper {-top -import} {-files} {0 0} {
  diagram::must
  if {"generated" ni $diagram::state} {model::fail "make_wrapper before generate_target"}
  set file [file join $project::folder $project::open.gen sources_1 bd $diagram::design hdl ${diagram::design}_wrapper.v]
  runs::leave $file "// made up"
  return $file
}
