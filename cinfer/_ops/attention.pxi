# Attention: the contract in attention.h; both products are `multiply`, the scores between them being blocked.

cdef extern from "attention.h" nogil:
    void softmax_blocks(float *, int64_t, int64_t, float *)

cdef void pack_matrix(const float *w, int64_t sk, int64_t sn, int64_t k, int64_t n, float *y) noexcept nogil:
    """All of w[k][n] as pack_gemm has it."""
    cdef int64_t packed_n = (n + CB - 1) // CB * CB, c = 0
    while c < n:
        pack_columns(w + c * sn, sk, sn, k, min(OCT, n - c), min(OCT, packed_n - c), y + c * k)
        c += OCT


cdef void attention_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const attention_t *A = <const attention_t *>params
    cdef int64_t b0 = tile // A.row_tiles // A.batch1, b1 = tile // A.row_tiles % A.batch1
    cdef int64_t first = tile % A.row_tiles * A.rows, rows = min(A.rows, A.m - first)
    cdef float *scores = <float *>scratch
    cdef float *copy = scores + (A.n + CB - 1) // CB * rows * CB
    cdef float *sums = copy + (A.d + CB - 1) // CB * rows * CB
    cdef float *packed = sums + rows * 3 * VW
    cdef const float *k = <const float *>at(base, A.k) + b0 * A.k0 + b1 * A.k1
    cdef const float *v = <const float *>at(base, A.v) + b0 * A.v0 + b1 * A.v1
    cdef const float *mask = <const float *>at(base, A.mask)
    cdef product_t P
    if A.pack:
        pack_matrix(k, A.kd, A.kn, A.d, A.n, packed)
        k = packed
    product_begin(&P, U_none, 0, 0)
    product_of_rows(&P, <const float *>at(base, A.q) + b0 * A.q0 + b1 * A.q1 + first * A.ldq, A.ldq,
                    k, scores, CB, rows, A.d, A.n)
    P.t.yb, P.t.scale, P.copy, P.n = rows * CB, A.scale, copy, P.packed_n              # whole blocks
    if mask != NULL:                             # read by rows, which lie far from each other
        rows_to_blocks(mask + b0 * A.m0 + b1 * A.m1 + first * A.ldm, A.ldm, rows, A.n, scores)
        P.res, P.rj, P.t.rb = scores, CB, rows * CB
    multiply(&P, 0, rows, 0, P.packed_n)
    softmax_blocks(scores, rows, A.n, sums)
    if A.pack:
        pack_matrix(v, A.vn, A.vd, A.n, A.dv, packed)
        v = packed
    product_begin(&P, U_none, 0, 0)
    product_of_rows(&P, scores, CB, v, <float *>at(base, A.y) + b0 * A.y0 + b1 * A.y1 + first * A.ldy, A.ldy,
                    rows, A.n, A.dv)
    P.t.xb, P.near = rows * CB, FORM_NEAR
    multiply(&P, 0, rows, 0, P.packed_n)


cdef int64_t attention_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const attention_t *A = <const attention_t *>params
    cdef int64_t n = (A.n + CB - 1) // CB * CB, d = (A.d + CB - 1) // CB * CB, dv = (A.dv + CB - 1) // CB * CB
    cdef int64_t packed = max(A.d * n, A.n * dv) if A.pack else 0
    return (A.rows * (n + d + 3 * VW) + packed) * <int64_t>sizeof(float)


enter("attention", fields_of("attention_t"), sizeof(attention_t), attention_run, attention_scratch)
