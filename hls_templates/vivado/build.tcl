# From the SystemVerilog in src/ to a bitstream:
#
#     vivado -mode batch -source build.tcl [-tclargs JOBS]
#
# The folder is complete: copy it to the machine that has Vivado (2022.2 to 2024.2). Results go to result/: the .bit and
# the .hwh that PYNQ loads, reports, and summary.txt, which `python -m hwgen.build.vivado_run DIR` reads back.

namespace eval hwgen {
  variable here [file dirname [file normalize [info script]]]
  variable jobs [expr {[llength $::argv] ? [lindex $::argv 0] : 4}]
}

foreach script {settings package system implement} {
  source [file join $hwgen::here $script.tcl]
}
source [file join $hwgen::here ps_$hwgen::design(family).tcl]
if {[info exists hwgen::design(engines)]} {source [file join $hwgen::here engines.tcl]}

if {[package vcompare [version -short] 2022.2] < 0 || [package vcompare [version -short] 2025] >= 0} {
  puts "WARNING: hwgen: this is Vivado [version -short], and these scripts are for 2022.2 to 2024.2"
}
if {[catch {
  file delete -force [file join $hwgen::here work] [file join $hwgen::here result]
  file mkdir [file join $hwgen::here work] [file join $hwgen::here result]
  hwgen::package_ip
  hwgen::build_system
  hwgen::implement $hwgen::jobs
} message]} {
  puts stderr $::errorInfo
  puts "hwgen-error: [string map {\n { }} $message]"
  exit 1
}
puts "hwgen: [file join $hwgen::here result $hwgen::design(name).bit]"
