# Products of row-major matrices in bfloat16 by vectors (gemm_pairs.pxi).

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


cdef void gemm_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    gemm_pairs(<const gemm_bf16_t *>params, base, scratch, tile, &tiles_bf16[0][0], &tiles_bf16_half[0][0], 0)


if HAS_BF16:
    enter("gemm_bf16", fields_of("gemm_bf16_t"), sizeof(gemm_bf16_t), gemm_bf16_run, gemm_bf16_scratch)
