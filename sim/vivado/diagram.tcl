# The block design as data: cells with pins and buses, nets, addresses, and what validate_bd_design looks at.

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

  # The property that tells what came out of a clock that another one asks for.
  proc actual {key} {return [string map {__FREQMHZ __ACT_FREQMHZ PCW_FPGA0 PCW_ACT_FPGA0} $key]}

  proc configure {cell name value} {
    variable cells
    variable config
    if {![regexp {^CONFIG\.(\w+)$} $name -> key]} {model::fail "a cell has no property '$name' to set"}
    if {![dict exists $config $cell $key]} {model::fail "[dict get $cells $cell] has no property $name"}
    if {[string match *FREQMHZ $key]} {
      if {![string is double -strict $value] || $value <= 0 || $value > 800} {model::fail "$name $value is no clock"}
      set made [catalog::made $project::pll $value]
      dict set config $cell [actual $key] $made
      model::put $cell CONFIG.[actual $key] $made
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

  # Vivado goes on with the nearest clock; scripts must not.
  proc check_clocks {} {
    variable config
    dict for {cell settings} $config {
      dict for {key asked} $settings {
        set made [expr {[dict exists $settings [actual $key]] ? [dict get $settings [actual $key]] : $asked}]
        if {[string match *FREQMHZ $key] && abs($made - $asked) > 0.01 * $asked} {
          model::fail "$cell makes $made MHz where $asked are asked for"
        }
      }
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
      # Vivado would allow it; a wrong pointer must not reach what the board boots from.
      foreach {pattern what} {*_QSPI flash *_LPS_OCM {on-chip memory}} {
        foreach key [dict keys $assigned $pattern,$space] {
          if {$space ne "[lindex [split $key /] 0]/Data"} {model::fail "$space reaches $what: [lindex [split $key ,] 0]"}
        }
      }
    }
  }

  # Registers of two cells at one address.
  proc check_overlaps {} {
    variable assigned
    set held {}
    dict for {key offset} $assigned {
      lassign [split $key ,] segment space
      if {$offset eq "auto"} continue
      if {[dict exists $held $space,$offset]} {
        model::fail "$segment and [dict get $held $space,$offset] overlap at [format %#x $offset] in $space"
      }
      dict set held $space,$offset $segment
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
    check_clocks
    check_pins
    check_buses
    check_addresses
    check_overlaps
  }
}
