# DynamicQuantizeLinear; contracts and loops are in dynamic_quantize.h.

cdef extern from "dynamic_quantize.h" nogil:
    ctypedef struct range_of_t:
        buf_t x, parts
        int64_t n, per
    ctypedef struct dynamic_quantize_t:
        pass
    const char *range_of_t_fields
    const char *dynamic_quantize_t_fields
    void range_of(const float *, int64_t, float *)
    void dynamic_quantize(const dynamic_quantize_t *, char *const *, int64_t)


cdef void range_of_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const range_of_t *A = <const range_of_t *>params
    range_of(<const float *>at(base, A.x) + tile * A.per, min(A.per, A.n - tile * A.per),
             <float *>at(base, A.parts) + 2 * tile)


cdef void dynamic_quantize_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    dynamic_quantize(<const dynamic_quantize_t *>params, base, tile)


enter("range_of", range_of_t_fields, sizeof(range_of_t), range_of_run)
enter("dynamic_quantize", dynamic_quantize_t_fields, sizeof(dynamic_quantize_t), dynamic_quantize_run)
