// The DDR behind the engine's AXI4 master: one window of memory and the standard timing model.
//
// Standard model: the first beat of a read is valid `read_latency` clocks after the address is taken, then one a clock; up to
// `outstanding` reads at once, whose latencies overlap; write beats one a clock, the response valid `write_response` clocks after the
// last beat; reads and writes independent. Everything is answered in order (the engine drives one id).
//
// sample() sees the settled signals of a clock, drive() then gives the inputs of the next one: all outputs of the model are registered.
// Beats outside the window are answered DECERR. What AXI forbids the engine is kept as text in `violation`.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "hwsim.h"

namespace hwsim {

constexpr uint32_t BEAT = 16;
enum Channel { AR, R, AW, W, B, CHANNELS };

// xorshift64*: the same stalls on every machine.
class Random {
  public:
    void seed(uint64_t value) { state_ = value * 0x9E3779B97F4A7C15ull + 0xD1B54A32D192ED03ull | 1; }
    uint32_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return static_cast<uint32_t>(state_ * 0x2545F4914F6CDD1Dull >> 32);
    }

  private:
    uint64_t state_ = 1;
};

struct Fault {
    bool write;
    int kind;
    int64_t burst;  // bursts still to pass by, or -1: by address
    uint64_t first, last;
    int beat, times;
};

struct Burst {
    uint64_t address;
    uint32_t beats, at;  // `at`: beats done
    uint64_t due;        // first clock in which the answer may be valid
    uint32_t response;   // of every beat, or of `bad_beat` alone
    int bad_beat;
    bool hang;
};

struct Beat {
    uint32_t data[4];
    uint32_t strobe;
    bool last;
};

class Ddr {
  public:
    Ddr(uint64_t base, uint64_t size, uint8_t* memory) : base_(base), size_(size), memory_(memory) {}

    uint32_t read_latency = 40, write_response = 4, outstanding = 16, jitter = 0;
    std::string violation;
    hwsim_traffic traffic{};

    uint8_t* at(uint64_t address, uint64_t bytes) const {
        const bool inside = address >= base_ && bytes <= size_ && address - base_ <= size_ - bytes;
        return inside ? memory_ + (address - base_) : nullptr;
    }

    void stalls(uint64_t seed, const double* probability) {
        for (int i = 0; i < CHANNELS; ++i) {
            random_[i].seed(seed * 8 + i);
            const double p = probability ? probability[i] : 0;
            stall_[i] = p <= 0 ? 0 : p >= 0.999 ? 0xFFBE76C8u : static_cast<uint32_t>(p * 4294967296.0);
        }
        jitter_random_.seed(seed * 8 + CHANNELS);
    }

    void fault(const Fault& fault) { faults_.push_back(fault); }
    void clear_faults() {
        faults_.clear();
        for (auto* queue : {&reads_, &writes_, &answers_})
            for (Burst& burst : *queue) burst.hang = false;
    }

    // Forgets what is under way, as the reset of the whole system does; the memory stays.
    template <class Top>
    void reset(Top& top) {
        reads_.clear(), writes_.clear(), answers_.clear(), beats_.clear();
        top.m_axi_arready = ar_ready_ = false;
        top.m_axi_awready = aw_ready_ = false;
        top.m_axi_wready = w_ready_ = false;
        top.m_axi_rvalid = r_valid_ = false;
        top.m_axi_bvalid = b_valid_ = false;
        held_ = {};
    }

    template <class Top>
    void sample(const Top& top, uint64_t clock) {
        check_held(top, clock);
        if (top.m_axi_arvalid && ar_ready_) {
            Burst burst = accept(false, top.m_axi_araddr, top.m_axi_arlen, top.m_axi_arsize, top.m_axi_arburst, clock);
            burst.due = clock + read_latency + (jitter ? jitter_random_.next() % (jitter + 1) : 0);
            reads_.push_back(burst);
            ++traffic.read_bursts;
        }
        if (r_valid_ && top.m_axi_rready) {
            r_valid_ = false;
            ++traffic.read_beats;
            if (++reads_.front().at == reads_.front().beats) reads_.pop_front();
        }
        if (top.m_axi_awvalid && aw_ready_) {
            writes_.push_back(accept(true, top.m_axi_awaddr, top.m_axi_awlen, top.m_axi_awsize, top.m_axi_awburst, clock));
            ++traffic.write_bursts;
        }
        if (top.m_axi_wvalid && w_ready_) {
            Beat beat;
            for (int i = 0; i < 4; ++i) beat.data[i] = top.m_axi_wdata[i];
            beat.strobe = top.m_axi_wstrb;
            beat.last = top.m_axi_wlast;
            beats_.push_back(beat);
            ++traffic.write_beats;
        }
        if (b_valid_ && top.m_axi_bready) {
            b_valid_ = false;
            answers_.pop_front();
        }
        store(clock);
    }

