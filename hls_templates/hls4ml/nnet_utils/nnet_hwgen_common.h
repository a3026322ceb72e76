#ifndef NNET_HWGEN_COMMON_H_
#define NNET_HWGEN_COMMON_H_

// What hwgen's operators share: raw bits of HLS numbers, rounding, clamping, balanced trees.
//
// All arithmetic is on integers: the raw bits of an ap_(u)fixed or ap_(u)int, so the place of the binary point never
// matters. Every width comes from the config struct, which hwgen computes from the range of the values.

#include "ap_fixed.h"
#include "ap_int.h"
#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {
namespace hwgen {

// The integer type with the bits of an HLS number.
template <class T> struct raw;
template <int W> struct raw<ap_int<W>> {
    typedef ap_int<W> type;
};
template <int W> struct raw<ap_uint<W>> {
    typedef ap_uint<W> type;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct raw<ap_fixed<W, I, Q, O, N>> {
    typedef ap_int<W> type;
};
template <int W, int I, ap_q_mode Q, ap_o_mode O, int N> struct raw<ap_ufixed<W, I, Q, O, N>> {
    typedef ap_uint<W> type;
};

// The bits of x as an integer.
template <class T> typename raw<T>::type to_raw(const T &x) {
    #pragma HLS INLINE
    typename raw<T>::type bits;
    bits.range() = x.range();
    return bits;
}

// x becomes the number whose bits are the integer v, which must fit.
template <class T, class V> void store(T &x, const V &v) {
    #pragma HLS INLINE
    const typename raw<T>::type bits = v;
    x.range() = bits.range();
}

// v / 2**shift, half to even, given t = v + 2**shift / 2: a tie is where all dropped bits of t are zero.
// No adder: the half is part of a constant. A shift by a constant is wiring.
template <int W, class S> ap_int<W> settle(const ap_int<W> &t, const S &shift) {
    #pragma HLS INLINE
    ap_int<W> y = t >> shift;
    const ap_uint<W> dropped = (ap_uint<W>(1) << shift) - 1;
    if (shift != 0 && (ap_uint<W>(t) & dropped) == 0)
        y[0] = 0;
    return y;
}

// y within CONFIG_T::lo .. hi; a bound that cannot be passed costs no comparison.
template <class CONFIG_T, int W> ap_int<W> clamp(const ap_int<W> &y) {
    #pragma HLS INLINE
    if (CONFIG_T::clamp_lo && y < ap_int<W>(CONFIG_T::lo))
        return ap_int<W>(CONFIG_T::lo);
    if (CONFIG_T::clamp_hi && y > ap_int<W>(CONFIG_T::hi))
        return ap_int<W>(CONFIG_T::hi);
    return y;
}

// Walks over the packets (rows of the last axis) of a tensor CONFIG_T::d0 x d1 x d2 x d3, in row-major order.
template <class CONFIG_T> struct cursor {
    static const unsigned packets = CONFIG_T::d0 * CONFIG_T::d1 * CONFIG_T::d2;
    static const unsigned elements = packets * CONFIG_T::d3;
    unsigned i0, i1, i2;

    cursor() : i0(0), i1(0), i2(0) {}

    void next() {
        #pragma HLS INLINE
        if (++i2 == CONFIG_T::d2) {
            i2 = 0;
            if (++i1 == CONFIG_T::d1) {
                i1 = 0;
                i0++;
            }
        }
    }

    // Where element j of this packet lies in a tensor with these strides (0: repeated along that axis).
    unsigned at(unsigned j, unsigned s0, unsigned s1, unsigned s2, unsigned s3) const {
        #pragma HLS INLINE
        return i0 * s0 + i1 * s1 + i2 * s2 + j * s3;
    }
    unsigned param(unsigned j) const {
        #pragma HLS INLINE
        return at(j, CONFIG_T::p0, CONFIG_T::p1, CONFIG_T::p2, CONFIG_T::p3);
    }
};

// Half of 2**shift, as the type of the sum.
template <class T, class S> T half(const S &shift) {
    #pragma HLS INLINE
    return shift == 0 ? T(0) : T(T(1) << (shift - 1));
}

// op over x[0..N-1] as a balanced tree.
template <unsigned N> struct tree {
    template <class T, class OP> static T apply(const T *x, const OP &op) {
        #pragma HLS INLINE
        return op(tree<(N + 1) / 2>::apply(x, op), tree<N / 2>::apply(x + (N + 1) / 2, op));
    }
};
template <> struct tree<1> {
    template <class T, class OP> static T apply(const T *x, const OP &) {
        #pragma HLS INLINE
        return x[0];
    }
};

struct op_add {
    template <class T> T operator()(const T &a, const T &b) const {
        #pragma HLS INLINE
        return a + b;
    }
};

struct op_max {
    template <class T> T operator()(const T &a, const T &b) const {
        #pragma HLS INLINE
        return a >= b ? a : b;
    }
};

// The next packet of a stream into held[base ..].
template <class data_T>
void read_packet(hls::stream<data_T> &data, typename data_T::value_type *held, unsigned base = 0) {
    #pragma HLS INLINE
    const data_T packet = data.read();
    for (unsigned j = 0; j < data_T::size; j++) {
        #pragma HLS UNROLL
        held[base + j] = packet[j];
    }
}

// All N elements of a frame into held.
template <unsigned N, class data_T> void read_all(hls::stream<data_T> &data, typename data_T::value_type *held) {
    #pragma HLS INLINE
HoldLoop:
    for (unsigned i = 0; i < N / data_T::size; i++) {
        #pragma HLS PIPELINE II=1
        read_packet(data, held, i * data_T::size);
    }
}

} // namespace hwgen
} // namespace nnet

#endif
