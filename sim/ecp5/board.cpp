// A board with a serial line as a C library: the whole chip, its clock, its button, and the USB chip's two wires.
//
// Bytes to the board go out at any baud (`bit`: clocks a bit); what the board sends is sampled in the middle of each bit. All time is
// counted in clocks of the chip. A handle belongs to one thread at a time.
#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>

#include "Vulx3s_top.h"
#include "verilated.h"

#define BOARD_API extern "C" __attribute__((visibility("default")))

void vl_fatal(const char* file, int line, const char*, const char* message) {
    throw std::runtime_error(std::string(message ? message : "$fatal") + " (" + (file ? file : "") + ":" + std::to_string(line) + ")");
}
void vl_stop(const char* file, int line, const char* where) { vl_fatal(file, line, where, "$stop"); }
void vl_finish(const char* file, int line, const char* where) { vl_fatal(file, line, where, "$finish"); }

namespace {

class Board {
  public:
    std::deque<uint8_t> to_board, from_board;
    uint64_t clocks = 0;
    bool pressed = false;

    explicit Board(double bit) : bit_(bit), context_(new VerilatedContext), top_(new Vulx3s_top(context_.get(), "ulx3s_top")) {
        top_->ftdi_txd = 1;
        top_->btn = 1;
        top_->clk_25mhz = 0;
        top_->eval();
    }
    ~Board() { top_->final(); }

    uint32_t led() const { return top_->led; }

    void tick() {
        drive();
        top_->btn = !pressed;
        top_->clk_25mhz = 1;
        top_->eval();
        top_->clk_25mhz = 0;
        top_->eval();
        ++clocks;
        sample(top_->ftdi_rxd);
    }

  private:
    void drive() {
        if (!sending_) {
            if (to_board.empty()) return;
            shift_ = uint32_t(to_board.front()) << 1 | 1u << 9;
            to_board.pop_front();
            sending_ = true;
            out_ = 0;
        }
        top_->ftdi_txd = shift_ >> int(out_ / bit_) & 1;
        out_ += 1;
        if (out_ >= 10 * bit_) sending_ = false;
    }

    void sample(bool level) {
        if (!receiving_) {
            if (level) return;
            receiving_ = true;
            in_ = 0, next_ = bit_ / 2, bits_ = 0, word_ = 0;
        }
        if (in_ >= next_) {
            word_ |= uint32_t(level) << bits_++;
            next_ += bit_;
            if (bits_ == 10) {
                receiving_ = false;
                if (word_ & 1 << 9 && !(word_ & 1)) from_board.push_back(uint8_t(word_ >> 1));
            }
        }
        in_ += 1;
    }

    double bit_, out_ = 0, in_ = 0, next_ = 0;
    uint32_t shift_ = 0, word_ = 0;
    int bits_ = 0;
    bool sending_ = false, receiving_ = false;
    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<Vulx3s_top> top_;
};

Board& self(void* handle) { return *static_cast<Board*>(handle); }

}  // namespace

BOARD_API void* board_create(double bit) {
    try {
        return new Board(bit);
    } catch (const std::exception&) {
        return nullptr;
    }
}
BOARD_API void board_destroy(void* handle) { delete &self(handle); }
BOARD_API void board_button(void* handle, int pressed) { self(handle).pressed = pressed != 0; }
BOARD_API uint32_t board_led(void* handle) { return self(handle).led(); }
BOARD_API uint64_t board_clocks(void* handle) { return self(handle).clocks; }
BOARD_API void board_send(void* handle, const uint8_t* data, uint64_t size) {
    self(handle).to_board.insert(self(handle).to_board.end(), data, data + size);
}

// Runs at most `clocks` clocks, with `stop` only until a byte has come; gives up to `room` bytes.
// Returns their number, or -1 when the RTL itself stopped.
BOARD_API int64_t board_run(void* handle, uint64_t clocks, int stop, uint8_t* data, uint64_t room) try {
    Board& board = self(handle);
    for (uint64_t i = 0; i < clocks && !(stop && !board.from_board.empty()); ++i) board.tick();
    uint64_t n = 0;
    for (; n < room && !board.from_board.empty(); ++n) {
        data[n] = board.from_board.front();
        board.from_board.pop_front();
    }
    return int64_t(n);
} catch (const std::exception&) {
    return -1;
}
