# What there is in Vivado 2022.2 to 2024.2, as far as the scripts go: parts, boards, strategies, IP with their pins.

namespace eval catalog {
  variable parts {xczu7ev-ffvc1156-2-e xck26-sfvc784-2LV-c xczu3eg-sbva484-1-i xc7z020clg400-1}
  # Other boards: what a Zynq part looks like, for a folder of the user's own.
  variable part_form {^(xczu\d+(cg|eg|ev|dr)-[a-z]{4}\d+-[123]L?V?-[ei]|xck2[46]-[a-z]{4}\d+-2LV-[ci]|xc7z\d{3}s?[a-z]{3}\d+-[123][il]?)$}
  # Board files: version, part, and the PLL in MHz that makes the clocks of the fabric. AMD's are all here; those of
  # others are taken on trust, with the part that the project has.
  variable boards {
    xilinx.com:zcu102:part0    {3.4 xczu9eg-ffvb1156-2-e 1499.985}
    xilinx.com:zcu104:part0    {1.1 xczu7ev-ffvc1156-2-e 1499.985}
    xilinx.com:zcu106:part0    {2.6 xczu7ev-ffvc1156-2-e 1499.985}
    xilinx.com:kv260_som:part0 {1.4 xck26-sfvc784-2LV-c 1499.985}
    xilinx.com:kr260_som:part0 {1.1 xck26-sfvc784-2LV-c 1499.985}
    xilinx.com:zc702:part0     {1.4 xc7z020clg484-1 1000}
    xilinx.com:zc706:part0     {1.4 xc7z045ffg900-2 1000}
    avnet.com:ultra96v2:part0  {1.2 xczu3eg-sbva484-1-i 1499.9985}
    tul.com.tw:pynq-z2:part0   {1.0 xc7z020clg400-1 1000}
  }
  variable strategies {
    "Vivado Implementation Defaults" Performance_Explore Performance_ExplorePostRoutePhysOpt
    Performance_ExploreWithRemap Performance_WLBlockPlacement Performance_EarlyBlockPlacement
    Performance_NetDelay_high Performance_NetDelay_low Performance_Retiming Performance_ExtraTimingOpt
    Performance_RefinePlacement Performance_SpreadSLLs Performance_BalanceSLLs Performance_BalanceSLRs
    Congestion_SpreadLogic_high Congestion_SpreadLogic_medium Congestion_SpreadLogic_low Area_Explore
  }
  variable versions {
    xilinx.com:ip:zynq_ultra_ps_e   3.5
    xilinx.com:ip:processing_system7 5.5
    xilinx.com:ip:proc_sys_reset    5.0
    xilinx.com:ip:smartconnect      1.0
    xilinx.com:ip:xlconcat          2.1
  }

  # The board files that match a pattern, as {name version part pll}.
  proc find_boards {pattern part} {
    variable boards
    set found {}
    dict for {name entry} $boards {
      if {[string match $pattern $name:[lindex $entry 0]]} {lappend found [list $name {*}$entry]}
    }
    set name [string range $pattern 0 end-2]
    if {![llength $found] && [regexp {^[\w.-]+:[\w.-]+:part\d$} $name] && ![string match xilinx.com:* $name]} {
      lappend found [list $name 1.0 $part [expr {[family $part] eq "zynq7" ? 1000 : 1499.985}]]
    }
    return $found
  }

  # What a PLL makes for a clock that is asked for: over two dividers of 1 .. 63, the nearest.
  proc made {pll mhz} {
    set best 0
    for {set a 1} {$a <= 63} {incr a} {
      for {set b $a} {$b <= 63} {incr b} {
        set one [expr {$pll / double($a * $b)}]
        if {abs($one - $mhz) < abs($best - $mhz)} {set best $one}
      }
    }
    return [format %.6f $best]
  }

  # First and last address behind a control port.
  variable windows {
    M_AXI_HPM0_FPD {0xA0000000 0xAFFFFFFF} M_AXI_HPM1_FPD {0xB0000000 0xBFFFFFFF} M_AXI_HPM0_LPD {0x80000000 0x9FFFFFFF}
    M_AXI_GP0 {0x40000000 0x7FFFFFFF} M_AXI_GP1 {0x80000000 0xBFFFFFFF}
  }

  proc family {part} {return [expr {[string match xc7z* $part] ? "zynq7" : "zynqmp"}]}
}

# Each IP: proc ip::NAME PROPERTIES returns {pins {NAME {in|out clock|reset|reset_high|interrupt|data needed}}
# buses {NAME {master|slave CLOCK_PIN needed SEGMENTS_PREFIX}}}; proc ip::NAME_defaults the properties that it has.
namespace eval ip {
  variable bit {^[01]$}

  proc zynq_ultra_ps_e_defaults {} {
    set found {
      PSU__USE__IRQ0 0 PSU__USE__IRQ1 0 PSU__FPGA_PL0_ENABLE 1 PSU__FPGA_PL1_ENABLE 0
      PSU__USE__FABRIC__RST 1
      PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100 PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ 100
      PSU__OVERRIDE__BASIC_CLOCK 0
    }
    for {set i 0} {$i < 3} {incr i} {
      lappend found PSU__USE__M_AXI_GP$i [expr {$i == 2}] PSU__MAXIGP${i}__DATA_WIDTH 128
    }
    for {set i 0} {$i < 7} {incr i} {lappend found PSU__USE__S_AXI_GP$i 0 PSU__SAXIGP${i}__DATA_WIDTH 128}
    return $found
  }

