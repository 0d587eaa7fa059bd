# Products of row-major matrices in bfloat16 (bf16.pxi has what they are told), by vectors. Chunks of rows of a are
# rounded to a strip in scratch.

cdef inline int64_t rows_at_once() noexcept nogil:
    """Rows of whole register tiles, about as many as two tiles of AMX have."""
    return max(<int64_t>32 // PM, <int64_t>1) * PM


cdef void multiply_strip(const float *strip, int64_t each, const float *w, int64_t m, int64_t k, int64_t n,
                         const float *res, int64_t ldr, float scale, float *y, int64_t ldy) noexcept nogil:
    """y = scale * strip w + res: rows_at_once() rows of k numbers or fewer, n columns. res may be NULL"""
    cdef product_t P
    product_of_tiles(&P, &tiles_bf16[0][0], &tiles_bf16_half[0][0], U_none, 0, 0)
    product_of_rows(&P, strip, each, w, y, ldy, m, (k + 1) // 2, n)
    P.res, P.rj, P.t.scale = res, ldr, scale
    multiply(&P, 0, m, 0, n)


cdef inline int64_t chunk_of_rows(const gemm_bf16_t *A, int64_t *each) noexcept nogil:
    """How many rows; `each` pairs apart."""
    each[0] = pixel_pairs(groups_of(A.k))
    return max(<int64_t>STRIP_BF16 // (4 * each[0]), <int64_t>PM)


cdef void gemm_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemm_bf16_t *A = <const gemm_bf16_t *>params
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles % A.row_tiles, b = tile // A.col_tiles // A.row_tiles
    cdef int64_t c0 = c * A.cols, c1 = min(c0 + A.cols, A.n), first = r * A.rows, end = min(first + A.rows, A.m)
    cdef int64_t each, most = chunk_of_rows(A, &each), n
    cdef const float *a = <const float *>at(base, A.a) + in_batch(b, A.batch1, A.a0, A.a1)
    cdef const float *w = <const float *>at(base, A.w) + in_batch(b, A.batch1, A.w0, A.w1)
    cdef float *y = <float *>at(base, A.y) + in_batch(b, A.batch1, A.y0, A.y1)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *strip = <float *>scratch
    cdef product_t P
    product_of_tiles(&P, &tiles_bf16[0][0], &tiles_bf16_half[0][0], A.act, A.alpha, A.beta)
    most = even(end - first, most)
    while first < end:
        n = min(most, end - first)
        round_rows(a + first * A.lda, A.lda, n, A.k, strip, each)
        product_of_rows(&P, strip, each, w, y + first * A.ldy, A.ldy, n, (A.k + 1) // 2, A.n)
        P.bias = <const float *>at(base, A.bias)
        P.slope = <const float *>at(base, A.slope)
        P.res = res + first * A.ldr if res != NULL else NULL
        P.rj, P.t.scale = A.ldr, A.scale
        multiply(&P, 0, n, c0, c1)
        first += n


cdef int64_t gemm_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    cdef int64_t each, rows = chunk_of_rows(<const gemm_bf16_t *>params, &each)
    return 4 * each * rows


enter("gemm_bf16", fields_of(gemm_bf16_params), sizeof(gemm_bf16_t), gemm_bf16_run, gemm_bf16_scratch)
