# Kernels of float64; the contracts and the loops are in double.h.

cdef extern from "double.h" nogil:
    enum: TERMS, COLUMNS
    ctypedef struct product64_t:
        buf_t a, b, c, y
        int64_t batch1, m, n, a0, a1, b0, b1, c1, rows, row_tiles, cols, col_tiles
    ctypedef struct pool64_t:
        buf_t x, y
        int64_t planes, outer, id, ih, iw, od, oh, ow
    const char *product64_t_fields
    const char *pool64_t_fields
    void product64_tile(const product64_t *, const double *, const double *, const double *, double *, int64_t, int64_t,
                        int64_t, int64_t, double *)
    void pool64_plane(const pool64_t *, const double *, double *)
    void map64_row(const double *, double *, int64_t, int, double, double)
    void softmax64_row(const double *, double *, int64_t, int64_t, int)

ctypedef struct map64_t:
    buf_t x, y
    int64_t n, outer, op
    double alpha, beta


cdef void product64_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const product64_t *A = <const product64_t *>params
    cdef int64_t column = tile % A.col_tiles * A.cols, rest = tile // A.col_tiles
    cdef int64_t row = rest % A.row_tiles * A.rows, batch = rest // A.row_tiles
    cdef int64_t i = batch // A.batch1, j = batch % A.batch1
    product64_tile(A, <const double *>at(base, A.a) + i * A.a0 + j * A.a1,
                   <const double *>at(base, A.b) + i * A.b0 + j * A.b1, <const double *>at(base, A.c) + j * A.c1,
                   <double *>at(base, A.y) + batch * A.m * A.n, row, min(A.m, row + A.rows), column,
                   min(A.n, column + A.cols), <double *>scratch)


cdef void pool64_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pool64_t *A = <const pool64_t *>params
    cdef int64_t i
    for i in range(tile * A.outer, min(A.planes, (tile + 1) * A.outer)):
        pool64_plane(A, <const double *>at(base, A.x) + i * A.id * A.ih * A.iw,
                     <double *>at(base, A.y) + i * A.od * A.oh * A.ow)


cdef void map64_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const map64_t *A = <const map64_t *>params
    cdef int64_t first = tile * A.outer
    map64_row(<const double *>at(base, A.x) + first, <double *>at(base, A.y) + first, min(A.outer, A.n - first),
              <int>A.op, A.alpha, A.beta)


cdef void softmax64_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const softmax_t *A = <const softmax_t *>params
    cdef int64_t stripes = (A.inner + A.columns - 1) // A.columns
    cdef int64_t row = tile // stripes * A.rows, column = tile % stripes * A.columns, i, j
    for i in range(row, min(A.outer, row + A.rows)):
        for j in range(column, min(A.inner, column + A.columns)):
            softmax64_row(<const double *>at(base, A.x) + i * A.xo + j, <double *>at(base, A.y) + i * A.yo + j, A.n,
                          A.inner, <int>A.log)


cdef int64_t product64_scratch(const void *params, char *const *base) noexcept nogil:
    return TERMS * COLUMNS * <int64_t>sizeof(double)


enter("product64", product64_t_fields, sizeof(product64_t), product64_run, product64_scratch)
enter("pool64", pool64_t_fields, sizeof(pool64_t), pool64_run)
enter("map64", fields_of("map64_t"), sizeof(map64_t), map64_run)
enter("softmax64", fields_of("softmax_t"), sizeof(softmax_t), softmax64_run)
