# Elementwise operators; the contract and the loops over planes are in elementwise.h.

cdef extern from "elementwise.h" nogil:
    void map_plane(const float *, int64_t, int64_t, float *, int64_t, int64_t, int64_t, int64_t, int, float,
                   float)
    void zip_plane(const float *, int64_t, int64_t, const float *, int64_t, int64_t, float *, int64_t,
                   int64_t, int64_t, int64_t, int, int, float, float)
    void scale_shift_plane(const float *, int64_t, int64_t, const float *, int64_t, int64_t, const float *,
                           int64_t, int64_t, float *, int64_t, int64_t, int64_t, int64_t, int, float, float)
    void fill_plane(float *, int64_t, int64_t, int64_t, int64_t, float)

ctypedef struct map_t:
    buf_t x, y, range
    int64_t op, outer
    int64_t dims[6]
    int64_t xs[6]
    int64_t ys[6]
    double alpha, beta

ctypedef struct zip_t:
    buf_t a, b, y, range
    int64_t op, act, outer
    int64_t dims[6]
    int64_t as_[6]
    int64_t bs[6]
    int64_t ys[6]
    double alpha, beta

ctypedef struct scale_shift_t:
    buf_t x, s, t, y
    int64_t act, outer
    int64_t dims[6]
    int64_t xs[6]
    int64_t ss[6]
    int64_t ts[6]
    int64_t ys[6]
    double alpha, beta

ctypedef struct fill_t:
    buf_t y
    int64_t outer
    int64_t dims[6]
    int64_t ys[6]
    double value


ctypedef struct walk_t:
    # Where a tile is among its outer indices; the last of the axes in `order` is the rows of planes.
    int64_t index[5]
    int64_t order[5]
    int64_t left, rows


cdef void walk_begin(walk_t *k, const int64_t *dims, int64_t tile, int64_t outer, int row) noexcept nogil:
    """The outer indices of a tile, counted with the axes in their order, but axis `row` exchanged with 4."""
    cdef int64_t first = tile * outer, total = 1
    cdef int i
    for i in range(5):
        k.order[i] = i
        total *= dims[i]
    k.order[row], k.order[4] = 4, row
    k.left = min(outer, total - first)
    for i in range(4, -1, -1):
        k.index[i] = first % dims[k.order[i]]
        first //= dims[k.order[i]]
    k.rows = min(k.left, dims[row] - k.index[4])


cdef void walk_next(walk_t *k, const int64_t *dims) noexcept nogil:
    """On to the next plane."""
    cdef int i = 3
    k.left -= k.rows
    k.index[4] = 0
    k.index[3] += 1
    while i > 0 and k.index[i] == dims[k.order[i]]:
        k.index[i] = 0
        i -= 1
        k.index[i] += 1
    k.rows = min(k.left, dims[k.order[4]])


cdef int64_t offset(const walk_t *k, const int64_t *strides) noexcept nogil:
    cdef int64_t sum = 0
    cdef int i
    for i in range(5):
        sum += k.index[i] * strides[k.order[i]]
    return sum


cdef int unit_axis(const int64_t *dims, const int64_t *strides) noexcept nogil:
    """The outer axis along which neighbours lie side by side; 4 if there is none."""
    cdef int i
    for i in range(4, -1, -1):
        if strides[i] == 1 and dims[i] > 1:
            return i
    return 4


DEF RANGED = 4096       # floats of a plane that are written before their range is taken: a part of L1


