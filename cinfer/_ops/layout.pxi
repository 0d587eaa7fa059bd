# Layouts; the contract and the loops are in layout.h.

cdef extern from "layout.h" nogil:
    ctypedef struct lanes_t:
        pass
    void block_planes_whole(const float *, int64_t, int64_t, float *, int64_t, int64_t)
    void block_planes_part(const float *, int64_t, int, int64_t, float *, int64_t, int64_t)
    void block_pixels(const float *, int64_t, int64_t, int, int64_t, float *)
    void unblock_planes(const float *, int64_t, int64_t, int64_t, float *, const int64_t *, int)
    void unblock_pixels(const float *, int64_t, float *, int64_t, int)
    void unblock_lane(const float *, int64_t, float *, int64_t)
    lanes_t find_lanes(const int64_t *, int64_t, int)
    void gather_row(const lanes_t *, const float *, int64_t, int64_t, float *)

ctypedef struct to_blocked_t:
    buf_t x, y
    int64_t n, c, d, h, w, xn, xc, xd, xh, xw, yn, yb, yr, row_tiles, rows

ctypedef struct from_blocked_t:
    buf_t x, y, coff
    int64_t n, c, d, h, w, xn, xb, xr, yn, yc, yd, yh, yw, row_tiles, rows

ctypedef struct gather_channels_t:
    buf_t x, y, table
    int64_t n, c, h, w, yn, yb, yr, row_tiles, rows


cdef int64_t slice_at(int64_t picture, int64_t d, int64_t volume, int64_t slice) noexcept nogil:
    """Where a picture is that is one of d slices."""
    return picture // max(d, 1) * volume + picture % max(d, 1) * slice


cdef void to_blocked_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const to_blocked_t *A = <const to_blocked_t *>params
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const float *x = <const float *>at(base, A.x) + slice_at(k.image, A.d, A.xn, A.xd)
    cdef float *y = <float *>at(base, A.y) + k.image * A.yn + k.block * A.yb + k.row * A.yr
    cdef int64_t rows = k.end - k.row, n = A.w
    cdef bint planes = A.xw == 1 and (A.xc != 1 or A.w > 1)
    x += k.block * CB * A.xc + k.row * A.xh
    if planes and A.xh == A.w:                      # the rows of a plane follow each other: one run of pixels
        n *= rows
        rows = 1
    for _ in range(rows):
        if not planes:
            block_pixels(x, A.xc, A.xw, k.lanes, A.w, y)
        elif k.lanes == CB:
            block_planes_whole(x, A.xc, n, y, A.w, A.yr)
        else:
            block_planes_part(x, A.xc, k.lanes, n, y, A.w, A.yr)
        x += A.xh
        y += A.yr


cdef void from_blocked_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const from_blocked_t *A = <const from_blocked_t *>params
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const float *x = <const float *>at(base, A.x) + k.image * A.xn + k.block * A.xb + k.row * A.xr
    cdef float *y = <float *>at(base, A.y) + slice_at(k.image, A.d, A.yn, A.yd) + k.row * A.yh
    cdef const int64_t *given = <const int64_t *>at(base, A.coff)
    cdef int64_t off[16]
    cdef int64_t rows = k.end - k.row, n = A.w
    cdef int i
    for i in range(k.lanes):
        off[i] = given[k.block * CB + i] if given != NULL else (k.block * CB + i) * A.yc
    if A.yw == 1 and A.yh == A.w:
        n *= rows
        rows = 1
    for _ in range(rows):
        if A.yw == 1:
            unblock_planes(x, A.w, A.xr, n, y, off, k.lanes)
        elif A.yc == 1 and given == NULL:
            unblock_pixels(x, A.w, y + k.block * CB, A.yw, k.lanes)
        else:
            for i in range(k.lanes):
                unblock_lane(x + i, A.w, y + off[i], A.yw)
        x += A.xr
        y += A.yh


cdef void gather_channels_run(const void *params, char *const *base, char *scratch,
                              int64_t tile) noexcept nogil:
    cdef const gather_channels_t *A = <const gather_channels_t *>params
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const int64_t *table = <const int64_t *>at(base, A.table) + k.block * CB * 3
    cdef lanes_t f = find_lanes(table, k.image, k.lanes)
    cdef float *y = <float *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef int64_t i
    for i in range(k.row, k.end):
        gather_row(&f, <const float *>at(base, A.x), i, A.w, y + i * A.yr)


enter("to_blocked", fields_of("to_blocked_t"), sizeof(to_blocked_t), to_blocked_run)
enter("from_blocked", fields_of("from_blocked_t"), sizeof(from_blocked_t), from_blocked_run)
enter("gather_channels", fields_of("gather_channels_t"), sizeof(gather_channels_t), gather_channels_run)
