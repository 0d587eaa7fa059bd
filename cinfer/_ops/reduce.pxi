# Reductions; the contract and the loops are in reduce.h.

cdef extern from "reduce.h" nogil:
    enum: R_mean, R_max, R_min, R_prod, R_logsumexp
    ctypedef struct reducer_t:
        float start
        void (*columns)(const float *, int64_t, int64_t, float *, const float *, int64_t) noexcept nogil
        float (*row)(const float *, int64_t, int64_t, float) noexcept nogil
        float (*join)(float, float) noexcept nogil
    const reducer_t *reducers
    void centres(const float *, float *, int64_t)
    void logarithms(float *, const float *, int64_t)

ctypedef struct reduce_t:
    buf_t x, y
    int64_t op, outer
    int64_t dims[4]
    int64_t xs[4]
    int64_t ys[4]
    int64_t rdims[4]
    int64_t rs[4]


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


cdef void stripe(const reduce_t *A, int64_t op, const float *x, float *t, const float *c, int64_t m) noexcept nogil:
    """m neighbours of the kept elements, from x on, reduced -> t. c : what is taken from their exponents"""
    cdef const reducer_t *f = &reducers[op]
    cdef int64_t terms = A.rdims[3]
    cdef bint beside = A.xs[3] == 1 and A.dims[3] > 1, sums = op != R_max and op != R_min and op != R_prod
    # of a piece: its terms, and how often it adds to a result
    cdef int64_t piece = RUN * RUN if beside else 2 * ROW_PIECE if A.rs[3] == 1 else ROW_PIECE, additions
    cdef int64_t k, r, s, length, added = 0, flushes = 0
    cdef const float *row
    cdef double[STRIPE] far
    if not sums:
        piece = terms
    for k in range(m):
        t[k] = f.start
    for r in range(A.rdims[0] * A.rdims[1] * A.rdims[2]):
        row = x + place(r, A.rdims, A.rs)
        s = 0
        while s < terms:
            length = min(piece, terms - s)
            additions = (length + RUN - 1) // RUN if beside else 1
            if sums and added + additions > RUN:
                flush(far, t, m, flushes == 0)
                added, flushes = 0, flushes + 1
            added += additions
            if beside:
                f.columns(row + s * A.rs[3], A.rs[3], length, t, c, m)
            else:
                for k in range(m):
                    t[k] = f.join(t[k], f.row(row + k * A.xs[3] + s * A.rs[3], A.rs[3], length, c[k]))
            s += length
    if flushes > 0:
        add_to_total(far, t, m, 0)
        rounded_total(far, t, m)


cdef void reduce_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const reduce_t *A = <const reduce_t *>params
    cdef int64_t total = A.dims[0] * A.dims[1] * A.dims[2], n = A.dims[3], i, j, k, m
    cdef float count = <float>(A.rdims[0] * A.rdims[1] * A.rdims[2] * A.rdims[3])
    cdef const float *x
    cdef float *y
    cdef float[STRIPE] t
    cdef float[STRIPE] c
    for i in range(tile * A.outer, min(total, (tile + 1) * A.outer)):
        x = <const float *>at(base, A.x) + place(i, A.dims, A.xs)
        y = <float *>at(base, A.y) + place(i, A.dims, A.ys)
        for j in range(0, n, STRIPE):
            m = min(n - j, <int64_t>STRIPE)
            if A.op == R_logsumexp:
                stripe(A, R_max, x + j * A.xs[3], t, t, m)
                centres(t, c, m)
                stripe(A, R_logsumexp, x + j * A.xs[3], t, c, m)
                logarithms(t, c, m)
            else:
                stripe(A, A.op, x + j * A.xs[3], t, t, m)
            for k in range(m):
                y[(j + k) * A.ys[3]] = t[k] / count if A.op == R_mean else t[k]


enter("reduce", fields_of("reduce_t"), sizeof(reduce_t), reduce_run)
