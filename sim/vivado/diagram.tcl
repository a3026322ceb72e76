# The block design: cells with pins and buses, nets, addresses, and what validate_bd_design looks at.

namespace eval diagram {
  variable design ""
  variable cells {}       ;# cell -> IP name, or the VLNV of a packaged core
  variable config {}      ;# cell -> properties
  variable preset {}      ;# cells with the board's preset
  variable net_of {}      ;# cell/pin -> net
  variable bus_to {}      ;# cell/bus -> the other end
  variable assigned {}    ;# segment -> address space
  variable excluded {}
  variable state {}       ;# steps done: valid saved generated
  variable nets 0

  proc clear {} {
    foreach {name value} {design {} cells {} config {} preset {} net_of {} bus_to {} assigned {} excluded {} state {}} {
      variable $name $value
    }
  }

  proc must {} {
    variable design
    if {$design eq ""} {model::fail "no block design is open"}
  }

  proc changed {} {variable state {}}

  # {pins ... buses ...} of a cell as it is configured now.
  proc shape {cell} {
    variable cells
    variable config
    set ip [dict get $cells $cell]
    if {[dict exists $project::components $ip]} {return [lindex [dict get $project::components $ip] 1]}
    return [ip::$ip [dict get $config $cell]]
  }

  proc pin {path} {
    lassign [split $path /] cell name
    if {![dict exists [shape $cell] pins $name]} {model::fail "cell $cell has no pin $name"}
    return [dict get [shape $cell] pins $name]
  }

  proc bus {path} {
    lassign [split $path /] cell name
    if {![dict exists [shape $cell] buses $name]} {model::fail "cell $cell has no bus $name"}
    return [dict get [shape $cell] buses $name]
  }

  proc configure {cell name value} {
    variable cells
    variable config
    if {![regexp {^CONFIG\.(\w+)$} $name -> key]} {model::fail "a cell has no property '$name' to set"}
    if {![dict exists $config $cell $key]} {model::fail "[dict get $cells $cell] has no property $name"}
    if {[string match *FREQMHZ $key]} {
      if {![string is double -strict $value] || $value <= 0 || $value > 800} {model::fail "$name $value is no clock"}
      set actual [string map {__FREQMHZ __ACT_FREQMHZ PCW_FPGA0 PCW_ACT_FPGA0} $key]
      dict set config $cell $actual $value
      model::put $cell CONFIG.$actual $value
    } elseif {[string match *DATA_WIDTH $key]} {
      if {$value ni {32 64 128} || ([string match PCW* $key] && $value == 128)} {model::fail "$name $value"}
    } elseif {[string match NUM_* $key]} {
      if {![string is integer -strict $value] || $value < 1 || $value > 16} {model::fail "$name $value"}
    } elseif {$value ni {0 1}} {
      model::fail "$name takes 0 or 1, not '$value'"
    }
    dict set config $cell $key $value
    model::put $cell $name $value
    changed
  }

  proc members {net} {
    variable net_of
    set found {}
    dict for {path one} $net_of {if {$one eq $net} {lappend found $path}}
    return $found
  }

  proc connect {a b} {
    variable net_of
    variable nets
    foreach path [list $a $b] {
      if {![dict exists $net_of $path]} {dict set net_of $path net[incr nets]}
    }
    set keep [dict get $net_of $a]
    foreach path [members [dict get $net_of $b]] {dict set net_of $path $keep}
    set drivers {}
    foreach path [members $keep] {if {[lindex [pin $path] 0] eq "out"} {lappend drivers $path}}
    if {[llength $drivers] > 1} {model::fail "[join $drivers { and }] drive one net ([join [members $keep] {, }])"}
    changed
  }

  # The pin that drives a pin, or nothing.
  proc driver {path} {
    variable net_of
    if {![dict exists $net_of $path]} return
    foreach other [members [dict get $net_of $path]] {if {[lindex [pin $other] 0] eq "out"} {return $other}}
  }

