# Synthesis and implementation runs, the design that is open, and its reports.

namespace eval runs {
  variable state {}      ;# run -> idle | launched | done
  variable opened ""     ;# the run that is open
  variable attempt -1    ;# strategies tried

  proc clear {} {
    variable state {synth_1 idle impl_1 idle}
    variable opened ""
    variable attempt -1
  }

  proc fresh {run} {
    variable state
    dict set state $run idle
  }

  proc directory {run} {return [file join $project::folder $project::open.runs $run]}

  proc leave {file text} {
    file mkdir [file dirname $file]
    set channel [open $file w]
    puts $channel $text
    close $channel
  }

  proc need_open {what} {
    variable opened
    if {$opened eq ""} {model::fail "$what before open_run"}
  }

  # Slack of the run that is open, in ns.
  proc slack {} {
    variable attempt
    set slacks [model::wrong slacks 0.123]
    return [lindex $slacks [expr {min($attempt, [llength $slacks] - 1)}]]
  }

  variable utilization {
1. CLB Logic
+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| CLB LUTs                   | 61234 |     0 |          0 |    230400 | 26.58 |
|   LUT as Memory            |  2048 |     0 |          0 |    101760 |  2.01 |
| CLB Registers              | 70321 |     0 |          0 |    460800 | 15.26 |
| Block RAM Tile    | 72.5 |     0 |          0 |       312 | 23.24 |
| URAM              |   32 |     0 |          0 |        96 | 33.33 |
| DSPs              |  271 |     0 |          0 |      1728 | 15.68 |
  }
  variable timing {
| Design Timing Summary
| ---------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)  THS Failing Endpoints  THS Total Endpoints     WPWS(ns)     TPWS(ns)  TPWS Failing Endpoints  TPWS Total Endpoints
    -------      -------  ---------------------  -------------------      -------      -------  ---------------------  -------------------     --------     --------  ----------------------  --------------------
      @setup@        0.000                      0                93421        0.010        0.000                      0                93421        @pulse@        0.000                       0                 41873
  }
  variable power {
| Total On-Chip Power (W)  | 3.912        |
  }
}

model::command get_runs {} {} {1 1} {
  project::must
  set run [lindex $rest 0]
  if {![dict exists $runs::state $run]} {model::fail "there is no run $run"}
  set done [expr {[dict get $runs::state $run] eq "done"}]
  model::object $run run
  model::put $run DIRECTORY [runs::directory $run]
  model::put $run PROGRESS [expr {$done ? "100%" : "0%"}]
  set step [dict get {synth_1 synth_design impl_1 route_design} $run]
  model::put $run STATUS "$step [expr {$done ? {Complete!} : {ERROR}}]"
  return $run
}

model::command reset_runs {} {} {1 1} {
  get_runs [lindex $rest 0]
  runs::fresh [lindex $rest 0]
  return
}

model::command launch_runs {} {-jobs} {1 1} {
  set run [get_runs [lindex $rest 0]]
  if {"generated" ni $diagram::state} {model::fail "launch_runs before the block design is generated"}
  if {$project::top ne "$diagram::design\_wrapper" || ![llength [get_files -quiet $project::top.v]]} {
    model::fail "launch_runs: the top is '$project::top', not the wrapper of the block design"
  }
  if {!$project::ordered} {model::fail "launch_runs before update_compile_order"}
  if {![string is integer -strict [dict get $options -jobs]] || [dict get $options -jobs] < 1} {
    model::fail "launch_runs -jobs [dict get $options -jobs]"
  }
  if {[dict get $runs::state $run] ne "idle"} {model::fail "launch_runs $run again before reset_runs"}
  if {$run eq "impl_1" && [dict get $runs::state synth_1] ne "done"} {model::fail "impl_1 before synth_1 is done"}
  if {$run eq "impl_1" && [dict get $runs::state impl_1] eq "idle"} {incr runs::attempt}
  dict set runs::state $run launched
  return
}

model::command wait_on_run {} {} {1 1} {
  set run [get_runs [lindex $rest 0]]
  if {[dict get $runs::state $run] ne "launched"} {model::fail "wait_on_run $run before launch_runs"}
  dict set runs::state $run [expr {[model::wrong fail] eq $run ? "failed" : "done"}]
  return
}

model::command open_run {} {} {1 1} {
  set run [get_runs [lindex $rest 0]]
  if {[dict get $runs::state $run] ne "done"} {model::fail "open_run $run before it is done"}
  if {$runs::opened ne ""} {model::fail "open_run $run while $runs::opened is open"}
  set runs::opened $run
  return
}

model::command close_design {} {} {0 0} {
  runs::need_open close_design
  set runs::opened ""
  return
}

model::command get_timing_paths {-setup -hold} {-max_paths} {0 0} {
  runs::need_open get_timing_paths
  if {[model::wrong no_paths 0]} return
  set path [model::object "path [lindex [dict keys $options] 0]" path]
  model::put $path SLACK [expr {[dict exists $options -hold] ? 0.01 : [runs::slack]}]
  foreach {key pin} {STARTPOINT_PIN count_q_reg[3]/C ENDPOINT_PIN sum_q_reg[17]/D} {
    model::put $path $key [model::object "system_i/hwgen_top_0/inst/u_engine/u_mm/$pin" netlist_pin]
  }
  return $path
}

model::command get_cells {-quiet} {-of_objects} {0 1} {
  runs::need_open get_cells
  if {[dict exists $options -of_objects]} {
    set name [file dirname [model::need [dict get $options -of_objects] netlist_pin]]
  } else {
    set name [lindex $rest 0]
  }
  model::object $name netlist_cell
  model::put $name PARENT [file dirname $name]
  model::put $name REF_NAME [expr {[string match *_reg* $name] ? "FDRE" : "mm_unit"}]
  return $name
}

foreach {name text} {
  report_utilization $runs::utilization report_power $runs::power
  report_timing_summary {[string map [list @setup@ [runs::slack] @pulse@ [model::wrong pulse 1.250]] $runs::timing]}
} {
  model::command $name {-hierarchical} {-file} {0 0} "
    runs::need_open $name
    runs::leave \[dict get \$options -file\] \"$text\"
    return"
}

model::command write_bitstream {-force} {} {1 1} {
  runs::need_open write_bitstream
  if {$runs::opened ne "impl_1"} {model::fail "write_bitstream of $runs::opened"}
  runs::leave [lindex $rest 0] "a model's bitstream"
  return
}
