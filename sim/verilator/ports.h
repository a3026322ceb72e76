// One AXI4 port of the memory: the read channels of a master, or its write channels, with their own stalls and their own bursts.
//
// sample() sees the settled signals of a clock, drive() then gives the inputs of the next one: all outputs of the model are registered.
// Beats outside the window are answered DECERR.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>

#include "memory.h"
#include "verilated.h"

namespace hwsim {

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

// Clocks at random in which a channel does not move.
class Stall {
  public:
    void set(uint64_t seed, int port, Channel channel, double probability) {
        random_.seed(stream(seed, port, channel));
        below_ = probability <= 0 ? 0 : probability >= 0.999 ? 0xFFBE76C8u : static_cast<uint32_t>(probability * 4294967296.0);
    }
    bool now() { return below_ != 0 && random_.next() < below_; }
    static uint64_t stream(uint64_t seed, int port, int channel) { return seed * 8 + channel + (uint64_t(port) << 56); }

  private:
    Random random_;
    uint32_t below_ = 0;
};

// What a master must hold still until it is taken.
class Offer {
  public:
    // `valid` with `request` in this clock; taken when the model was `ready`. Returns true when it is.
    bool see(Memory& memory, int port, const char* name, bool valid, bool ready, const Request& request, uint64_t clock) {
        if (held_ && !valid) memory.report(port, clock, std::string(name) + "VALID dropped before " + name + "READY");
        else if (held_ && !(request == before_)) memory.report(port, clock, std::string(name) + " changed before " + name + "READY");
        held_ = valid && !ready;
        before_ = request;
        return valid && ready;
    }
    void forget() { held_ = false; }

  private:
    bool held_ = false;
    Request before_{};
};

struct ReadPins {
    const QData& araddr;
    const CData &arlen, &arsize, &arburst, &arvalid, &rready;
    CData& arready;
    VlWide<4>& rdata;
    CData &rresp, &rlast, &rvalid;
};
#define HWSIM_READ_PINS(top, port)                                                                                             \
    ReadPins {                                                                                                                 \
        top.port##_araddr, top.port##_arlen, top.port##_arsize, top.port##_arburst, top.port##_arvalid, top.port##_rready,     \
            top.port##_arready, top.port##_rdata, top.port##_rresp, top.port##_rlast, top.port##_rvalid                        \
    }

class ReadPort {
  public:
    ReadPort(const ReadPins& pins, Memory& memory, int port) : pins_(pins), memory_(memory), port_(port) { stalls(0, nullptr); }

    uint64_t bursts = 0, beats = 0;

    void stalls(uint64_t seed, const double* probability) {
        ar_.set(seed, port_, AR, probability ? probability[AR] : 0);
        r_.set(seed, port_, R, probability ? probability[R] : 0);
        jitter_.seed(Stall::stream(seed, port_, CHANNELS));
    }

    void release() {
        for (Burst& burst : open_) burst.hang = false;
    }

    // Forgets what is under way.
    void reset() {
        open_.clear();
        offer_.forget();
        pins_.arready = ready_ = false;
        pins_.rvalid = valid_ = false;
    }

    void sample(uint64_t clock) {
        const Request request{pins_.araddr, pins_.arlen, pins_.arsize, pins_.arburst};
        if (offer_.see(memory_, port_, "AR", pins_.arvalid, ready_, request, clock)) {
            Burst burst = memory_.accept(port_, false, request, clock);
            burst.due = clock + memory_.read_latency + (memory_.jitter ? jitter_.next() % (memory_.jitter + 1) : 0);
            open_.push_back(burst);
            ++bursts;
        }
        if (valid_ && pins_.rready) {
            valid_ = false;
            ++beats;
            if (++open_.front().at == open_.front().beats) open_.pop_front();
        }
    }

    void drive(uint64_t clock) {
        pins_.arready = ready_ = open_.size() < memory_.outstanding && !ar_.now();
        if (!valid_ && !open_.empty() && open_.front().due <= clock && !open_.front().hang && !r_.now()) {
            const Burst& burst = open_.front();
            const uint8_t* from = memory_.at(burst.address + uint64_t(burst.at) * BEAT, BEAT);
            uint32_t data[4] = {0xDEADDEAD, 0xDEADDEAD, 0xDEADDEAD, 0xDEADDEAD};
            const bool bad = burst.response != 0 && (burst.bad_beat < 0 || burst.bad_beat == int(burst.at));
            if (from && !bad) std::memcpy(data, from, BEAT);
            for (int i = 0; i < 4; ++i) pins_.rdata[i] = data[i];
            pins_.rresp = bad ? burst.response : from ? 0 : 3;
            pins_.rlast = burst.at + 1 == burst.beats;
            valid_ = true;
        }
        pins_.rvalid = valid_;
    }

    void check_reset(uint64_t clock) {
        if (pins_.arvalid) memory_.report(port_, clock, "ARVALID high in reset");
    }

