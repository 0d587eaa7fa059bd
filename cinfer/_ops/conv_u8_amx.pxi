# Convolution of bytes in AMX tiles (amx_tile.h): conv_u8 and what packs for it (conv_u8.pxi) for the level amx.
#
# AMX multiplies rows of 64 neighbours of k, and blocks have 16 channels side by side. So the pixels that a chunk of the
# output needs are gathered in a strip, each once, with all its channels: it serves all output channels and all taps.
# Then a row of a tile is a pixel of the output, and taps are offsets. Rows of tiles lie at one step, also over the ends
# of rows of pixels: between these are `across` - columns more, of which nothing is stored.
#
#   by taps         the k of a tap are the channels, filled up to 64
#   by rows of taps where columns are not dilated and channels do not fill groups of 64: neighbouring taps lie side by
#                   side, and the k of all taps of a row are filled up together
# Rows of a strip that windows step over (sh) lie by remainders of sh, so that rows of pixels follow each other.
#
# Packed: 64 bytes, of which the first number is parts and the fourth the form; then for each block of output channels
# the tiles of all parts, taps and groups of 64: [16 quads of k][16][4]. Where groups of channels, or few terms, would
# leave most of a tile empty, the weights are packed as for the tiles of vectors (form 0), which then multiply them.

cdef extern from "conv_u8_amx.h" nogil:
    enum: MOST_PIECES, WIDE
    ctypedef struct amx_piece_t:
        const char *x
        int64_t ld, groups
    ctypedef struct amx_job_t:
        const amx_piece_t *piece
        const char *w
        const void *start
        int64_t pieces, parts, groups, ldw, w_step, w_second
    ctypedef struct amx_behind_t:
        void (*run)(const void *, int64_t, int64_t) noexcept nogil
        const void *of
        int64_t at, end
    ctypedef struct amx_pixels_t:
        const int32_t *t
        const float *scale
        char *y
        const int64_t *at
        const int64_t *yo
        int64_t row, blocks, yb
        requant_t q
    ctypedef struct amx_rows_t:
        int64_t first, second, end, tiles
    ctypedef struct amx_stack_t:
        int32_t[2][WIDE * WIDE] t
        int32_t[WIDE] start
        amx_piece_t[MOST_PIECES] piece
        amx_pixels_t[2] of
    ctypedef void (*amx_tile_fn)(const amx_job_t *, int64_t, int64_t, void *, amx_behind_t *) noexcept nogil
    const amx_tile_fn amx_u8[2][2]
    void amx_begin(int64_t)
    void amx_end()
    void amx_behind_all(amx_behind_t *)
    amx_rows_t amx_rows(int64_t, int64_t)
    void finish_pixels(const void *, int64_t, int64_t) noexcept
    void store_sums(const void *, int64_t, int64_t) noexcept
    void gather_pixels(const uint8_t *, int64_t, int64_t, int64_t, int64_t, char *, int64_t)
    void fill_pixels(int, int64_t, int64_t, char *, int64_t)

DEF ROWS = 16                           # of a tile, and columns
DEF DEEP = 64                           # k of a tile
DEF TILE_BYTES = 1024
DEF LEAST_K = 64                        # terms of a sum: with fewer, rounding and gathering take longer than products
DEF FORM_VECTORS = 0
DEF FORM_BY_TAPS = 1
DEF FORM_BY_ROWS = 2
DEF AMX_STRIP_BYTES = 524288            # a part of L2, which on CPUs with AMX has 2 MB

ctypedef struct amx_k_t:
    # How the k are divided: so many pieces, of so many groups of 64 each.
    int64_t form, pieces, groups


cdef amx_k_t k_of(int64_t form, int64_t ib, int64_t kh, int64_t kw) noexcept nogil:
    cdef amx_k_t k
    k.form, k.pieces, k.groups = form, kh, (ib * CB * kw + DEEP - 1) // DEEP
    if form == FORM_BY_TAPS:
        k.pieces, k.groups = kh * kw, (ib * CB + DEEP - 1) // DEEP
    return k


cdef amx_k_t packed_k_of(const pack_conv_u8_t *A) noexcept nogil:
    """In the form that has fewer groups; in none where these would be less than half full."""
    cdef int64_t ib = (A.ic + CB - 1) // CB * max(A.kd, <int64_t>1), terms = A.ic * max(A.kd, <int64_t>1) * A.kh * A.kw
    cdef amx_k_t k = k_of(FORM_BY_TAPS, ib, A.kh, A.kw), rows = k_of(FORM_BY_ROWS, ib, A.kh, A.kw)
    if A.dw == 1 and rows.pieces * rows.groups < k.pieces * k.groups:
        k = rows
    if A.goc > 0 or k.pieces > MOST_PIECES or terms < LEAST_K or 2 * terms < DEEP * k.pieces * k.groups:
        k.form = FORM_VECTORS
    return k


