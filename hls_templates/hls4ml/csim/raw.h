// Between plain integers and the arrays or streams of an hls4ml top function, bit for bit and without floating point.

#ifndef HWGEN_RAW_H_
#define HWGEN_RAW_H_

#include "ap_fixed.h"
#include "hls_stream.h"
#include <cstddef>
#include <cstdint>

namespace hwgen {

// The raw bits of an ap_fixed or ap_ufixed as an integer, sign or zero extended; and back.
template <class T> void put(T &x, int32_t value) { x.range(T::width - 1, 0) = ap_int<T::width + 1>(value); }

template <class T> int32_t get(const T &x) {
    T ones;
    put(ones, -1); // negative only if the type is signed; T(-1) would not do, for it may wrap to 0
    int64_t bits = T(x).range(T::width - 1, 0).to_uint64();
    if (ones < T(0) && (bits >> (T::width - 1) & 1))
        bits -= int64_t(1) << T::width;
    return int32_t(bits);
}

// Arrays of io_parallel: one element after the other. Both return how many integers they took or gave.
template <size_t N, class T> size_t feed(const int32_t *from, T *to) {
    for (size_t i = 0; i < N; i++)
        put(to[i], from[i]);
    return N;
}

template <size_t N, class T> size_t drain(T *from, int32_t *to) {
    for (size_t i = 0; i < N; i++)
        to[i] = get(from[i]);
    return N;
}

// Streams of io_stream: packets of T::size elements.
template <size_t N, class T> size_t feed(const int32_t *from, hls::stream<T> &to) {
    for (size_t i = 0; i < N; i += T::size) {
        T packet;
        for (size_t j = 0; j < T::size; j++)
            put(packet[j], from[i + j]);
        to.write(packet);
    }
    return N;
}

template <size_t N, class T> size_t drain(hls::stream<T> &from, int32_t *to) {
    for (size_t i = 0; i < N; i += T::size) {
        T packet = from.read();
        for (size_t j = 0; j < T::size; j++)
            to[i + j] = get(packet[j]);
    }
    return N;
}

} // namespace hwgen

#endif
