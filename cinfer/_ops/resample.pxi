# Resampling along one axis; the contract and the loops are in resample.h.

cdef extern from "resample.h" nogil:
    ctypedef struct taps_t:
        pass
    taps_t taps_at(const int32_t *, int64_t)
    int64_t rows_room(int64_t, int64_t)
    void blend(const float *, int64_t, const taps_t *, int64_t, int64_t, float *, int64_t, int64_t)
    void blend_rows(const float *, int64_t, const taps_t *, int64_t, int64_t, int, float *, int64_t, float *)

ctypedef struct resample_t:
    buf_t x, y, table
    int64_t size, wanted, xa, ya, inner, lanes, outer
    int64_t dims[3]
    int64_t xs[3]
    int64_t ys[3]


cdef int64_t resample_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const resample_t *A = <const resample_t *>params
    return rows_room(A.size, A.wanted) * <int64_t>sizeof(float) if A.lanes else 0


cdef void resample_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const resample_t *A = <const resample_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y)
    cdef taps_t f = taps_at(<const int32_t *>at(base, A.table), A.wanted)
    cdef int64_t first, end, o, i, n, j, k
    if A.lanes:
        for i in range(tile * A.outer, min((A.dims[2] + CB - 1) // CB, (tile + 1) * A.outer)):
            first = i * CB
            n = min(<int64_t>CB, A.dims[2] - first)
            blend_rows(x + first * A.xs[2], A.xs[2], &f, A.size, A.wanted, <int>n,
                       y + first * A.ys[2], A.ys[2], <float *>scratch)
        return
    first = tile * A.outer
    end = min(A.dims[0] * A.dims[1] * A.dims[2] * A.wanted, first + A.outer)
    while first < end:
        o, i = first // A.wanted, first % A.wanted
        n = min(A.wanted - i, end - first)
        j, k = o // A.dims[2] % A.dims[1], o % A.dims[2]
        o = o // A.dims[2] // A.dims[1]
        blend(x + o * A.xs[0] + j * A.xs[1] + k * A.xs[2], A.xa, &f, i, n,
              y + o * A.ys[0] + j * A.ys[1] + k * A.ys[2] + i * A.ya, A.ya, A.inner)
        first += n


enter("resample", fields_of("resample_t"), sizeof(resample_t), resample_run, resample_scratch)
