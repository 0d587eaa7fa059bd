# Maps read between their values; the contract and the loops are in bilinear.h.

cdef extern from "bilinear.h" nogil:
    ctypedef struct reading_t:
        const float *x
        int64_t c, ih, iw, xc, xr, xx, oh, ow
        const int32_t *iy
        const int32_t *jx
        const float *ty
        const float *tx
        uint8_t *y
        int64_t first, wide
        float least
    ctypedef struct lines_t:
        int64_t bytes
    lines_t lines_for(int64_t, const int32_t *, int64_t)
    void label_rows(const reading_t *, int64_t, int64_t, const lines_t *, char *)
    void sum_planes(const reading_t *, const float *, const float *, int64_t, float *)

ctypedef struct labels_t:
    buf_t x, iy, ty, jx, tx, y
    int64_t c, ih, iw, xc, xr, xx, oh, ow, first, wide, rows
    double least

ctypedef struct masks_t:
    buf_t x, numbers, boxes, masks, iy, ty, jx, tx
    int64_t c, ih, iw, oh, ow


cdef int64_t labels_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const labels_t *A = <const labels_t *>params
    return lines_for(A.c, <const int32_t *>at(base, A.jx), A.ow).bytes


cdef void labels_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const labels_t *A = <const labels_t *>params
    cdef int64_t i = tile * A.rows, end = min(A.oh, i + A.rows)
    cdef reading_t M
    cdef lines_t L
    M.x, M.y = <const float *>at(base, A.x), <uint8_t *>at(base, A.y)
    M.iy, M.ty = <const int32_t *>at(base, A.iy), <const float *>at(base, A.ty)
    M.jx, M.tx = <const int32_t *>at(base, A.jx), <const float *>at(base, A.tx)
    M.c, M.ih, M.iw, M.xc, M.xr, M.xx, M.oh, M.ow = A.c, A.ih, A.iw, A.xc, A.xr, A.xx, A.oh, A.ow
    M.first, M.wide, M.least = A.first, A.wide, <float>A.least
    L = lines_for(M.c, M.jx, M.ow)
    while i < end:
        label_rows(&M, i, end, &L, scratch)
        i += VW


cdef int64_t masks_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const masks_t *A = <const masks_t *>params
    return (A.ih * A.iw + 15) // 16 * 16 * <int64_t>sizeof(float) \
        + lines_for(1, <const int32_t *>at(base, A.jx), A.ow).bytes


cdef void masks_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const masks_t *A = <const masks_t *>params
    cdef const int64_t *box = <const int64_t *>at(base, A.boxes) + 4 * tile
    cdef float *plane = <float *>scratch
    cdef char *room = scratch + (A.ih * A.iw + 15) // 16 * 16 * <int64_t>sizeof(float)
    cdef int64_t i = 0
    cdef lines_t L
    cdef reading_t M
    M.x, M.y = plane, <uint8_t *>((<const int64_t *>at(base, A.masks))[tile])
    M.iy, M.ty = <const int32_t *>at(base, A.iy) + box[1], <const float *>at(base, A.ty) + box[1]
    M.jx, M.tx = <const int32_t *>at(base, A.jx) + box[0], <const float *>at(base, A.tx) + box[0]
    M.c, M.ih, M.iw, M.xc, M.xr, M.xx, M.oh, M.ow = 1, A.ih, A.iw, 0, A.iw, 1, box[3] - box[1], box[2] - box[0]
    M.first, M.wide, M.least = 1, 1, 0
    sum_planes(&M, <const float *>at(base, A.x), <const float *>at(base, A.numbers) + tile * A.c, A.c, plane)
    L = lines_for(1, <const int32_t *>at(base, A.jx), A.ow)
    while i < M.oh:
        label_rows(&M, i, M.oh, &L, room)
        i += VW


enter("labels", fields_of("labels_t"), sizeof(labels_t), labels_run, labels_scratch)
enter("masks", fields_of("masks_t"), sizeof(masks_t), masks_run, masks_scratch)
