// The simulated accelerator as a C library: hwgen_top, its clock, an AXI4-Lite master and a DDR model behind each of its memory ports.
//
// Every function that can fail returns 0 or a negative code and leaves a text in hwsim_error(). A handle belongs to one thread at
// a time; handles are independent. hwgen/runtime/simlib.py is the Python side and holds HWSIM_VERSION as well: change both together.
#pragma once
#include <stdint.h>

#define HWSIM_VERSION 3
#define HWSIM_API extern "C" __attribute__((visibility("default")))

enum {
    HWSIM_OK = 0,
    HWSIM_TIMEOUT = -1,   // the engine did not answer a register access, or did not finish
    HWSIM_RESPONSE = -2,  // a register access was answered with an error
    HWSIM_ENGINE = -3,    // the engine ended in its error state
    HWSIM_FATAL = -4,     // the RTL itself stopped: $fatal, a failed assertion, no convergence
    HWSIM_ARGUMENT = -5,  // outside the window, no waves in this build
};

// What `fault` does with the bursts it meets.
enum { HWSIM_SLVERR = 0, HWSIM_DECERR = 1, HWSIM_HANG = 2 };

struct hwsim_frames {
    uint64_t frames, in_bytes, out_bytes;
    uint64_t in_address, out_address;  // bus addresses of the buffers, the same for all frames
    uint64_t max_clocks;               // per frame
    const uint8_t* inputs;             // frames * in_bytes
    uint8_t* outputs;                  // frames * out_bytes
    uint32_t* latency;                 // frames
    uint32_t* counters;                // frames * counter_count, or null
    // register offsets, so that the ABI table stays the only source
    uint32_t control, status, in_pointer, out_pointer, error_info, counter_first, counter_count;
    uint32_t start, irq_enable, error_bit;  // masks
    // result
    uint64_t done;                 // frames that finished
    uint32_t last_status, last_error_info;
};

struct hwsim_traffic {
    uint64_t read_bursts, read_beats, write_bursts, write_beats;
};

HWSIM_API uint32_t hwsim_version(void);
HWSIM_API const char* hwsim_wave_format(void);  // "", "vcd" or "fst"

// `memory`: `size` bytes of the caller's that outlive the handle.
HWSIM_API void* hwsim_create(uint64_t base, uint64_t size, uint8_t* memory);
HWSIM_API void hwsim_destroy(void* handle);
HWSIM_API const char* hwsim_error(void* handle);     // of the last call that failed
HWSIM_API const char* hwsim_protocol(void* handle);  // first AXI violation of the engine, or ""
HWSIM_API void hwsim_clear_protocol(void* handle);

// The library that a stand-in for a vendor's core calls (DIR/sim/rtl): it exports `void hwgen_core(const int32_t*, int32_t*)`.
HWSIM_API int hwsim_core(void* handle, const char* path);

HWSIM_API int hwsim_reset(void* handle, uint32_t clocks);
HWSIM_API int hwsim_write(void* handle, uint32_t offset, uint32_t value);
HWSIM_API int hwsim_read(void* handle, uint32_t offset, uint32_t* value);
HWSIM_API int hwsim_run(void* handle, uint64_t max_clocks, int until_irq, uint64_t* advanced);
// Reads register `offset` every `gap` clocks until (value & mask) == 0 or max_clocks have passed.
HWSIM_API int hwsim_wait(void* handle, uint32_t offset, uint32_t mask, uint32_t gap, uint64_t max_clocks, uint32_t* value);
HWSIM_API int hwsim_run_frames(void* handle, struct hwsim_frames* frames);
HWSIM_API int hwsim_irq(void* handle);
HWSIM_API uint64_t hwsim_clocks(void* handle);        // since reset
HWSIM_API uint64_t hwsim_total_clocks(void* handle);  // since create

HWSIM_API int hwsim_memory_model(void* handle, uint32_t read_latency, uint32_t write_response, uint32_t outstanding, uint32_t jitter);
HWSIM_API void hwsim_stalls(void* handle, uint64_t seed, const double* probability);  // ar r aw w b
// The bursts to hit: from the `burst`-th from now on, or (burst < 0) those that touch [first, last); beat < 0: all beats (reads).
// `times` bursts are hit, all when negative. `port`: of m_axi (0), m_axi_1 (1), ..; negative: of all.
HWSIM_API void hwsim_fault(void* handle, int is_write, int port, int kind, int64_t burst, uint64_t first, uint64_t last, int beat,
                           int times);
HWSIM_API void hwsim_clear_faults(void* handle);
HWSIM_API uint32_t hwsim_ports(void* handle);  // memory ports
HWSIM_API void hwsim_get_traffic(void* handle, uint32_t port, struct hwsim_traffic* traffic);

HWSIM_API int hwsim_waves(void* handle, const char* path);  // null stops
