# Convolutions and products of matrices in bfloat16 (bf16.pxi has what they are told) in AMX tiles (bf16_amx.h).
#
# As for bytes (conv_u8_amx.pxi) the pixels that a chunk of the output needs are gathered in a strip in scratch, each
# rounded once: it serves all output channels and all taps. A row of a tile is a pixel of the output, at one step also
# over the ends of rows of pixels; taps are offsets, and rows of a strip that windows step over (sh) lie by remainders
# of sh. A pixel is [kd][blocks of 32 channels], zeros behind the channels.
#
# Taps of a row of the window are multiplied one after another for 32 channels, then those of the next row: what they
# read of the strip is nearly the same, and stays in L1. So a piece is a row of taps of 32 channels, or where there is
# one tap all channels.

cdef extern from "bf16_amx.h" nogil:
    enum: ROWS_OF_TILE, GROUP_BYTES
    ctypedef struct amx_piece_t:
        const char *x
        int64_t ld, groups
    ctypedef struct amx_behind_t:
        pass
    ctypedef struct bf16_amx_t:
        const amx_piece_t *piece
        int64_t pieces, x_step, groups
        const char *w
        int64_t wide, packed_n
        const float *bias
        const float *slope
        const float *res
        float *y
        int64_t n, yb, rb
        const int64_t *at
        const int64_t *yo
        const int64_t *ro
        int64_t y_step, r_step
        float scale
        epilogue_t e
    ctypedef struct bf16_stack_t:
        amx_behind_t behind
    void begin_bf16(bf16_stack_t *)
    void multiply_bf16(bf16_stack_t *, const bf16_amx_t *, int64_t, int64_t, int64_t)
    void amx_behind_all(amx_behind_t *)
    void amx_end()

DEF CHUNK_PIXELS = 1024                 # of a chunk: their offsets are on the stack

ctypedef struct amx_bf16_t:
    # Of a chunk: rows and columns of pixels that are needed; strides over them (1 where there is one tap); how many
    # rows of one remainder there are; pixels of the output, with those that do not count, in a row; bytes from pixel to
    # pixel and from row to row in the strip.
    int64_t rows, columns, down, right, apart, across, pixel, row


