# A model of the Vivado commands that hls_templates/vivado uses, to run those scripts where there is no Vivado:
#
#     tclsh model.tcl build.tcl [ARGUMENT...]
#
# It knows no more of Vivado than it needs to find mistakes: a command, option, property, part, IP, cell or pin that does
# not exist; a clock, reset or interrupt that nothing or two things drive; a bus or an address left open; a step before
# the one that it needs. What it accepts is "checked", not built: the .bit and the reports it leaves are made up.
#
# HWGEN_MODEL: a dict of what goes wrong in this run: slacks {SETUP...} (one a strategy), pulse SLACK (of the narrowest
# clock pulse), fail RUN, no_boards 1, no_paths 1 (nothing is timed), no_axi 1 (the packager finds no AXI by itself),
# bare 1 (it finds interfaces without their maps and address spaces).

namespace eval model {
  variable calls 0
  variable kind        ;# object -> what it is
  variable property    ;# object,NAME -> value
  variable wrong [expr {[info exists ::env(HWGEN_MODEL)] ? $::env(HWGEN_MODEL) : {}}]

  proc fail {text} {error "vivado model: $text"}

  proc wrong {what {default ""}} {
    variable wrong
    return [expr {[dict exists $wrong $what] ? [dict get $wrong $what] : $default}]
  }

  # Splits the arguments of a command: {options rest}. Options not listed are mistakes.
  proc parse {name arguments flags valued count} {
    set options {}
    set rest {}
    for {set i 0} {$i < [llength $arguments]} {incr i} {
      set word [lindex $arguments $i]
      if {[lsearch -exact $flags $word] >= 0} {
        dict set options $word 1
      } elseif {[lsearch -exact $valued $word] >= 0} {
        if {[incr i] >= [llength $arguments]} {fail "$name: option $word wants a value"}
        dict set options $word [lindex $arguments $i]
      } elseif {[string match -* $word]} {
        fail "$name has no option $word"
      } else {
        lappend rest $word
      }
    }
    lassign $count least most
    if {[llength $rest] < $least || [llength $rest] > $most} {fail "$name takes $least to $most objects: $arguments"}
    return [list $options $rest]
  }

  # Defines a command: its options without and with a value, how many objects it takes, and what it does with
  # `options` (a dict) and `rest` (the objects).
  proc command {name flags valued count body} {
    proc ::$name args "
      incr ::model::calls
      lassign \[::model::parse [list $name] \$args [list $flags] [list $valued] [list $count]\] options rest
      $body"
  }

  # Objects whose names match are gone, as those of a project that is closed.
  proc forget {pattern} {
    variable kind
    variable property
    array unset kind $pattern
    array unset property $pattern,*
  }

  proc object {name type} {
    variable kind
    set kind($name) $type
    return $name
  }

  proc need {name types} {
    variable kind
    if {$name eq ""} {fail "an empty object was given where [join $types { or }] is wanted"}
    if {![info exists kind($name)] || $kind($name) ni $types} {fail "'$name' is not [join $types { or }]"}
    return $name
  }

  proc get {name key} {
    variable property
    if {![info exists property($name,$key)]} {fail "$name has no property $key"}
    return $property($name,$key)
  }

  proc put {name key value} {
    variable property
    set property($name,$key) $value
  }
}

namespace eval ipx {}
set model_folder [file dirname [file normalize [info script]]]
foreach part {catalog project packager diagram diagram_commands runs} {source [file join $model_folder $part.tcl]}

proc unknown {name args} {
  model::fail "unknown command '$name'"
}

set script [lindex $argv 0]
set argv [lrange $argv 1 end]
set argc [llength $argv]
if {[catch {source $script} message details]} {
  puts stderr "ERROR: $message"
  puts stderr [join [lrange [split [dict get $details -errorinfo] \n] 1 8] \n]
  exit 1
}
puts "model: $model::calls commands"
