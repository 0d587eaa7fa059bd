# Convolution whose products are of bfloat16, in float32 all around; register tiles in conv_bf16_tile.h.
#
# conv_bf16      as conv (conv.h), x and w being rounded to bfloat16, blocked in and out
#   x            points at pixel (-pad_t, -pad_l) of a picture with a halo, so that every read is legal; strides
#                xn xb xr in floats
#   ib, last     blocks of input channels, channels in the last of them
#   goc, gic     0, or the channels of a group, out and in: goc whole blocks, gic even; ib and last are of all groups
#   w            packed by pack_bf16
#   bias, slope  padded to whole blocks; bias may be absent, as may res
#   y, res       pixel (0, 0); strides yn yb yr, rn rb rr. The last block of y is written whole
#   kd .. od     kd 0, or slices of volumes as depth.h has them, which are pictures in x, y and res; no groups then
#   Kernel tile = (image*row_tiles + r)*oc_tiles + c: output rows r*rows .., output blocks c*blocks ..; blocks is a
#   multiple of conv_oc/16 unless oc_tiles is 1.
# pack_bf16      oc outputs of the sums over ic channels x kd x kh x kw, in this order sk floats apart, outputs so
#                apart; goc as above. Kernel tile = a tile of outputs: table.conv_oc of them, or CB where groups leave
#                no whole tiles
#
# Packed: [oc tile][kd][blocks of 32 channels][kh][kw][pairs of the block][oc tile][2]. The last block has only the
# pairs that its channels make, unless there are several slices, whose blocks are whole; what is no channel has weights
# of 0.
#
# What a chunk of pixels reads lies as bfloat16 in a strip in scratch: [row][column][kd][blocks of 32 channels], zeros
# behind the channels. Pixels are never a multiple of 1024 bytes apart, or the lines that a register tile reads would
# fall on a few sets of the cache. Rows and columns between those that a kernel of one tap needs are left out.

cdef extern from "conv_bf16_tile.h" nogil:
    enum: PAIR_LANES, RATE_OF_BF16
    const tile_run tiles_bf16[FORM_LIST_FETCHING][PM]
    const tile_run tiles_bf16_half[FORM_LIST_FETCHING][PM_HALF]
    void round_runs(const float *, int64_t, int64_t, int64_t, int64_t, float *, int64_t)
    void round_part(const float *, int64_t, float *)
    void join_rows(const float *, const float *, int64_t, float *)

cdef extern from "matmul.h" nogil:
    void pack_columns(const float *, int64_t, int64_t, int64_t, int64_t, int64_t, float *)

ctypedef struct conv_bf16_t:
    buf_t x, w, bias, slope, res, y
    int64_t n, ib, last, ob, goc, gic, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, act
    int64_t yn, yb, yr, rn, rb, rr, row_tiles, rows, oc_tiles, blocks
    int64_t kd, sd, dd, pf, id, od
    double alpha, beta

ctypedef struct pack_bf16_t:
    buf_t w, y
    int64_t oc, ic, kd, kh, kw, so, sk, goc

DEF STRIP_BF16 = 262144                 # bytes of a strip, a part of L2, if a register tile needs no more

ctypedef struct strip_bf16_t:
    # Of a chunk of pixels, in pairs: how far apart pixels of the output, their rows, taps and rows of these lie in it.
    int64_t rows, columns, pixel, row, tap, tap_row, each


cdef inline int64_t pixel_pairs(int64_t blocks) noexcept nogil:
    """Pairs from pixel to pixel of a strip of so many blocks of 32 channels."""
    return (blocks + (blocks % 16 == 0)) * CB