  proc every {what} {
    variable cells
    set found {}
    foreach cell [dict keys $cells] {
      dict for {name entry} [dict get [shape $cell] $what] {lappend found $cell/$name $entry}
    }
    return $found
  }

  proc check_pins {} {
    variable net_of
    foreach {path entry} [every pins] {
      lassign $entry direction type needed hertz
      if {$direction eq "out"} {
        if {$needed && ![dict exists $net_of $path]} {model::fail "$type $path is connected to nothing"}
        continue
      }
      set from [driver $path]
      if {$from eq "" && ($needed || [dict exists $net_of $path])} {model::fail "$type $path is not driven"}
      if {$from ne "" && [lindex [pin $from] 1] ne $type} {
        model::fail "$type $path is driven by [lindex [pin $from] 1] $from"
      }
      if {$hertz ne ""} {model::fail "FREQ_HZ of $path is $hertz, which need not be that of $from"}
    }
  }

  proc check_buses {} {
    variable bus_to
    foreach {path entry} [every buses] {
      lassign $entry mode clock needed
      if {![dict exists $bus_to $path]} {model::fail "bus $path is connected to nothing"}
      set other [dict get $bus_to $path]
      set mine [driver [lindex [split $path /] 0]/$clock]
      set theirs [driver [lindex [split $other /] 0]/[lindex [bus $other] 1]]
      if {$mine ne $theirs} {model::fail "bus $path runs on $mine, its other end $other on $theirs"}
    }
  }

  # Slave segments that a master's address space reaches, through SmartConnects.
  proc reach {path} {
    variable cells
    variable bus_to
    if {![dict exists $bus_to $path]} return
    set other [dict get $bus_to $path]
    set cell [lindex [split $other /] 0]
    if {[dict get $cells $cell] ne "smartconnect"} {return [segments $other]}
    set found {}
    dict for {name entry} [dict get [shape $cell] buses] {
      if {[lindex $entry 0] eq "master"} {lappend found {*}[reach $cell/$name]}
    }
    return $found
  }

  # Address segments behind a slave bus.
  proc segments {path} {
    lassign [split $path /] cell name
    set prefix [lindex [bus $path] 3]
    if {$prefix eq ""} {return $cell/$name/reg0}
    set names [expr {[string match S_AXI* $prefix] ? "DDR_LOWOCM" : "DDR_LOW QSPI LPS_OCM"}]
    return [lmap one $names {set _ $cell/${prefix}_$one}]
  }

  # Masters and the address space that each belongs to: a processor has one for all its ports.
  proc spaces {} {
    variable cells
    set found {}
    foreach {path entry} [every buses] {
      lassign [split $path /] cell name
      set ip [dict get $cells $cell]
      if {[lindex $entry 0] ne "master" || $ip eq "smartconnect"} continue
      lappend found $path [expr {[string match xilinx.com* $ip] || $ip in {zynq_ultra_ps_e processing_system7} ?
        "$cell/Data" : $path}]
    }
    return $found
  }

  proc check_addresses {} {
    variable assigned
    variable excluded
    foreach {bus space} [spaces] {
      foreach segment [reach $bus] {
        if {![dict exists $assigned $segment,$space] && "$segment,$space" ni $excluded} {
          model::fail "segment $segment has no address in $space"
        }
      }
      if {![llength [dict keys $assigned *,$space]]} {model::fail "address space $space reaches nothing"}
    }
  }

  proc validate {} {
    variable cells
    variable preset
    dict for {cell ip} $cells {
      if {$ip in {zynq_ultra_ps_e processing_system7} && $cell ni $preset} {
        model::fail "processor $cell has not got the board's preset"
      }
    }
    check_pins
    check_buses
    check_addresses
  }
}

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
    set window [dict get {zynqmp {0xA0000000 0xB0000000} zynq7 {0x40000000 0x80000000}} \
      [catalog::family $project::part]]
    if {$offset % 4096 || $offset < [lindex $window 0] || $offset >= [lindex $window 1]} {
      model::fail "$segment at [format %#x $offset] is not in the processor's window [join $window { to }]"
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
