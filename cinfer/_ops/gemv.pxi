# Products of a few rows, and weights of narrow types: contracts in gemv.h and narrow.h.

cdef extern from "gemv.h" nogil:
    ctypedef struct weights_t:
        pass
    ctypedef struct dots_t:
        void (*run)(const weights_t *, int64_t, int64_t, const float *, int64_t, int64_t, float *) noexcept nogil
        int64_t rows, x_rows
    ctypedef void (*axpys_fn)(const weights_t *, int64_t, int64_t, const float *, int64_t, int, float *) noexcept nogil
    enum: DOT_PIECE
    const dots_t *dots_of(int64_t, int64_t, int64_t)
    const axpys_fn axpys[1][2]
    weights_t weights_of(const char *, const float *, const float *, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t)
    void widen_columns(const weights_t *, int64_t, bint, int64_t, int64_t, int64_t, int64_t, float *)
    void finish_row(float *, int64_t, float, const float *, const float *, const epilogue_t *)

ctypedef struct gemv_t:
    buf_t x, w, s, z, bias, slope, y
    int64_t m, n, k, ldx, ldy, sk, sn, type, ss, zs, shift, zero_shift, act, cols
    double scale, alpha, beta

ctypedef struct widen_t:
    buf_t w, s, z, y
    int64_t n, k, sk, sn, type, ss, zs, shift, zero_shift


cdef void gemv_dots(const dots_t *D, const weights_t *W, int64_t n, const float *x, int64_t ldx, int64_t k, float *y,
                    int64_t ldy) noexcept nogil:
    """Dot products of a form, of more than DOT_PIECE terms in pieces."""
    cdef float[4] sums
    cdef double[4] total
    cdef int64_t i = 0, q, r
    while i < k:
        D.run(W, n, i, x + i, ldx, min(k - i, <int64_t>DOT_PIECE), sums)
        if k > DOT_PIECE:
            add_to_total(total, sums, D.rows * D.x_rows, i == 0)
        i += DOT_PIECE
    if k > DOT_PIECE:
        rounded_total(total, sums, D.rows * D.x_rows)
    for q in range(D.x_rows):
        for r in range(D.rows):
            y[q * ldy + r] = sums[q * D.rows + r]


cdef void gemv_rows(int64_t type, const weights_t *W, int64_t n0, int64_t n, const float *x, int64_t ldx, int64_t k,
                    float *y, int64_t ldy, int64_t m) noexcept nogil:
    """y = x w for m rows of x and n of w from n0 on, four after four, which are in cache for all rows of x but the
    first."""
    cdef const dots_t *D
    cdef int64_t j = 0, some, i, p
    while j < n:
        some, i = min(n - j, <int64_t>4), 0
        while i < m:
            p = 0
            while p < some:
                D = dots_of(type, some - p, m - i)
                gemv_dots(D, W, n0 + j + p, x + i * ldx, ldx, k, y + i * ldy + j + p, ldy)
                p += D.rows
            i += D.x_rows
        j += some


cdef void gemv_axpys(const axpys_fn *run, const weights_t *W, int64_t k0, int64_t c, const float *x, int64_t ldx,
                     int64_t k, int64_t n, float *y, int64_t ldy, int64_t m) noexcept nogil:
    """y = x w for m rows of x, k rows of w from k0 on in turn and n columns from c on."""
    cdef int64_t j = 0, q, i
    while j < k:
        q = 8 if k - j >= 8 else 1
        for i in range(m):
            run[q == 8](W, k0 + j, c, x + i * ldx + j, n, j == 0, y + i * ldy)
        j += q


DEF AXPY_TOTALS = 4096                           # held at once, of up to 8 rows of x
cdef void gemv_far(const axpys_fn *run, const weights_t *W, int64_t c0, const float *x, int64_t ldx, int64_t k,
                   int64_t n, float *y, int64_t ldy, int64_t m) noexcept nogil:
    """As gemv_axpys, for more than PRODUCT_WHOLE terms: in pieces, by stripes of columns."""
    cdef double[AXPY_TOTALS] total
    cdef int64_t rows, width, c, j, r, i
    for r in range((m + 7) // 8):
        rows = min(m - 8 * r, <int64_t>8)
        c = 0
        while c < n:
            width = min(n - c, AXPY_TOTALS // rows)
            j = 0
            while j < k:
                gemv_axpys(run, W, j, c0 + c, x + 8 * r * ldx + j, ldx, min(k - j, <int64_t>PRODUCT_PIECE),
                           width, y + 8 * r * ldy + c, ldy, rows)
                for i in range(rows):
                    add_to_total(total + i * width, y + (8 * r + i) * ldy + c, width, j == 0)
                j += PRODUCT_PIECE
            for i in range(rows):
                rounded_total(total + i * width, y + (8 * r + i) * ldy + c, width)
            c += width


cdef void gemv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemv_t *A = <const gemv_t *>params
    cdef int64_t n0 = tile * A.cols, n = min(A.cols, A.n - n0), i
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef float *y = <float *>at(base, A.y) + n0
    cdef weights_t W = weights_of(<const char *>at(base, A.w), <const float *>at(base, A.s),
                                  <const float *>at(base, A.z), A.sn if A.sk == 1 else A.sk, A.type, A.ss, A.zs,
                                  A.shift, A.zero_shift)
    cdef epilogue_t e
    e.act, e.alpha, e.beta = A.act, A.alpha, A.beta
    if bias != NULL:
        bias += n0
    slope = slope + n0 if slope != NULL else x
    if A.sk == 1:
        gemv_rows(A.type, &W, n0, n, x, A.ldx, A.k, y, A.ldy, A.m)
    elif A.k <= PRODUCT_WHOLE:
        gemv_axpys(axpys[A.type], &W, 0, n0, x, A.ldx, A.k, n, y, A.ldy, A.m)
    else:
        gemv_far(axpys[A.type], &W, n0, x, A.ldx, A.k, n, y, A.ldy, A.m)
    for i in range(A.m):
        finish_row(y + i * A.ldy, n, A.scale, bias, slope, &e)


cdef void widen_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const widen_t *A = <const widen_t *>params
    cdef int64_t packed_n = (A.n + CB - 1) // CB * CB, n = tile * OCT
    cdef weights_t W = weights_of(<const char *>at(base, A.w), <const float *>at(base, A.s),
                                  <const float *>at(base, A.z), A.sn if A.sk == 1 else A.sk, A.type, A.ss, A.zs,
                                  A.shift, A.zero_shift)
    widen_columns(&W, A.type, A.sk == 1, A.k, n, min(OCT, A.n - n), min(OCT, packed_n - n),
                  <float *>at(base, A.y) + n * A.k)


cdef packed_t widen_packed(const void *params, char *const *base) noexcept nogil:
    cdef const widen_t *A = <const widen_t *>params
    return packed_floats((A.n + CB - 1) // CB * CB * A.k, (A.n + OCT - 1) // OCT)


enter("gemv", fields_of("gemv_t"), sizeof(gemv_t), gemv_run)
enter("widen", fields_of("widen_t"), sizeof(widen_t), widen_run, NULL, widen_packed)
