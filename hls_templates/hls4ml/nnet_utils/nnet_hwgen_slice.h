#ifndef NNET_HWGEN_SLICE_H_
#define NNET_HWGEN_SLICE_H_

// Slice: y = x[:, start:stop:step, :] of x[outer][size][inner]
//
// Latency: io_parallel 0 clocks (wires). io_stream 1; it reads one packet (last axis) a clock and passes on those, or
// those lanes, that the slice keeps.

#include "nnet_hwgen_common.h"

namespace nnet {
namespace hwgen {

template <class x_T, class y_T, class CONFIG_T>
void slice(x_T x[CONFIG_T::outer * CONFIG_T::size * CONFIG_T::inner],
           y_T y[CONFIG_T::outer * CONFIG_T::kept * CONFIG_T::inner]) {
    #pragma HLS PIPELINE II=CONFIG_T::reuse_factor
    for (unsigned o = 0; o < CONFIG_T::outer; o++) {
        #pragma HLS UNROLL
        for (unsigned k = 0; k < CONFIG_T::kept; k++) {
            #pragma HLS UNROLL
            for (unsigned i = 0; i < CONFIG_T::inner; i++) {
                #pragma HLS UNROLL
                const unsigned from = o * CONFIG_T::size + CONFIG_T::start + k * CONFIG_T::step;
                store(y[(o * CONFIG_T::kept + k) * CONFIG_T::inner + i], to_raw(x[from * CONFIG_T::inner + i]));
            }
        }
    }
}

// Along the last axis: some lanes of every packet.
template <class x_T, class y_T, class CONFIG_T> void slice_lanes(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    #pragma HLS INLINE
PacketLoop:
    for (unsigned o = 0; o < CONFIG_T::outer; o++) {
        #pragma HLS PIPELINE II=1
        const x_T in = x.read();
        y_T out;
        for (unsigned k = 0; k < CONFIG_T::kept; k++) {
            #pragma HLS UNROLL
            store(out[k], to_raw(in[CONFIG_T::start + k * CONFIG_T::step]));
        }
        y.write(out);
    }
}

// Along another axis: some of the packets.
template <class x_T, class y_T, class CONFIG_T> void slice_packets(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    #pragma HLS INLINE
    const unsigned each = CONFIG_T::inner / x_T::size; // packets of one index of the axis
    const unsigned last = CONFIG_T::start + (CONFIG_T::kept - 1) * CONFIG_T::step;
    unsigned index = 0, packet = 0, next = CONFIG_T::start;
PacketLoop:
    for (unsigned n = 0; n < CONFIG_T::outer * CONFIG_T::size * each; n++) {
        #pragma HLS PIPELINE II=1
        const x_T in = x.read();
        y_T out;
        for (unsigned j = 0; j < x_T::size; j++) {
            #pragma HLS UNROLL
            store(out[j], to_raw(in[j]));
        }
        const bool keep = index == next;
        if (keep)
            y.write(out);
        if (++packet == each) {
            packet = 0;
            if (keep && next != last)
                next += CONFIG_T::step;
            if (++index == CONFIG_T::size) {
                index = 0;
                next = CONFIG_T::start;
            }
        }
    }
}

template <class x_T, class y_T, class CONFIG_T> void slice(hls::stream<x_T> &x, hls::stream<y_T> &y) {
    if (CONFIG_T::lanes)
        slice_lanes<x_T, y_T, CONFIG_T>(x, y);
    else
        slice_packets<x_T, y_T, CONFIG_T>(x, y);
}

} // namespace hwgen
} // namespace nnet

#endif
