# Arithmetic, comparisons and logic of any element type; the contract and the loops over planes are in arithmetic.h.

cdef extern from "arithmetic.h" nogil:
    ctypedef struct calculation_t:
        int size, result
    const char *arithmetic_names
    calculation_t calculation(int64_t, int64_t)
    void arithmetic_plane(const calculation_t *, const char *, int64_t, int64_t, const char *, int64_t, int64_t,
                          char *, int64_t, int64_t, int64_t, int64_t)

ctypedef struct arithmetic_t:
    buf_t a, b, y
    int64_t op, element, outer
    int64_t dims[6]
    int64_t as_[6]
    int64_t bs[6]
    int64_t ys[6]


cdef void arithmetic_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const arithmetic_t *A = <const arithmetic_t *>params
    cdef calculation_t c = calculation(A.op, A.element)
    cdef const char *a = <const char *>at(base, A.a)
    cdef const char *b = <const char *>at(base, A.b)
    cdef char *y = <char *>at(base, A.y)
    cdef walk_t k
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        arithmetic_plane(&c, a + offset(&k, A.as_) * c.size, A.as_[4], A.as_[5],
                         b + offset(&k, A.bs) * c.size, A.bs[4], A.bs[5],
                         y + offset(&k, A.ys) * c.result, A.ys[4], A.ys[5], k.rows, A.dims[5])
        walk_next(&k, A.dims)


enter("arithmetic", fields_of("arithmetic_t"), sizeof(arithmetic_t), arithmetic_run)
