// The memory with all ports of a top: m_axi, which reads and writes, and m_axi_1, m_axi_2, .. of streamed weights, which only read.
#pragma once
#include <deque>

#include "ports.h"

namespace hwsim {

class Ddr : public Memory {
  public:
    // Finds the ports that the top has.
    template <class Top>
    Ddr(Top& top, uint64_t base, uint64_t size, uint8_t* bytes)
        : Memory(base, size, bytes), write_(HWSIM_WRITE_PINS(top, m_axi), *this) {
        add(HWSIM_READ_PINS(top, m_axi));
        if constexpr (requires { top.m_axi_1_arvalid; }) add(HWSIM_READ_PINS(top, m_axi_1));
        if constexpr (requires { top.m_axi_2_arvalid; }) add(HWSIM_READ_PINS(top, m_axi_2));
        if constexpr (requires { top.m_axi_3_arvalid; }) add(HWSIM_READ_PINS(top, m_axi_3));
        if constexpr (requires { top.m_axi_4_arvalid; }) add(HWSIM_READ_PINS(top, m_axi_4));
        static_assert(!requires { top.m_axi_5_arvalid; }, "name the ports from m_axi_5 on here, too");
    }

    uint32_t ports() const { return reads_.size(); }

    hwsim_traffic traffic(uint32_t port) const {
        const ReadPort& read = reads_[port];
        return port ? hwsim_traffic{read.bursts, read.beats, 0, 0} : hwsim_traffic{read.bursts, read.beats, write_.bursts, write_.beats};
    }

    void stalls(uint64_t seed, const double* probability) {
        each([&](auto& port) { port.stalls(seed, probability); });
    }

    void clear_faults() {
        faults.clear();
        each([](auto& port) { port.release(); });
    }

    // Forgets what is under way, as the reset of the whole system does; the memory stays.
    void reset() {
        each([](auto& port) { port.reset(); });
    }
    void sample(uint64_t clock) {
        each([&](auto& port) { port.sample(clock); });
    }
    // Inputs of clock `clock`.
    void drive(uint64_t clock) {
        each([&](auto& port) { port.drive(clock); });
    }
    // In the last clock of a reset.
    void check_reset(uint64_t clock) {
        each([&](auto& port) { port.check_reset(clock); });
    }

  private:
    void add(const ReadPins& pins) { reads_.emplace_back(pins, *this, int(reads_.size())); }

    template <class Body>
    void each(Body body) {
        for (ReadPort& port : reads_) body(port);
        body(write_);
    }

    std::deque<ReadPort> reads_;
    WritePort write_;
};

}  // namespace hwsim
