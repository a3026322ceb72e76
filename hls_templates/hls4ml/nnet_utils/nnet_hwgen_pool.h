#ifndef NNET_HWGEN_POOL_H_
#define NNET_HWGEN_POOL_H_

// MaxPool and SumPool over windows of x[height][width][channels], with padding
//
// Padding counts as CONFIG_T::pad: 0 for a sum, a value that never wins for a maximum.
// Latency: io_parallel one clock per two levels of the tree over a window. io_stream one clock per pixel of the padded
// image (it makes up the padding), and the tree's clocks after the last one.
// io_stream reduces columns first, then rows. Windows that do not overlap keep one partial result per output column;
// overlapping ones keep kernel_h - 1 rows of results in shift registers (SRLs), so nothing is ever addressed.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

template <bool MAX> struct op_pool : op_max {};
template <> struct op_pool<false> : op_add {};

template <class x_T, class y_T, class CONFIG_T>
void pool(x_T x[CONFIG_T::height * CONFIG_T::width * CONFIG_T::channels],
          y_T y[CONFIG_T::out_height * CONFIG_T::out_width * CONFIG_T::channels]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    typedef typename CONFIG_T::value_t value_t;
    const unsigned taps = CONFIG_T::kernel_h * CONFIG_T::kernel_w;
    for (unsigned o = 0; o < CONFIG_T::out_height * CONFIG_T::out_width; o++) {
        const int top = int(o / CONFIG_T::out_width * CONFIG_T::stride_h) - int(CONFIG_T::pad_top);
        const int left = int(o % CONFIG_T::out_width * CONFIG_T::stride_w) - int(CONFIG_T::pad_left);
        for (unsigned c = 0; c < CONFIG_T::channels; c++) {
            value_t window[taps];
            #pragma HLS ARRAY_PARTITION variable=window complete
            for (unsigned k = 0; k < taps; k++) {
                const int row = top + int(k / CONFIG_T::kernel_w), col = left + int(k % CONFIG_T::kernel_w);
                const bool inside = 0 <= row && row < int(CONFIG_T::height) && 0 <= col && col < int(CONFIG_T::width);
                if (inside)
                    window[k] = to_raw(x[(row * CONFIG_T::width + col) * CONFIG_T::channels + c]);
                else
                    window[k] = CONFIG_T::pad;
            }
            store(y[o * CONFIG_T::channels + c], tree<taps>::apply(window, op_pool<CONFIG_T::is_max>()));
        }
    }
}

// Reduces along one axis, KERNEL values every STRIDE, when fed one value after another of LANES interleaved sequences
// (the columns of an image that comes row by row; 1 for the pixels of one row). line: what it keeps.
template <class T, class OP, unsigned KERNEL, unsigned STRIDE, unsigned LANES> struct reducer {
    static const bool apart = STRIDE >= KERNEL; // windows do not overlap
    static const unsigned depth = apart || KERNEL == 1 ? 1 : KERNEL - 1;

    // position: of v within its window, negative between windows. Returns the window's result if that is KERNEL - 1.
    static T push(T (&line)[depth][LANES], const T &v, int position) {
        #pragma HLS INLINE
        const OP op = OP();
        T all[depth + 1], pushed = v, result;
        #pragma HLS ARRAY_PARTITION variable=all complete
        for (unsigned d = 0; d < depth; d++) {
            #pragma HLS UNROLL
            all[d] = line[d][0];
        }
        all[depth] = v;
        if (apart)
            result = pushed = position <= 0 ? v : op(line[0][0], v);
        else
            result = tree<depth + 1>::apply(all, op);
        for (unsigned d = 0; d < depth; d++) {
            #pragma HLS UNROLL
            for (unsigned i = 0; i + 1 < LANES; i++) {
                #pragma HLS UNROLL
                line[d][i] = line[d][i + 1];
            }
            line[d][LANES - 1] = d + 1 < depth ? all[d + 1] : pushed;
        }
        return result;
    }

    static int next(int position) {
        #pragma HLS INLINE
        return position == int(KERNEL) - 1 ? int(KERNEL) - int(STRIDE) : position + 1;
    }
};

template <class x_T, class y_T, class CONFIG_T> void pool(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    typedef typename CONFIG_T::value_t value_t;
    typedef op_pool<CONFIG_T::is_max> op;
    typedef reducer<value_t, op, CONFIG_T::kernel_w, CONFIG_T::stride_w, 1> across_t;
    typedef reducer<value_t, op, CONFIG_T::kernel_h, CONFIG_T::stride_h, CONFIG_T::out_width> down_t;
    value_t across[CONFIG_T::channels][across_t::depth][1];
    value_t down[CONFIG_T::channels][down_t::depth][CONFIG_T::out_width];
    #pragma HLS ARRAY_PARTITION variable=across complete dim=0
    #pragma HLS ARRAY_PARTITION variable=down complete dim=0
    unsigned row = 0, col = 0;
    int in_row = 0, in_col = 0; // position within the window
PixelLoop:
    for (unsigned i = 0; i < CONFIG_T::rows * CONFIG_T::columns; i++) {
        #pragma HLS PIPELINE II=1
        const bool inside = row >= CONFIG_T::pad_top && row < CONFIG_T::pad_top + CONFIG_T::height &&
                            col >= CONFIG_T::pad_left && col < CONFIG_T::pad_left + CONFIG_T::width;
        x_T in;
        if (inside)
            in = x.read();
        const bool ends = in_col == int(CONFIG_T::kernel_w) - 1;
        y_T out;
        for (unsigned c = 0; c < CONFIG_T::channels; c++) {
            #pragma HLS UNROLL
            const value_t v = inside ? value_t(to_raw(in[c])) : value_t(CONFIG_T::pad);
            const value_t h = across_t::push(across[c], v, in_col);
            if (ends)
                store(out[c], down_t::push(down[c], h, in_row));
        }
        if (ends && in_row == int(CONFIG_T::kernel_h) - 1)
            y.write(out);
        in_col = across_t::next(in_col);
        if (++col == CONFIG_T::columns) {
            col = 0;
            in_col = 0;
            row++;
            in_row = down_t::next(in_row);
        }
    }
}

} // namespace hwgen
} // namespace nnet

#endif
