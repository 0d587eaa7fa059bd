# Reductions; the contract and the loops are in reduce.h.

cdef extern from "reduce.h" nogil:
    enum: R_mean
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


cdef void reduce_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const reduce_t *A = <const reduce_t *>params
    cdef const reducer_t *f = &reducers[A.op]
    cdef int64_t total = A.dims[0] * A.dims[1] * A.dims[2], n = A.dims[3]
    cdef int64_t parts = A.rdims[0] * A.rdims[1] * A.rdims[2]
    cdef float count = <float>(parts * A.rdims[3])
    cdef int64_t i, j, k, r, m
    cdef const float *x
    cdef const float *row
    cdef float *y
    cdef float[STRIPE] t
    for i in range(tile * A.outer, min(total, (tile + 1) * A.outer)):
        x = <const float *>at(base, A.x) + place(i, A.dims, A.xs)
        y = <float *>at(base, A.y) + place(i, A.dims, A.ys)
        j = 0
        while j < n:
            m = min(n - j, <int64_t>STRIPE)
            for k in range(m):
                t[k] = f.start
            for r in range(parts):
                if A.xs[3] == 1 and n > 1:
                    f.columns(x + j + place(r, A.rdims, A.rs), A.rs[3], A.rdims[3], t, m)
                else:
                    for k in range(m):
                        row = x + (j + k) * A.xs[3] + place(r, A.rdims, A.rs)
                        t[k] = f.join(t[k], f.row(row, A.rs[3], A.rdims[3]))
            for k in range(m):
                y[(j + k) * A.ys[3]] = t[k] / count if A.op == R_mean else t[k]
            j += m


enter("reduce", reduce_t_fields, sizeof(reduce_t), reduce_run)