ctypedef struct amx_strip_t:
    # Of a chunk: rows and columns of pixels that are needed; strides over them (1 where there is one tap); how many
    # rows of one remainder there are; bytes from pixel to pixel and from row to row in the strip; pixels of the output,
    # with those that do not count, in a row.
    int64_t rows, columns, down, right, apart, pixel, row, across


cdef amx_strip_t amx_strip_of(const conv_u8_t *A, int64_t form, int64_t rows, int64_t columns) noexcept nogil:
    cdef amx_strip_t s
    s.down, s.right = A.sh if A.kh > 1 else 1, A.sw if A.kw > 1 else 1
    s.rows, s.columns = (rows - 1) * s.down + (A.kh - 1) * A.dh + 1, (columns - 1) * s.right + (A.kw - 1) * A.dw + 1
    s.apart, s.across = (s.rows + s.down - 1) // s.down, (s.columns + s.right - 1) // s.right
    s.pixel = A.ib * CB
    if form == FORM_BY_TAPS and s.pixel * s.right % 1024 == 0:
        s.pixel += DEEP                 # so that rows of a tile do not fall on the same sets of the cache
    s.row = s.across * s.right * s.pixel
    return s


cdef int64_t amx_strip_bytes(const conv_u8_t *A, int64_t rows, int64_t columns) noexcept nogil:
    """In any form."""
    cdef amx_strip_t s = amx_strip_of(A, FORM_BY_TAPS, rows, columns)
    return s.down * s.apart * s.row + DEEP


cdef int64_t conv_u8_amx_room(const void *params, char *const *base) noexcept nogil:
    cdef const conv_u8_t *A = <const conv_u8_t *>params
    return max(strip_room(params, base), max(<int64_t>AMX_STRIP_BYTES, amx_strip_bytes(A, 1, ROWS)))


