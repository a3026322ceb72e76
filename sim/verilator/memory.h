// The DDR behind the accelerator: a window of memory, its timing, the faults asked for, and what AXI forbids as text in `violation`.
//
// Standard model: the first beat of a read is valid `read_latency` clocks after the address is taken, then one a clock; up to
// `outstanding` reads at once, whose latencies overlap; write beats one a clock, the response valid `write_response` clocks after the
// last beat; reads and writes independent. Everything is answered in order (the engine drives one id). Every port (ports.h) has this
// timing for itself: DDR is wider than all of them together.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "hwsim.h"

namespace hwsim {

constexpr uint32_t BEAT = 16;

struct Fault {
    bool write;
    int port, kind;      // port -1: any
    int64_t burst;       // bursts still to pass by, or -1: by address
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

// An address as it stands on the bus.
struct Request {
    uint64_t address;
    uint32_t len, size, type;
    bool operator==(const Request&) const = default;
};

class Memory {
  public:
    Memory(uint64_t base, uint64_t size, uint8_t* bytes) : base_(base), size_(size), bytes_(bytes) {}

    uint32_t read_latency = 40, write_response = 4, outstanding = 16, jitter = 0;
    std::vector<Fault> faults;
    std::string violation;  // the first

    uint8_t* at(uint64_t address, uint64_t bytes) const {
        const bool inside = address >= base_ && bytes <= size_ && address - base_ <= size_ - bytes;
        return inside ? bytes_ + (address - base_) : nullptr;
    }

    void report(int port, uint64_t clock, const std::string& what) {
        if (!violation.empty()) return;
        violation = "clock " + std::to_string(clock) + ": " + (port ? "m_axi_" + std::to_string(port) + ": " : "") + what;
    }

    // A burst whose address was taken, with the fault that hits it.
    Burst accept(int port, bool write, const Request& request, uint64_t clock) {
        Burst burst{request.address, request.len + 1, 0, 0, 0, -1, false};
        const uint64_t bytes = uint64_t(burst.beats) * BEAT;
        char name[64];
        const auto wrong = [&](const std::string& what) {
            std::snprintf(name, sizeof name, "%s burst of %u beats at 0x%llx", write ? "write" : "read", burst.beats,
                          static_cast<unsigned long long>(request.address));
            report(port, clock, std::string(name) + ": " + what);
        };
        if (request.size != 4) wrong("size " + std::to_string(request.size) + ", not 4 (16 bytes)");
        if (request.type != 1) wrong("burst type " + std::to_string(request.type) + ", not 1 (INCR)");
        if (request.address % BEAT) wrong("address is no multiple of 16");
        if (request.address / 4096 != (request.address + bytes - 1) / 4096) wrong("crosses a 4 KiB boundary");
        burst.address -= request.address % BEAT;
        for (Fault& fault : faults) {
            if (fault.write != write || (fault.port >= 0 && fault.port != port) || fault.times == 0) continue;
            const bool hit =
                fault.burst < 0 ? request.address < fault.last && request.address + bytes > fault.first : fault.burst == 0;
            if (fault.burst > 0) --fault.burst;
            if (!hit) continue;
            if (fault.times > 0) --fault.times;
            if (fault.kind == HWSIM_HANG) burst.hang = true;
            else burst.response = fault.kind == HWSIM_DECERR ? 3 : 2, burst.bad_beat = fault.beat;
        }
        return burst;
    }

  private:
    uint64_t base_, size_;
    uint8_t* bytes_;
};

}  // namespace hwsim
