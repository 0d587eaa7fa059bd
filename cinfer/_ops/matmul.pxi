# Matrix products: contracts in matmul.h; the tiles are the convolution's, a row of a matrix being a pixel.

cdef extern from "matmul.h" nogil:
    ctypedef struct gemm_t:
        buf_t a, w, bias, slope, res, y
        int64_t batch0, batch1, m, n, k, lda, ldy, ldr, a0, a1, w0, w1, y0, y1, r0, r1, act
        int64_t row_tiles, rows, col_tiles, cols, scratch_bytes
        double scale, alpha, beta
    ctypedef struct pack_gemm_t:
        buf_t w, y
        int64_t batch0, batch1, k, n, sk, sn, w0, w1
    ctypedef struct gemv_t:
        buf_t x, w, bias, slope, y
        int64_t m, n, k, ldx, ldy, sk, sn, act, cols
        double scale, alpha, beta
    const char *gemm_t_fields
    const char *pack_gemm_t_fields
    const char *gemv_t_fields
    void pack_columns(const float *, int64_t, int64_t, int64_t, int64_t, int64_t, float *)
    void gemv_rows_1(const float *, size_t, const float *, int64_t, float *)
    void gemv_rows_4(const float *, size_t, const float *, int64_t, float *)
    void gemv_columns_1(const float *, size_t, const float *, int64_t, int, float *)
    void gemv_columns_8(const float *, size_t, const float *, int64_t, int, float *)
    enum: DOT_PIECE
    void finish_row(float *, int64_t, float, const float *, const float *, const epilogue_t *)


cdef void gemm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemm_t *A = <const gemm_t *>params
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles % A.row_tiles
    cdef int64_t b = tile // A.col_tiles // A.row_tiles, b0 = b // A.batch1, b1 = b % A.batch1
    cdef product_t P
    product_begin(&P, A.act, A.alpha, A.beta)
    product_of_rows(&P, <const float *>at(base, A.a) + b0 * A.a0 + b1 * A.a1, A.lda,
                    <const float *>at(base, A.w) + b0 * A.w0 + b1 * A.w1,
                    <float *>at(base, A.y) + b0 * A.y0 + b1 * A.y1, A.ldy, A.m, A.k, A.n)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.res, P.rj, P.t.scale = <const float *>at(base, A.res), A.ldr, A.scale
    if P.res != NULL:
        P.res += b0 * A.r0 + b1 * A.r1
    if min(A.cols, A.n) >= 4 * OCT and A.scratch_bytes >= chunks_of(&P, min(A.rows, A.m - r * A.rows)).bytes:
        P.copy = <float *>scratch
    multiply(&P, r * A.rows, min((r + 1) * A.rows, A.m), c * A.cols, min((c + 1) * A.cols, A.n))


cdef void pack_gemm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_gemm_t *A = <const pack_gemm_t *>params
    cdef int64_t packed_n = (A.n + CB - 1) // CB * CB, tiles = (A.n + OCT - 1) // OCT, b, n
    b, n = tile // tiles, tile % tiles * OCT
    pack_columns(<const float *>at(base, A.w) + b // A.batch1 * A.w0 + b % A.batch1 * A.w1 + n * A.sn, A.sk,
                 A.sn, A.k, min(OCT, A.n - n), min(OCT, packed_n - n),
                 <float *>at(base, A.y) + (b * packed_n + n) * A.k)


cdef void gemv_dots(const float *w, size_t ldw, const float *x, int64_t k, float *y,
                    int64_t r) noexcept nogil:
    """r (1 or 4) dot products."""
    if r == 4:
        gemv_rows_4(w, ldw, x, k, y)
    else:
        gemv_rows_1(w, ldw, x, k, y)


cdef void gemv_long_dots(const float *w, size_t ldw, const float *x, int64_t k, float *y,
                         int64_t r) noexcept nogil:
    """The same of more than DOT_PIECE terms, in pieces."""
    cdef double[4] total
    cdef int64_t i = 0
    while i < k:
        gemv_dots(w + i, ldw, x + i, min(k - i, <int64_t>DOT_PIECE), y, r)
        add_to_total(total, y, r, i == 0)
        i += DOT_PIECE
    rounded_total(total, y, r)


cdef void gemv_axpys(const float *w, size_t ldw, const float *x, int64_t ldx, int64_t k, int64_t n, float *y,
                     int64_t ldy, int64_t m) noexcept nogil:
    """y = x w for m rows of x, the rows of w in turn."""
    cdef int64_t j = 0, q, i
    while j < k:
        q = 8 if k - j >= 8 else 1
        for i in range(m):
            if q == 8:
                gemv_columns_8(w + j * ldw, ldw, x + i * ldx + j, n, j == 0, y + i * ldy)
            else:
                gemv_columns_1(w + j * ldw, ldw, x + i * ldx + j, n, j == 0, y + i * ldy)
        j += q


DEF AXPY_TOTALS = 4096                           # held at once, of up to 8 rows of x
cdef void gemv_far(const float *w, size_t ldw, const float *x, int64_t ldx, int64_t k, int64_t n, float *y,
                   int64_t ldy, int64_t m) noexcept nogil:
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
                gemv_axpys(w + j * ldw + c, ldw, x + 8 * r * ldx + j, ldx, min(k - j, <int64_t>PRODUCT_PIECE),
                           width, y + 8 * r * ldy + c, ldy, rows)
                for i in range(rows):
                    add_to_total(total + i * width, y + (8 * r + i) * ldy + c, width, j == 0)
                j += PRODUCT_PIECE
            for i in range(rows):
                rounded_total(total + i * width, y + (8 * r + i) * ldy + c, width)
            c += width


cdef void gemv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemv_t *A = <const gemv_t *>params
    cdef int64_t n0 = tile * A.cols, n = min(A.cols, A.n - n0), i, j, q
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *w = <const float *>at(base, A.w) + n0 * A.sn
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef float *y = <float *>at(base, A.y) + n0
    cdef epilogue_t e
    e.act, e.alpha, e.beta = A.act, A.alpha, A.beta
    if bias != NULL:
        bias += n0
    slope = slope + n0 if slope != NULL else x
    if A.sk == 1:
        j = 0
        while j < n:                             # the rows of w are in cache for all rows of x but the first
            q = 4 if n - j >= 4 else 1
            for i in range(A.m):
                if A.k <= DOT_PIECE:
                    gemv_dots(w + j * A.sn, A.sn, x + i * A.ldx, A.k, y + i * A.ldy + j, q)
                else:
                    gemv_long_dots(w + j * A.sn, A.sn, x + i * A.ldx, A.k, y + i * A.ldy + j, q)
            j += q
    elif A.k <= PRODUCT_WHOLE:
        gemv_axpys(w, A.sk, x, A.ldx, A.k, n, y, A.ldy, A.m)
    else:
        gemv_far(w, A.sk, x, A.ldx, A.k, n, y, A.ldy, A.m)
    for i in range(A.m):
        finish_row(y + i * A.ldy, n, A.scale, bias, slope, &e)


enter("gemm", gemm_t_fields, sizeof(gemm_t), gemm_run)
enter("pack_gemm", pack_gemm_t_fields, sizeof(pack_gemm_t), pack_gemm_run)
enter("gemv", gemv_t_fields, sizeof(gemv_t), gemv_run)
