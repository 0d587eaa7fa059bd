# Products of numbers of 16 bits by whole weights, exactly, in float32 before and behind: conv_s16 and gemm_s16 are told
# what conv_bf16 and gemm_bf16 are (bf16.pxi), and run as they do (conv_pairs.pxi, gemm_pairs.pxi).
#
#   x, a         are whole numbers of steps of 1 / inverse, which `zero` more makes int16: so a halo of zeros is the
#                zero point, and a number of 16 bits that was dequantised is what it was, or 2^15 less
#   w            packed by pack_s16; sums are exact if int32 holds them
#   scale        of gemm_s16: 1, or what all is multiplied by besides
# pack_s16       int16 weights w as pack_bf16 has floats, and `each`, a float32 for each output, by which its sums are
#                multiplied; zero as above. Kernel tile = a tile of outputs, as there
#
# Packed: [oc tile], each of what sums begin with: -zero times the sum of the weights, int32 [oc tile]; of `each` [oc
# tile]; and of pairs, as bf16.pxi has them, whose groups are pairs.

cdef extern from "conv_s16_tile.h" nogil:
    enum: HEAD_OF_S16
    double S16_RATE
    const tile_run tiles_s16[FORM_LIST_FETCHING][PM]
    const tile_run tiles_s16_half[FORM_LIST_FETCHING][PM_HALF]

# Where they bring nothing they are for tests: of 512 bits they take too long to compile.
cdef extern from *:
    """
    #define HAS_S16 (S16_RATE > 0 || VW < 16)
    """
    const bint HAS_S16

ctypedef struct pack_s16_t:
    buf_t w, each, y
    int64_t oc, ic, kd, kh, kw, so, sk, goc, zero


cdef inline int64_t width_of_s16(const pack_s16_t *A) noexcept nogil:
    return OCT if A.goc == 0 or A.goc % OCT == 0 else CB


cdef inline int64_t pairs_of_slice(const pack_s16_t *A) noexcept nogil:
    """Pairs of a tap, as the strips of conv_pairs.pxi have them: slices are whole blocks."""
    return (A.ic + 1) // 2 if A.kd < 2 else (A.ic + PAIR_LANES - 1) // PAIR_LANES * CB


cdef inline int64_t floats_of_channel(const pack_s16_t *A) noexcept nogil:
    return HEAD_OF_S16 + pairs_of_slice(A) * A.kd * A.kh * A.kw


cdef void pack_s16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_s16_t *A = <const pack_s16_t *>params
    cdef int64_t taps = A.kh * A.kw, wide = width_of_s16(A), o = tile * wide, pairs = pairs_of_slice(A)
    cdef int64_t width = min(wide, (A.oc + CB - 1) // CB * CB - o), have = min(width, A.oc - o)
    cdef int64_t b, z, t, p, c, k, lane, of_block
    cdef const int16_t *w = <const int16_t *>at(base, A.w) + o * A.so
    cdef const float *each = <const float *>at(base, A.each) + o
    cdef int32_t *begins = <int32_t *>at(base, A.y) + o * floats_of_channel(A)
    cdef float *by = <float *>begins + width
    cdef int16_t *y = <int16_t *>(by + width)
    cdef uint32_t total
    for lane in range(width):
        total = 0
        if lane < have:
            for k in range(A.ic * A.kd * taps):
                total += <uint32_t>w[lane * A.so + k * A.sk]
        begins[lane] = <int32_t>(0 - <uint32_t>A.zero * total)
        by[lane] = each[lane] if lane < have else 0
    for z in range(A.kd):
        for b in range((pairs + CB - 1) // CB):
            of_block = min(<int64_t>CB, pairs - b * CB)
            for t in range(taps):
                for p in range(of_block):
                    for lane in range(width):
                        for k in range(2):
                            c = b * PAIR_LANES + 2 * p + k
                            y[0] = w[lane * A.so + ((c * A.kd + z) * taps + t) * A.sk] \
                                if lane < have and c < A.ic else 0
                            y += 1


cdef packed_t pack_s16_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_s16_t *A = <const pack_s16_t *>params
    cdef int64_t packed_oc = (A.oc + CB - 1) // CB * CB, wide = width_of_s16(A)
    return packed_floats(packed_oc * floats_of_channel(A), (packed_oc + wide - 1) // wide)


cdef void conv_s16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    conv_pairs(<const conv_bf16_t *>params, base, scratch, tile, &tiles_s16[0][0], &tiles_s16_half[0][0], HEAD_OF_S16)


cdef void gemm_s16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    gemm_pairs(<const gemm_bf16_t *>params, base, scratch, tile, &tiles_s16[0][0], &tiles_s16_half[0][0], HEAD_OF_S16)


if HAS_S16:
    enter("conv_s16", fields_of("conv_bf16_t"), sizeof(conv_bf16_t), conv_s16_run, conv_bf16_scratch)
    enter("gemm_s16", fields_of("gemm_bf16_t"), sizeof(gemm_bf16_t), gemm_s16_run, gemm_bf16_scratch)
    enter("pack_s16", fields_of("pack_s16_t"), sizeof(pack_s16_t), pack_s16_run, NULL, pack_s16_packed)
