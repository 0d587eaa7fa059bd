# Attention in bfloat16: the contract in attention_bf16.h; both products are `multiply_strip`, by vectors
# (gemm_bf16.pxi) or in AMX tiles (bf16_amx.pxi).

cdef extern from "attention_bf16.h" nogil:
    void exp_to_bf16(float *, int64_t, int64_t, int64_t, float *, int64_t, float *)
    void scale_rows(float *, int64_t, int64_t, int64_t, const float *)

cdef struct attention_bf16_t:
    # Of rows that are multiplied at a time: how many; floats from row to row of scores, and of the strips of q and of
    # what becomes of the scores; floats of k and v that a tile packs.
    int64_t rows, scores, q, e, k, v


cdef attention_bf16_t attention_bf16_of(const attention_t *A) noexcept nogil:
    cdef attention_bf16_t s
    s.rows = min(A.rows, rows_at_once())
    s.scores, s.q, s.e = pixel_pairs(2 * groups_of(A.n)), pixel_pairs(groups_of(A.d)), pixel_pairs(groups_of(A.n))
    s.k = s.v = 0
    if A.pack:
        s.k, s.v = (A.n + CB - 1) // CB * CB * pairs_of_sum(A.d, 1), (A.dv + CB - 1) // CB * CB * pairs_of_sum(A.n, 1)
    return s


cdef void pack_all_pairs(const float *w, int64_t so, int64_t sk, int64_t k, int64_t n, float *room,
                         float *y) noexcept nogil:
    """All of w[k][n] as pack_bf16 has it."""
    cdef int64_t packed_n = (n + CB - 1) // CB * CB, c = 0
    while c < n:
        pack_pairs(w + c * so, so, sk, k, min(OCT, n - c), min(OCT, packed_n - c), room, y + c * pairs_of_sum(k, 1))
        c += OCT


cdef void attention_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const attention_t *A = <const attention_t *>params
    cdef int64_t b0 = tile // A.row_tiles // A.batch1, b1 = tile // A.row_tiles % A.batch1
    cdef int64_t first = tile % A.row_tiles * A.rows, end = min(first + A.rows, A.m), most, n
    cdef attention_bf16_t s = attention_bf16_of(A)
    cdef float *scores = <float *>scratch
    cdef float *strip_q = scores + s.rows * s.scores
    cdef float *strip_e = strip_q + s.rows * s.q
    cdef float *room = strip_e + s.rows * s.e
    cdef float *packed_k = room + PAIR_LANES * OCT
    cdef float *packed_v = packed_k + s.k
    cdef float *sums = packed_v + s.v
    cdef const float *q = <const float *>at(base, A.q) + b0 * A.q0 + b1 * A.q1
    cdef const float *k = <const float *>at(base, A.k) + b0 * A.k0 + b1 * A.k1
    cdef const float *v = <const float *>at(base, A.v) + b0 * A.v0 + b1 * A.v1
    cdef const float *mask = <const float *>at(base, A.mask)
    cdef float *y = <float *>at(base, A.y) + b0 * A.y0 + b1 * A.y1
    cdef int64_t columns = (A.n + CB - 1) // CB * CB         # beyond n those of zeros: whole blocks are quicker
    if A.pack:
        pack_all_pairs(k, A.kn, A.kd, A.d, A.n, room, packed_k)
        pack_all_pairs(v, A.vd, A.vn, A.n, A.dv, room, packed_v)
        k, v = packed_k, packed_v
    if mask != NULL:
        mask, columns = mask + b0 * A.m0 + b1 * A.m1, A.n
    most = even(end - first, s.rows)
    while first < end:
        n = min(most, end - first)
        round_rows(q + first * A.ldq, A.ldq, n, A.d, strip_q, s.q)
        multiply_strip(strip_q, s.q, k, n, A.d, columns, mask + first * A.ldm if mask != NULL else NULL, A.ldm,
                       A.scale, scores, s.scores)
        exp_to_bf16(scores, s.scores, n, A.n, strip_e, s.e, sums)
        multiply_strip(strip_e, s.e, v, n, A.n, A.dv, NULL, 0, 1, y + first * A.ldy, A.ldy)
        scale_rows(y + first * A.ldy, A.ldy, n, A.dv, sums)
        first += n


cdef int64_t attention_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    cdef attention_bf16_t s = attention_bf16_of(<const attention_t *>params)
    return (s.rows * (s.scores + s.q + s.e + 1) + PAIR_LANES * OCT + s.k + s.v) * <int64_t>sizeof(float)


if HAS_BF16:
    enter("attention_bf16", fields_of("attention_t"), sizeof(attention_t), attention_bf16_run,
          attention_bf16_scratch)
