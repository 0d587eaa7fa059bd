# Where; the contract and the loops over planes are in choose.h.

cdef extern from "choose.h" nogil:
    ctypedef void (*choose_fn)(const unsigned char *, const void *, const void *, void *,
                               int64_t) noexcept nogil
    const choose_fn *where
    void choose_plane(choose_fn, const unsigned char *, int64_t, int64_t, const char *, int64_t, int64_t,
                      const char *, int64_t, int64_t, char *, int64_t, int64_t, int64_t, int64_t, int)

ctypedef struct choose_t:
    buf_t c, a, b, y
    int64_t size, outer
    int64_t dims[6]
    int64_t cs[6]
    int64_t as_[6]
    int64_t bs[6]
    int64_t ys[6]


cdef void choose_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const choose_t *A = <const choose_t *>params
    cdef const unsigned char *c = <const unsigned char *>at(base, A.c)
    cdef const char *a = <const char *>at(base, A.a)
    cdef const char *b = <const char *>at(base, A.b)
    cdef char *y = <char *>at(base, A.y)
    cdef walk_t k
    walk_begin(&k, A.dims, tile, A.outer, 4)
    while k.left > 0:
        choose_plane(where[A.size], c + offset(&k, A.cs), A.cs[4], A.cs[5],
                     a + offset(&k, A.as_) * A.size, A.as_[4], A.as_[5],
                     b + offset(&k, A.bs) * A.size, A.bs[4], A.bs[5],
                     y + offset(&k, A.ys) * A.size, A.ys[4], A.ys[5], k.rows, A.dims[5], <int>A.size)
        walk_next(&k, A.dims)


enter("choose", fields_of("choose_t"), sizeof(choose_t), choose_run)
