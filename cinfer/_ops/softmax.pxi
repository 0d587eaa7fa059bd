# Softmax; the contract and the loops are in softmax.h.

cdef extern from "softmax.h" nogil:
    ctypedef struct softmax_t:
        buf_t x, y
        int64_t outer, n, inner, xo, xs, yo, ys, log, rows, columns
        double scale
    const char *softmax_t_fields
    void softmax_row(const float *, float *, int64_t, int, float)
    void softmax_plane(const float *, int64_t, float *, int64_t, int64_t, int64_t, int, float)


cdef void softmax_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const softmax_t *A = <const softmax_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y)
    cdef int64_t stripes = (A.inner + A.columns - 1) // A.columns
    cdef int64_t row = tile // stripes * A.rows, column = tile % stripes * A.columns, i
    for i in range(row, min(A.outer, row + A.rows)):
        if A.inner == 1 and A.xs == 1 and A.ys == 1:
            softmax_row(x + i * A.xo, y + i * A.yo, A.n, <int>A.log, <float>A.scale)
        else:
            softmax_plane(x + i * A.xo + column, A.xs, y + i * A.yo + column, A.ys, A.n,
                          min(A.columns, A.inner - column), <int>A.log, <float>A.scale)


enter("softmax", softmax_t_fields, sizeof(softmax_t), softmax_run)