    // Inputs of clock `clock`.
    template <class Top>
    void drive(Top& top, uint64_t clock) {
        ar_ready_ = reads_.size() < outstanding && !stalled(AR);
        aw_ready_ = writes_.size() + answers_.size() < outstanding && !stalled(AW);
        w_ready_ = beats_.size() < 256 && !stalled(W);
        top.m_axi_arready = ar_ready_;
        top.m_axi_awready = aw_ready_;
        top.m_axi_wready = w_ready_;
        if (!r_valid_ && !reads_.empty() && reads_.front().due <= clock && !reads_.front().hang && !stalled(R)) {
            const Burst& burst = reads_.front();
            const uint8_t* from = at(burst.address + uint64_t(burst.at) * BEAT, BEAT);
            uint32_t data[4] = {0xDEADDEAD, 0xDEADDEAD, 0xDEADDEAD, 0xDEADDEAD};
            const bool bad = burst.response != 0 && (burst.bad_beat < 0 || burst.bad_beat == int(burst.at));
            if (from && !bad) std::memcpy(data, from, BEAT);
            for (int i = 0; i < 4; ++i) top.m_axi_rdata[i] = data[i];
            top.m_axi_rresp = bad ? burst.response : from ? 0 : 3;
            top.m_axi_rlast = burst.at + 1 == burst.beats;
            r_valid_ = true;
        }
        top.m_axi_rvalid = r_valid_;
        if (!b_valid_ && !answers_.empty() && answers_.front().due <= clock && !answers_.front().hang && !stalled(B)) {
            top.m_axi_bresp = answers_.front().response;
            b_valid_ = true;
        }
        top.m_axi_bvalid = b_valid_;
    }

    // In the last clock of a reset.
    template <class Top>
    void check_reset(const Top& top, uint64_t clock) {
        if (top.m_axi_arvalid) report(clock, "ARVALID high in reset");
        if (top.m_axi_awvalid) report(clock, "AWVALID high in reset");
        if (top.m_axi_wvalid) report(clock, "WVALID high in reset");
    }

    void report(uint64_t clock, const std::string& what) {
        if (violation.empty()) violation = "clock " + std::to_string(clock) + ": " + what;
    }

  private:
    // A valid that was not taken, with everything that must stay as it is.
    struct Held {
        bool ar = false, aw = false, w = false;
        uint64_t ar_bits[2], aw_bits[2];
        Beat beat;
    };

    bool stalled(Channel channel) { return stall_[channel] != 0 && random_[channel].next() < stall_[channel]; }

    Burst accept(bool write, uint64_t address, uint32_t len, uint32_t size, uint32_t type, uint64_t clock) {
        Burst burst{address, len + 1, 0, 0, 0, -1, false};
        const uint64_t bytes = uint64_t(burst.beats) * BEAT;
        char name[64];
        std::snprintf(name, sizeof name, "%s burst of %u beats at 0x%llx", write ? "write" : "read", burst.beats,
                      static_cast<unsigned long long>(address));
        if (size != 4) report(clock, std::string(name) + ": size " + std::to_string(size) + ", not 4 (16 bytes)");
        if (type != 1) report(clock, std::string(name) + ": burst type " + std::to_string(type) + ", not 1 (INCR)");
        if (address % BEAT) report(clock, std::string(name) + ": address is no multiple of 16");
        if (address / 4096 != (address + bytes - 1) / 4096) report(clock, std::string(name) + ": crosses a 4 KiB boundary");
        burst.address -= address % BEAT;
        for (Fault& fault : faults_) {
            if (fault.write != write || fault.times == 0) continue;
            const bool hit = fault.burst < 0 ? address < fault.last && address + bytes > fault.first : fault.burst == 0;
            if (fault.burst > 0) --fault.burst;
            if (!hit) continue;
            if (fault.times > 0) --fault.times;
            if (fault.kind == HWSIM_HANG) burst.hang = true;
            else burst.response = fault.kind == HWSIM_DECERR ? 3 : 2, burst.bad_beat = fault.beat;
        }
        return burst;
    }

