# What kernels of bfloat16 have in common, by vectors (conv_bf16.pxi, gemm_bf16.pxi) and in AMX tiles (bf16_amx.pxi):
# their parameters, strips of rows and packed weights. All is in float32 but x and w, which are rounded to bfloat16.
#
# conv_bf16      as conv (conv.h), blocked in and out
#   x            points at pixel (-pad_t, -pad_l) of a picture with a halo, so that every read is legal; strides
#                xn xb xr in floats
#   ib, last     blocks of input channels, channels in the last of them
#   goc, gic     0, or the channels of a group, out and in: goc whole blocks, gic a multiple of table.bf16_group; ib
#                and last are of all groups
#   w            packed by pack_bf16
#   bias, slope  padded to whole blocks; bias may be absent, as may res
#   y, res       pixel (0, 0); strides yn yb yr, rn rb rr; pixels of y are yp floats apart, or 16 where that is 0. The
#                last block of y is written whole
#   kd .. od     kd 0, or slices of volumes as depth.h has them, which are pictures in x, y and res; no groups then
#   zero, inverse  0; of kernels of int16 as s16.pxi says
#   Kernel tile = (image*row_tiles + r)*oc_tiles + c: output rows r*rows .., output blocks c*blocks ..; blocks is a
#   multiple of conv_oc/16 unless oc_tiles is 1.
# gemm_bf16      y[b, m, n] = act(scale * sum_k a[b, m, k] w[b, k, n] + bias[n] + res[m, n]), row-major, b = (b0, b1)
#   batch0 ..    of the batch, 0 where there is none; a0 a1, w0 w1, y0 y1 floats apart, 0: the same for all
#   a            rows lda floats apart, columns side by side; likewise y by ldy and res by ldr. Nothing is read beyond
#                k columns of a or n of res, nothing written beyond n of y
#   w            packed by pack_bf16 of one tap
#   bias         absent, or padded to whole blocks of 16, as slope; res may be absent, and is where there is a batch
#   Kernel tile = ((b0*batch1 + b1)*row_tiles + r)*col_tiles + c: rows r*rows .., columns c*cols ..; cols is a
#   multiple of OCT = table.gemm_n unless col_tiles is 1.
# pack_bf16      oc outputs of the sums over ic channels x kd x kh x kw, in this order sk floats apart, outputs so
#                apart; goc as above; of a batch, where batch0 is not 0, one after the other, w0 w1 apart in w. Kernel
#                tile = batch*tiles + a tile of outputs: table.conv_oc of them, or CB where groups leave no whole tiles
#
# Packed: [oc tile][kd][blocks of 32 channels][kh][kw][pairs of the block][oc tile][2]. The last block has only the
# pairs that its channels make, in whole groups of table.bf16_group, unless there are several slices, whose blocks are
# whole; what is no channel has weights of 0.

cdef extern from "pairs.h" nogil:
    enum: PAIR_LANES, RATE_OF_BF16, GROUP_OF_BF16
    void round_runs(const float *, int64_t, int64_t, int64_t, int64_t, float *, int64_t)
    void round_part(const float *, int64_t, float *)
    void join_rows(const float *, const float *, int64_t, float *)

# Emulated kernels are for tests: where vectors have 512 bits they take too long to compile.
cdef extern from *:
    """
    #define HAS_BF16 (RATE_OF_BF16 > 0 || VW < 16)
    """
    const bint HAS_BF16

cdef extern from "matmul.h" nogil:
    void pack_columns(const float *, int64_t, int64_t, int64_t, int64_t, int64_t, float *)

ctypedef struct conv_bf16_t:
    buf_t x, w, bias, slope, res, y
    int64_t n, ib, last, ob, goc, gic, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, act
    int64_t yn, yb, yr, yp, rn, rb, rr, row_tiles, rows, oc_tiles, blocks
    int64_t kd, sd, dd, pf, id, od, zero
    double alpha, beta, inverse

ctypedef struct pack_bf16_t:
    buf_t w, y
    int64_t oc, ic, kd, kh, kw, so, sk, goc, batch0, batch1, w0, w1

ctypedef struct gemm_bf16_t:
    buf_t a, w, bias, slope, res, y
    int64_t batch0, batch1, m, n, k, lda, ldy, ldr, a0, a1, w0, w1, y0, y1, act, row_tiles, rows, col_tiles, cols, zero
    double scale, alpha, beta, inverse

DEF STRIP_BF16 = 262144                 # bytes of a strip, a part of L2, if a register tile needs no more


cdef inline int64_t pixel_pairs(int64_t blocks) noexcept nogil:
    """Pairs from pixel to pixel of a strip of so many blocks of 32 channels."""
    return (blocks + (blocks % 16 == 0)) * CB


cdef inline int64_t groups_of(int64_t k) noexcept nogil:
    """Of PAIR_LANES neighbours each, in a row of k."""
    return (k + PAIR_LANES - 1) // PAIR_LANES


cdef inline int64_t in_batch(int64_t b, int64_t batch1, int64_t step0, int64_t step1) noexcept nogil:
    """Where member b of a batch lies."""
    batch1 = max(batch1, <int64_t>1)
    return b // batch1 * step0 + b % batch1 * step1


cdef void round_rows(const float *a, int64_t lda, int64_t n, int64_t k, float *strip, int64_t each) noexcept nogil:
    """n rows of k floats to a strip, [row][blocks of 32 columns], zeros behind the columns."""
    cdef int64_t i, whole = k // PAIR_LANES
    for i in range(n):
        round_runs(a, CB, PAIR_LANES, whole, PAIR_LANES, strip, CB)
        if k % PAIR_LANES > 0:
            round_part(a + whole * PAIR_LANES, k % PAIR_LANES, strip + whole * CB)
        a, strip = a + lda, strip + each


cdef inline int64_t pairs_of_sum(int64_t ic, int64_t kd) noexcept nogil:
    """Of a tap of all slices."""
    cdef int64_t group = GROUP_OF_BF16 if kd < 2 else PAIR_LANES
    return max(kd, <int64_t>1) * ((ic + group - 1) // group * group // 2)


cdef conv_bf16_t conv_bf16_params
cdef gemm_bf16_t gemm_bf16_params
