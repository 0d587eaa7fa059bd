# Pooling; the contract and the tile functions are in pooling.h.

cdef extern from "pooling.h" nogil:
    ctypedef void (*pool_fn)(const float *, size_t, int64_t, size_t, int64_t, size_t, int64_t, float,
                             float *) noexcept nogil
    void pool_max_any_1(const float *, size_t, int64_t, size_t, int64_t, size_t, int64_t, float, float *)
    void pool_sum_any_1(const float *, size_t, int64_t, size_t, int64_t, size_t, int64_t, float, float *)
    void pool_sum_far(const float *, size_t, int64_t, size_t, int64_t, size_t, int64_t, float, float *)
    void pool_join(const float *, int64_t, bint, float *)
    pool_fn pool_form_max(int64_t, int64_t, int64_t, int64_t)
    pool_fn pool_form_sum(int64_t, int64_t, int64_t, int64_t)
    void global_pool_max(const float *, int64_t, int64_t, size_t, float *)
    void global_pool_sum(const float *, int64_t, int64_t, size_t, float *)

ctypedef struct pool_t:
    buf_t x, y, range
    int64_t n, cb, ih, iw, oh, ow, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, xn, xb, xr, yn, yb, yr, mode, row_tiles
    int64_t rows, pe, kd, sd, dd, pf, id, od, channels


ctypedef struct global_pool_t:
    buf_t x, y
    int64_t n, cb, h, w, d, xn, xd, xb, xr, yn, yb, mode


cdef float inverse(int64_t n) noexcept nogil:
    return <float>(1. / n) if n > 0 else 0


cdef void pool_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pool_t *A = <const pool_t *>params
    cdef int64_t b = tile % A.cb, y0 = tile // A.cb % A.row_tiles * A.rows
    cdef int64_t image = tile // A.cb // A.row_tiles
    cdef slices_t s = slices_of(image, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
    cdef const float *x = <const float *>at(base, A.x) + (s.volume * max(A.id, 1) + s.first) * A.xn + b * A.xb
    cdef float *y = <float *>at(base, A.y) + image * A.yn + b * A.yb
    # windows of columns a .. e-1 lie inside from left to right
    cdef int64_t a = min(A.ow, (A.pl + A.sw - 1) // A.sw), e = A.iw + A.pl - (A.kw - 1) * A.dw
    e = max(a, min(A.ow, (e - 1) // A.sw + 1 if e > 0 else 0))
    cdef pool_fn edge = pool_max_any_1 if A.mode == 0 else pool_sum_any_1
    cdef pool_fn inside = (pool_form_max if A.mode == 0 else pool_form_sum)(A.kw, A.sw, A.dw, e - a)
    cdef int64_t i, j, z, top, p, left, q, rows, taps, counted, columns, deep = s.inside
    cdef const float *row
    cdef float *out
    cdef float *part = <float *>at(base, A.range)
    cdef range_t found = range_of_zero()
    if A.mode == 2 and A.kd > 0:
        deep = taps_below(s.out * A.sd - A.pf, A.id + A.pe, A.dd, A.kd)
    if A.mode != 0 and max(A.kh, A.kw) > COLUMN_PIECE:
        e, edge = a, pool_sum_far                # all windows one by one
    for i in range(y0, min(y0 + A.rows, A.oh)):
        top = i * A.sh - A.pt
        p = taps_below(top, 0, A.dh, A.kh)       # rows of the window above the picture
        rows = taps_below(top, A.ih, A.dh, A.kh) - p if s.inside > 0 else 0
        counted = (rows if A.mode == 1 else taps_below(top, A.ih + A.pb, A.dh, A.kh)) * deep
        for z in range(max(s.inside, 1)):
            row = x + z * A.dd * A.xn + (top + p * A.dh) * A.xr
            out = <float *>scratch if z > 0 else y + i * A.yr
            if e > a and rows > 0:
                inside(row + (a * A.sw - A.pl) * CB, A.dh * A.xr, rows, A.dw * CB, A.kw, A.sw * CB, e - a,
                       inverse(counted * A.kw), out + a * CB)
            j = 0
            while j < A.ow:
                if j == a and e > a and rows > 0:
                    j = e
                    continue
                left = j * A.sw - A.pl
                q = taps_below(left, 0, A.dw, A.kw)
                taps = taps_below(left, A.iw, A.dw, A.kw) - q
                columns = taps if A.mode == 1 else taps_below(left, A.iw + A.pr, A.dw, A.kw)
                edge(row + (left + q * A.dw) * CB, A.dh * A.xr, rows, A.dw * CB, taps, 0, 1,
                     inverse(counted * columns), out + j * CB)
                j += 1
            if z > 0:
                pool_join(out, A.ow, A.mode == 0, y + i * A.yr)
        if part != NULL:
            range_pixels(&found, y + i * A.yr, A.ow, A.channels - b * CB)
    if part != NULL:
        range_end(&found, part + 2 * tile)


cdef void global_pool_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const global_pool_t *A = <const global_pool_t *>params
    cdef const float *x = <const float *>at(base, A.x) + tile // A.cb * A.xn + tile % A.cb * A.xb
    cdef float *y = <float *>at(base, A.y) + tile // A.cb * A.yn + tile % A.cb * A.yb
    cdef float[CB] part
    cdef double[CB] total
    cdef int64_t z, d = max(A.d, 1)
    cdef int c
    for z in range(d):
        if A.mode == 0:
            global_pool_max(x + z * A.xd, A.h, A.w, A.xr, part)
            if z == 0:
                memcpy(y, part, sizeof(part))
            else:
                pool_join(part, 1, 1, y)
        else:
            global_pool_sum(x + z * A.xd, A.h, A.w, A.xr, part)
            add_to_total(total, part, CB, z == 0)
    if A.mode != 0:
        rounded_total(total, y, CB)
        for c in range(CB):
            y[c] = y[c] / <float>(d * A.h * A.w)


cdef int64_t pool_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const pool_t *A = <const pool_t *>params
    return A.ow * CB * <int64_t>sizeof(float) if A.kd > 0 else 0


enter("pool", fields_of("pool_t"), sizeof(pool_t), pool_run, pool_scratch)
enter("global_pool", fields_of("global_pool_t"), sizeof(global_pool_t), global_pool_run)
