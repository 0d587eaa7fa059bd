# Running sums and products; the contract and the loops are in scan.h.

cdef extern from "scan.h" nogil:
    ctypedef void (*scan_fn)(const void *, int64_t, int64_t, void *, int64_t, int64_t, int64_t, int64_t,
                             int) noexcept nogil
    scan_fn scan_of(int64_t, int64_t)

ctypedef struct scan_t:
    buf_t x, y
    int64_t n, rs, rt, op, element, exclusive, outer, columns
    int64_t dims[4]
    int64_t xs[4]
    int64_t ys[4]


cdef void scan_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const scan_t *A = <const scan_t *>params
    cdef scan_fn f = scan_of(A.op, A.element)
    cdef int64_t stripes = (A.dims[3] + A.columns - 1) // A.columns
    cdef int64_t first = tile // stripes * A.outer, column = tile % stripes * A.columns
    cdef int64_t n = min(A.columns, A.dims[3] - column), size = element_size[A.element], i
    for i in range(first, min(A.dims[0] * A.dims[1] * A.dims[2], first + A.outer)):
        f(<const char *>at(base, A.x) + (place(i, A.dims, A.xs) + column * A.xs[3]) * size, A.xs[3], A.rs,
          <char *>at(base, A.y) + (place(i, A.dims, A.ys) + column * A.ys[3]) * size, A.ys[3], A.rt, A.n, n,
          <int>A.exclusive)


enter("scan", fields_of("scan_t"), sizeof(scan_t), scan_run)
