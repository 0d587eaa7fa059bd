# Reductions of any type but float32; the contract and the loops are in fold.h.

cdef extern from "fold.h" nogil:
    ctypedef void (*fold_fn)(const void *, void *, int64_t) noexcept nogil
    ctypedef struct joins_t:
        fold_fn start, beside, along
    ctypedef struct folder_t:
        joins_t joins
        int size, wide
    folder_t folder(int64_t, int64_t, int64_t)
    void fold_piece(const folder_t *, fold_fn, const char *, int64_t, int64_t, void *)
    void fold_end(const folder_t *, void *, int64_t, int64_t, char *, int64_t)

ctypedef struct fold_t:
    buf_t x, y
    int64_t op, then, element, outer
    int64_t dims[4]
    int64_t xs[4]
    int64_t ys[4]
    int64_t rdims[4]
    int64_t rs[4]


cdef void fold_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const fold_t *A = <const fold_t *>params
    cdef folder_t f = folder(A.op, A.then, A.element)
    cdef int64_t total = A.dims[0] * A.dims[1] * A.dims[2], n = A.dims[3], terms = A.rdims[3]
    cdef int64_t parts = A.rdims[0] * A.rdims[1] * A.rdims[2]
    cdef bint neighbours = A.xs[3] == 1 and n > 1
    cdef int64_t i, j, k, r, s, m
    cdef const char *x
    cdef const char *row
    cdef char *y
    cdef int64_t[STRIPE] results
    cdef char *t = <char *>results
    for i in range(tile * A.outer, min(total, (tile + 1) * A.outer)):
        x = <const char *>at(base, A.x) + place(i, A.dims, A.xs) * f.size
        y = <char *>at(base, A.y) + place(i, A.dims, A.ys) * f.size
        for j in range(0, n, STRIPE):
            m = min(n - j, <int64_t>STRIPE)
            f.joins.start(t, t, m)
            for r in range(parts):
                row = x + (j * A.xs[3] + place(r, A.rdims, A.rs)) * f.size
                if neighbours:
                    for s in range(terms):
                        fold_piece(&f, f.joins.beside, row + s * A.rs[3] * f.size, 1, m, t)
                    continue
                for k in range(m):
                    for s in range(0, terms, STRIPE):
                        fold_piece(&f, f.joins.along, row + (k * A.xs[3] + s * A.rs[3]) * f.size, A.rs[3],
                                   min(terms - s, <int64_t>STRIPE), t + k * f.wide)
            fold_end(&f, t, m, parts * terms, y + j * A.ys[3] * f.size, A.ys[3])


enter("fold", fields_of("fold_t"), sizeof(fold_t), fold_run)
