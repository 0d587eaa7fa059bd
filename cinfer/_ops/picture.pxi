# Pictures scaled and fed; the contract and the loops are in picture.h.

cdef extern from "picture.h" nogil:
    enum: PICTURE_ROWS
    ctypedef struct picture_t:
        buf_t x, kx, jx, ky, iy, table, y
        int64_t ih, iw, c, xr, oh, ow, nx, ny, yc, yr, yx, reverse, ring, rows
    const char *picture_t_fields
    void picture_in(const uint8_t *const *, int64_t, uint8_t *)
    void picture_out(const uint8_t *, int64_t, uint8_t *const *)
    void picture_first_1(const uint8_t *, const int32_t *, const int32_t *, int64_t, int64_t, uint8_t *, int64_t)
    void picture_first_3(const uint8_t *, const int32_t *, const int32_t *, int64_t, int64_t, uint8_t *, int64_t)
    void picture_second(const uint8_t *const *, const int32_t *, int64_t, int64_t, uint8_t *)
    void picture_feed(const uint8_t *, int64_t, const float *, float *, int64_t)


cdef void picture_group(const picture_t *A, const uint8_t *x, int64_t first, const int32_t *kx, const int32_t *jx,
                        uint8_t *turned, uint8_t *passed, uint8_t *ring, int64_t row) noexcept nogil:
    """Rows first .. first + R - 1 of the picture, those beyond it as its last, through the first pass into the ring."""
    cdef const uint8_t *source[16]
    cdef uint8_t *to[16]
    cdef int64_t r, c
    for r in range(PICTURE_ROWS):
        source[r] = x + min(first + r, A.ih - 1) * A.xr
    picture_in(source, A.iw * A.c, turned)
    if A.c == 1:
        picture_first_1(turned, kx, jx, A.nx, A.ow, passed, row)
    else:
        picture_first_3(turned, kx, jx, A.nx, A.ow, passed, row)
    for c in range(A.c):
        for r in range(PICTURE_ROWS):
            to[r] = ring + ((first + r) % A.ring * A.c + c) * row
        picture_out(passed + c * row * PICTURE_ROWS, row, to)


cdef void picture_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const picture_t *A = <const picture_t *>params
    cdef int64_t row = (A.ow + 15) // 16 * 16, i, c, t, plane, next, first = tile * A.rows
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x)
    cdef const int32_t *kx = <const int32_t *>at(base, A.kx)
    cdef const int32_t *jx = <const int32_t *>at(base, A.jx)
    cdef const int32_t *ky = <const int32_t *>at(base, A.ky)
    cdef const int32_t *iy = <const int32_t *>at(base, A.iy)
    cdef const float *table = <const float *>at(base, A.table)
    cdef uint8_t *turned = <uint8_t *>scratch
    cdef uint8_t *passed = turned + (A.iw * A.c + 15) // 16 * 16 * PICTURE_ROWS
    cdef uint8_t *ring = passed + A.c * row * PICTURE_ROWS
    cdef uint8_t *done = ring + A.ring * A.c * row
    cdef const uint8_t **rows = <const uint8_t **>(done + row)
    next = iy[first]
    for i in range(first, min(A.oh, first + A.rows)):
        next = max(next, <int64_t>iy[i])             # rows that no window holds are not touched
        while next < iy[i] + A.ny:
            picture_group(A, x, next, kx, jx, turned, passed, ring, row)
            next += PICTURE_ROWS
        for c in range(A.c):
            for t in range(A.ny):
                rows[t] = ring + ((iy[i] + t) % A.ring * A.c + c) * row
            picture_second(rows, ky + i * A.ny, A.ny, row, done)
            plane = A.c - 1 - c if A.reverse else c
            if table != NULL:
                picture_feed(done, A.ow, table + plane * 256, <float *>at(base, A.y) + plane * A.yc + i * A.yr, A.yx)
            else:
                for t in range(A.ow):
                    (<uint8_t *>at(base, A.y))[plane * A.yc + i * A.yr + t * A.yx] = done[t]


enter("picture", picture_t_fields, sizeof(picture_t), picture_run)
