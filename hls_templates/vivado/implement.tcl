# Step 3: synthesis, implementation, and a bitstream only when the timing is met.

# Runs synthesis or implementation to its end, or says why it did not get there.
proc hwgen::finish {run jobs} {
  launch_runs $run -jobs $jobs
  wait_on_run $run
  set done [get_runs $run]
  if {[get_property PROGRESS $done] ne "100%"} {
    error "$run ended with '[get_property STATUS $done]': see [file join [get_property DIRECTORY $done] runme.log]"
  }
}

# Slack and hold slack in ns of the design that is open. No path at all means no clock, which is not met timing.
proc hwgen::slacks {} {
  set found {}
  foreach kind {-setup -hold} {
    set slack ""
    set path [get_timing_paths $kind -max_paths 1]
    if {[llength $path]} {set slack [get_property SLACK $path]}
    if {![string is double -strict $slack]} {
      error "the design has no timed path ([string range $kind 1 end]): its clock is not constrained"
    }
    lappend found $slack
  }
  return $found
}

# The cells between which the longest path runs, and the module that it ends in.
proc hwgen::worst_path {kind} {
  set path [get_timing_paths $kind -max_paths 1]
  if {[catch {
    set from [get_cells -of_objects [get_property STARTPOINT_PIN $path]]
    set to [get_cells -of_objects [get_property ENDPOINT_PIN $path]]
    set module [get_property REF_NAME [get_cells [get_property PARENT $to]]]
  }]} {return $path}  ;# to the edge of the design
  return "$from -> $to (module $module)"
}

proc hwgen::write_summary {values} {
  variable here
  set file [open [file join $here result summary.txt] w]
  foreach {key value} $values {puts $file "$key=$value"}
  close $file
}

proc hwgen::implement {jobs} {
  variable here
  variable design
  set result [file join $here result]
  set mhz [ps_clock ps_0]
  finish synth_1 $jobs
  # Placement is a gamble: when one strategy misses the clock, the next is tried.
  set tried {}
  foreach strategy $design(strategies) {
    reset_runs impl_1
    set_property strategy $strategy [get_runs impl_1]
    finish impl_1 $jobs
    open_run impl_1
    lassign [slacks] setup hold
    puts "hwgen: $strategy: slack $setup ns at $mhz MHz, hold slack $hold ns"
    lappend tried $strategy:$setup/$hold
    set met [expr {$setup >= 0 && $hold >= 0}]
    if {$met || $strategy eq [lindex $design(strategies) end]} break
    close_design
  }
  set worst [worst_path [expr {$hold < 0 && $setup >= 0 ? "-hold" : "-setup"}]]
  report_utilization -file [file join $result utilization.rpt]
  report_utilization -hierarchical -file [file join $result utilization_by_module.rpt]
  report_timing_summary -file [file join $result timing.rpt]
  report_power -file [file join $result power.rpt]
  write_summary [list design_hash $design(design_hash) version [version -short] clock_mhz $mhz \
    strategy $strategy tried $tried wns_ns $setup whs_ns $hold worst_path $worst timing_met $met]
  if {!$met} {
    error "timing is not met at $mhz MHz with any strategy (slack/hold slack in ns: $tried); worst path $worst"
  }
  write_bitstream -force [file join $result $design(name).bit]
  file copy -force [file join $here work system system.gen sources_1 bd system hw_handoff system.hwh] \
    [file join $result $design(name).hwh]
}
