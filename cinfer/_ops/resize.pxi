# Resizing of pictures; the contract is in resize.h. Bound by the stores: what is read again is in L1.

cdef extern from "resize.h" nogil:
    pass

ctypedef struct resize_t:
    buf_t x, y, iy0, iy1, wy, ix0, ix1, wx
    int64_t n, cb, oh, ow, xn, xb, xr, yn, yb, yr, linear, row_tiles, rows


cdef void resize_nearest(const float *x, const int32_t *ix, int64_t ow, float *y) noexcept nogil:
    cdef int64_t j
    cdef int h
    cdef const float *p
    for j in range(ow):
        p = x + <int64_t>ix[j] * CB
        for h in range(NV):
            st(y + h * VW, ld(p + h * VW))
        y += CB


cdef void resize_linear(const float *x0, const float *x1, float wy, const int32_t *ix0, const int32_t *ix1,
                        const float *wx, int64_t ow, float *y) noexcept nogil:
    cdef int64_t j, a, b
    cdef int h
    cdef vf below = bc(wy), above = bc(1 - wy), right, left
    for j in range(ow):
        a, b = <int64_t>ix0[j] * CB, <int64_t>ix1[j] * CB
        right, left = bc(wx[j]), bc(1 - wx[j])
        for h in range(NV):
            st(y + h * VW, (ld(x0 + a + h * VW) * above + ld(x1 + a + h * VW) * below) * left
                         + (ld(x0 + b + h * VW) * above + ld(x1 + b + h * VW) * below) * right)
        y += CB


cdef void resize_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const resize_t *A = <const resize_t *>params
    cdef int64_t b = tile % A.cb, y0 = tile // A.cb % A.row_tiles * A.rows
    cdef int64_t image = tile // A.cb // A.row_tiles, i
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn + b * A.xb
    cdef float *y = <float *>at(base, A.y) + image * A.yn + b * A.yb
    cdef const int32_t *iy0 = <const int32_t *>at(base, A.iy0)
    cdef const int32_t *iy1 = <const int32_t *>at(base, A.iy1)
    cdef const int32_t *ix0 = <const int32_t *>at(base, A.ix0)
    cdef const int32_t *ix1 = <const int32_t *>at(base, A.ix1)
    cdef const float *wy = <const float *>at(base, A.wy)
    cdef const float *wx = <const float *>at(base, A.wx)
    for i in range(y0, min(y0 + A.rows, A.oh)):
        if A.linear:
            resize_linear(x + iy0[i] * A.xr, x + iy1[i] * A.xr, wy[i], ix0, ix1, wx, A.ow, y + i * A.yr)
        else:
            resize_nearest(x + iy0[i] * A.xr, ix0, A.ow, y + i * A.yr)


enter("resize", fields_of("resize_t"), sizeof(resize_t), resize_run)
