# Suppression of overlapping boxes; the contract and the loops are in detection.h.

cdef extern from "detection.h" nogil:
    ctypedef struct suppress_t:
        buf_t boxes, scores, chosen, counts
        int64_t labels, count, most
    const char *suppress_t_fields
    int64_t suppress_room(int64_t)
    void suppress_one(const suppress_t *, const float *, const float *, char *, int32_t *, int64_t *)


cdef int64_t suppress_scratch(const void *params, char *const *base) noexcept nogil:
    return suppress_room((<const suppress_t *>params).count)


cdef void suppress_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const suppress_t *A = <const suppress_t *>params
    suppress_one(A, <const float *>at(base, A.boxes) + tile // A.labels * A.count * 4,
                 <const float *>at(base, A.scores) + tile * A.count, scratch,
                 <int32_t *>at(base, A.chosen) + tile * A.most, <int64_t *>at(base, A.counts) + tile)


enter("suppress", suppress_t_fields, sizeof(suppress_t), suppress_run, suppress_scratch)
