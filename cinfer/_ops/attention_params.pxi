# What both kernels of attention are told: attention.h has what it means.

ctypedef struct attention_t:
    buf_t q, k, v, mask, y
    int64_t batch0, batch1, m, n, d, dv, ldq, ldm, ldy, q0, q1, k0, k1, v0, v1, m0, m1, y0, y1, rows, row_tiles, pack
    int64_t kd, kn, vn, vd
    double scale

cdef attention_t attention_params
