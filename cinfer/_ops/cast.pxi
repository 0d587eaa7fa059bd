# Conversions between element types; the contract and the loops over planes are in cast.h.

cdef extern from "cast.h" nogil:
    ctypedef struct scale_t:
        const float *s
        const void *z
        int64_t step
        float lo, hi
    ctypedef struct conversion_t:
        int from_size, to_size
    const char *element_names
    const signed char *element_size
    conversion_t conversion(int64_t, int64_t, int64_t)
    void convert_plane(const conversion_t *, const char *, int64_t, int64_t, scale_t, int64_t, char *,
                       int64_t, int64_t, int64_t, int64_t)

ctypedef struct convert_t:
    buf_t x, s, z, y
    int64_t from_, to, how, outer
    int64_t dims[6]
    int64_t xs[6]
    int64_t ss[6]
    int64_t ys[6]
    double lo, hi


cdef void convert_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const convert_t *A = <const convert_t *>params
    cdef conversion_t c = conversion(A.from_, A.to, A.how)
    cdef const char *x = <const char *>at(base, A.x)
    cdef char *y = <char *>at(base, A.y)
    cdef const float *s = <const float *>at(base, A.s)
    cdef const float *z = <const float *>at(base, A.z)      # or int32
    cdef scale_t q
    cdef walk_t k
    cdef int row = unit_axis(A.dims, A.xs) if A.xs[5] != 1 else 4
    q.step, q.lo, q.hi = A.ss[5], <float>A.lo, <float>A.hi
    walk_begin(&k, A.dims, tile, A.outer, row)
    while k.left > 0:
        q.s, q.z = s + offset(&k, A.ss), z + offset(&k, A.ss)
        convert_plane(&c, x + offset(&k, A.xs) * c.from_size, A.xs[row], A.xs[5], q, A.ss[row],
                      y + offset(&k, A.ys) * c.to_size, A.ys[row], A.ys[5], k.rows, A.dims[5])
        walk_next(&k, A.dims)


enter("convert", fields_of("convert_t"), sizeof(convert_t), convert_run)
