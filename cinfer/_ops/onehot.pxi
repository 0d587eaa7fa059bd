# OneHot; the contract and the loops over rows are in onehot.h.

cdef extern from "onehot.h" nogil:
    void onehot_row(const char *, int64_t, const char *, char *, int64_t, int64_t, int64_t, int)
    void row_move(const void *, int64_t, void *, int64_t, int64_t, int)

ctypedef struct onehot_t:
    buf_t i, v, y
    int64_t rows, n, depth, element, size, vs, outer, columns


cdef void onehot_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const onehot_t *A = <const onehot_t *>params
    cdef int64_t stripes = (A.n + A.columns - 1) // A.columns, column = tile % stripes * A.columns
    cdef int64_t first = tile // stripes * A.outer, last = min(A.rows, first + A.outer)
    cdef int64_t n = min(A.columns, A.n - column)
    cdef int size = <int>A.size
    cdef const char *v = <const char *>at(base, A.v)
    cdef const char *i = <const char *>at(base, A.i)
    cdef char *y = <char *>at(base, A.y)
    cdef int64_t r
    if n == A.n:
        row_move(v, 0, y + first * A.depth * n * size, 1, (last - first) * A.depth * n, size)
    else:
        for r in range(first * A.depth, last * A.depth):
            row_move(v, 0, y + (r * A.n + column) * size, 1, n, size)
    for r in range(first, last):
        onehot_row(i + (r * A.n + column) * element_size[A.element], A.element, v + A.vs * size,
                   y + (r * A.depth * A.n + column) * size, A.n, A.depth, n, size)


enter("onehot", fields_of("onehot_t"), sizeof(onehot_t), onehot_run)
