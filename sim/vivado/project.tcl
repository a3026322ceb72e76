# Projects, files and properties.

namespace eval project {
  variable open ""       ;# name of the project that is open
  variable folder ""
  variable part ""
  variable files {}
  variable top ""
  variable ordered 0     ;# update_compile_order since the last file
  variable repository {}
  variable catalogued 0
  variable board ""
  variable board_files {} ;# name:version -> {part pll} of those found
  variable pll 0         ;# MHz, of the board
  variable components {} ;# VLNV -> component, of cores saved

  proc must {} {
    variable open
    if {$open eq ""} {model::fail "no project is open"}
  }
}

model::command create_project {-force -in_memory} {-part} {1 2} {
  lassign $rest name folder
  if {$project::open ne ""} {model::fail "create_project $name: project $project::open is still open"}
  set part [dict get $options -part]
  if {$part ni $catalog::parts && ![regexp $catalog::part_form $part]} {model::fail "unknown part '$part'"}
  file mkdir $folder
  foreach {variable value} [list open $name folder $folder part $part files {} top {} ordered 0 repository {} \
    catalogued 0 board {} board_files {} pll 0] {set project::$variable $value}
  diagram::clear
  runs::clear
  model::object [current_project] project
  model::object sources_1 fileset
  return $name
}

model::command close_project {} {} {0 0} {project::must; set project::open ""; return}
model::command current_project {} {} {0 0} {project::must; return "project $project::open"}
model::command current_fileset {} {} {0 0} {project::must; return sources_1}
model::command version {-short} {} {0 0} {return 2022.2}
model::command set_param {} {} {2 2} {
  if {[lindex $rest 0] ne "board.repoPaths"} {model::fail "unknown parameter [lindex $rest 0]"}
  return
}

model::command add_files {-norecurse} {-fileset} {1 1} {
  project::must
  foreach file [lindex $rest 0] {
    if {![file isfile $file]} {model::fail "add_files: $file does not exist"}
    lappend project::files [model::object [file normalize $file] file]
  }
  set project::ordered 0
  return
}

model::command get_files {-quiet} {} {1 1} {
  project::must
  set found {}
  foreach pattern [lindex $rest 0] {
    foreach file $project::files {
      if {[string match $pattern [file tail $file]] || [string match $pattern $file]} {lappend found $file}
    }
  }
  if {![llength $found] && ![dict exists $options -quiet]} {model::fail "no file matches '$rest'"}
  return $found
}

model::command update_compile_order {} {-fileset} {0 0} {
  project::must
  if {$project::top eq ""} {model::fail "update_compile_order before a top is set"}
  set project::ordered 1
  return
}

model::command get_board_parts {-quiet -latest_file_version} {} {1 1} {
  if {[model::wrong no_boards 0]} return
  set found {}
  foreach entry [catalog::find_boards [lindex $rest 0] $project::part] {
    lassign $entry name version part pll
    dict set project::board_files $name:$version [list $part $pll]
    lappend found [model::object $name:$version board_part]
  }
  return $found
}

model::command update_ip_catalog {-rebuild} {} {0 0} {
  project::must
  set project::catalogued 1
  return
}

# Properties: every kind of object takes those that are named here, and no others.
namespace eval properties {
  variable table {
    project       {board_part ip_repo_paths}
    fileset       {top}
    file          {file_type}
    core          {name version display_name supported_families}
    memory_map    {}
    block         {range width usage base_address}
    space         {range width}
    bus           {slave_memory_map_ref master_address_space_ref}
    bus_parameter {value}
    register      {address_offset size access description}
    field         {bit_offset bit_width access description}
    run           {strategy}
  }

  proc set_one {object name value} {
    variable table
    set type $model::kind($object)
    if {$type eq "cell"} {return [diagram::configure $object $name $value]}
    if {![dict exists $table $type] || $name ni [dict get $table $type]} {
      model::fail "a $type has no property '$name' to set ($object)"
    }
    if {$name eq "access" && $value ni {read-only write-only read-write}} {model::fail "access '$value'"}
    switch $type,$name {
      project,board_part {
        model::need $value board_part
        lassign [dict get $project::board_files $value] wanted project::pll
        if {$wanted ne $project::part} {model::fail "board part $value is for $wanted, the project for $project::part"}
        set project::board $value
      }
      project,ip_repo_paths {
        foreach folder $value {if {![file isdirectory $folder]} {model::fail "IP repository $folder does not exist"}}
        set project::repository $value
        set project::catalogued 0
      }
      fileset,top {set project::top $value}
      run,strategy {
        if {$value ni $catalog::strategies} {model::fail "unknown strategy '$value'"}
      }
    }
    model::put $object $name $value
  }
}

model::command set_property {} {-dict -name -value -objects} {1 3} {
  if {[dict exists $options -dict]} {
    set pairs [dict get $options -dict]
    if {[llength $rest] != 1 || [llength $pairs] % 2} {model::fail "set_property -dict {NAME VALUE ...} OBJECTS"}
    set objects [lindex $rest 0]
  } elseif {[llength $rest] == 3} {
    set pairs [lrange $rest 0 1]
    set objects [lindex $rest 2]
  } else {
    model::fail "set_property NAME VALUE OBJECTS: $rest"
  }
  # One object's name may hold spaces, as Vivado prints them: "bus_interface component_1 m_axi".
  if {[info exists model::kind($objects)]} {set objects [list $objects]}
  if {![llength $objects]} {model::fail "set_property [lindex $pairs 0]: no object"}
  foreach object $objects {
    if {![info exists model::kind($object)]} {model::fail "set_property [lindex $pairs 0]: no object '$object'"}
    foreach {name value} $pairs {properties::set_one $object $name $value}
  }
  return
}

model::command get_property {} {} {2 2} {
  lassign $rest name object
  if {$object eq ""} {model::fail "get_property $name of nothing"}
  if {![info exists model::kind($object)]} {model::fail "get_property $name: no object '$object'"}
  return [model::get $object $name]
}
