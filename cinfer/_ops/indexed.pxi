# Gather and Scatter by indices of the run; the contract and the loops over rows are in indexed.h.

cdef extern from "indexed.h" nogil:
    ctypedef struct indices_t:
        int64_t count, ks, wide
        const int64_t *sizes
        const int64_t *steps
        int refused
    void pick_plane(indices_t *, const char *, int64_t, int64_t, const char *, int64_t, int64_t, char *, int64_t,
                      int64_t, int64_t, int64_t, int)
    void put_row(indices_t *, const char *, int64_t, const char *, int64_t, char *, int64_t, int64_t, int,
                     int64_t, int64_t)

ctypedef struct gather_t:
    buf_t x, i, y
    int64_t count, ks, wide, size, outer
    int64_t dims[6]
    int64_t xs[6]
    int64_t is_[6]
    int64_t ys[6]
    int64_t sizes[6]
    int64_t steps[6]

ctypedef struct scatter_t:
    buf_t u, i, y
    int64_t count, ks, wide, size, op, element, outer, columns
    int64_t dims[6]
    int64_t us[6]
    int64_t is_[6]
    int64_t ys[6]
    int64_t sizes[6]
    int64_t steps[6]


cdef void gather_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gather_t *A = <const gather_t *>params
    cdef const char *x = <const char *>at(base, A.x)
    cdef const char *i = <const char *>at(base, A.i)
    cdef char *y = <char *>at(base, A.y)
    cdef int64_t bytes_of_index = 8 if A.wide else 4
    cdef indices_t f
    cdef walk_t k
    f.count, f.ks, f.wide, f.refused = A.count, A.ks, A.wide, 0
    f.sizes = <int64_t *>A.sizes
    f.steps = <int64_t *>A.steps
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        pick_plane(&f, x + offset(&k, A.xs) * A.size, A.xs[4], A.xs[5],
                     i + offset(&k, A.is_) * bytes_of_index, A.is_[4], A.is_[5],
                     y + offset(&k, A.ys) * A.size, A.ys[4], A.ys[5], k.rows, A.dims[5], <int>A.size)
        walk_next(&k, A.dims)
    if f.refused:
        refuse(base, params)


cdef void scatter_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const scatter_t *A = <const scatter_t *>params
    cdef int64_t stripes = (A.dims[5] + A.columns - 1) // A.columns, column = tile % stripes * A.columns
    cdef int64_t first = tile // stripes * A.outer, n = min(A.columns, A.dims[5] - column), a, r, s, rows
    cdef int64_t bytes_of_index = 8 if A.wide else 4
    cdef int axis = 5
    cdef const char *u
    cdef const char *i
    cdef char *y
    cdef indices_t f
    f.count, f.ks, f.wide, f.refused = A.count, A.ks, A.wide, 0
    f.sizes = <int64_t *>A.sizes
    f.steps = <int64_t *>A.steps
    rows = A.dims[2] * A.dims[3] * A.dims[4]
    if A.dims[4] * A.dims[5] == 1:              # no neighbours of different places: rows in order
        axis, n, rows = 3, A.dims[3], A.dims[2]
    for a in range(first, min(first + A.outer, A.dims[0] * A.dims[1])):
        for r in range(rows):
            u = <const char *>at(base, A.u) + (in_row(A.dims, A.us, a, r, axis) + column * A.us[5]) * A.size
            i = <const char *>at(base, A.i) + (in_row(A.dims, A.is_, a, r, axis)
                                               + column * A.is_[5]) * bytes_of_index
            y = <char *>at(base, A.y) + (in_row(A.dims, A.ys, a, r, axis) + column * A.ys[5]) * A.size
            put_row(&f, u, A.us[axis], i, A.is_[axis], y, A.ys[axis], n, <int>A.size, A.op, A.element)
    if f.refused:
        refuse(base, params)


cdef int64_t in_row(const int64_t *dims, const int64_t *strides, int64_t a, int64_t r, int axis) noexcept nogil:
    """Offset of number a along the first two axes and r along those from 2 to before `axis`, in row-major order."""
    cdef int64_t sum = a // dims[1] * strides[0] + a % dims[1] * strides[1]
    cdef int i
    for i in range(axis - 1, 1, -1):
        sum += r % dims[i] * strides[i]
        r //= dims[i]
    return sum


enter("gather", fields_of("gather_t"), sizeof(gather_t), gather_run)
enter("scatter", fields_of("scatter_t"), sizeof(scatter_t), scatter_run)
