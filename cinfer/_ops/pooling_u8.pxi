# Pooling of bytes; the contract and the loops are in pooling_u8.h.

cdef extern from "pooling_u8.h" nogil:
    ctypedef struct global_pool_u8_t:
        buf_t x, y, table
        int64_t cb, xn, xb, yn, yb, mode
    ctypedef struct column_t:
        const uint8_t *x
        int64_t row, rows, slice, slices
    ctypedef struct mean_t:
        pass
    const char *global_pool_u8_t_fields
    const uint8_t *strip_max(const column_t *, int64_t, uint8_t *)
    void strip_sum(const column_t *, int64_t, uint16_t *)
    void strip_total(const column_t *, int64_t, int32_t *)
    void along_max(const uint8_t *, int64_t, int64_t, int64_t, int64_t, uint8_t *)
    void along_mean(const uint16_t *, int64_t, int64_t, int64_t, int64_t, const mean_t *, uint8_t *)
    void along_total(const int32_t *, int64_t, int64_t, int64_t, int64_t, const mean_t *, uint8_t *)
    int MOST_16
    mean_t mean_of(double, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)
    void global_max_u8(const global_pool_u8_t *, const uint8_t *, uint8_t *)
    void global_mean_u8(const global_pool_u8_t *, const uint8_t *, uint8_t *)

ctypedef struct pool_u8_t:
    buf_t x, y, table
    int64_t n, cb, ih, iw, oh, ow, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, xn, xb, xr, yn, yb, yr, mode, xz, zy, lo
    int64_t hi, row_tiles, rows, pe, kd, sd, dd, pf, id, od
    double ratio


cdef bint has_large_windows(const pool_u8_t *A) noexcept nogil:
    return max(A.kd, 1) * A.kh * A.kw > MOST_16


cdef void pool_u8(const pool_u8_t *A, char *const *base, char *scratch, int64_t tile, bint largest) noexcept nogil:
    cdef part_t k = part_of(tile, A.cb * CB, A.oh, A.row_tiles, A.rows)
    cdef slices_t s = slices_of(k.image, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x) + (s.volume * max(A.id, 1) + s.first) * A.xn + k.block * A.xb
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    # windows of columns a .. e-1 lie inside from left to right
    cdef int64_t a = min(A.ow, (A.pl + A.sw - 1) // A.sw), e = A.iw + A.pl - (A.kw - 1) * A.dw
    e = max(a, min(A.ow, (e - 1) // A.sw + 1 if e > 0 else 0))
    cdef int64_t i, j, n, top, p, left, q, taps, counted, columns, deep = s.inside
    cdef const uint8_t *strip
    cdef look_up_t look
    cdef column_t c
    cdef mean_t m
    cdef bint wide = has_large_windows(A)
    if table != NULL:
        look_up_begin(&look, table)
    if A.mode == 2 and A.kd > 0:
        deep = taps_below(s.out * A.sd - A.pf, A.id + A.pe, A.dd, A.kd)
    for i in range(k.row, k.end):
        top = i * A.sh - A.pt
        p = taps_below(top, 0, A.dh, A.kh)       # rows of the window above the picture
        c.rows = taps_below(top, A.ih, A.dh, A.kh) - p
        c.slices, c.row, c.slice, c.x = s.inside, A.dh * A.xr, A.dd * A.xn, x + (top + p * A.dh) * A.xr
        counted = (c.rows if A.mode == 1 else taps_below(top, A.ih + A.pb, A.dh, A.kh)) * deep
        if c.rows <= 0 or c.slices <= 0:         # reads nothing
            c.rows = c.slices = 0
        if largest:
            strip = strip_max(&c, A.iw * CB, <uint8_t *>scratch)
        elif wide:
            strip_total(&c, A.iw * CB, <int32_t *>scratch)
        else:
            strip_sum(&c, A.iw * CB, <uint16_t *>scratch)
        j = 0
        while j < A.ow:
            n = e - j if j == a and e > a else 1
            left = j * A.sw - A.pl
            q = taps_below(left, 0, A.dw, A.kw)
            taps = taps_below(left, A.iw, A.dw, A.kw) - q
            left += q * A.dw
            if largest:
                along_max(strip + left * CB, A.dw * CB, taps, A.sw * CB, n, y + i * A.yr + j * CB)
            else:
                columns = taps if A.mode == 1 else taps_below(j * A.sw - A.pl, A.iw + A.pr, A.dw, A.kw)
                m = mean_of(A.ratio, c.rows * c.slices * taps, counted * columns, A.xz, A.zy, A.lo, A.hi)
                if wide:
                    along_total(<int32_t *>scratch + left * CB, A.dw * CB, taps, A.sw * CB, n, &m,
                                y + i * A.yr + j * CB)
                else:
                    along_mean(<uint16_t *>scratch + left * CB, A.dw * CB, taps, A.sw * CB, n, &m,
                               y + i * A.yr + j * CB)
            j += n
        if table != NULL:
            look_up_row(&look, y + i * A.yr, y + i * A.yr, A.ow * CB)


cdef void max_pool_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    pool_u8(<const pool_u8_t *>params, base, scratch, tile, True)


cdef void average_pool_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    pool_u8(<const pool_u8_t *>params, base, scratch, tile, False)


cdef int64_t max_pool_u8_scratch(const void *params, char *const *base) noexcept nogil:
    return (<const pool_u8_t *>params).iw * CB + 64


cdef int64_t average_pool_u8_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const pool_u8_t *A = <const pool_u8_t *>params
    return (A.iw * CB + 64) * (4 if has_large_windows(A) else 2)


cdef void global_pool_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const global_pool_u8_t *A = <const global_pool_u8_t *>params
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x) + tile // A.cb * A.xn + tile % A.cb * A.xb
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + tile // A.cb * A.yn + tile % A.cb * A.yb
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef int c
    if A.mode == 0:
        global_max_u8(A, x, y)
    else:
        global_mean_u8(A, x, y)
    if table != NULL:
        for c in range(CB):
            y[c] = table[y[c]]


enter("max_pool_u8", fields_of("pool_u8_t"), sizeof(pool_u8_t), max_pool_u8_run, max_pool_u8_scratch)
enter("average_pool_u8", fields_of("pool_u8_t"), sizeof(pool_u8_t), average_pool_u8_run, average_pool_u8_scratch)
enter("global_pool_u8", global_pool_u8_t_fields, sizeof(global_pool_u8_t), global_pool_u8_run)
