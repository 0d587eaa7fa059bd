# Pictures scaled and fed; the contract and the loops are in picture.h.

cdef extern from "picture.h" nogil:
    enum: PICTURE_ROWS
    ctypedef struct picture_t:
        buf_t x, kx, jx, ky, iy, table, y
        int64_t ih, iw, c, xr, oh, ow, nx, ny, yc, yr, yx, reverse, step, rows
    const char *picture_t_fields
    ctypedef struct picture_room_t:
        int64_t row, ring
        uint8_t *turned
        uint8_t *passed
        uint8_t *lines
        uint8_t *done
        const uint8_t **rows
    int64_t picture_room(const picture_t *, char *, picture_room_t *)
    void picture_in(const uint8_t *const *, int64_t, uint8_t *)
    void picture_out(const uint8_t *, int64_t, uint8_t *const *)
    void picture_first(const picture_t *, const uint8_t *, const int32_t *, const int32_t *, uint8_t *, int64_t)
    void picture_second(const uint8_t *const *, const int32_t *, int64_t, int64_t, uint8_t *)
    void picture_feed(const uint8_t *, int64_t, const float *, float *, int64_t)


cdef int64_t picture_scratch(const void *params, char *const *base) noexcept nogil:
    cdef picture_room_t P
    return picture_room(<const picture_t *>params, <char *>params, &P)


cdef void picture_group(const picture_t *A, const uint8_t *x, int64_t first, const int32_t *kx, const int32_t *jx,
                        const picture_room_t *P) noexcept nogil:
    """Rows first .. first + R - 1 of the picture, those beyond it as its last, through the first pass into the ring."""
    cdef const uint8_t *source[16]
    cdef uint8_t *to[16]
    cdef int64_t r, c
    for r in range(PICTURE_ROWS):
        source[r] = x + min(first + r, A.ih - 1) * A.xr
    picture_in(source, A.iw * A.step - (A.step - A.c), P.turned)
    picture_first(A, P.turned, kx, jx, P.passed, P.row)
    for c in range(A.c):
        for r in range(PICTURE_ROWS):
            to[r] = P.lines + ((first + r) % P.ring * A.c + c) * P.row
        picture_out(P.passed + c * P.row * PICTURE_ROWS, P.row, to)


cdef void picture_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const picture_t *A = <const picture_t *>params
    cdef int64_t i, c, t, plane, next, first = tile * A.rows
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x)
    cdef const int32_t *kx = <const int32_t *>at(base, A.kx)
    cdef const int32_t *jx = <const int32_t *>at(base, A.jx)
    cdef const int32_t *ky = <const int32_t *>at(base, A.ky)
    cdef const int32_t *iy = <const int32_t *>at(base, A.iy)
    cdef const float *table = <const float *>at(base, A.table)
    cdef picture_room_t P
    picture_room(A, scratch, &P)
    next = iy[first]
    for i in range(first, min(A.oh, first + A.rows)):
        next = max(next, <int64_t>iy[i])             # rows that no window holds are not touched
        while next < iy[i] + A.ny:
            picture_group(A, x, next, kx, jx, &P)
            next += PICTURE_ROWS
        for c in range(A.c):
            for t in range(A.ny):
                P.rows[t] = P.lines + ((iy[i] + t) % P.ring * A.c + c) * P.row
            picture_second(P.rows, ky + i * A.ny, A.ny, P.row, P.done)
            plane = A.c - 1 - c if A.reverse else c
            if table != NULL:
                picture_feed(P.done, A.ow, table + plane * 256, <float *>at(base, A.y) + plane * A.yc + i * A.yr, A.yx)
            else:
                for t in range(A.ow):
                    (<uint8_t *>at(base, A.y))[plane * A.yc + i * A.yr + t * A.yx] = P.done[t]


enter("picture", picture_t_fields, sizeof(picture_t), picture_run, picture_scratch)
