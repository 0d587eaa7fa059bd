# Convolution whose products are of pairs of 16 bits, bfloat16 or int16 (bf16.pxi has what it is told, s16.pxi what is
# besides), by vectors: register tiles in conv_bf16_tile.h, conv_s16_tile.h.
#
# What a chunk of pixels reads lies in 16 bits in a strip in scratch: [row][column][kd][blocks of 32 channels]. Pixels
# are never a multiple of 1024 bytes apart, or the lines that a register tile reads would fall on a few sets of the
# cache. Rows and columns between those that a kernel of one tap needs are left out.

cdef extern from "pairs.h" nogil:
    void step_runs(const float *, int64_t, int64_t, int64_t, int64_t, float, int32_t, float *, int64_t)

ctypedef struct strip_bf16_t:
    # Of a chunk of pixels, in pairs: how far apart pixels of the output, their rows, taps and rows of these lie in it.
    int64_t rows, columns, pixel, row, tap, tap_row, each


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


cdef inline void narrow_runs(const float *x, int64_t xb, int64_t step, int64_t n, int64_t have, double inverse,
                             int64_t zero, float *y, int64_t each) noexcept nogil:
    """round_runs, or step_runs where there is an `inverse`."""
    if inverse != 0:
        step_runs(x, xb, step, n, have, <float>inverse, <int32_t>zero, y, each)
    else:
        round_runs(x, xb, step, n, have, y, each)


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
                    narrow_runs(x + d * A.xn + 2 * b * A.xb + i * down, A.xb, right, s.columns, have, A.inverse, A.zero,
                                to, s.each)
                else:                            # zeros beyond the volume
                    narrow_runs(x, 0, 0, s.columns, 0, A.inverse, A.zero, to, s.each)


cdef void conv_pairs(const conv_bf16_t *A, char *const *base, char *scratch, int64_t tile, const tile_run *full,
                     const tile_run *half, int64_t head) noexcept nogil:
    """full, half : register tiles; head : floats before the pairs of each channel in its packed weights, 0 or what
    makes numbers of sums of integers"""
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
    product_of_tiles(&P, full, half, A.act, A.alpha, A.beta)
    P.w = <const float *>at(base, A.w)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.n = A.ob * CB
    P.packed_n = P.n if A.goc == 0 or A.goc % OCT == 0 else 0
    P.yi, P.yj, P.ri, P.rj, P.t.yb, P.t.rb = A.yr, A.yp if A.yp else CB, A.rr, CB, A.yb, A.rb
    P.t.full, P.t.last, P.t.kh, P.t.kw, P.t.xb = pairs // CB, pairs % CB, A.kh, A.kw, CB
    P.terms = pairs * A.kh * A.kw
    P.k, P.whole = head + P.terms, head > 0
    chunk_bf16_of(A, end - first, &down, &across)
    parts_of_row = (A.ow + across - 1) // across
    for chunk in range((end - first + down - 1) // down * parts_of_row):
        i, j = first + chunk // parts_of_row * down, chunk % parts_of_row * across
        rows, columns = min(down, end - i), min(across, A.ow - j)
        s = strip_bf16_of(A, rows, columns)
        fill_strip_bf16(A, &s, x + i * A.sh * A.xr + j * A.sw * CB, image, <float *>scratch)
        P.across, P.xi, P.xj, P.t.xr, P.t.xt = columns, s.row, s.pixel, s.tap_row, s.tap
        P.pixel_bytes = 4 * s.rows * s.columns * s.each // (rows * columns) + 1
        P.y = y + i * A.yr + j * P.yj
        P.res = res + image * A.rn + i * A.rr + j * CB if res != NULL else NULL
        for g in range(c0 // goc, (c1 - 1) // goc + 1):
            P.x = <const float *>scratch + g * gic // 2
            multiply(&P, 0, rows * columns, max(c0, g * goc), min(c1, (g + 1) * goc))


cdef int64_t conv_bf16_scratch(const void *params, char *const *base) noexcept nogil:
    return max(<int64_t>STRIP_BF16, strip_bf16_bytes(<const conv_bf16_t *>params, 1, PM))
