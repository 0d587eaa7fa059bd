# NonZero; the contract and the loops are in nonzero.h.

cdef extern from "nonzero.h" nogil:
    ctypedef struct nonzero_t:
        buf_t x, y
    const char *nonzero_t_fields
    void nonzero_all(const nonzero_t *, const void *, int64_t *)


cdef void nonzero_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const nonzero_t *A = <const nonzero_t *>params
    nonzero_all(A, at(base, A.x), <int64_t *>at(base, A.y))


enter("nonzero", nonzero_t_fields, sizeof(nonzero_t), nonzero_run)
