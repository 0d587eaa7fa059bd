# DynamicQuantizeLinear; contracts and loops are in dynamic_quantize.h.

cdef extern from "dynamic_quantize.h" nogil:
    ctypedef struct dynamic_quantize_t:
        pass
    const char *dynamic_quantize_t_fields
    ctypedef struct dynamic_scale_t:
        pass
    const char *dynamic_scale_t_fields
    void dynamic_scale(const dynamic_scale_t *, char *const *)
    void dynamic_quantize(const dynamic_quantize_t *, char *const *, int64_t)

ctypedef struct range_of_t:
    buf_t x, parts
    int64_t n, per

ctypedef struct range_of_blocked_t:
    buf_t x, parts
    int64_t c, h, w, xn, xb, xr, row_tiles, rows


cdef void range_of_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const range_of_t *A = <const range_of_t *>params
    cdef range_t found = range_of_zero()
    range_row(&found, <const float *>at(base, A.x) + tile * A.per, min(A.per, A.n - tile * A.per))
    range_end(&found, <float *>at(base, A.parts) + 2 * tile)


cdef void range_of_blocked_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const range_of_blocked_t *A = <const range_of_blocked_t *>params
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const float *x = <const float *>at(base, A.x) + k.image * A.xn + k.block * A.xb + k.row * A.xr
    cdef range_t found = range_of_zero()
    cdef int64_t rows = k.end - k.row, n = A.w
    if A.xr == A.w * CB:                            # the rows follow each other: one run of pixels
        n *= rows
        rows = 1
    for _ in range(rows):
        range_pixels(&found, x, n, k.lanes)
        x += A.xr
    range_end(&found, <float *>at(base, A.parts) + 2 * tile)


cdef void dynamic_scale_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    dynamic_scale(<const dynamic_scale_t *>params, base)


cdef void dynamic_quantize_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    dynamic_quantize(<const dynamic_quantize_t *>params, base, tile)


enter("range_of", fields_of("range_of_t"), sizeof(range_of_t), range_of_run)
enter("range_of_blocked", fields_of("range_of_blocked_t"), sizeof(range_of_blocked_t), range_of_blocked_run)
enter("dynamic_scale", dynamic_scale_t_fields, sizeof(dynamic_scale_t), dynamic_scale_run)
enter("dynamic_quantize", dynamic_quantize_t_fields, sizeof(dynamic_quantize_t), dynamic_quantize_run)