cdef int64_t ranged_rows(const float *part, const int64_t *dims) noexcept nogil:
    """Rows of a plane for one call: all, or those whose range is taken behind it."""
    return max(<int64_t>1, RANGED // dims[5]) if part != NULL else INT64_MAX


cdef void range_plane(range_t *found, const float *y, int64_t yr, int64_t rows, int64_t n) noexcept nogil:
    cdef int64_t i
    if yr == n:
        n *= rows
        rows = 1
    for i in range(rows):
        range_row(found, y + i * yr, n)


cdef void map_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const map_t *A = <const map_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y)
    cdef float *part = <float *>at(base, A.range)
    cdef float *to
    cdef range_t found = range_of_zero()
    cdef walk_t k
    cdef int64_t row = 4, i, most = ranged_rows(part, A.dims), rows
    # a transposition: planes of the axes of unit strides
    if A.ys[5] == 1 and A.xs[5] != 1 and A.xs[5] != 0:
        row = unit_axis(A.dims, A.xs)
    elif A.xs[5] == 1 and A.ys[5] != 1:
        row = unit_axis(A.dims, A.ys)
    walk_begin(&k, A.dims, tile, A.outer, <int>row)
    while k.left > 0:
        to = y + offset(&k, A.ys)
        i = 0
        while i < k.rows:
            rows = min(most, k.rows - i)
            map_plane(x + offset(&k, A.xs) + i * A.xs[row], A.xs[row], A.xs[5], to + i * A.ys[row], A.ys[row], A.ys[5],
                      rows, A.dims[5], <int>A.op, <float>A.alpha, <float>A.beta)
            if part != NULL:
                range_plane(&found, to + i * A.ys[row], A.ys[row], rows, A.dims[5])
            i += rows
        walk_next(&k, A.dims)
    if part != NULL:
        range_end(&found, part + 2 * tile)


cdef void zip_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const zip_t *A = <const zip_t *>params
    cdef const float *a = <const float *>at(base, A.a)
    cdef const float *b = <const float *>at(base, A.b)
    cdef float *y = <float *>at(base, A.y)
    cdef float *part = <float *>at(base, A.range)
    cdef float *to
    cdef range_t found = range_of_zero()
    cdef walk_t k
    cdef int64_t i, most = ranged_rows(part, A.dims), rows
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        to = y + offset(&k, A.ys)
        i = 0
        while i < k.rows:
            rows = min(most, k.rows - i)
            zip_plane(a + offset(&k, A.as_) + i * A.as_[4], A.as_[4], A.as_[5],
                      b + offset(&k, A.bs) + i * A.bs[4], A.bs[4], A.bs[5],
                      to + i * A.ys[4], A.ys[4], A.ys[5], rows, A.dims[5], <int>A.op, <int>A.act,
                      <float>A.alpha, <float>A.beta)
            if part != NULL:
                range_plane(&found, to + i * A.ys[4], A.ys[4], rows, A.dims[5])
            i += rows
        walk_next(&k, A.dims)
    if part != NULL:
        range_end(&found, part + 2 * tile)


cdef void scale_shift_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const scale_shift_t *A = <const scale_shift_t *>params
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *s = <const float *>at(base, A.s)
    cdef const float *t = <const float *>at(base, A.t)
    cdef float *y = <float *>at(base, A.y)
    cdef walk_t k
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        scale_shift_plane(x + offset(&k, A.xs), A.xs[4], A.xs[5], s + offset(&k, A.ss), A.ss[4], A.ss[5],
                          t + offset(&k, A.ts), A.ts[4], A.ts[5], y + offset(&k, A.ys), A.ys[4], A.ys[5],
                          k.rows, A.dims[5], <int>A.act, <float>A.alpha, <float>A.beta)
        walk_next(&k, A.dims)


cdef void fill_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const fill_t *A = <const fill_t *>params
    cdef float *y = <float *>at(base, A.y)
    cdef walk_t k
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        fill_plane(y + offset(&k, A.ys), A.ys[4], A.ys[5], k.rows, A.dims[5], <float>A.value)
        walk_next(&k, A.dims)


enter("map", fields_of("map_t"), sizeof(map_t), map_run)
enter("zip", fields_of("zip_t"), sizeof(zip_t), zip_run)
enter("scale_shift", fields_of("scale_shift_t"), sizeof(scale_shift_t), scale_shift_run)
enter("fill", fields_of("fill_t"), sizeof(fill_t), fill_run)
