#ifndef NNET_HWGEN_SOFTMAX_H_
#define NNET_HWGEN_SOFTMAX_H_

// Softmax over the last axis, D elements: the integer algorithm of hwgen's docs/numerics.md
//
//   t = table[max(x) - x]   Q23 of exp;  S = sum(t);  e = floor(log2 S) - 23;  m = S / 2**e in Q20
//   r = mult/m in Q16: a straight line between two of 257 table entries
//   y = clamp(half_to_even(t * r / 2**(shift+e)), lo, hi)
//
// Latency: maximum one clock per two levels of the tree, difference and table 2, sum one per two levels, alignment 1,
// reciprocal 4, times mult 2 (0 if it is a power of two), product 3, round and clamp 2.
// io_parallel: the whole tensor each reuse_factor clocks. io_stream: one row each reuse_factor clocks.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

// mult / sum as r * 2**-e, e = CONFIG_T::emax - up.
template <class CONFIG_T> ap_uint<17> reciprocal(const typename CONFIG_T::total_t &sum, unsigned &up) {
    #pragma HLS INLINE
    up = CONFIG_T::emax;
    for (unsigned e = 1; e <= CONFIG_T::emax; e++) {
        #pragma HLS UNROLL
        if (sum >> (23 + e) != 0)
            up = CONFIG_T::emax - e;
    }
    const ap_uint<CONFIG_T::emax + 24> aligned = ap_uint<CONFIG_T::emax + 24>(sum) << up;
    const ap_uint<21> m = aligned >> (CONFIG_T::emax + 3);
    const ap_uint<8> i = m >> 12; // of 256 .. 511: the top bit is one
    const ap_uint<12> f = m;
    // rom_half holds 8 more than the table, to round; rom_drop is the way to the next entry.
    const ap_uint<12> drop = (CONFIG_T::rom_drop(i) * f) >> 12;
    const ap_uint<17> r0 = (CONFIG_T::rom_half(i) - drop) >> 4;
    return (r0 * ap_uint<17>(CONFIG_T::mult) + (1 << 15)) >> 16;
}

// One row: x[base ..] -> y[base ..].
template <class CONFIG_T, class x_T, class y_T> void softmax_row(unsigned base, const x_T &x, y_T &y) {
    #pragma HLS INLINE
    const unsigned D = CONFIG_T::n_row;
    typename CONFIG_T::value_t values[D];
    typename CONFIG_T::total_t terms[D];
    #pragma HLS ARRAY_PARTITION variable=values complete
    #pragma HLS ARRAY_PARTITION variable=terms complete
    for (unsigned j = 0; j < D; j++) {
        #pragma HLS UNROLL
        values[j] = to_raw(x[base + j]);
    }
    const typename CONFIG_T::value_t largest = tree<D>::apply(values, op_max());
    for (unsigned j = 0; j < D; j++) {
        #pragma HLS UNROLL
        const typename CONFIG_T::index_t below = largest - values[j];
        terms[j] = CONFIG_T::table(below);
    }
    unsigned up;
    const ap_uint<17> r = reciprocal<CONFIG_T>(tree<D>::apply(terms, op_add()), up);
    const ap_uint<4> e = CONFIG_T::emax - up;
    const typename CONFIG_T::lane_t half_up = half<typename CONFIG_T::lane_t>(ap_uint<6>(CONFIG_T::shift + e));
    for (unsigned j = 0; j < D; j++) {
        #pragma HLS UNROLL
        const typename CONFIG_T::lane_t t = typename CONFIG_T::table_t(terms[j]) * r + half_up;
        // By the constant part of the shift, then by e: what is left to shift is as short as the result.
        const typename CONFIG_T::short_t top = t >> CONFIG_T::shift;
        typename CONFIG_T::short_t v = top >> e;
        const ap_uint<CONFIG_T::shift> dropped = t;
        if (dropped == 0 && typename CONFIG_T::short_t(v << e) == top)
            v[0] = 0;
        store(y[base + j], clamp<CONFIG_T>(v));
    }
}

template <class x_T, class y_T, class CONFIG_T>
void softmax(x_T x[CONFIG_T::n_rows * CONFIG_T::n_row], y_T y[CONFIG_T::n_rows * CONFIG_T::n_row]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    for (unsigned i = 0; i < CONFIG_T::n_rows; i++)
        softmax_row<CONFIG_T>(i * CONFIG_T::n_row, x, y);
}

template <class x_T, class y_T, class CONFIG_T> void softmax(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
RowLoop:
    for (unsigned i = 0; i < CONFIG_T::n_rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        const x_T in = x.read();
        y_T out;
        softmax_row<CONFIG_T>(0, in, out);
        y.write(out);
    }
}

} // namespace hwgen
} // namespace nnet

#endif
