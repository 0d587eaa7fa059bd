# Resizing of bytes; the contract and the loops are in resize_u8.h.

cdef extern from "resize_u8.h" nogil:
    ctypedef struct resize_u8_t:
        buf_t x, y, table, iy0, iy1, wy, ix0, ix1, wx
        int64_t cb, iw, oh, ow, xn, xb, xr, yn, yb, yr, linear, xz, row_tiles, rows
    ctypedef struct real_rows_t:
        const float *strip
    const char *resize_u8_t_fields
    void resize_nearest_u8(const uint8_t *, const int32_t *, int64_t, uint8_t *)
    real_rows_t real_rows(float *, int64_t)
    void resize_rows_u8(real_rows_t *, const resize_u8_t *, const uint8_t *, int64_t, int64_t, float)
    void resize_columns_u8(const resize_u8_t *, const float *, const int32_t *, const int32_t *, const float *,
                           uint8_t *)
    void resize_pixels_u8(const resize_u8_t *, const uint8_t *, const uint8_t *, float, const int32_t *,
                          const int32_t *, const float *, uint8_t *)


cdef void resize_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const resize_u8_t *A = <const resize_u8_t *>params
    cdef part_t k = part_of(tile, A.cb * CB, A.oh, A.row_tiles, A.rows)
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x) + k.image * A.xn + k.block * A.xb
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef const int32_t *iy0 = <const int32_t *>at(base, A.iy0)
    cdef const int32_t *iy1 = <const int32_t *>at(base, A.iy1)
    cdef const int32_t *ix0 = <const int32_t *>at(base, A.ix0)
    cdef const int32_t *ix1 = <const int32_t *>at(base, A.ix1)
    cdef const float *wy = <const float *>at(base, A.wy)
    cdef const float *wx = <const float *>at(base, A.wx)
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef real_rows_t kept = real_rows(<float *>scratch, A.iw * CB)
    cdef look_up_t look
    cdef int64_t i
    if table != NULL:
        look_up_begin(&look, table)
    for i in range(k.row, k.end):
        if A.linear and 2 * A.ow <= A.iw:
            resize_pixels_u8(A, x + iy0[i] * A.xr, x + iy1[i] * A.xr, wy[i], ix0, ix1, wx, y + i * A.yr)
        elif A.linear:
            resize_rows_u8(&kept, A, x, iy0[i], iy1[i], wy[i])
            resize_columns_u8(A, kept.strip, ix0, ix1, wx, y + i * A.yr)
        else:
            resize_nearest_u8(x + iy0[i] * A.xr, ix0, A.ow, y + i * A.yr)
        if table != NULL:
            look_up_row(&look, y + i * A.yr, y + i * A.yr, A.ow * CB)


cdef int64_t resize_u8_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const resize_u8_t *A = <const resize_u8_t *>params
    return A.iw * CB * 3 * <int64_t>sizeof(float) if A.linear and 2 * A.ow > A.iw else 0


enter("resize_u8", resize_u8_t_fields, sizeof(resize_u8_t), resize_u8_run, resize_u8_scratch)
