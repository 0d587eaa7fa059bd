# Products of row-major matrices in bfloat16 (bf16.pxi has what they are told), by vectors. Chunks of rows of a are
# rounded to a strip in scratch, [row][blocks of 32 columns], zeros behind the columns.

cdef inline int64_t chunk_of_rows(const gemm_bf16_t *A, int64_t *each) noexcept nogil:
    """How many rows; `each` pairs apart."""
    each[0] = pixel_pairs((A.k + PAIR_LANES - 1) // PAIR_LANES)
    return max(<int64_t>STRIP_BF16 // (4 * each[0]), <int64_t>PM)


cdef void gemm_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemm_bf16_t *A = <const gemm_bf16_t *>params
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles, c0 = c * A.cols, c1 = min(c0 + A.cols, A.n)
    cdef int64_t first = r * A.rows, end = min(first + A.rows, A.m), whole = A.k // PAIR_LANES
    cdef int64_t each, most = chunk_of_rows(A, &each), n, i
    cdef const float *a = <const float *>at(base, A.a)
    cdef float *y = <float *>at(base, A.y)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *strip = <float *>scratch
    cdef product_t P
    product_of_tiles(&P, &tiles_bf16[0][0], &tiles_bf16_half[0][0], A.act, A.alpha, A.beta)
    most = even(end - first, most)
    while first < end:
        n = min(most, end - first)
        for i in range(n):
            round_runs(a + (first + i) * A.lda, CB, PAIR_LANES, whole, PAIR_LANES, strip + i * each, CB)
            if A.k % PAIR_LANES > 0:
                round_part(a + (first + i) * A.lda + whole * PAIR_LANES, A.k % PAIR_LANES,
                           strip + i * each + whole * CB)
        product_of_rows(&P, strip, each, <const float *>at(base, A.w), y + first * A.ldy, A.ldy, n, (A.k + 1) // 2, A.n)
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
