#ifndef NNET_HWGEN_REQUANTIZE_H_
#define NNET_HWGEN_REQUANTIZE_H_

// Requantize: v = x*mult + bias; relu; (+ r*rmult); y = clamp(half_to_even(v / 2**shift), lo, hi)
//
// Parameters are one per tensor or one per channel (any axis), constants of the config struct; bias holds the rounding
// half already. A multiplier that is a power of two is wiring. The residual r may be smaller than x: it is broadcast.
// Latency: product 2 clocks (3 when wider than a DSP slice, 0 if all multipliers are powers of two), sum 1 (2 with a
// residual), round and clamp 1.
// io_parallel: the whole tensor each reuse_factor clocks. io_stream: one packet (last axis) each reuse_factor clocks. A
// smaller residual is read whole first and held in registers; one of equal shape is read beside x, so its FIFO must
// hold what x's path delays: a frame, which is what hls4ml gives every FIFO.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

// The lane up to the relu, with the parameters of entry p.
template <class CONFIG_T, class x_T> typename CONFIG_T::sum_t scale(const x_T &x, unsigned p) {
    #pragma HLS INLINE
    const typename CONFIG_T::sum_t zero = half<typename CONFIG_T::sum_t>(CONFIG_T::shift(p));
    const typename CONFIG_T::sum_t v = to_raw(x) * CONFIG_T::mult(p) + CONFIG_T::bias(p);
    if (CONFIG_T::relu && v < zero)
        return zero;
    return v;
}

// One packet without a residual: x[base ..] -> y[base ..]; `at` says where it lies.
template <class CONFIG_T, class x_T, class y_T>
void requantize_packet(const cursor<CONFIG_T> &at, unsigned base, const x_T &x, y_T &y) {
    #pragma HLS INLINE
    for (unsigned j = 0; j < CONFIG_T::d3; j++) {
        #pragma HLS UNROLL
        const unsigned p = at.param(j);
        store(y[base + j], clamp<CONFIG_T>(settle(scale<CONFIG_T>(x[base + j], p), CONFIG_T::shift(p))));
    }
}

// One packet with a residual r, read with strides r0 .. r3.
template <class CONFIG_T, class x_T, class r_T, class y_T>
void requantize_add_packet(const cursor<CONFIG_T> &at, unsigned base, const x_T &x, const r_T *r, y_T &y) {
    #pragma HLS INLINE
    for (unsigned j = 0; j < CONFIG_T::d3; j++) {
        #pragma HLS UNROLL
        const unsigned p = at.param(j);
        const unsigned k = at.at(j, CONFIG_T::r0, CONFIG_T::r1, CONFIG_T::r2, CONFIG_T::r3);
        const typename CONFIG_T::sum_t v = scale<CONFIG_T>(x[base + j], p) + to_raw(r[k]) * CONFIG_T::rmult(p);
        store(y[base + j], clamp<CONFIG_T>(settle(v, CONFIG_T::shift(p))));
    }
}

template <class x_T, class y_T, class CONFIG_T>
void requantize(x_T x[cursor<CONFIG_T>::elements], y_T y[cursor<CONFIG_T>::elements]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    cursor<CONFIG_T> at;
    for (unsigned i = 0; i < at.packets; i++) {
        requantize_packet(at, i * CONFIG_T::d3, x, y);
        at.next();
    }
}

template <class x_T, class y_T, class CONFIG_T> void requantize(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    cursor<CONFIG_T> at;
PacketLoop:
    for (unsigned i = 0; i < at.packets; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        const x_T in = x.read();
        y_T out;
        requantize_packet(at, 0, in, out);
        y.write(out);
        at.next();
    }
}

template <class x_T, class r_T, class y_T, class CONFIG_T>
void requantize_add(x_T x[cursor<CONFIG_T>::elements], r_T r[CONFIG_T::rsize], y_T y[cursor<CONFIG_T>::elements]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    cursor<CONFIG_T> at;
    for (unsigned i = 0; i < at.packets; i++) {
        requantize_add_packet(at, i * CONFIG_T::d3, x, r, y);
        at.next();
    }
}

template <class x_T, class r_T, class y_T, class CONFIG_T>
void requantize_add(hls::stream<x_T> &x, hls::stream<r_T> &r, hls::stream<y_T> &y) {
    #pragma HLS ALLOCATION operation instances=mul limit=CONFIG_T::multiplier_limit
    typename r_T::value_type held[CONFIG_T::rsize];
    #pragma HLS ARRAY_PARTITION variable=held complete
    if (CONFIG_T::rheld)
        read_all<CONFIG_T::rsize>(r, held);
    cursor<CONFIG_T> at;
PacketLoop:
    for (unsigned i = 0; i < at.packets; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        const x_T in = x.read();
        if (!CONFIG_T::rheld)
            read_packet(r, held);
        y_T out;
        requantize_add_packet(at, 0, in, held, out);
        y.write(out);
        at.next();
    }
}

} // namespace hwgen
} // namespace nnet

#endif