cdef amx_bf16_t amx_bf16_of(const conv_bf16_t *A, int64_t rows, int64_t columns) noexcept nogil:
    cdef amx_bf16_t s
    s.down, s.right = A.sh if A.kh > 1 else 1, A.sw if A.kw > 1 else 1
    s.rows, s.columns = (rows - 1) * s.down + (A.kh - 1) * A.dh + 1, (columns - 1) * s.right + (A.kw - 1) * A.dw + 1
    s.apart, s.across = (s.rows + s.down - 1) // s.down, (s.columns + s.right - 1) // s.right
    s.pixel = max(A.kd, <int64_t>1) * ((A.ib + 1) // 2) * GROUP_BYTES
    if s.pixel * s.right % 1024 == 0:
        s.pixel += GROUP_BYTES          # so that rows of a tile do not fall on the same sets of the cache
    s.row = s.across * s.right * s.pixel
    return s


cdef inline int64_t amx_bf16_bytes(const conv_bf16_t *A, int64_t rows, int64_t columns) noexcept nogil:
    cdef amx_bf16_t s = amx_bf16_of(A, rows, columns)
    return s.down * s.apart * s.row


cdef inline int64_t row_of_strip(const amx_bf16_t *s, int64_t i) noexcept nogil:
    """Where row i of the pixels lies."""
    return (i % s.down * s.apart + i // s.down) * s.row


cdef void amx_bf16_chunk(const conv_bf16_t *A, int64_t rows, int64_t *down, int64_t *across) noexcept nogil:
    """Rows and columns of a chunk: whole rows if the strip of one fits."""
    cdef int64_t columns = min(A.ow, <int64_t>CHUNK_PIXELS), most = 1
    while columns > ROWS_OF_TILE and amx_bf16_bytes(A, 1, columns) > STRIP_BF16:
        columns = max(<int64_t>ROWS_OF_TILE, columns // 2)
    columns = even(A.ow, columns)
    if columns == A.ow:
        while most < rows and (most + 1) * columns <= CHUNK_PIXELS and (
                amx_bf16_bytes(A, most + 1, columns) <= STRIP_BF16):
            most += 1
    down[0], across[0] = even(rows, most), columns


cdef void gather_bf16(const conv_bf16_t *A, const amx_bf16_t *s, const float *x, int64_t image, char *y) noexcept nogil:
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
                to = <float *>(y + row_of_strip(s, i) + (k * pairs_of_blocks + b) * GROUP_BYTES)
                if 0 <= d < max(A.id, <int64_t>1):
                    round_runs(x + d * A.xn + 2 * b * A.xb + i * down, A.xb, right, s.columns, have, to, s.pixel // 4)
                else:                            # zeros beyond the volume
                    round_runs(x, 0, 0, s.columns, 0, to, s.pixel // 4)


cdef inline int64_t pieces_of_bf16(const conv_bf16_t *A) noexcept nogil:
    """At most."""
    return max(A.kd, <int64_t>1) * ((A.ib + 1) // 2) * A.kh


cdef void cut_strip(const conv_bf16_t *A, const amx_bf16_t *s, const char *x, int64_t blocks, amx_piece_t *piece,
                    bf16_amx_t *P) noexcept nogil:
    """The pieces of `blocks` of 32 channels, slices one after another, from x on."""
    cdef int64_t b, i, taps = A.kh * A.kw
    P.piece, P.groups, P.x_step, P.pieces = piece, blocks * taps, GROUP_BYTES, 1
    if taps == 1:
        piece.x, piece.ld, piece.groups = x, s.right * s.pixel, blocks
        return
    P.pieces, P.x_step = blocks * A.kh, A.dw * s.pixel
    for b in range(blocks):
        for i in range(A.kh):
            piece.x, piece.ld, piece.groups = x + row_of_strip(s, i * A.dh) + b * GROUP_BYTES, s.right * s.pixel, A.kw
            piece += 1


cdef void conv_bf16_amx_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_bf16_t *A = <const conv_bf16_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles
    cdef int64_t c0 = c * A.blocks * CB, c1 = min((c + 1) * A.blocks, A.ob) * CB
    cdef int64_t first = r * A.rows, end = min((r + 1) * A.rows, A.oh), ic = (A.ib - 1) * CB + A.last
    cdef int64_t goc = A.goc if A.goc > 0 else A.ob * CB, gic = A.gic if A.goc > 0 else ic
    cdef int64_t yp = A.yp if A.yp else CB, blocks = pairs_of_sum(gic, A.kd) // CB
    cdef int64_t down, across, parts_of_row, chunk, i, j, rows, columns, n, g
    cdef const float *x = <const float *>at(base, A.x)
    cdef float *y = <float *>at(base, A.y) + image * A.yn
    cdef const float *res = <const float *>at(base, A.res)
    cdef int64_t[CHUNK_PIXELS] at_row, yo, ro
    cdef amx_piece_t *piece = <amx_piece_t *>(scratch + conv_bf16_amx_room(A))
    cdef amx_bf16_t s
    cdef bf16_stack_t S
    cdef bf16_amx_t P
    P.w = <const char *>at(base, A.w)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.n = P.packed_n = A.ob * CB
    P.wide = OCT if goc % OCT == 0 or A.goc == 0 else CB
    P.yb, P.rb, P.scale, P.at, P.yo, P.ro, P.y_step = A.yb, A.rb, 1, at_row, yo, ro, 0
    P.e.act, P.e.alpha, P.e.beta = A.act, A.alpha, A.beta
    begin_bf16(&S)
    amx_bf16_chunk(A, end - first, &down, &across)
    parts_of_row = (A.ow + across - 1) // across
    for chunk in range((end - first + down - 1) // down * parts_of_row):
        i, j = first + chunk // parts_of_row * down, chunk % parts_of_row * across
        rows, columns = min(down, end - i), min(across, A.ow - j)
        n = rows * columns
        s = amx_bf16_of(A, rows, columns)
        gather_bf16(A, &s, x + i * A.sh * A.xr + j * A.sw * CB, image, scratch)
        pixel_offsets(at_row, n, 0, 0, columns, s.across, 1)
        pixel_offsets(yo, n, 0, 0, columns, A.yr, yp)
        P.y, P.res = y + i * A.yr + j * yp, NULL
        if res != NULL:
            pixel_offsets(ro, n, 0, 0, columns, A.rr, CB)
            P.res = res + image * A.rn + i * A.rr + j * CB
        for g in range(c0 // goc, (c1 - 1) // goc + 1):
            cut_strip(A, &s, scratch + g * gic * 2, blocks, piece, &P)
            multiply_bf16(&S, &P, n, max(c0, g * goc), min(c1, (g + 1) * goc))
        amx_behind_all(&S.behind)
    amx_end()


cdef int64_t conv_bf16_amx_room(const conv_bf16_t *A) noexcept nogil:
    """Bytes of a strip at most."""
    return max(<int64_t>STRIP_BF16, amx_bf16_bytes(A, 1, min(A.ow, <int64_t>ROWS_OF_TILE)))


cdef int64_t conv_bf16_amx_scratch(const void *params, char *const *base) noexcept nogil:
    cdef const conv_bf16_t *A = <const conv_bf16_t *>params
    return conv_bf16_amx_room(A) + pieces_of_bf16(A) * <int64_t>sizeof(amx_piece_t)


cdef inline int64_t rows_at_once() noexcept nogil:
    return 2 * ROWS_OF_TILE


cdef void rows_of_strip(bf16_amx_t *P, amx_piece_t *piece, const float *strip, int64_t each, const float *w, int64_t m,
                        int64_t k, int64_t n, int64_t ldy, int64_t ldr, int64_t *at_row, int64_t *yo,
                        int64_t *ro) noexcept nogil:
    """A product of m rows of k numbers and n packed columns; the caller goes on with what becomes of the sums. at_row,
    yo, ro: room for m offsets"""
    pixel_offsets(at_row, m, 0, 0, m, 0, 1)
    pixel_offsets(yo, m, 0, 0, m, 0, ldy)
    pixel_offsets(ro, m, 0, 0, m, 0, ldr)
    piece.x, piece.ld, piece.groups = <const char *>strip, 4 * each, groups_of(k)
    P.piece, P.pieces, P.x_step, P.groups = piece, 1, GROUP_BYTES, piece.groups
    P.w = <const char *>w
    P.n, P.packed_n, P.wide, P.yb, P.rb = n, (n + CB - 1) // CB * CB, OCT, CB, CB
    P.at, P.yo, P.ro, P.y_step, P.r_step = at_row, yo, ro, ldy, ldr
    P.slope = NULL


cdef void multiply_strip(const float *strip, int64_t each, const float *w, int64_t m, int64_t k, int64_t n,
                         const float *res, int64_t ldr, float scale, float *y, int64_t ldy) noexcept nogil:
    """y = scale * strip w + res: rows_at_once() rows of k numbers or fewer, n columns. res may be NULL"""
    cdef int64_t[2 * ROWS_OF_TILE] at_row, yo, ro
    cdef amx_piece_t piece
    cdef bf16_stack_t S
    cdef bf16_amx_t P
    rows_of_strip(&P, &piece, strip, each, w, m, k, n, ldy, ldr, at_row, yo, ro)
    P.y, P.res, P.scale, P.e.act, P.bias = y, res, scale, U_none, NULL
    begin_bf16(&S)
    multiply_bf16(&S, &P, m, 0, n)
    amx_behind_all(&S.behind)
    amx_end()


cdef inline int64_t amx_rows_of(const gemm_bf16_t *A, int64_t *each) noexcept nogil:
    """How many rows of a matrix are a chunk at most; `each` pairs apart."""
    each[0] = pixel_pairs(groups_of(A.k))
    return min(<int64_t>CHUNK_PIXELS, max(<int64_t>STRIP_BF16 // (4 * each[0]), <int64_t>ROWS_OF_TILE))


cdef void gemm_bf16_amx_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gemm_bf16_t *A = <const gemm_bf16_t *>params
    cdef int64_t c = tile % A.col_tiles, r = tile // A.col_tiles % A.row_tiles, b = tile // A.col_tiles // A.row_tiles
    cdef int64_t c0 = c * A.cols, c1 = min(c0 + A.cols, A.n), first = r * A.rows, end = min(first + A.rows, A.m)
    cdef int64_t each, most = amx_rows_of(A, &each), n
    cdef const float *a = <const float *>at(base, A.a) + in_batch(b, A.batch1, A.a0, A.a1)
    cdef const float *w = <const float *>at(base, A.w) + in_batch(b, A.batch1, A.w0, A.w1)
    cdef float *y = <float *>at(base, A.y) + in_batch(b, A.batch1, A.y0, A.y1)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *strip = <float *>scratch
    cdef int64_t[CHUNK_PIXELS] at_row, yo, ro
    cdef amx_piece_t piece
    cdef bf16_stack_t S
    cdef bf16_amx_t P
    most = even(end - first, most)
    rows_of_strip(&P, &piece, strip, each, w, most, A.k, A.n, A.ldy, A.ldr, at_row, yo, ro)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.scale = A.scale
    P.e.act, P.e.alpha, P.e.beta = A.act, A.alpha, A.beta
    begin_bf16(&S)
    while first < end:
        n = min(most, end - first)
        round_rows(a + first * A.lda, A.lda, n, A.k, strip, each)
        P.y, P.res = y + first * A.ldy, res + first * A.ldr if res != NULL else NULL
        multiply_bf16(&S, &P, n, c0, c1)
        amx_behind_all(&S.behind)
        first += n
    amx_end()


cdef int64_t gemm_bf16_amx_scratch(const void *params, char *const *base) noexcept nogil:
    cdef int64_t each, rows = amx_rows_of(<const gemm_bf16_t *>params, &each)
    return 4 * each * rows


enter("conv_bf16", fields_of("conv_bf16_t"), sizeof(conv_bf16_t), conv_bf16_amx_run, conv_bf16_amx_scratch)
enter("gemm_bf16", fields_of("gemm_bf16_t"), sizeof(gemm_bf16_t), gemm_bf16_amx_run, gemm_bf16_amx_scratch)