cdef inline int64_t row_in_strip(const amx_strip_t *s, int64_t i) noexcept nogil:
    """Where row i of the pixels lies."""
    return (i % s.down * s.apart + i // s.down) * s.row


cdef void gather(const conv_u8_t *A, const amx_strip_t *s, const uint8_t *x, int64_t image, int64_t zero,
                 char *y) noexcept nogil:
    """The strip of the chunk whose first window begins at x, in the first slice, of output image `image`.

    zero : zero point of x"""
    cdef int64_t b, i, down = A.xr if A.kh > 1 else A.sh * A.xr, right = CB if A.kw > 1 else A.sw * CB
    cdef int64_t k, d = 0, slices = max(A.kd, <int64_t>1), blocks = A.ib // slices
    x += (image if A.kd == 0 else image // A.od * A.id) * A.xn
    for k in range(slices):
        if A.kd > 0:
            d = image % A.od * A.sd - A.pf + k * A.dd
        for i in range(s.rows):
            if A.kd > 0 and (d < 0 or d >= A.id):
                fill_pixels(<int>zero, s.columns, blocks * CB, y + row_in_strip(s, i), s.pixel)
            else:
                gather_pixels(x + d * A.xn + i * down, s.columns, right, blocks, A.xb, y + row_in_strip(s, i), s.pixel)
        y += blocks * CB


cdef void pieces_of_strip(const conv_u8_t *A, const amx_strip_t *s, amx_k_t k, const char *x,
                          amx_piece_t *piece) noexcept nogil:
    cdef int64_t i, j
    for i in range(A.kh):
        for j in range(A.kw if k.form == FORM_BY_TAPS else 1):
            piece.x = x + row_in_strip(s, i * A.dh) + j * A.dw * s.pixel
            piece.ld, piece.groups = s.right * s.pixel, k.groups
            piece += 1


cdef void add_pixels(const added_t *added, uint8_t *y, int64_t yb, const int64_t *yo, const uint8_t *res, int64_t rb,
                     const int64_t *ro, int64_t pixels, int64_t blocks) noexcept nogil:
    """To what has just been stored, by runs of neighbours."""
    cdef int64_t p = 0, q, b
    while p < pixels:
        q = p + 1
        while q < pixels and yo[q] - yo[q - 1] == CB and ro[q] - ro[q - 1] == CB:
            q += 1
        for b in range(blocks):
            added_row(added, y + b * yb + yo[p], res + b * rb + ro[p], q - p)
        p = q


cdef tile_fn conv_u8_below              # conv_u8_run of the level below, which has the same packed form of vectors


cdef void conv_u8_amx_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_u8_t *A = <const conv_u8_t *>params
    cdef const char *packed = <const char *>at(base, A.w)
    cdef int64_t form = (<const int64_t *>packed)[3]
    if form == FORM_VECTORS:
        conv_u8_below(params, base, scratch, tile)
        return
    cdef amx_k_t k = k_of(form, A.ib, A.kh, A.kw)
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles
    cdef int64_t b0 = c * A.blocks, b1 = min((c + 1) * A.blocks, A.ob)
    cdef int64_t first = r * A.rows, end = min((r + 1) * A.rows, A.oh)
    cdef int64_t down, across, parts_of_row, chunk, i, j, rows, columns, n, b, blocks, row, p, all_rows
    cdef int64_t configured = 0
    cdef int64_t yp = A.yp if A.yp else CB, size = 1, zero = A.xz
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x)
    cdef const int32_t *bias = <const int32_t *>at(base, A.bias)
    cdef const int32_t *wsum = <const int32_t *>at(base, A.wsum)
    cdef const float *scale = <const float *>at(base, A.scale)
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef char *y
    cdef const float *res = NULL
    cdef const float *of_block = NULL
    cdef real_sums_t real
    cdef int64_t[U8_PIXELS] at_row, yo, ro
    cdef amx_stack_t S
    cdef amx_pixels_t *of = S.of
    cdef amx_strip_t s
    cdef amx_job_t J
    cdef amx_behind_t behind
    cdef amx_rows_t now
    cdef look_up_t look_up
    cdef requant_t q = requant_by(<const real_end_t *>&A.wsum, A.yz, A.lo, A.hi)
    cdef added_t added = added_of(A.yz, A.lo, A.hi, A.sa, A.sb, A.zb, A.sy, A.zy)
    cdef const uint8_t *res_u8 = NULL
    if wsum != NULL:
        size, zero = 4, (<const uint8_t *>at(base, A.zero))[0]
        real = real_sums_of(<const real_end_t *>&A.wsum, base, scale, image)
        res = real.res
    elif at(base, A.res) != NULL:
        res_u8 = <const uint8_t *>at(base, A.res) + image * A.rn
    y = <char *>at(base, A.y) + picture_of_y(A, image) * size
    if table != NULL:
        look_up_begin(&look_up, table)
    J.piece, J.pieces, J.parts = S.piece, k.pieces, (<const int64_t *>packed)[0]
    J.groups = J.parts * k.pieces * k.groups
    J.start, J.ldw, J.w_step, J.w_second = S.start, DEEP, TILE_BYTES, J.groups * TILE_BYTES
    behind.run, behind.at, behind.end = finish_pixels if wsum == NULL else store_sums, 0, 0
    chunk_u8_of(A, end - first, amx_strip_bytes, AMX_STRIP_BYTES, ROWS, &down, &across)
    parts_of_row = (A.ow + across - 1) // across
    for chunk in range((end - first + down - 1) // down * parts_of_row):
        i, j = first + chunk // parts_of_row * down, chunk % parts_of_row * across
        rows = min(down, end - i)
        columns = min(across, A.ow - j)
        n = rows * columns
        s = amx_strip_of(A, form, rows, columns)
        gather(A, &s, x + i * A.sh * A.xr + j * A.sw * CB, image, zero, scratch)
        pieces_of_strip(A, &s, k, scratch, S.piece)
        pixel_offsets(at_row, n, 0, 0, columns, s.across, 1)
        pixel_offsets(yo, n, i, 0, columns, A.yr, yp)
        if res != NULL or res_u8 != NULL:
            pixel_offsets(ro, n, i, 0, columns, A.rr, CB)
        all_rows = at_row[n - 1] + 1
        if configured != min(all_rows, <int64_t>ROWS):
            configured = min(all_rows, <int64_t>ROWS)
            amx_begin(configured)
        b = b0
        while b < b1:
            J.w = packed + HEADER + b * J.w_second
            blocks = min(b1 - b, <int64_t>2)
            if wsum != NULL:
                begin_by_zero(S.start, NULL, bias, b * CB, wsum, <int32_t>zero, blocks * CB)
            else:
                requant_from(&q, <const real_end_t *>&A.wsum, base, scale + b * CB, b * CB, blocks * CB)
                begin_sums(S.start, NULL, bias + b * CB, blocks * CB)
            row = p = 0
            while row < all_rows:
                of = S.of + (of == S.of)        # the other one: behind works on this
                of.t = S.t[of - S.of]
                now = amx_rows(row, all_rows)
                amx_u8[now.tiles - 1][blocks - 1](&J, now.first, now.second, <void *>of.t, &behind)
                of.scale, of.y = scale + b * CB, y + (b * A.yb + j * yp) * size
                of.at, of.yo, of.row, of.blocks, of.yb, of.q = at_row, yo, now.first, blocks, A.yb, q
                behind.of, behind.at = of, p
                while p < n and at_row[p] < now.end:
                    p += 1
                behind.end = p
                row = now.end
            if wsum != NULL:
                amx_behind_all(&behind)
                for p in range(blocks):
                    if res != NULL:
                        of_block = res + (b + p) * A.rb + j * CB
                    real_sums_list(&real, (b + p) * CB, <float *>of.y + p * A.yb, yo, of_block, ro, n)
            if res_u8 != NULL:
                amx_behind_all(&behind)
                add_pixels(&added, <uint8_t *>of.y, A.yb, yo, res_u8 + b * A.rb + j * CB, A.rb, ro, n, blocks)
            if table != NULL:
                amx_behind_all(&behind)
                look_up_pixels(&look_up, <uint8_t *>of.y, A.yb, yo, n, blocks)
            b += blocks
        amx_behind_all(&behind)
    amx_end()
    if wsum != NULL:
        real_sums_end(&real, <const real_end_t *>&A.wsum, base, tile)


cdef packed_t pack_conv_u8_amx_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_conv_u8_t *A = <const pack_conv_u8_t *>params
    cdef amx_k_t k = packed_k_of(A)
    cdef packed_t found
    if k.form == FORM_VECTORS:
        return pack_conv_u8_packed(params, base)
    found.parts, found.tiles = parts_of_weights(A, <const int16_t *>at(base, A.w)), (A.oc + CB - 1) // CB
    found.bytes = HEADER + found.tiles * found.parts * k.pieces * k.groups * TILE_BYTES
    return found


cdef void pack_conv_u8_amx_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_conv_u8_t *A = <const pack_conv_u8_t *>params
    cdef amx_k_t k = packed_k_of(A)
    if k.form == FORM_VECTORS:
        pack_conv_u8_run(params, base, scratch, tile)
        return
    cdef const int16_t *w = <const int16_t *>at(base, A.w)
    cdef char *packed = <char *>at(base, A.y)
    cdef signed char *to
    cdef int64_t each = (A.ic + CB - 1) // CB * CB, taps = A.kw if k.form == FORM_BY_ROWS else 1
    cdef int64_t bytes = A.parts * k.pieces * k.groups * TILE_BYTES, slices = max(A.kd, <int64_t>1)
    cdef int64_t part, z, i, j, o, c, at_k
    if tile == 0:
        memset(packed, 0, HEADER)
        (<int64_t *>packed)[0], (<int64_t *>packed)[3] = A.parts, k.form
    packed += HEADER + tile * bytes
    memset(packed, 0, bytes)
    for part in range(A.parts):
        for i in range(A.kh):
            for j in range(A.kw):
                # of piece i or (i, j), with the tap's place in it
                to = <signed char *>packed + (i * (A.kw // taps) + j // taps) * k.groups * TILE_BYTES
                for z in range(slices):
                    for c in range(A.ic):
                        at_k = (j % taps * slices + z) * each + c
                        for o in range(min(<int64_t>CB, A.oc - tile * CB)):
                            to[at_k // 4 * DEEP + 4 * o + at_k % 4] = part_s8(
                                weight_of(A, w + z * A.sz + i * A.sy + j * A.sx, tile * CB + o, c), part)
        packed += k.pieces * k.groups * TILE_BYTES


enter("conv_u8", fields_of("conv_u8_t"), sizeof(conv_u8_t), conv_u8_amx_run, conv_u8_amx_room, NULL, &conv_u8_below)
enter("pack_conv_u8", fields_of("pack_conv_u8_t"), sizeof(pack_conv_u8_t), pack_conv_u8_amx_run, NULL,
      pack_conv_u8_amx_packed)
