# Products of row-major matrices in pairs of 16 bits, as conv_pairs.pxi has those of convolutions. Chunks of rows of a
# are narrowed to a strip in scratch, [row][blocks of 32 columns].
from libc.string cimport memcpy

cdef inline int64_t chunk_of_rows(const gemm_bf16_t *A, int64_t *each) noexcept nogil:
    """How many rows; `each` pairs apart."""
    each[0] = pixel_pairs(groups_of(A.k))
    return max(<int64_t>STRIP_BF16 // (4 * each[0]), <int64_t>PM)


cdef void step_rows(const float *a, int64_t lda, int64_t n, int64_t k, double inverse, int64_t zero, float *strip,
                    int64_t each) noexcept nogil:
    """round_rows, of numbers that are whole steps."""
    cdef int64_t i, whole = k // PAIR_LANES, left = k % PAIR_LANES
    cdef float[PAIR_LANES] part
    memset(part, 0, sizeof(part))
    for i in range(n):
        step_runs(a, CB, PAIR_LANES, whole, PAIR_LANES, <float>inverse, <int32_t>zero, strip, CB)
        if left > 0:                             # rows of matrices end anywhere
            memcpy(part, a + whole * PAIR_LANES, left * sizeof(float))
            step_runs(part, CB, 0, 1, PAIR_LANES, <float>inverse, <int32_t>zero, strip + whole * CB, 0)
        a, strip = a + lda, strip + each


cdef void gemm_pairs(const gemm_bf16_t *A, char *const *base, char *scratch, int64_t tile, const tile_run *full,
                     const tile_run *half, int64_t head) noexcept nogil:
    """full, half, head : as of conv_pairs"""
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles % A.row_tiles, b = tile // A.col_tiles // A.row_tiles
    cdef int64_t c0 = c * A.cols, c1 = min(c0 + A.cols, A.n), first = r * A.rows, end = min(first + A.rows, A.m)
    cdef int64_t each, most = chunk_of_rows(A, &each), n
    cdef const float *a = <const float *>at(base, A.a) + in_batch(b, A.batch1, A.a0, A.a1)
    cdef const float *w = <const float *>at(base, A.w) + in_batch(b, A.batch1, A.w0, A.w1)
    cdef float *y = <float *>at(base, A.y) + in_batch(b, A.batch1, A.y0, A.y1)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *strip = <float *>scratch
    cdef product_t P
    product_of_tiles(&P, full, half, A.act, A.alpha, A.beta)
    most = even(end - first, most)
    while first < end:
        n = min(most, end - first)
        if A.inverse != 0:
            step_rows(a + first * A.lda, A.lda, n, A.k, A.inverse, A.zero, strip, each)
        else:
            round_rows(a + first * A.lda, A.lda, n, A.k, strip, each)
        product_of_rows(&P, strip, each, w, y + first * A.ldy, A.ldy, n, (A.k + 1) // 2, A.n)
        P.k, P.whole = head + P.terms, head > 0
        P.bias = <const float *>at(base, A.bias)
        P.slope = <const float *>at(base, A.slope)
        P.res = res + first * A.ldr if res != NULL else NULL
        P.rj, P.t.scale = A.ldr, A.scale
        multiply(&P, 0, n, c0, c1)
        first += n


cdef int64_t gemm_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    cdef int64_t each, rows = chunk_of_rows(<const gemm_bf16_t *>params, &each)
    return 4 * each * rows