cdef strip_bf16_t strip_bf16_of(const conv_bf16_t *A, int64_t rows, int64_t columns) noexcept nogil:
    cdef strip_bf16_t s
    cdef int64_t down = A.sh if A.kh > 1 else 1, right = A.sw if A.kw > 1 else 1
    s.each = pixel_pairs(max(A.kd, <int64_t>1) * ((A.ib + 1) // 2))
    s.rows, s.columns = (rows - 1) * down + (A.kh - 1) * A.dh + 1, (columns - 1) * right + (A.kw - 1) * A.dw + 1
    s.pixel, s.tap, s.tap_row = right * s.each, A.dw * s.each, A.dh * s.columns * s.each
    s.row = down * s.columns * s.each
    return s


cdef inline int64_t strip_bf16_bytes(const conv_bf16_t *A, int64_t rows, int64_t columns) noexcept nogil:
    cdef strip_bf16_t s = strip_bf16_of(A, rows, columns)
    return 4 * s.rows * s.columns * s.each


cdef void chunk_bf16_of(const conv_bf16_t *A, int64_t rows, int64_t *down, int64_t *across) noexcept nogil:
    """Rows and columns of a chunk: whole rows if the strip of one fits."""
    cdef int64_t columns = A.ow, most = 1, room = STRIP_BF16
    while columns > PM and strip_bf16_bytes(A, 1, columns) > room:
        columns = max(<int64_t>PM, columns // 2)
    columns = even(A.ow, columns)
    if columns == A.ow:
        while most < rows and strip_bf16_bytes(A, most + 1, columns) <= room:
            most += 1
    down[0], across[0] = even(rows, most), columns


cdef void fill_strip_bf16(const conv_bf16_t *A, const strip_bf16_t *s, const float *x, int64_t image,
                          float *y) noexcept nogil:
    """The strip of the chunk whose first window begins at x, in the first slice, of output image `image`."""
    cdef int64_t down = A.xr if A.kh > 1 else A.sh * A.xr, right = CB if A.kw > 1 else A.sw * CB
    cdef int64_t k, b, i, d = 0, pairs_of_blocks = (A.ib + 1) // 2, have
    cdef float *to
    x += (image if A.kd == 0 else image // A.od * A.id) * A.xn
    for k in range(max(A.kd, <int64_t>1)):
        if A.kd > 0:
            d = image % A.od * A.sd - A.pf + k * A.dd
        for i in range(s.rows):
            for b in range(pairs_of_blocks):
                have = min(<int64_t>PAIR_LANES, (A.ib - 1) * CB + A.last - b * PAIR_LANES)
                to = y + i * s.columns * s.each + (k * pairs_of_blocks + b) * CB
                if 0 <= d < max(A.id, <int64_t>1):
                    round_runs(x + d * A.xn + 2 * b * A.xb + i * down, A.xb, right, s.columns, have, to, s.each)
                else:                            # zeros beyond the volume
                    round_runs(x, 0, 0, s.columns, 0, to, s.each)


cdef inline int64_t pairs_of_sum(int64_t ic, int64_t kd) noexcept nogil:
    """Of a tap of all slices."""
    return (ic + 1) // 2 if kd < 2 else kd * ((ic + PAIR_LANES - 1) // PAIR_LANES) * CB


cdef void conv_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_bf16_t *A = <const conv_bf16_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles
    cdef int64_t c0 = c * A.blocks * CB, c1 = min((c + 1) * A.blocks, A.ob) * CB
    cdef int64_t first = r * A.rows, end = min((r + 1) * A.rows, A.oh), ic = (A.ib - 1) * CB + A.last
    cdef int64_t goc = A.goc if A.goc > 0 else A.ob * CB, gic = A.gic if A.goc > 0 else ic
    cdef int64_t pairs = pairs_of_sum(gic, A.kd), down, across, parts_of_row, chunk, i, j, rows, columns, g
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y) + image * A.yn
    cdef const float *res = <const float *>at(base, A.res)
    cdef strip_bf16_t s
    cdef product_t P
    product_of_tiles(&P, &tiles_bf16[0][0], &tiles_bf16_half[0][0], A.act, A.alpha, A.beta)
    P.w = <const float *>at(base, A.w)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.n = A.ob * CB
    P.packed_n = P.n if A.goc == 0 or A.goc % OCT == 0 else 0
    P.yi, P.yj, P.ri, P.rj, P.t.yb, P.t.rb = A.yr, CB, A.rr, CB, A.yb, A.rb
    P.t.full, P.t.last, P.t.kh, P.t.kw, P.t.xb = pairs // CB, pairs % CB, A.kh, A.kw, CB
    P.k = P.terms = pairs * A.kh * A.kw
    chunk_bf16_of(A, end - first, &down, &across)
    parts_of_row = (A.ow + across - 1) // across
    for chunk in range((end - first + down - 1) // down * parts_of_row):
        i, j = first + chunk // parts_of_row * down, chunk % parts_of_row * across
        rows, columns = min(down, end - i), min(across, A.ow - j)
        s = strip_bf16_of(A, rows, columns)
        fill_strip_bf16(A, &s, x + i * A.sh * A.xr + j * A.sw * CB, image, <float *>scratch)
        P.across, P.xi, P.xj, P.t.xr, P.t.xt = columns, s.row, s.pixel, s.tap_row, s.tap
        P.pixel_bytes = 4 * s.rows * s.columns * s.each // (rows * columns) + 1
        P.y = y + i * A.yr + j * CB
        P.res = res + image * A.rn + i * A.rr + j * CB if res != NULL else NULL
        for g in range(c0 // goc, (c1 - 1) // goc + 1):
            P.x = <const float *>scratch + g * gic // 2
            multiply(&P, 0, rows * columns, max(c0, g * goc), min(c1, (g + 1) * goc))


cdef int64_t conv_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    return max(<int64_t>STRIP_BF16, strip_bf16_bytes(<const conv_bf16_t *>params, 1, PM))


cdef int64_t pack_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const pack_bf16_t *A = <const pack_bf16_t *>params
    return 4 * PAIR_LANES * A.kd * A.kh * A.kw * OCT


cdef void pack_bf16_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_bf16_t *A = <const pack_bf16_t *>params
    cdef int64_t taps = A.kh * A.kw, wide = OCT if A.goc == 0 or A.goc % OCT == 0 else CB, o = tile * wide
    cdef int64_t width = min(wide, (A.oc + CB - 1) // CB * CB - o), pairs = pairs_of_sum(A.ic, A.kd) // A.kd
    cdef int64_t b, z, t, p, have, of_block
    cdef const float *w = <const float *>at(base, A.w) + o * A.so
    cdef float *rows = <float *>scratch                      # [channel of a block][kd][tap][width]
    cdef float *y = <float *>at(base, A.y) + o * pairs * A.kd * taps
    cdef float *to
    cdef const float *row
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
    return packed_floats(packed_oc * pairs_of_sum(A.ic, A.kd) * A.kh * A.kw, (packed_oc + wide - 1) // wide)


cdef conv_bf16_t conv_bf16_params
cdef pack_bf16_t pack_bf16_params
enter("conv_bf16", fields_of(conv_bf16_params), sizeof(conv_bf16_t), conv_bf16_run, conv_bf16_scratch)
enter("pack_bf16", fields_of(pack_bf16_params), sizeof(pack_bf16_t), pack_bf16_run, pack_bf16_scratch,
      pack_bf16_packed)
