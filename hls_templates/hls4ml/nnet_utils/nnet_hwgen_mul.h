#ifndef NNET_HWGEN_MUL_H_
#define NNET_HWGEN_MUL_H_

// Mul: y = clamp(half_to_even(a*b*mult / 2**shift), lo, hi), broadcast as in NumPy
//
// mult and shift are one per tensor or one per channel (any axis), constants of the config struct.
// Latency: product 2 clocks, times mult 2 (3 when wider than a DSP slice, 0 if all are powers of two), round and
// clamp 1.
// io_parallel: the whole tensor each reuse_factor clocks. io_stream: one packet (last axis) each reuse_factor clocks.
// An operand smaller than the output is read whole first and held in registers, one of equal shape is read packet by
// packet. So where both come from one tensor (x * f(mean of x)), the FIFO of the large one must hold a frame, which is
// what hls4ml gives every FIFO.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

// One packet, a and b read with strides a0 .. a3 and b0 .. b3 -> y[base ..]; `at` says where it lies.
template <class CONFIG_T, class a_T, class b_T, class y_T>
void mul_packet(const cursor<CONFIG_T> &at, unsigned base, const a_T *a, const b_T *b, y_T &y) {
    #pragma HLS INLINE
    for (unsigned j = 0; j < CONFIG_T::d3; j++) {
        #pragma HLS UNROLL
        const unsigned p = at.param(j);
        const unsigned ka = at.at(j, CONFIG_T::a0, CONFIG_T::a1, CONFIG_T::a2, CONFIG_T::a3);
        const unsigned kb = at.at(j, CONFIG_T::b0, CONFIG_T::b1, CONFIG_T::b2, CONFIG_T::b3);
        const typename CONFIG_T::product_t ab = to_raw(a[ka]) * to_raw(b[kb]);
        const typename CONFIG_T::sum_t half_up = half<typename CONFIG_T::sum_t>(CONFIG_T::shift(p));
        const typename CONFIG_T::sum_t v = ab * CONFIG_T::mult(p) + half_up;
        store(y[base + j], clamp<CONFIG_T>(settle(v, CONFIG_T::shift(p))));
    }
}

template <class a_T, class b_T, class y_T, class CONFIG_T>
void mul(a_T a[CONFIG_T::asize], b_T b[CONFIG_T::bsize], y_T y[cursor<CONFIG_T>::elements]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    cursor<CONFIG_T> at;
    for (unsigned i = 0; i < at.packets; i++) {
        mul_packet(at, i * CONFIG_T::d3, a, b, y);
        at.next();
    }
}

template <class a_T, class b_T, class y_T, class CONFIG_T>
void mul(hls::stream<a_T> &a, hls::stream<b_T> &b, hls::stream<y_T> &y) {
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    typename a_T::value_type held_a[CONFIG_T::asize];
    typename b_T::value_type held_b[CONFIG_T::bsize];
    #pragma HLS ARRAY_PARTITION variable=held_a complete
    #pragma HLS ARRAY_PARTITION variable=held_b complete
    if (CONFIG_T::aheld)
        read_all<CONFIG_T::asize>(a, held_a);
    if (CONFIG_T::bheld)
        read_all<CONFIG_T::bsize>(b, held_b);
    cursor<CONFIG_T> at;
PacketLoop:
    for (unsigned i = 0; i < at.packets; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        if (!CONFIG_T::aheld)
            read_packet(a, held_a);
        if (!CONFIG_T::bheld)
            read_packet(b, held_b);
        y_T out;
        mul_packet(at, 0, held_a, held_b, out);
        y.write(out);
        at.next();
    }
}

} // namespace hwgen
} // namespace nnet

#endif
