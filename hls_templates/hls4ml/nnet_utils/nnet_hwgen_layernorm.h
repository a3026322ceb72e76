#ifndef NNET_HWGEN_LAYERNORM_H_
#define NNET_HWGEN_LAYERNORM_H_

// LayerNorm and RMSNorm over the last axis, D elements: the integer algorithm of hwgen's docs/numerics.md
//
//   V = D*sum(x**2) - sum(x)**2 + E;  e = floor(log2 V) / 2;  m = V / 4**e in Q24
//   r = 1/sqrt(m) in Q24: a table of 768 entries, one Newton step
//   z = half_up((x*D - sum(x)) * r / 2**(4+e));  y = clamp(half_to_even((z*gamma + bias) / 2**shift), lo, hi)
//
// The shift by e is done on x*D - sum(x) beside the root, so no lane waits for it, and the shift after the product is
// a constant. gamma, bias (with the rounding half in it) and shift: one per tensor or per element.
// Latency: squares 2 clocks, sums one per two levels of the adder tree, variance 3, alignment 2, root 9, times root
// 2 and times gamma 2 (3 each when wider than a DSP slice; gamma 0 if all are powers of two), sum 1, round and clamp 1.
// io_parallel: the whole tensor each reuse_factor clocks. io_stream: one row each reuse_factor clocks.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

// 1/sqrt(v) = root * 2**-24 * 2**-e: V shifted left by pairs of bits until it is as long as the longest V can be.
// up: how many pairs that took, emax - e.
template <class CONFIG_T> ap_uint<25> reciprocal_root(const typename CONFIG_T::variance_t &v, unsigned &up) {
    #pragma HLS INLINE
    up = CONFIG_T::emax - CONFIG_T::emin;
    for (unsigned e = CONFIG_T::emin + 1; e <= CONFIG_T::emax; e++) {
        #pragma HLS UNROLL
        if (v >> (2 * e) != 0)
            up = CONFIG_T::emax - e;
    }
    const ap_uint<2 * CONFIG_T::emax + 26> aligned = ap_uint<2 * CONFIG_T::emax + 26>(v) << (2 * up + 24);
    const ap_uint<26> m = aligned >> (2 * CONFIG_T::emax);
    const ap_uint<16> r0 = CONFIG_T::rsqrt((m >> 16) - 256);
    const ap_uint<18> square = (r0 * r0) >> 14;
    const ap_uint<26> u = (m * square) >> 18;
    const ap_uint<26> correction = ap_uint<26>(3 << 24) - u;
    return (r0 * correction) >> 17;
}

// One row: x[base ..] -> y[base ..].
template <class CONFIG_T, class x_T, class y_T> void layernorm_row(unsigned base, const x_T &x, y_T &y) {
    #pragma HLS INLINE
    const unsigned D = CONFIG_T::n_row;
    typename CONFIG_T::sum_t values[D];
    typename CONFIG_T::squares_t squares[D];
    #pragma HLS ARRAY_PARTITION variable=values complete
    #pragma HLS ARRAY_PARTITION variable=squares complete
    for (unsigned j = 0; j < D; j++) {
        #pragma HLS UNROLL
        values[j] = CONFIG_T::rms ? typename CONFIG_T::sum_t(0) : typename CONFIG_T::sum_t(to_raw(x[base + j]));
        squares[j] = to_raw(x[base + j]) * to_raw(x[base + j]);
    }
    const typename CONFIG_T::sum_t s1 = tree<D>::apply(values, op_add());
    const typename CONFIG_T::squares_t s2 = tree<D>::apply(squares, op_add());
    const typename CONFIG_T::variance_t v = s2 * ap_uint<17>(D) - s1 * s1 + typename CONFIG_T::eps_t(CONFIG_T::eps);
    unsigned up;
    const ap_uint<25> root = reciprocal_root<CONFIG_T>(v, up);
    for (unsigned j = 0; j < D; j++) {
        #pragma HLS UNROLL
        const unsigned p = j * CONFIG_T::p3;
        const typename CONFIG_T::deviation_t deviation = to_raw(x[base + j]) * ap_uint<17>(D) - s1;
        const typename CONFIG_T::aligned_t aligned = typename CONFIG_T::aligned_t(deviation) << up;
        const typename CONFIG_T::scaled_t q = aligned * root;
        const typename CONFIG_T::z_t z = ((q >> (3 + CONFIG_T::emax)) + 1) >> 1;
        const typename CONFIG_T::lane_t t = z * CONFIG_T::gamma(p) + CONFIG_T::bias(p);
        store(y[base + j], clamp<CONFIG_T>(settle(t, CONFIG_T::shift(p))));
    }
}

template <class x_T, class y_T, class CONFIG_T>
void layernorm(x_T x[CONFIG_T::n_rows * CONFIG_T::n_row], y_T y[CONFIG_T::n_rows * CONFIG_T::n_row]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    for (unsigned i = 0; i < CONFIG_T::n_rows; i++)
        layernorm_row<CONFIG_T>(i * CONFIG_T::n_row, x, y);
}

template <class x_T, class y_T, class CONFIG_T> void layernorm(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
RowLoop:
    for (unsigned i = 0; i < CONFIG_T::n_rows; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        const x_T in = x.read();
        y_T out;
        layernorm_row<CONFIG_T>(0, in, out);
        y.write(out);
    }
}

} // namespace hwgen
} // namespace nnet

#endif