  proc zynq_ultra_ps_e {p} {
    set pins {}
    foreach i {0 1} {
      if {[dict get $p PSU__FPGA_PL${i}_ENABLE]} {lappend pins pl_clk$i {out clock 0}}
    }
    if {[dict get $p PSU__USE__FABRIC__RST]} {lappend pins pl_resetn0 {out reset 0}}
    foreach i {0 1} {
      if {[dict get $p PSU__USE__IRQ$i]} {lappend pins pl_ps_irq$i {in interrupt 1}}
    }
    set buses {}
    foreach i {0 1 2} bus {M_AXI_HPM0_FPD M_AXI_HPM1_FPD M_AXI_HPM0_LPD} \
      clock {maxihpm0_fpd_aclk maxihpm1_fpd_aclk maxihpm0_lpd_aclk} {
      if {![dict get $p PSU__USE__M_AXI_GP$i]} continue
      lappend pins $clock {in clock 1}
      lappend buses $bus [list master $clock 1 ""]
    }
    foreach i {0 1 2 3 4 5 6} name {HPC0 HPC1 HP0 HP1 HP2 HP3 LPD} {
      if {![dict get $p PSU__USE__S_AXI_GP$i]} continue
      set clock [expr {$i == 6 ? "saxi_lpd_aclk" : "saxi[string tolower $name]_fpd_aclk"}]
      lappend pins $clock {in clock 1}
      lappend buses [expr {$i == 6 ? "S_AXI_LPD" : "S_AXI_${name}_FPD"}] [list slave $clock 1 SAXIGP$i/$name]
    }
    return [dict create pins $pins buses $buses]
  }

  proc processing_system7_defaults {} {
    set found {
      PCW_USE_FABRIC_INTERRUPT 0 PCW_IRQ_F2P_INTR 0 PCW_EN_CLK0_PORT 1 PCW_EN_RST0_PORT 1
      PCW_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_ACT_FPGA0_PERIPHERAL_FREQMHZ 50 PCW_USE_M_AXI_GP0 1 PCW_USE_M_AXI_GP1 0
    }
    for {set i 0} {$i < 4} {incr i} {lappend found PCW_USE_S_AXI_HP$i 0 PCW_S_AXI_HP${i}_DATA_WIDTH 64}
    return $found
  }

  proc processing_system7 {p} {
    set pins {}
    if {[dict get $p PCW_EN_CLK0_PORT]} {lappend pins FCLK_CLK0 {out clock 0}}
    if {[dict get $p PCW_EN_RST0_PORT]} {lappend pins FCLK_RESET0_N {out reset 0}}
    if {[dict get $p PCW_USE_FABRIC_INTERRUPT] && [dict get $p PCW_IRQ_F2P_INTR]} {
      lappend pins IRQ_F2P {in interrupt 1}
    }
    set buses {}
    foreach i {0 1} {
      if {![dict get $p PCW_USE_M_AXI_GP$i]} continue
      lappend pins M_AXI_GP${i}_ACLK {in clock 1}
      lappend buses M_AXI_GP$i [list master M_AXI_GP${i}_ACLK 1 ""]
    }
    foreach i {0 1 2 3} {
      if {![dict get $p PCW_USE_S_AXI_HP$i]} continue
      lappend pins S_AXI_HP${i}_ACLK {in clock 1}
      lappend buses S_AXI_HP$i [list slave S_AXI_HP${i}_ACLK 1 S_AXI_HP$i/HP$i]
    }
    return [dict create pins $pins buses $buses]
  }

  proc proc_sys_reset_defaults {} {return {C_EXT_RESET_HIGH 0 C_AUX_RESET_HIGH 0}}

  proc proc_sys_reset {p} {
    return {pins {
      slowest_sync_clk {in clock 1} ext_reset_in {in reset 1} aux_reset_in {in reset 0}
      mb_debug_sys_rst {in reset_high 0} dcm_locked {in data 0}
      mb_reset {out reset_high 0} bus_struct_reset {out reset_high 0} peripheral_reset {out reset_high 0}
      interconnect_aresetn {out reset 0} peripheral_aresetn {out reset 0}
    } buses {}}
  }

  # Single lines side by side, as one bus.
  proc xlconcat_defaults {} {return {NUM_PORTS 2}}

  proc xlconcat {p} {
    set pins {dout {out interrupt 1}}
    for {set i 0} {$i < [dict get $p NUM_PORTS]} {incr i} {lappend pins In$i {in interrupt 1}}
    return [dict create pins $pins buses {}]
  }

  proc smartconnect_defaults {} {return {NUM_SI 2 NUM_MI 1 NUM_CLKS 1 HAS_ARESETN 1}}

  proc smartconnect {p} {
    set buses {}
    for {set i 0} {$i < [dict get $p NUM_SI]} {incr i} {lappend buses [format S%02d_AXI $i] {slave aclk 1 ""}}
    for {set i 0} {$i < [dict get $p NUM_MI]} {incr i} {lappend buses [format M%02d_AXI $i] {master aclk 1 ""}}
    return [dict create pins {aclk {in clock 1} aresetn {in reset 1}} buses $buses]
  }
}
