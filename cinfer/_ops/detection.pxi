# Suppression of overlapping boxes; the contract and the loop are in detection.h.

cdef extern from "detection.h" nogil:
    ctypedef struct suppress_t:
        buf_t x, starts, kept
        int64_t total, longest, limit
        double overlap
    const char *suppress_t_fields
    int64_t suppress_list(const float *, int64_t, int64_t, int64_t, float, float *, int64_t, unsigned char *)


cdef void suppress_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const suppress_t *A = <const suppress_t *>params
    cdef const int64_t *starts = <const int64_t *>at(base, A.starts)
    cdef int64_t first = starts[tile]
    suppress_list(<const float *>at(base, A.x) + first, A.total, starts[tile + 1] - first, A.limit,
                  <float>A.overlap, <float *>scratch, (A.longest + VW - 1) // VW * VW,
                  <unsigned char *>at(base, A.kept) + first)


enter("suppress", suppress_t_fields, sizeof(suppress_t), suppress_run)
