# Matrix products; contract and register tiles are in gemm.h.

cdef extern from "gemm.h" nogil:
    enum: GEMM_N, GEMM_PX
    ctypedef struct gemm_t:
        buf_t a, w, bias, slope, res, y
        int64_t batch0, batch1, m, n, k, lda, ldy, ldr, a0, a1, w0, w1, y0, y1, r0, r1, act, row_tiles, rows, col_tiles, cols
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
    ctypedef void (*gemm_fn)(const float *, size_t, const float *, int64_t, float, const float *, const float *, const epilogue_t *,
                             const float *, size_t, float *, size_t, int64_t) noexcept nogil
    gemm_fn gemm_tiles[5][8]
    void gemv_rows_1(const float *, const float *, size_t, int64_t, float *)
    void gemv_rows_4(const float *, const float *, size_t, int64_t, float *)
    void gemv_columns_1(const float *, const float *, size_t, int64_t, float *)
    void gemv_columns_8(const float *, const float *, size_t, int64_t, float *)


cdef void gemm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemm_t *A = <const gemm_t *>params
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles % A.row_tiles, b = tile // A.col_tiles // A.row_tiles
    cdef int64_t b0 = b // A.batch1, b1 = b % A.batch1, m0 = r * A.rows, m1 = min(m0 + A.rows, A.m), n1 = min((c + 1) * A.cols, A.n)
    cdef int64_t packed_n = (A.n + CB - 1) // CB * CB, n0, width, i, j, t, p, q, tiles
    cdef int64_t step = max(GEMM_PX, 65536 // max(1, A.k) // GEMM_PX * GEMM_PX)      # rows of a that stay in L2 under all columns
    cdef const float *a = <const float *>at(base, A.a) + b0 * A.a0 + b1 * A.a1
    cdef const float *w = <const float *>at(base, A.w) + b0 * A.w0 + b1 * A.w1
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *y = <float *>at(base, A.y) + b0 * A.y0 + b1 * A.y1
    cdef epilogue_t e
    e.act, e.alpha, e.beta = A.act, A.alpha, A.beta
    if res != NULL:
        res += b0 * A.r0 + b1 * A.r1
    if slope == NULL:
        slope = w                               # never read
    i = m0
    while i < m1:
        j = min(i + step, m1)
        tiles = (j - i + GEMM_PX - 1) // GEMM_PX
        n0 = c * A.cols
        while n0 < n1:
            width = min(GEMM_N, packed_n - n0)
            p = i
            for t in range(tiles):
                q = (j - i) // tiles + (t < (j - i) % tiles)
                gemm_tiles[width // VW][q](a + p * A.lda, A.lda, w + n0 * A.k, A.k, A.scale, bias + n0 if bias != NULL else NULL, slope + n0,
                                           &e, res + p * A.ldr + n0 if res != NULL else NULL, A.ldr, y + p * A.ldy + n0, A.ldy, A.n - n0)
                p += q
            if acts_later(A.act):
                for p in range(i, j):
                    activate_rows(y + p * A.ldy + n0, min(width, A.n - n0), <int>A.act, A.alpha, A.beta)
            n0 += width
        i = j


cdef void pack_gemm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    """Tile = (b, n tile)."""
    cdef const pack_gemm_t *A = <const pack_gemm_t *>params
    pack_matrix(A, base, tile, GEMM_N)


cdef void pack_stem_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    """The same with tiles of CONV_OC columns, for conv_stem."""
    cdef const pack_gemm_t *A = <const pack_gemm_t *>params
    pack_matrix(A, base, tile, CONV_OC)


cdef void pack_matrix(const pack_gemm_t *A, char *const *base, int64_t tile, int64_t most) noexcept nogil:
    cdef int64_t packed_n = (A.n + CB - 1) // CB * CB, tiles = (packed_n + most - 1) // most, b = tile // tiles, n0 = tile % tiles * most
    cdef int64_t width = min(most, packed_n - n0), real = min(width, A.n - n0), k, n, o
    cdef const float *w = <const float *>at(base, A.w) + b // A.batch1 * A.w0 + b % A.batch1 * A.w1 + n0 * A.sn
    cdef float *y = <float *>at(base, A.y) + b * A.k * packed_n + n0 * A.k
    if A.sn == 1:
        for k in range(A.k):
            for o in range(real):
                y[o] = w[k * A.sk + o]
            for o in range(real, width):
                y[o] = 0
            y += width
        return
    k = 0
    while k < A.k:
        n = min(CB, A.k - k)
        turn(w + k * A.sk, A.sn, A.sk, real, n, y, width)
        y += n * width
        k += n


cdef void gemv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemv_t *A = <const gemv_t *>params
    cdef int64_t n0 = tile * A.cols, n1 = min(n0 + A.cols, A.n), m, n, i
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *w = <const float *>at(base, A.w)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef float *y = <float *>at(base, A.y)
    cdef float *row
    cdef epilogue_t e
    cdef float s
    n = n0
    if A.sk == 1:
        while n < n1:                           # the weights are the cost: all rows of x while they are near
            for m in range(A.m):
                if n + 4 <= n1:
                    gemv_rows_4(x + m * A.ldx, w + n * A.sn, A.sn, A.k, y + m * A.ldy + n)
                else:
                    for i in range(n, n1):
                        gemv_rows_1(x + m * A.ldx, w + i * A.sn, A.sn, A.k, y + m * A.ldy + i)
            n += 4
    else:
        for m in range(A.m):
            n = n0
            while n + 8 * VW <= n1:
                gemv_columns_8(x + m * A.ldx, w + n, A.sk, A.k, y + m * A.ldy + n)
                n += 8 * VW
            while n + VW <= n1:
                gemv_columns_1(x + m * A.ldx, w + n, A.sk, A.k, y + m * A.ldy + n)
                n += VW
            for i in range(n, n1):
                s = 0
                for n in range(A.k):
                    s += x[m * A.ldx + n] * w[n * A.sk + i]
                y[m * A.ldy + i] = s
    for m in range(A.m):
        row = y + m * A.ldy
        for n in range(n0, n1):
            row[n] = row[n] * <float>A.scale + (bias[n] if bias != NULL else 0)
        if A.act == U_prelu:
            for n in range(n0, n1):
                if row[n] < 0:
                    row[n] *= slope[n]
        elif A.act != U_none:
            activate_rows(row + n0, n1 - n0, <int>A.act, A.alpha, A.beta)


enter("gemm", gemm_t_fields, sizeof(gemm_t), gemm_run)
enter("pack_gemm", pack_gemm_t_fields, sizeof(pack_gemm_t), pack_gemm_run)
enter("pack_stem", pack_gemm_t_fields, sizeof(pack_gemm_t), pack_stem_run)
enter("gemv", gemv_t_fields, sizeof(gemv_t), gemv_run)
