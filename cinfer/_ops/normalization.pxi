# Normalisations; the contract and the loops are in normalization.h.

cdef extern from "normalization.h" nogil:
    ctypedef struct group_norm_t:
        buf_t x, scale, bias, mean, var, y
        int64_t n, cb, h, w, c, d, each, xn, xb, xr, yn, yb, yr
    ctypedef struct lrn_t:
        buf_t x, y
        int64_t n, c, hw, size, chunk
    const char *group_norm_t_fields
    const char *lrn_t_fields
    void layer_norm_row(const float *, const float *, const float *, float *, int64_t, float, int)
    void block_moments(const float *, int64_t, int64_t, int64_t, float *, float *)
    void group_moments(const float *, const float *, int64_t, int64_t, int64_t, int64_t, int64_t, float *,
                       float *)
    void normalize_block(const group_norm_t *, const float *, const float *, const float *, const float *,
                         const float *, float *)
    void lrn_chunk(const lrn_t *, const float *, float *, int64_t)

ctypedef struct layer_norm_t:
    buf_t x, scale, bias, y, range
    int64_t rows, cols, xr, yr, raw, chunk
    double eps

ctypedef struct channel_moments_t:
    buf_t x, mean, var
    int64_t n, cb, h, w, xn, xb, xr


cdef void layer_norm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const layer_norm_t *A = <const layer_norm_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *scale = <const float *>at(base, A.scale)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef float *y = <float *>at(base, A.y)
    cdef float *part = <float *>at(base, A.range)
    cdef range_t found = range_of_zero()
    cdef int64_t i
    for i in range(tile * A.chunk, min(A.rows, (tile + 1) * A.chunk)):
        layer_norm_row(x + i * A.xr, scale, bias, y + i * A.yr, A.cols, <float>A.eps, A.raw != 0)
        if part != NULL:
            range_row(&found, y + i * A.yr, A.cols)
    if part != NULL:
        range_end(&found, part + 2 * tile)


cdef void channel_moments_run(const void *params, char *const *base, char *scratch,
                              int64_t tile) noexcept nogil:
    cdef const channel_moments_t *A = <const channel_moments_t *>params
    cdef const float *x = <const float *>at(base, A.x) + tile // A.cb * A.xn + tile % A.cb * A.xb
    block_moments(x, A.h, A.w, A.xr, <float *>at(base, A.mean) + tile * CB,
                  <float *>at(base, A.var) + tile * CB)


cdef void group_norm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const group_norm_t *A = <const group_norm_t *>params
    cdef int64_t b = tile % A.cb, image = tile // A.cb, whole = A.cb * CB
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn + b * A.xb
    cdef float *y = <float *>at(base, A.y) + image * A.yn + b * A.yb
    cdef const float *scale = <const float *>at(base, A.scale) + b * CB
    cdef const float *bias = <const float *>at(base, A.bias) + b * CB
    cdef const float *found = <const float *>at(base, A.mean)
    cdef const float *found_var = <const float *>at(base, A.var)
    cdef float[CB] own, own_var, mean, var
    if found != NULL:
        found += image // A.d * A.d * whole
        found_var += image // A.d * A.d * whole
        group_moments(found, found_var, A.d, whole, b * CB, A.c, A.each, mean, var)
    elif A.each == 1:
        block_moments(x, A.h, A.w, A.xr, mean, var)
    else:
        block_moments(x, A.h, A.w, A.xr, own, own_var)
        group_moments(own, own_var, 1, 0, 0, A.c - b * CB, A.each, mean, var)
    normalize_block(A, x, mean, var, scale, bias, y)


cdef void lrn_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const lrn_t *A = <const lrn_t *>params
    cdef int64_t chunks = (A.hw + A.chunk - 1) // A.chunk
    cdef int64_t first = tile % chunks * A.chunk, image = tile // chunks
    cdef const float *x = <const float *>at(base, A.x) + image * A.c * A.hw + first
    cdef float *y = <float *>at(base, A.y) + image * A.c * A.hw + first
    lrn_chunk(A, x, y, min(A.chunk, A.hw - first))


enter("layer_norm", fields_of("layer_norm_t"), sizeof(layer_norm_t), layer_norm_run)
enter("group_norm", group_norm_t_fields, sizeof(group_norm_t), group_norm_run)
enter("channel_moments", fields_of("channel_moments_t"), sizeof(channel_moments_t), channel_moments_run)
enter("lrn", lrn_t_fields, sizeof(lrn_t), lrn_run)
