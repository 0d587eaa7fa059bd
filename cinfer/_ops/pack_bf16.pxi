# Weights, or values of the run, as products of bfloat16 read them (bf16.pxi has the form).

cdef int64_t pack_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const pack_bf16_t *A = <const pack_bf16_t *>params
    return 4 * PAIR_LANES * A.kd * A.kh * A.kw * OCT


cdef void pack_pairs(const float *w, int64_t so, int64_t sk, int64_t k, int64_t have, int64_t width, float *room,
                     float *y) noexcept nogil:
    """The outputs of one tap that a tile has, `have` of `width`, of k terms. room: PAIR_LANES * OCT floats"""
    cdef int64_t pairs = pairs_of_sum(k, 1), first = 0, n, of_block, p, step
    cdef const float *rows
    while first < k:
        n, of_block = min(<int64_t>PAIR_LANES, k - first), min(<int64_t>CB, pairs - first // 2)
        if sk == 1 and so != 1:                  # pairs lie side by side: rounded, they are turned as one number
            if n == PAIR_LANES:
                round_runs(w, CB, so, have, PAIR_LANES, room, CB)
            else:
                for p in range(have):
                    round_part(w + p * so, n, room + p * CB)
            pack_columns(room, 1, CB, of_block, have, width, y)
        else:
            rows, step = w, sk
            if so != 1 or have < width:
                pack_columns(w, sk, so, n, have, width, room)
                rows, step = room, width
            for p in range(of_block):
                if 2 * p < n:
                    join_rows(rows + 2 * p * step, rows + (2 * p + 1) * step if 2 * p + 1 < n else NULL, width,
                              y + p * width)
                else:
                    memset(y + p * width, 0, width * sizeof(float))
        w, y, first = w + n * sk, y + of_block * width, first + n


cdef void pack_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_bf16_t *A = <const pack_bf16_t *>params
    cdef int64_t taps = A.kh * A.kw, wide = OCT if A.goc == 0 or A.goc % OCT == 0 else CB
    cdef int64_t packed_oc = (A.oc + CB - 1) // CB * CB, tiles = (packed_oc + wide - 1) // wide
    cdef int64_t o = tile % tiles * wide, width = min(wide, packed_oc - o), pairs = pairs_of_sum(A.ic, A.kd) // A.kd
    cdef int64_t b, z, t, p, have, of_block
    cdef const float *w = <const float *>at(base, A.w) + in_batch(tile // tiles, A.batch1, A.w0, A.w1) + o * A.so
    cdef float *rows = <float *>scratch                      # [channel of a block][kd][tap][width]
    cdef float *y = <float *>at(base, A.y) + (tile // tiles * packed_oc + o) * pairs * A.kd * taps
    cdef float *to
    cdef const float *row
    if A.kd * taps == 1:
        pack_pairs(w, A.so, A.sk, A.ic, min(width, A.oc - o), width, rows, y)
        return
    for b in range((A.ic + PAIR_LANES - 1) // PAIR_LANES):
        have = min(<int64_t>PAIR_LANES, A.ic - b * PAIR_LANES)
        of_block = min(<int64_t>CB, pairs - b * CB)
        pack_columns(w + b * PAIR_LANES * A.kd * taps * A.sk, A.sk, A.so, have * A.kd * taps, min(width, A.oc - o),
                     width, rows)
        for z in range(A.kd):
            to = y + (z * pairs + b * CB) * taps * width
            for t in range(taps):
                for p in range(of_block):
                    row = rows + ((2 * p * A.kd + z) * taps + t) * width
                    if 2 * p < have:
                        join_rows(row, row + A.kd * taps * width if 2 * p + 1 < have else NULL, width, to)
                    else:
                        memset(to, 0, width * sizeof(float))
                    to += width


cdef packed_t pack_bf16_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_bf16_t *A = <const pack_bf16_t *>params
    cdef int64_t wide = OCT if A.goc == 0 or A.goc % OCT == 0 else CB, packed_oc = (A.oc + CB - 1) // CB * CB
    cdef int64_t batch = max(A.batch0 * A.batch1, <int64_t>1)
    return packed_floats(batch * packed_oc * pairs_of_sum(A.ic, A.kd) * A.kh * A.kw,
                         batch * ((packed_oc + wide - 1) // wide))


if HAS_BF16:
    enter("pack_bf16", fields_of("pack_bf16_t"), sizeof(pack_bf16_t), pack_bf16_run, pack_bf16_scratch,
          pack_bf16_packed)
