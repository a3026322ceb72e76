// The harness: one clock of hwgen_top with its processor and its memory, and the C interface of hwsim.h on top of it.
//
// A clock: the signals are settled with aclk low; processor and memory look at them; aclk rises (registers move); the inputs of the
// next clock are set; aclk falls, which settles the logic behind those inputs. Two evaluations a clock, none of them in vain.
#include <dlfcn.h>
#include <pthread.h>

#include <memory>
#include <stdexcept>

#include "Vhwgen_top.h"
#include "ddr.h"
#include "lite.h"
#include "verilated.h"
#if VM_TRACE_VCD
#include "verilated_vcd_c.h"
using Waves = VerilatedVcdC;
#elif VM_TRACE_FST
#include "verilated_fst_c.h"
using Waves = VerilatedFstC;
#endif

// $fatal, $stop and Verilator's own fatal errors end in an exception, which becomes HWSIM_FATAL, not in the end of the process.
void vl_fatal(const char* file, int line, const char* where, const char* message) {
    throw std::runtime_error(std::string(message ? message : "$fatal") + " (" + (where ? where : "") + " " + (file ? file : "") + ":" +
                             std::to_string(line) + ")");
}
void vl_stop(const char* file, int line, const char* where) { vl_fatal(file, line, where, "$stop"); }
void vl_finish(const char* file, int line, const char* where) { vl_fatal(file, line, where, "$finish"); }

// A core that only a vendor's tool can make is a stand-in here, which asks a library for its results (hwsim_core).
using Core = void (*)(const int32_t* inputs, int32_t* outputs);
static thread_local Core core = nullptr;  // of the simulation that runs in this thread
extern "C" void hwgen_core_eval(const int* inputs, int* outputs) {
    if (!core) throw std::runtime_error("the core's C simulation is not there: build it with `hwgen simulate`");
    struct Frame {
        Core core;
        const int* inputs;
        int* outputs;
    } frame{core, inputs, outputs};
    // In a thread of its own, for its stack: hls4ml keeps every array of a network there.
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t(1) << 30);
    pthread_t thread;
    const auto body = [](void* p) -> void* {
        const Frame& f = *static_cast<Frame*>(p);
        f.core(f.inputs, f.outputs);
        return nullptr;
    };
    const int failed = pthread_create(&thread, &attributes, body, &frame);
    pthread_attr_destroy(&attributes);
    if (failed) throw std::runtime_error("no thread with 1 GiB of address space for the core's C simulation");
    pthread_join(thread, nullptr);
}

namespace hwsim {
namespace {

constexpr uint64_t ACCESS_CLOCKS = 10000;  // for one register access
constexpr uint8_t UNWRITTEN = 0xA5;        // what the output buffer holds before a frame
constexpr uint64_t IDLE_CLOCKS = 16;       // before each frame: the engine fetches the start of its program again

class Sim {
  public:
    std::string error;
    Core core = nullptr;

    Sim(uint64_t base, uint64_t size, uint8_t* memory)
        : context_(tracing()), top_(new Vhwgen_top(context_.get(), "hwgen_top")), ddr(*top_, base, size, memory) {
        top_->aclk = 0;
        top_->aresetn = 0;
        lite_.drive(*top_);
        ddr.reset();
        top_->eval();
    }
    ~Sim() {
        waves(nullptr);
        top_->final();
    }

    bool irq() const { return top_->irq_o; }
    uint64_t clocks() const { return clock_; }
    uint64_t total() const { return total_; }

    void reset(uint32_t clocks) {
        top_->aresetn = 0;
        ddr.reset();
        lite_.reset();
        lite_.drive(*top_);
        top_->eval();
        armed_ = arm_next_ = false;
        for (uint32_t i = 0; i < clocks; ++i) {
            if (i && i + 1 == clocks) ddr.check_reset(clock_);
            edge(false);
        }
        top_->aresetn = 1;
        top_->eval();
        clock_ = 0;
    }

    void tick() {
        if (top_->irq_o && armed_) {
            armed_ = false;
            irq_clock_ = clock_;
        }
        if (lite_.sample(*top_, clock_)) armed_ = arm_next_, arm_next_ = false;
        ddr.sample(clock_);
        edge(true);
    }

    int write(uint32_t offset, uint32_t value) {
        lite_.write(offset, value);
        return access("write", offset);
    }
    int read(uint32_t offset, uint32_t* value) {
        lite_.read(offset);
        const int code = access("read", offset);
        *value = lite_.data;
        return code;
    }

    uint64_t run(uint64_t most, bool until_irq) {
        uint64_t n = 0;
        while (n < most && !(until_irq && top_->irq_o)) tick(), ++n;
        return n;
    }

    int wait(uint32_t offset, uint32_t mask, uint32_t gap, uint64_t most, uint32_t* value) {
        const uint64_t end = total_ + most;
        for (;;) {
            if (const int code = read(offset, value)) return code;
            if ((*value & mask) == 0) return HWSIM_OK;
            if (total_ >= end) return HWSIM_OK;
            run(gap, false);
        }
    }