    // Joins write data with their bursts; data may come before the address.
    void store(uint64_t clock) {
        while (!beats_.empty() && !writes_.empty()) {
            const Beat& beat = beats_.front();
            Burst& burst = writes_.front();
            uint8_t* to = at(burst.address + uint64_t(burst.at) * BEAT, BEAT);
            if (!to) burst.response = 3;
            if (burst.response == 0) {
                const uint8_t* from = reinterpret_cast<const uint8_t*>(beat.data);
                if (beat.strobe == 0xFFFF) std::memcpy(to, from, BEAT);
                else
                    for (uint32_t i = 0; i < BEAT; ++i)
                        if (beat.strobe >> i & 1) to[i] = from[i];
            }
            const bool last = ++burst.at == burst.beats;
            if (beat.last != last)
                report(clock, "WLAST " + std::string(beat.last ? "high" : "low") + " on beat " + std::to_string(burst.at) + " of " +
                                  std::to_string(burst.beats));
            beats_.pop_front();
            if (last) {
                burst.due = clock + write_response;
                answers_.push_back(burst);
                writes_.pop_front();
            }
        }
    }

    template <class Top>
    void check_held(const Top& top, uint64_t clock) {
        const uint64_t ar[2] = {top.m_axi_araddr, uint64_t(top.m_axi_arlen) << 8 | top.m_axi_arsize << 4 | top.m_axi_arburst};
        const uint64_t aw[2] = {top.m_axi_awaddr, uint64_t(top.m_axi_awlen) << 8 | top.m_axi_awsize << 4 | top.m_axi_awburst};
        if (held_.ar && !top.m_axi_arvalid) report(clock, "ARVALID dropped before ARREADY");
        else if (held_.ar && std::memcmp(ar, held_.ar_bits, sizeof ar)) report(clock, "AR changed before ARREADY");
        if (held_.aw && !top.m_axi_awvalid) report(clock, "AWVALID dropped before AWREADY");
        else if (held_.aw && std::memcmp(aw, held_.aw_bits, sizeof aw)) report(clock, "AW changed before AWREADY");
        if (held_.w) {
            bool same = held_.beat.strobe == top.m_axi_wstrb && held_.beat.last == bool(top.m_axi_wlast);
            for (int i = 0; i < 4; ++i) same = same && held_.beat.data[i] == top.m_axi_wdata[i];
            if (!top.m_axi_wvalid) report(clock, "WVALID dropped before WREADY");
            else if (!same) report(clock, "W changed before WREADY");
        }
        held_.ar = top.m_axi_arvalid && !ar_ready_;
        held_.aw = top.m_axi_awvalid && !aw_ready_;
        held_.w = top.m_axi_wvalid && !w_ready_;
        if (held_.ar) std::memcpy(held_.ar_bits, ar, sizeof ar);
        if (held_.aw) std::memcpy(held_.aw_bits, aw, sizeof aw);
        if (held_.w) {
            for (int i = 0; i < 4; ++i) held_.beat.data[i] = top.m_axi_wdata[i];
            held_.beat.strobe = top.m_axi_wstrb;
            held_.beat.last = top.m_axi_wlast;
        }
    }

    uint64_t base_, size_;
    uint8_t* memory_;
    std::deque<Burst> reads_, writes_, answers_;  // reads; writes that wait for data; writes that wait for their response
    std::deque<Beat> beats_;                      // write data without an address yet
    std::vector<Fault> faults_;
    Random random_[CHANNELS], jitter_random_;
    uint32_t stall_[CHANNELS] = {};
    bool ar_ready_ = false, aw_ready_ = false, w_ready_ = false, r_valid_ = false, b_valid_ = false;
    Held held_{};
};

}  // namespace hwsim
