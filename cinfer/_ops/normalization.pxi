# Normalisations; the contract and the loops are in normalization.h.

cdef extern from "normalization.h" nogil:
    ctypedef struct layer_norm_t:
        buf_t x, scale, bias, y
        int64_t rows, cols, xr, yr, chunk
        double eps
    ctypedef struct instance_norm_t:
        buf_t x, scale, bias, y
        int64_t n, cb, h, w, xn, xb, xr, yn, yb, yr
    ctypedef struct lrn_t:
        buf_t x, y
        int64_t n, c, hw, size, chunk
    const char *layer_norm_t_fields
    const char *instance_norm_t_fields
    const char *lrn_t_fields
    void layer_norm_row(const float *, const float *, const float *, float *, int64_t, float)
    void instance_norm_block(const instance_norm_t *, const float *, const float *, const float *, float *)
    void lrn_chunk(const lrn_t *, const float *, float *, int64_t)


cdef void layer_norm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const layer_norm_t *A = <const layer_norm_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *scale = <const float *>at(base, A.scale)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef float *y = <float *>at(base, A.y)
    cdef int64_t i
    for i in range(tile * A.chunk, min(A.rows, (tile + 1) * A.chunk)):
        layer_norm_row(x + i * A.xr, scale, bias, y + i * A.yr, A.cols, <float>A.eps)


cdef void instance_norm_run(const void *params, char *const *base, char *scratch,
                            int64_t tile) noexcept nogil:
    cdef const instance_norm_t *A = <const instance_norm_t *>params
    cdef int64_t b = tile % A.cb, image = tile // A.cb
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn + b * A.xb
    cdef float *y = <float *>at(base, A.y) + image * A.yn + b * A.yb
    cdef const float *scale = <const float *>at(base, A.scale) + b * CB
    cdef const float *bias = <const float *>at(base, A.bias) + b * CB
    instance_norm_block(A, x, scale, bias, y)


cdef void lrn_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const lrn_t *A = <const lrn_t *>params
    cdef int64_t chunks = (A.hw + A.chunk - 1) // A.chunk
    cdef int64_t first = tile % chunks * A.chunk, image = tile // chunks
    cdef const float *x = <const float *>at(base, A.x) + image * A.c * A.hw + first
    cdef float *y = <float *>at(base, A.y) + image * A.c * A.hw + first
    lrn_chunk(A, x, y, min(A.chunk, A.hw - first))


enter("layer_norm", layer_norm_t_fields, sizeof(layer_norm_t), layer_norm_run)
enter("instance_norm", instance_norm_t_fields, sizeof(instance_norm_t), instance_norm_run)
enter("lrn", lrn_t_fields, sizeof(lrn_t), lrn_run)