    int run_frames(hwsim_frames& job) {
        uint8_t* const in = ddr.at(job.in_address, job.in_bytes);
        uint8_t* const out = ddr.at(job.out_address, job.out_bytes);
        if (!in || !out) return fail(HWSIM_ARGUMENT, "the input or output buffer lies outside the memory window");
        const uint32_t registers[4][2] = {{job.in_pointer, uint32_t(job.in_address)},
                                          {job.in_pointer + 4, uint32_t(job.in_address >> 32)},
                                          {job.out_pointer, uint32_t(job.out_address)},
                                          {job.out_pointer + 4, uint32_t(job.out_address >> 32)}};
        for (const auto& item : registers)
            if (const int code = write(item[0], item[1])) return code;
        uint32_t control = 0;  // its interrupt enable is put back at the end
        if (const int code = read(job.control, &control)) return code;
        int code = HWSIM_OK;
        for (job.done = 0; job.done < job.frames && code == HWSIM_OK; job.done += code == HWSIM_OK) code = frame(job, in, out);
        const int restored = write(job.control, control & job.irq_enable);
        return code ? code : restored;
    }

    int waves(const char* path) {
#if VM_TRACE
        if (waves_) {
            waves_->close();
            waves_.reset();
        }
        if (path) {
            waves_.reset(new Waves);
            top_->trace(waves_.get(), 99);
            waves_->open(path);
            if (!waves_->isOpen()) {
                waves_.reset();
                return fail(HWSIM_ARGUMENT, std::string("cannot write waves to ") + path);
            }
        }
        return HWSIM_OK;
#else
        return path ? fail(HWSIM_ARGUMENT, "this library was built without waves") : HWSIM_OK;
#endif
    }

    int load_core(const char* path) {
        void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);  // stays loaded, as this library does
        core = library ? reinterpret_cast<Core>(dlsym(library, "hwgen_core")) : nullptr;
        return core ? HWSIM_OK : fail(HWSIM_ARGUMENT, std::string("the core's C simulation cannot be loaded: ") + dlerror());
    }

    int fail(int code, const std::string& message) {
        error = message;
        return code;
    }

  private:
    static VerilatedContext* tracing() {
        auto* const context = new VerilatedContext;
        context->traceEverOn(true);
        return context;
    }

    void edge(bool drive) {
        top_->aclk = 1;
        top_->eval();
        ++clock_, ++total_;
        if (drive) {
            lite_.drive(*top_);
            ddr.drive(clock_);
        }
#if VM_TRACE
        if (waves_) {  // so that the inputs change with the rising edge in the picture, too
            top_->eval();
            waves_->dump(total_ * 10);
        }
#endif
        top_->aclk = 0;
        top_->eval();
#if VM_TRACE
        if (waves_) waves_->dump(total_ * 10 + 5);
#endif
    }

    int access(const char* what, uint32_t offset) {
        char name[48];
        std::snprintf(name, sizeof name, "%s of register 0x%03x", what, offset);
        for (uint64_t n = 0; lite_.busy(); ++n) {
            if (n == ACCESS_CLOCKS)
                return fail(HWSIM_TIMEOUT, std::string(name) + " was not answered in " + std::to_string(ACCESS_CLOCKS) + " clocks");
            tick();
        }
        if (lite_.response)
            return fail(HWSIM_RESPONSE, std::string(name) + " was answered with response " + std::to_string(lite_.response));
        return HWSIM_OK;
    }

    int frame(hwsim_frames& job, uint8_t* in, uint8_t* out) {
        std::memcpy(in, job.inputs + job.done * job.in_bytes, job.in_bytes);
        std::memset(out, UNWRITTEN, job.out_bytes);
        run(IDLE_CLOCKS, false);
        arm_next_ = true;
        if (const int code = write(job.control, job.start | job.irq_enable)) return code;
        if (armed_) run(job.max_clocks, true);
        if (armed_ && !top_->irq_o) {
            armed_ = false;
            read(job.status, &job.last_status);
            read(job.error_info, &job.last_error_info);
            return fail(HWSIM_TIMEOUT, "not finished after " + std::to_string(job.max_clocks) + " clocks");
        }
        if (armed_) irq_clock_ = clock_, armed_ = false;
        job.latency[job.done] = static_cast<uint32_t>(irq_clock_ - lite_.accepted);
        if (const int code = read(job.status, &job.last_status)) return code;
        if (job.last_status & job.error_bit) {
            read(job.error_info, &job.last_error_info);
            return fail(HWSIM_ENGINE, "the engine ended in its error state");
        }
        if (job.counters)
            for (uint32_t i = 0; i < job.counter_count; ++i)
                if (const int code = read(job.counter_first + 4 * i, job.counters + job.done * job.counter_count + i)) return code;
        std::memcpy(job.outputs + job.done * job.out_bytes, out, job.out_bytes);
        return HWSIM_OK;
    }

    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<Vhwgen_top> top_;
#if VM_TRACE
    std::unique_ptr<Waves> waves_;
#endif
    Lite lite_;
    uint64_t clock_ = 0, total_ = 0, irq_clock_ = 0;
    bool arm_next_ = false, armed_ = false;  // the next irq is the end of the frame that was started

