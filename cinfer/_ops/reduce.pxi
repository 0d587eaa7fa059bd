# Reductions; the contract and the loops are in reduce.h.

cdef extern from "reduce.h" nogil:
    enum: R_sum, R_mean, R_sumsq
    ctypedef struct reduce_t:
        buf_t x, y
        int64_t dims[4]
        int64_t xs[4]
        int64_t ys[4]
        int64_t rdims[4]
        int64_t rs[4]
        int64_t op, outer
    ctypedef struct reducer_t:
        float start
        void (*columns)(const float *, int64_t, int64_t, float *, int64_t) noexcept nogil
        float (*row)(const float *, int64_t, int64_t) noexcept nogil
        float (*join)(float, float) noexcept nogil
    const char *reduce_t_fields
    const reducer_t *reducers

DEF STRIPE = 1024                    # results held at once; their inputs pass by in rows


cdef int64_t place(int64_t i, const int64_t *dims, const int64_t *strides) noexcept nogil:
    """Offset of element i, in row-major order, of the three outer axes."""
    cdef int64_t j = i // dims[2]
    return i % dims[2] * strides[2] + j % dims[1] * strides[1] + j // dims[1] * strides[0]


cdef void flush(double *total, float *t, int64_t n, bint first) noexcept nogil:
    """total += t, which becomes 0."""
    cdef int64_t k
    add_to_total(total, t, n, first)
    for k in range(n):
        t[k] = 0


cdef void reduce_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const reduce_t *A = <const reduce_t *>params
    cdef const reducer_t *f = &reducers[A.op]
    cdef int64_t total = A.dims[0] * A.dims[1] * A.dims[2], n = A.dims[3], terms = A.rdims[3]
    cdef int64_t parts = A.rdims[0] * A.rdims[1] * A.rdims[2]
    cdef float count = <float>(parts * terms)
    cdef bint beside = A.xs[3] == 1 and n > 1, sums = A.op == R_sum or A.op == R_mean or A.op == R_sumsq
    # of a piece: its terms, and how often it adds to a result
    cdef int64_t piece = RUN * RUN if beside else 2 * ROW_PIECE if A.rs[3] == 1 else ROW_PIECE, additions
    cdef int64_t i, j, k, r, s, m, length, added, flushes
    cdef const float *x
    cdef const float *row
    cdef float *y
    cdef float[STRIPE] t
    cdef double[STRIPE] far
    if not sums:
        piece = terms
    for i in range(tile * A.outer, min(total, (tile + 1) * A.outer)):
        x = <const float *>at(base, A.x) + place(i, A.dims, A.xs)
        y = <float *>at(base, A.y) + place(i, A.dims, A.ys)
        j = 0
        while j < n:
            m = min(n - j, <int64_t>STRIPE)
            for k in range(m):
                t[k] = f.start
            added = flushes = 0
            for r in range(parts):
                row = x + j * A.xs[3] + place(r, A.rdims, A.rs)
                s = 0
                while s < terms:
                    length = min(piece, terms - s)
                    additions = (length + RUN - 1) // RUN if beside else 1
                    if sums and added + additions > RUN:
                        flush(far, t, m, flushes == 0)
                        added, flushes = 0, flushes + 1
                    added += additions
                    if beside:
                        f.columns(row + s * A.rs[3], A.rs[3], length, t, m)
                    else:
                        for k in range(m):
                            t[k] = f.join(t[k], f.row(row + k * A.xs[3] + s * A.rs[3], A.rs[3], length))
                    s += length
            if flushes > 0:
                add_to_total(far, t, m, 0)
                rounded_total(far, t, m)
            for k in range(m):
                y[(j + k) * A.ys[3]] = t[k] / count if A.op == R_mean else t[k]
            j += m


enter("reduce", reduce_t_fields, sizeof(reduce_t), reduce_run)
