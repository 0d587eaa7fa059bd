# Matrix products: contracts in matmul.h; the tiles are the convolution's, a row of a matrix being a pixel.

cdef extern from "matmul.h" nogil:
    void pack_columns(const float *, int64_t, int64_t, int64_t, int64_t, int64_t, float *)

ctypedef struct gemm_t:
    buf_t a, w, bias, slope, res, y
    int64_t batch0, batch1, m, n, k, lda, ldy, ldr, a0, a1, w0, w1, y0, y1, r0, r1, act, row_tiles, rows, col_tiles
    int64_t cols
    double scale, alpha, beta

ctypedef struct pack_gemm_t:
    buf_t w, y
    int64_t batch0, batch1, k, n, sk, sn, w0, w1


cdef inline bint copies_rows(const gemm_t *A) noexcept nogil:
    return min(A.cols, A.n) >= 4 * OCT


cdef int64_t gemm_scratch(const void *params, char *const *base) noexcept nogil:
    """For a chunk of rows (chunks_of), or those of one register tile."""
    cdef const gemm_t *A = <const gemm_t *>params
    cdef int64_t row = (A.k + CB - 1) // CB * CB * <int64_t>sizeof(float)
    return max(<int64_t>CHUNK_BYTES, PM * row) if copies_rows(A) else 0


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
    if copies_rows(A):
        P.copy = <float *>scratch
    multiply(&P, r * A.rows, min((r + 1) * A.rows, A.m), c * A.cols, min((c + 1) * A.cols, A.n))


cdef void pack_gemm_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_gemm_t *A = <const pack_gemm_t *>params
    cdef int64_t packed_n = (A.n + CB - 1) // CB * CB, tiles = (A.n + OCT - 1) // OCT, b, n
    b, n = tile // tiles, tile % tiles * OCT
    pack_columns(<const float *>at(base, A.w) + b // A.batch1 * A.w0 + b % A.batch1 * A.w1 + n * A.sn, A.sk,
                 A.sn, A.k, min(OCT, A.n - n), min(OCT, packed_n - n),
                 <float *>at(base, A.y) + (b * packed_n + n) * A.k)


cdef packed_t pack_gemm_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_gemm_t *A = <const pack_gemm_t *>params
    cdef int64_t batch = A.batch0 * A.batch1
    return packed_floats(batch * ((A.n + CB - 1) // CB) * CB * A.k, batch * ((A.n + OCT - 1) // OCT))


enter("gemm", fields_of("gemm_t"), sizeof(gemm_t), gemm_run, gemm_scratch)
enter("pack_gemm", fields_of("pack_gemm_t"), sizeof(pack_gemm_t), pack_gemm_run, NULL, pack_gemm_packed)