  private:
    ReadPins pins_;
    Memory& memory_;
    int port_;
    std::deque<Burst> open_;
    Offer offer_;
    Stall ar_, r_;
    Random jitter_;
    bool ready_ = false, valid_ = false;
};

struct WritePins {
    const QData& awaddr;
    const CData &awlen, &awsize, &awburst, &awvalid;
    const VlWide<4>& wdata;
    const SData& wstrb;
    const CData &wlast, &wvalid, &bready;
    CData &awready, &wready, &bresp, &bvalid;
};
#define HWSIM_WRITE_PINS(top, port)                                                                                            \
    WritePins {                                                                                                                \
        top.port##_awaddr, top.port##_awlen, top.port##_awsize, top.port##_awburst, top.port##_awvalid, top.port##_wdata,      \
            top.port##_wstrb, top.port##_wlast, top.port##_wvalid, top.port##_bready, top.port##_awready, top.port##_wready,   \
            top.port##_bresp, top.port##_bvalid                                                                                \
    }

class WritePort {
  public:
    WritePort(const WritePins& pins, Memory& memory) : pins_(pins), memory_(memory) { stalls(0, nullptr); }

    uint64_t bursts = 0, beats = 0;

    void stalls(uint64_t seed, const double* probability) {
        aw_.set(seed, 0, AW, probability ? probability[AW] : 0);
        w_.set(seed, 0, W, probability ? probability[W] : 0);
        b_.set(seed, 0, B, probability ? probability[B] : 0);
    }

    void release() {
        for (auto* queue : {&open_, &answers_})
            for (Burst& burst : *queue) burst.hang = false;
    }

    void reset() {
        open_.clear(), answers_.clear(), data_.clear();
        offer_.forget();
        held_ = false;
        pins_.awready = aw_ready_ = false;
        pins_.wready = w_ready_ = false;
        pins_.bvalid = valid_ = false;
    }

    void sample(uint64_t clock) {
        const Request request{pins_.awaddr, pins_.awlen, pins_.awsize, pins_.awburst};
        if (offer_.see(memory_, 0, "AW", pins_.awvalid, aw_ready_, request, clock)) {
            open_.push_back(memory_.accept(0, true, request, clock));
            ++bursts;
        }
        see_data(clock);
        if (valid_ && pins_.bready) {
            valid_ = false;
            answers_.pop_front();
        }
        store(clock);
    }

    void drive(uint64_t clock) {
        pins_.awready = aw_ready_ = open_.size() + answers_.size() < memory_.outstanding && !aw_.now();
        pins_.wready = w_ready_ = data_.size() < 256 && !w_.now();
        if (!valid_ && !answers_.empty() && answers_.front().due <= clock && !answers_.front().hang && !b_.now()) {
            pins_.bresp = answers_.front().response;
            valid_ = true;
        }
        pins_.bvalid = valid_;
    }

    void check_reset(uint64_t clock) {
        if (pins_.awvalid) memory_.report(0, clock, "AWVALID high in reset");
        if (pins_.wvalid) memory_.report(0, clock, "WVALID high in reset");
    }

  private:
    struct Beat {
        uint32_t data[4], strobe;
        uint32_t last;
        bool operator==(const Beat&) const = default;
    };

    void see_data(uint64_t clock) {
        if (held_ && !pins_.wvalid) memory_.report(0, clock, "WVALID dropped before WREADY");
        if (!pins_.wvalid) {
            held_ = false;
            return;
        }
        const Beat beat{{pins_.wdata[0], pins_.wdata[1], pins_.wdata[2], pins_.wdata[3]}, pins_.wstrb, pins_.wlast};
        if (held_ && !(beat == before_)) memory_.report(0, clock, "W changed before WREADY");
        held_ = !w_ready_;
        before_ = beat;
        if (!w_ready_) return;
        data_.push_back(beat);
        ++beats;
    }

    // Joins write data with their bursts; data may come before the address.
    void store(uint64_t clock) {
        while (!data_.empty() && !open_.empty()) {
            const Beat& beat = data_.front();
            Burst& burst = open_.front();
            uint8_t* to = memory_.at(burst.address + uint64_t(burst.at) * BEAT, BEAT);
            if (!to) burst.response = 3;
            if (burst.response == 0) {
                const uint8_t* from = reinterpret_cast<const uint8_t*>(beat.data);
                for (uint32_t i = 0; i < BEAT; ++i)
                    if (beat.strobe >> i & 1) to[i] = from[i];
            }
            const bool last = ++burst.at == burst.beats;
            if (bool(beat.last) != last)
                memory_.report(0, clock, "WLAST " + std::string(beat.last ? "high" : "low") + " on beat " + std::to_string(burst.at) +
                                             " of " + std::to_string(burst.beats));
            data_.pop_front();
            if (last) {
                burst.due = clock + memory_.write_response;
                answers_.push_back(burst);
                open_.pop_front();
            }
        }
    }

    WritePins pins_;
    Memory& memory_;
    std::deque<Burst> open_, answers_;  // that wait for data; for their response
    std::deque<Beat> data_;             // without an address yet
    Offer offer_;
    Beat before_{};
    Stall aw_, w_, b_;
    bool aw_ready_ = false, w_ready_ = false, valid_ = false, held_ = false;
};

}  // namespace hwsim
