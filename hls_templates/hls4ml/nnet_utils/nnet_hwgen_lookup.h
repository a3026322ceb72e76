#ifndef NNET_HWGEN_LOOKUP_H_
#define NNET_HWGEN_LOOKUP_H_

// Lookup: y = table[x - offset], table: one entry per value that x can have
//
// Latency: 1 clock. Each lane has a table of its own, in LUTs: 32 of them for 256 entries of 8 bits.
// io_parallel: the whole tensor each reuse_factor clocks. io_stream: one packet (last axis) each reuse_factor clocks.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

// N elements x[base ..] -> y[base ..].
template <class CONFIG_T, unsigned N, class x_T, class y_T> void lookup_packet(unsigned base, const x_T &x, y_T &y) {
    #pragma HLS INLINE
    for (unsigned j = 0; j < N; j++) {
        #pragma HLS UNROLL
        const typename CONFIG_T::index_t i = to_raw(x[base + j]) - ap_int<10>(CONFIG_T::offset);
        store(y[base + j], CONFIG_T::table(i));
    }
}

template <class x_T, class y_T, class CONFIG_T> void lookup(x_T x[CONFIG_T::n_elem], y_T y[CONFIG_T::n_elem]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    lookup_packet<CONFIG_T, CONFIG_T::n_elem>(0, x, y);
}

template <class x_T, class y_T, class CONFIG_T> void lookup(hls::stream<x_T> &x, hls::stream<y_T> &y) {
PacketLoop:
    for (unsigned i = 0; i < CONFIG_T::n_elem / x_T::size; i++) {
        #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
        const x_T in = x.read();
        y_T out;
        lookup_packet<CONFIG_T, x_T::size>(0, in, out);
        y.write(out);
    }
}

} // namespace hwgen
} // namespace nnet

#endif
