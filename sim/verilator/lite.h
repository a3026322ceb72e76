// The AXI4-Lite master that plays the processor: one register access at a time.
//
// A write offers address and data together and is "accepted" in the clock in which the later of the two is taken; that clock is where
// latency counting begins. Like ddr.h: sample() sees a clock, drive() gives the inputs of the next one.
#pragma once
#include <cstdint>

namespace hwsim {

class Lite {
  public:
    uint64_t accepted = 0;  // clock of the last accepted write
    uint32_t data = 0;      // of the last read
    uint32_t response = 0;

    bool busy() const { return aw_ || w_ || b_ || ar_ || r_; }
    void reset() { aw_ = w_ = b_ = ar_ = r_ = false; }

    void write(uint32_t offset, uint32_t value) {
        address_ = offset, value_ = value;
        aw_ = w_ = b_ = fresh_ = true;
    }
    void read(uint32_t offset) {
        address_ = offset;
        ar_ = r_ = fresh_ = true;
    }

    // Returns true in the clock in which a write is accepted.
    template <class Top>
    bool sample(const Top& top, uint64_t clock) {
        if (!busy() || fresh_) return false;  // fresh: not on the bus yet
        const bool waiting = aw_ || w_;
        if (aw_ && top.s_axi_ctrl_awready) aw_ = false;
        if (w_ && top.s_axi_ctrl_wready) w_ = false;
        if (b_ && top.s_axi_ctrl_bvalid && !aw_ && !w_) b_ = false, response = top.s_axi_ctrl_bresp;
        if (ar_ && top.s_axi_ctrl_arready) ar_ = false;
        if (r_ && top.s_axi_ctrl_rvalid && !ar_) {
            r_ = false;
            data = top.s_axi_ctrl_rdata;
            response = top.s_axi_ctrl_rresp;
        }
        const bool taken = waiting && !aw_ && !w_;
        if (taken) accepted = clock;
        return taken;
    }

    template <class Top>
    void drive(Top& top) {
        fresh_ = false;
        top.s_axi_ctrl_awvalid = aw_;
        top.s_axi_ctrl_wvalid = w_;
        top.s_axi_ctrl_arvalid = ar_;
        top.s_axi_ctrl_awaddr = top.s_axi_ctrl_araddr = address_;
        top.s_axi_ctrl_wdata = value_;
        top.s_axi_ctrl_wstrb = 0xF;
        top.s_axi_ctrl_bready = top.s_axi_ctrl_rready = 1;
    }

  private:
    bool aw_ = false, w_ = false, b_ = false, ar_ = false, r_ = false, fresh_ = false;
    uint32_t address_ = 0, value_ = 0;
};

}  // namespace hwsim
