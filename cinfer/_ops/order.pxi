# Places of extremes and TopK; the contract and the loops are in order.h.

cdef extern from "order.h" nogil:
    ctypedef struct keys_t:
        pass
    keys_t keys_of(int64_t, int64_t, int64_t, int)
    int64_t extreme_row(const keys_t *, const char *, int64_t, int64_t, int)
    void extreme_columns(const keys_t *, const char *, int64_t, int64_t, int64_t, int, int64_t *, int64_t)
    void top_row(const keys_t *, const char *, int64_t, int64_t, int64_t, void *, char *, int64_t *, int64_t)

ctypedef struct extreme_t:
    buf_t x, y
    int64_t n, rs, element, no_sign, smallest, last, outer, columns
    int64_t dims[4]
    int64_t xs[4]
    int64_t ys[4]

ctypedef struct top_t:
    buf_t x, v, i
    int64_t n, rs, k, ks, element, no_sign, smallest, outer
    int64_t dims[4]
    int64_t xs[4]
    int64_t ys[4]


cdef void extreme_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const extreme_t *A = <const extreme_t *>params
    cdef keys_t f = keys_of(A.element, A.no_sign, A.smallest, True)
    cdef int64_t stripes = (A.dims[3] + A.columns - 1) // A.columns
    cdef int64_t first = tile // stripes * A.outer, column = tile % stripes * A.columns
    cdef int64_t n = min(A.columns, A.dims[3] - column), size = element_size[A.element], i, j
    cdef const char *x
    cdef int64_t *y
    for i in range(first, min(A.dims[0] * A.dims[1] * A.dims[2], first + A.outer)):
        x = <const char *>at(base, A.x) + (place(i, A.dims, A.xs) + column * A.xs[3]) * size
        y = <int64_t *>at(base, A.y) + place(i, A.dims, A.ys) + column * A.ys[3]
        if A.xs[3] == 1 and A.dims[3] > 1:
            extreme_columns(&f, x, A.rs, A.n, n, <int>A.last, y, A.ys[3])
        else:
            for j in range(n):
                y[j * A.ys[3]] = extreme_row(&f, x + j * A.xs[3] * size, A.rs, A.n, <int>A.last)


cdef void top_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const top_t *A = <const top_t *>params
    cdef keys_t f = keys_of(A.element, A.no_sign, A.smallest, False)
    cdef int64_t size = element_size[A.element], n = A.dims[3], i, from_, to
    for i in range(tile * A.outer, min(A.dims[0] * A.dims[1] * A.dims[2] * n, (tile + 1) * A.outer)):
        from_ = place(i // n, A.dims, A.xs) + i % n * A.xs[3]
        to = place(i // n, A.dims, A.ys) + i % n * A.ys[3]
        top_row(&f, <const char *>at(base, A.x) + from_ * size, A.rs, A.n, A.k, scratch,
                <char *>at(base, A.v) + to * size, <int64_t *>at(base, A.i) + to, A.ks)


enter("extreme", fields_of("extreme_t"), sizeof(extreme_t), extreme_run)
cdef int64_t top_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const top_t *A = <const top_t *>params
    return (16 if element_size[A.element] == 8 else 8) * A.k


enter("top", fields_of("top_t"), sizeof(top_t), top_run, top_scratch)