  public:
    Ddr ddr;
};

template <class Body>
int guarded(void* handle, Body body) {
    Sim& sim = *static_cast<Sim*>(handle);
    core = sim.core;
    try {
        return body(sim);
    } catch (const std::exception& problem) {
        return sim.fail(HWSIM_FATAL, problem.what());
    }
}

Sim& self(void* handle) { return *static_cast<Sim*>(handle); }

}  // namespace
}  // namespace hwsim

using hwsim::guarded;
using hwsim::self;
using hwsim::Sim;

uint32_t hwsim_version(void) { return HWSIM_VERSION; }
const char* hwsim_wave_format(void) {
#if VM_TRACE_VCD
    return "vcd";
#elif VM_TRACE_FST
    return "fst";
#else
    return "";
#endif
}

void* hwsim_create(uint64_t base, uint64_t size, uint8_t* memory) {
    try {
        return new Sim(base, size, memory);
    } catch (const std::exception& problem) {
        std::fprintf(stderr, "hwsim: %s\n", problem.what());
        return nullptr;
    }
}
void hwsim_destroy(void* handle) { delete static_cast<Sim*>(handle); }
const char* hwsim_error(void* handle) { return self(handle).error.c_str(); }
const char* hwsim_protocol(void* handle) { return self(handle).ddr.violation.c_str(); }
void hwsim_clear_protocol(void* handle) { self(handle).ddr.violation.clear(); }

int hwsim_core(void* handle, const char* path) {
    return guarded(handle, [&](Sim& sim) { return sim.load_core(path); });
}

int hwsim_reset(void* handle, uint32_t clocks) {
    return guarded(handle, [&](Sim& sim) { return sim.reset(clocks), HWSIM_OK; });
}
int hwsim_write(void* handle, uint32_t offset, uint32_t value) {
    return guarded(handle, [&](Sim& sim) { return sim.write(offset, value); });
}
int hwsim_read(void* handle, uint32_t offset, uint32_t* value) {
    return guarded(handle, [&](Sim& sim) { return sim.read(offset, value); });
}
int hwsim_run(void* handle, uint64_t max_clocks, int until_irq, uint64_t* advanced) {
    return guarded(handle, [&](Sim& sim) { return *advanced = sim.run(max_clocks, until_irq != 0), HWSIM_OK; });
}
int hwsim_wait(void* handle, uint32_t offset, uint32_t mask, uint32_t gap, uint64_t max_clocks, uint32_t* value) {
    return guarded(handle, [&](Sim& sim) { return sim.wait(offset, mask, gap, max_clocks, value); });
}
int hwsim_run_frames(void* handle, hwsim_frames* frames) {
    return guarded(handle, [&](Sim& sim) { return sim.run_frames(*frames); });
}
int hwsim_irq(void* handle) { return self(handle).irq(); }
uint64_t hwsim_clocks(void* handle) { return self(handle).clocks(); }
uint64_t hwsim_total_clocks(void* handle) { return self(handle).total(); }

int hwsim_memory_model(void* handle, uint32_t read_latency, uint32_t write_response, uint32_t outstanding, uint32_t jitter) {
    Sim& sim = self(handle);
    if (read_latency == 0 || write_response == 0 || outstanding == 0)
        return sim.fail(HWSIM_ARGUMENT, "latencies and outstanding bursts are at least 1");
    sim.ddr.read_latency = read_latency, sim.ddr.write_response = write_response;
    sim.ddr.outstanding = outstanding, sim.ddr.jitter = jitter;
    return HWSIM_OK;
}
void hwsim_stalls(void* handle, uint64_t seed, const double* probability) { self(handle).ddr.stalls(seed, probability); }
void hwsim_fault(void* handle, int is_write, int port, int kind, int64_t burst, uint64_t first, uint64_t last, int beat, int times) {
    self(handle).ddr.faults.push_back({is_write != 0, port, kind, burst, first, last, beat, times});
}
void hwsim_clear_faults(void* handle) { self(handle).ddr.clear_faults(); }
uint32_t hwsim_ports(void* handle) { return self(handle).ddr.ports(); }
void hwsim_get_traffic(void* handle, uint32_t port, hwsim_traffic* traffic) { *traffic = self(handle).ddr.traffic(port); }

int hwsim_waves(void* handle, const char* path) {
    return guarded(handle, [&](Sim& sim) { return sim.waves(path); });
}
