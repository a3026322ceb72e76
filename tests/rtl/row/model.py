import numpy as np
ROM = [round(2**16 / ((i + 0.5) / 256) ** 0.5) if i >= 256 else 0 for i in range(1024)]
def round_shift(v, shift):
    shift = np.minimum(np.asarray(shift, np.int64), 62)
    h = np.where(shift > 0, (np.int64(1) << np.maximum(shift - 1, 0)) - 1, 0)
    odd = np.where(shift > 0, (v >> shift) & 1, 0)
    return (v + h + odd) >> shift
def normalize(x, eps, rms):
    d = len(x); x = [int(t) for t in x]
    s1 = 0 if rms else sum(x)
    s2 = sum(t * t for t in x)
    v = d * s2 - s1 * s1 + eps
    e = (v.bit_length() - 1) >> 1
    m = (v << 24) >> (2 * e)
    r0 = ROM[m >> 16]
    u = (m * ((r0 * r0) >> 14)) >> 18
    r = (r0 * (3 * 2**24 - u)) >> 17
    return [((t * d - s1) * r + (1 << (3 + e))) >> (4 + e) for t in x]
