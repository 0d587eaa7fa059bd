# Convolution of bytes, blocked in and out; register tiles in conv_u8_tile.h, products in dot_u8.h.
#
# conv_u8        y[n, oc, i, j] = requantised(sum over (ic, p, q) of w[oc, ic, p, q]
#                * x[n, ic, i*sh + p*dh, j*sw + q*dw], bias[oc], scale[oc]), as requantise.h says: zero point yz,
#                limits lo and hi; or in float32 (requantise.pxi)
#   x            points at pixel (-pad_t, -pad_l) of a picture whose halo is its zero point, so that every read is
#                legal; strides xn xb xr. No zero point is subtracted: bias has -x_zero times the sum of the weights
#   ih .. pl     ih 0, or x is pictures in plain memory, of few channels (is_of_runs): channels xc apart, rows xr,
#                pixels xw; it points at pixel (0, 0) of ih x iw, and windows begin at (-pt, -pl); beyond is xz, its
#                zero point
#   ib, last     blocks of input channels, channels in the last of them; what lies beyond meets weights of 0
#   goc, gic     0, or the channels of a group, out and in: last, and so ib, are then of all groups together
#   w            packed by pack_conv_u8
#   bias, scale  int32 and float32, padded to whole blocks
#   table        absent, or 256 bytes through which y goes
#   res          absent, or bytes like y, strides rn rb rr: they are added before (requantise.pxi)
#   y            pixel (0, 0); strides yn yb yr, and yp from pixel to pixel (0: they are neighbours). The last block is
#                written whole
#   kd .. od     kd 0, or slices of volumes as depth.h has them: pictures of x are slices, ib counts the blocks of kd
#                slices. Slices beyond the volume are xz, its zero point. Volumes of y are yv apart, its slices yn
#   Kernel tile = (image*row_tiles + r)*oc_tiles + c: output rows r*rows .., output blocks c*blocks ..; blocks is a
#   multiple of conv_oc/16 unless oc_tiles is 1.
# pack_conv_u8   from int16 weights of any strides so (oc) si (ic) sz sy sx, in elements; ic: of the weights, gic where
#                there are groups; kd: 0, or slices; dw: dilation along rows, 0 where it is not known. Zero points are
#                subtracted before. Kernel tile = a tile of conv_oc channels, the last one of half as many if they are
#                enough
#
# Packed: 64 bytes that begin with parts, oc and is_of_runs, then tile after tile, as conv_u8_tile.h says: the k are
# parts x blocks x kernel rows x taps x groups of DOT_K channels. The channels that a tile reads are whole blocks from
# that of the first channel of its first group on; weights of others' groups are 0. Of volumes each block of channels
# stands for kd blocks, one for each slice: to a tile, slices are more channels. Of pairs, `parts` is how many bytes a
# weight has: where it is one, a tile of them is widened to scratch for all pixels of a chunk. While these are
# multiplied, what comes next is fetched.
#
# Where products take int16, or windows lie on slices, x is widened or copied first, for a chunk of pixels, to a strip
# in scratch that holds each needed pixel once: it serves all output channels. Its room is strip_room's.
#
# Of few channels (is_of_runs) the strip has these alone: so a row of a window is one run of kw*ic neighbours, which are
# multiplied as if they were the channels of one tap. Rows of slices are then more rows of the window: a chunk is a row
# of the output, so that all are equally far apart in the strip.

cdef extern from "dot_u8.h" nogil:
    enum: DOT_GROUP, DOT_STARTS_AT, MOST_PIXEL
    ctypedef struct dot_x_t:
        pass
    ctypedef struct dot_w_t:
        pass
    int64_t parts_s8(int64_t, int64_t)
    signed char part_s8(int64_t, int64_t)
    int64_t dot_parts(int64_t, int64_t)
    dot_w_t dot_part(int64_t, int64_t)
    void dot_row(const uint8_t *, int64_t, int64_t, dot_x_t *)
    void dot_fill(int, int64_t, dot_x_t *)
    void dot_widen(const signed char *, int64_t, dot_w_t *)
    void dot_pixels(const uint8_t *, int64_t, int64_t, int64_t, dot_x_t *)
    void dot_plain(const uint8_t *, int64_t, int64_t, int64_t, int64_t, dot_x_t *)
    int runs_u8(int64_t, int64_t, int64_t)

cdef extern from "conv_u8_tile.h" nogil:
    void fetch "__builtin_prefetch" (const void *)
    enum: PM_U8, PM_U8_HALF, FORM_U8_NEAR, FORM_U8_LIST, FORMS_U8_OF_TAPS, FORMS_U8
    ctypedef struct tile_u8_t:
        int32_t start[OCT]
        const float *scale
        const dot_w_t *w
        void *y
        int64_t parts, full, last, kh, kw, xb, xr, xt, yb
        const char *ahead
        int64_t lines
        requant_t q
        const void *res
        real_sums_t *real
        int64_t c, rb, rounds
        added_t added
    int64_t rounds_u8(const tile_u8_t *)
    ctypedef void (*tile_u8_run)(const tile_u8_t *, const dot_x_t *, const int64_t *, const int64_t *, const int64_t *,
                                int64_t) noexcept nogil
    const tile_u8_run tiles_u8[FORMS_U8][PM_U8]
    const tile_u8_run tiles_u8_half[FORMS_U8][PM_U8_HALF]

ctypedef struct conv_u8_t:
    buf_t x, w, bias, scale, table, y
    int64_t n, ib, last, ob, goc, gic, kh, kw, dh, dw, sh, sw, oh, ow
    int64_t xn, xb, xr, yn, yb, yr, yp, yz, lo, hi, row_tiles, rows, oc_tiles, blocks
    int64_t kd, sd, dd, pf, id, od, yv, xz, ih, iw, xc, xw, pt, pl
    buf_t wsum, zero, add, slope, res, by, range    # real_end_t
    int64_t rn, rb, rr, act, channels
    double alpha, beta, step
    double sa, sb, sy                   # added_end_t
    int64_t zb, zy

ctypedef struct pack_conv_u8_t:
    buf_t w, y
    int64_t oc, ic, goc, gic, kd, kh, kw, dw, so, si, sz, sy, sx, parts

DEF HEADER = 64                         # bytes of packed weights before the first tile
DEF U8_PIXELS = 448                     # of a chunk: their offsets are on the stack
DEF STRIP_BYTES = 262144                # of input under all channel tiles: a part of L2

ctypedef struct channels_u8_t:
    # What the tile of output channels o .. o + width - 1 reads: blocks from `block` on, `full` of them whole, `last`
    # groups of one more.
    int64_t width, block, full, last, groups


cdef channels_u8_t channels_u8_of(int64_t o, int64_t oc, int64_t ic, int64_t goc, int64_t gic,
                                  int64_t kd) noexcept nogil:
    """ic : of all groups together; goc, gic : of a group, 0 where there is one; kd : 0, or slices, whose blocks lie
    side by side"""
    cdef channels_u8_t t
    cdef int64_t first = 0, end = ic, last
    t.width = HALF if oc - o <= HALF else OCT
    if goc > 0:
        first = min(o // goc * gic, ic)
        last = min(o + t.width, oc) - 1
        end = (last // goc + 1) * gic
    t.block = first // CB
    end -= t.block * CB
    t.full, t.last = end // CB, (end % CB + DOT_GROUP - 1) // DOT_GROUP
    if kd > 0:                                   # whole blocks
        t.block, t.full, t.last = t.block * kd, (t.full + (t.last > 0)) * kd, 0
    t.groups = t.full * (CB // DOT_GROUP) + t.last
    return t


cdef int64_t tile_u8_bytes(const channels_u8_t *t, int64_t parts, int64_t taps) noexcept nogil:
    return t.width * (4 + parts * t.groups * taps * DOT_GROUP)


ctypedef struct strip_t:
    # A strip of a chunk of rows x columns pixels: how far apart pixels of the output, taps, rows, blocks lie in it.
    int64_t rows, columns, pixel, row, tap, tap_row, block


cdef strip_t strip_of(const conv_u8_t *A, int64_t rows, int64_t columns, int64_t pixel) noexcept nogil:
    """In elements, `pixel` of them a pixel. Rows and columns between those that a kernel of one tap needs are left out.
    """
    cdef strip_t s
    cdef int64_t down = A.sh if A.kh > 1 else 1, right = A.sw if A.kw > 1 else 1
    s.rows, s.columns = (rows - 1) * down + (A.kh - 1) * A.dh + 1, (columns - 1) * right + (A.kw - 1) * A.dw + 1
    s.pixel, s.tap, s.tap_row = right * pixel, A.dw * pixel, A.dh * s.columns * pixel
    s.row, s.block = down * s.columns * pixel, s.rows * s.columns * pixel
    return s


cdef int64_t strip_bytes(const conv_u8_t *A, int64_t rows, int64_t columns) noexcept nogil:
    cdef strip_t s = strip_of(A, rows, columns, CB)
    return A.ib * s.block * <int64_t>sizeof(dot_x_t)


cdef inline int64_t slice_channels(const conv_u8_t *A) noexcept nogil:
    """Of the input, of all groups together."""
    return (A.ib // max(A.kd, <int64_t>1) - 1) * CB + A.last


cdef inline int64_t picture_of_y(const conv_u8_t *A, int64_t image) noexcept nogil:
    """Where it begins."""
    return image * A.yn if A.kd == 0 else image // A.od * A.yv + image % A.od * A.yn


cdef inline bint takes_strip(const conv_u8_t *A) noexcept nogil:
    return DOT_GROUP == 2 or A.kd > 0


cdef inline int64_t strip_part(const conv_u8_t *A) noexcept nogil:
    """STRIP_BYTES, or what a register tile needs at least."""
    if not takes_strip(A):
        return 0
    return max(<int64_t>STRIP_BYTES, (strip_bytes(A, 1, PM_U8) + 63) // 64 * 64)


cdef int64_t strip_room(const void *params, char *const *base) noexcept nogil:
    """The strip, and of pairs the weights of a tile behind it."""
    cdef const conv_u8_t *A = <const conv_u8_t *>params
    cdef int64_t o = 0, most = 0
    cdef channels_u8_t reads
    if DOT_GROUP == 2:
        while o < A.ob * CB:
            reads = channels_u8_of(o, A.ob * CB, slice_channels(A), A.goc, A.gic, A.kd)
            most = max(most, reads.width * reads.groups * A.kh * A.kw * DOT_GROUP * <int64_t>sizeof(dot_w_t))
            o += reads.width
    return strip_part(A) + most


ctypedef int64_t (*strip_bytes_fn)(const conv_u8_t *A, int64_t rows, int64_t columns) noexcept nogil


cdef void chunk_u8_of(const conv_u8_t *A, int64_t rows, strip_bytes_fn strip, int64_t room, int64_t least,
                      int64_t *down, int64_t *across) noexcept nogil:
    """Rows and columns of a chunk: whole rows if the strip of one fits, and is not too long.

    strip : how large one is; room : what it may take, 0 where there is none; least : columns, however large"""
    cdef int64_t columns = min(A.ow, <int64_t>U8_PIXELS), most = 1
    if room > 0:
        while columns > least and strip(A, 1, columns) > room:
            columns = max(least, columns // 2)
    columns = even(A.ow, columns)
    if columns == A.ow:
        while most < rows and (most + 1) * columns <= U8_PIXELS and (
                room == 0 or strip(A, most + 1, columns) <= room):
            most += 1
    down[0], across[0] = even(rows, most), columns


cdef void fill_strip(const conv_u8_t *A, const strip_t *s, const uint8_t *x, int64_t image, int64_t zero,
                     dot_x_t *y) noexcept nogil:
    """The strip of the chunk whose first window begins at x, in the first slice, of output image `image`.

    zero : zero point of x"""
    cdef int64_t b, i, down = A.xr if A.kh > 1 else A.sh * A.xr, right = CB if A.kw > 1 else A.sw * CB
    cdef int64_t k, d = 0, slices = max(A.kd, <int64_t>1), blocks = A.ib // slices
    x += (image if A.kd == 0 else image // A.od * A.id) * A.xn
    for b in range(blocks):
        for k in range(slices):
            if A.kd > 0:
                d = image % A.od * A.sd - A.pf + k * A.dd
                if d < 0 or d >= A.id:
                    dot_fill(<int>zero, s.rows * s.columns * CB, y)
                    y += s.block
                    continue
            for i in range(s.rows):
                dot_row(x + d * A.xn + b * A.xb + i * down, s.columns, right, y)
                y += s.columns * CB


cdef void fill_runs(const conv_u8_t *A, const strip_t *s, const uint8_t *x, int64_t image, int64_t zero,
                    dot_x_t *y) noexcept nogil:
    """Likewise, with the channels alone; slices are kh*dh rows apart, or one."""
    cdef int64_t i, k, d = 0, down = A.xr if A.kh > 1 else A.sh * A.xr, row = s.columns * A.last
    x += (image if A.kd == 0 else image // A.od * A.id) * A.xn
    for k in range(max(A.kd, <int64_t>1)):
        if A.kd > 0:
            d = image % A.od * A.sd - A.pf + k * A.dd
        if A.kd > 0 and (d < 0 or d >= A.id):
            dot_fill(<int>zero, s.rows * row, y)
        else:
            for i in range(s.rows):
                dot_pixels(x + d * A.xn + i * down, s.columns, CB, A.last, y + i * row)
        y += (A.kh * A.dh if A.kh > 1 else 1) * row


cdef void fill_runs_plain(const conv_u8_t *A, const strip_t *s, const uint8_t *x, int64_t i, int64_t j, int64_t zero,
                          dot_x_t *y) noexcept nogil:
    """Likewise, from a picture in plain memory, for windows from output pixel (i, j) on."""
    cdef int64_t r = i * A.sh - A.pt, step = 1 if A.kh > 1 else A.sh, c = A.last
    cdef int64_t column = j * A.sw - A.pl
    cdef int64_t left = min(max(-column, <int64_t>0), s.columns), end = min(max(A.iw - column, left), s.columns)
    for _ in range(s.rows):
        if r < 0 or r >= A.ih:
            dot_fill(<int>zero, s.columns * c, y)
        else:
            dot_fill(<int>zero, left * c, y)
            dot_plain(x + r * A.xr + (column + left) * A.xw, A.xc, A.xw, end - left, c, y + left * c)
            dot_fill(<int>zero, (s.columns - end) * c, y + end * c)
        y += s.columns * c
        r += step


cdef void look_up_pixels(const look_up_t *table, uint8_t *y, int64_t yb, const int64_t *yo, int64_t pixels,
                         int64_t blocks) noexcept nogil:
    """What has just been stored, by runs of neighbours."""
    cdef int64_t p = 0, q, b
    cdef uint8_t *at_run
    while p < pixels:
        q = p + 1
        while q < pixels and yo[q] - yo[q - 1] == CB:
            q += 1
        for b in range(blocks):
            at_run = y + b * yb + yo[p]
            look_up_row(table, at_run, at_run, (q - p) * CB)
        p = q


cdef void conv_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_u8_t *A = <const conv_u8_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles
    cdef int64_t c0 = c * A.blocks * CB, c1 = (c + 1) * A.blocks * CB, ic = slice_channels(A), kd = A.kd
    cdef int64_t first = r * A.rows, end = min((r + 1) * A.rows, A.oh), taps = A.kh * A.kw
    cdef int64_t most_rows = end - first, down, across, parts_of_row, chunk, i, j, rows, columns, o, oc, n, b
    cdef int64_t yp = A.yp if A.yp else CB, size = 1, zero = A.xz
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x)
    cdef const uint8_t *corner
    cdef const int32_t *wsum = <const int32_t *>at(base, A.wsum)
    cdef const float *scale = <const float *>at(base, A.scale)
    cdef char *y
    cdef const char *packed = <const char *>at(base, A.w)
    cdef const char *w
    cdef const char *w0 = packed + HEADER
    cdef dot_w_t *widened = <dot_w_t *>(scratch + strip_part(A))
    cdef int64_t bytes_of_tile
    cdef const dot_x_t *from_x
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef int64_t[U8_PIXELS] xo, yo, ro
    cdef look_up_t look_up
    cdef channels_u8_t reads
    cdef strip_t s
    cdef tile_u8_t T
    cdef bint of_runs, all_near
    cdef real_sums_t real
    cdef const float *res = NULL
    cdef const float *of_block = NULL
    cdef const uint8_t *res_u8 = NULL
    if wsum != NULL:
        size, zero = 4, (<const uint8_t *>at(base, A.zero))[0]
        real = real_sums_of(<const real_end_t *>&A.wsum, base, scale, image)
        res = real.res
    elif at(base, A.res) != NULL:
        res_u8 = <const uint8_t *>at(base, A.res) + image * A.rn
        T.added = added_of(A.yz, A.lo, A.hi, A.sa, A.sb, A.zb, A.sy, A.zy)
    y = <char *>at(base, A.y) + picture_of_y(A, image) * size
    if table != NULL:
        look_up_begin(&look_up, table)
    T.parts, T.kh, T.kw, T.yb = (<const int64_t *>packed)[0], A.kh, A.kw, A.yb
    oc, of_runs = (<const int64_t *>packed)[1], (<const int64_t *>packed)[2] != 0
    c1 = min(c1, oc)
    if of_runs:
        if kd > 0:
            T.kh, kd, most_rows = A.kh * kd, 0, 1
        ic, taps, T.kw = ic * A.kw, T.kh, 1
    T.q = requant_by(<const real_end_t *>&A.wsum, A.yz, A.lo, A.hi)
    o = 0
    while o < c0:                                # where the first tile's weights are
        reads = channels_u8_of(o, oc, ic, A.goc, A.gic, kd)
        w0 += tile_u8_bytes(&reads, T.parts, taps)
        o += reads.width
    chunk_u8_of(A, most_rows, strip_bytes, STRIP_BYTES if takes_strip(A) else 0, PM_U8, &down, &across)
    parts_of_row = (A.ow + across - 1) // across
    for chunk in range((end - first + down - 1) // down * parts_of_row):
        i, j = first + chunk // parts_of_row * down, chunk % parts_of_row * across
        rows = min(down, end - i)
        columns = min(across, A.ow - j)
        n = rows * columns
        corner = x + i * A.sh * A.xr + j * A.sw * CB
        if takes_strip(A):
            from_x = <const dot_x_t *>scratch
            s = strip_of(A, rows, columns, A.last if of_runs else CB)
            if of_runs:
                if A.ih > 0:
                    fill_runs_plain(A, &s, x + image * A.xn, i, j, zero, <dot_x_t *>scratch)
                else:
                    fill_runs(A, &s, corner, image, zero, <dot_x_t *>scratch)
                s.block = CB
                if A.kh == 1:
                    s.tap_row = s.columns * A.last
            else:
                fill_strip(A, &s, corner, image, zero, <dot_x_t *>scratch)
            pixel_offsets(xo, n, 0, 0, columns, s.row, s.pixel)
            T.xb, T.xr, T.xt = s.block, s.tap_row, s.tap
        else:
            from_x = <const dot_x_t *>(corner + image * A.xn)
            pixel_offsets(xo, n, 0, 0, columns, A.sh * A.xr, A.sw * CB)
            T.xb, T.xr, T.xt = A.xb, A.dh * A.xr, A.dw * CB
        all_near = are_near(xo, n)
        pixel_offsets(yo, n, i, 0, columns, A.yr, yp)
        if res != NULL or res_u8 != NULL:
            pixel_offsets(ro, n, i, 0, columns, A.rr, CB)
        o, w = c0, w0
        while o < c1:
            reads = channels_u8_of(o, oc, ic, A.goc, A.gic, kd)
            bytes_of_tile = tile_u8_bytes(&reads, T.parts, taps)
            T.w = <const dot_w_t *>(w + 4 * reads.width)
            T.ahead, T.lines = w + bytes_of_tile, 0
            if DOT_GROUP == 2 and T.parts == 1:
                dot_widen(<const signed char *>T.w, bytes_of_tile - 4 * reads.width, widened)
                T.w = widened
            if o + reads.width < c1:
                T.lines = lines_of_tile(bytes_of_tile, n, reads.width)
                fetch(scale + o + reads.width)
                fetch(<const int32_t *>at(base, A.bias) + o + reads.width)
            if wsum != NULL:
                T.scale = NULL
                begin_by_zero(T.start, <const int32_t *>w, <const int32_t *>at(base, A.bias), o, wsum, <int32_t>zero,
                              reads.width)
            else:
                T.scale = scale + o
                requant_from(&T.q, <const real_end_t *>&A.wsum, base, T.scale, o, reads.width)
                begin_sums(T.start, <const int32_t *>w, <const int32_t *>at(base, A.bias) + o, reads.width)
            T.full, T.last = reads.full, reads.last
            T.res, T.rb, T.c, T.real = NULL, A.rb, o, NULL
            if wsum != NULL and real_at_once(&real, o, reads.width):
                T.real = &real
            if res_u8 != NULL:
                T.res = res_u8 + o // CB * A.rb + j * CB
            elif res != NULL:
                T.res = res + o // CB * A.rb + j * CB
            T.rounds = rounds_u8(&T)
            T.y = y + (o // CB * A.yb + j * yp) * size
            run_tiles_u8(&T, from_x + reads.block * T.xb, xo, yo, ro, n, reads.width, all_near)
            if wsum != NULL and T.real == NULL:
                for b in range((reads.width + CB - 1) // CB):
                    if res != NULL:
                        of_block = res + (o // CB + b) * A.rb + j * CB
                    real_sums_list(&real, o + b * CB, <float *>T.y + b * A.yb, yo, of_block, ro, n)
            if table != NULL:
                look_up_pixels(&look_up, <uint8_t *>T.y, A.yb, yo, n, (reads.width + CB - 1) // CB)
            w += bytes_of_tile
            o += reads.width
    if wsum != NULL:
        real_sums_end(&real, <const real_end_t *>&A.wsum, base, tile)


cdef inline int64_t lines_of_tile(int64_t size, int64_t n, int64_t width) noexcept nogil:
    """How many cache lines each register tile fetches, for n pixels to fetch `size` bytes, or some beyond."""
    cdef int64_t most = PM_U8 if width == OCT else PM_U8_HALF, tiles = (n + most - 1) // most
    return (size // 64 + tiles - 1) // tiles


cdef inline bint are_near(const int64_t *xo, int64_t px) noexcept nogil:
    """Whether these pixels, of one row or of whole rows, are neighbours all: then the first two and the last are."""
    return xo[px - 1] - xo[0] == (px - 1) * CB and (px < 2 or xo[1] - xo[0] == CB)


cdef inline void run_tiles_u8(tile_u8_t *T, const dot_x_t *x, const int64_t *xo, const int64_t *yo,
                              const int64_t *ro, int64_t n, int64_t width, bint all_near) noexcept nogil:
    """Tiles of n pixels in all, of nearly the same width, as many at once as are of one form. all_near : of them"""
    cdef int64_t most = PM_U8 if width == OCT else PM_U8_HALF, tiles = (n + most - 1) // most
    cdef int64_t px = (n + tiles - 1) // tiles, wide = tiles - (px * tiles - n), end, form      # the others: one less
    cdef bint near
    cdef tile_u8_run run
    while tiles > 0:
        if wide == 0:
            px, wide = px - 1, tiles
        near, end = all_near or are_near(xo, px), wide if all_near else 1
        while end < wide and are_near(xo + end * px, px) == near:
            end += 1
        form = (FORM_U8_NEAR if near else FORM_U8_LIST) + (FORMS_U8_OF_TAPS if T.kh * T.kw > 1 else 0)
        run = tiles_u8[form][px] if width == OCT else tiles_u8_half[form][px]
        run(T, x, xo, yo, ro, end)
        T.ahead += 64 * T.lines * end
        xo, yo, ro, tiles, wide = xo + end * px, yo + end * px, ro + end * px, tiles - end, wide - end


cdef inline bint is_of_runs(const pack_conv_u8_t *A) noexcept nogil:
    return A.goc == 0 and runs_u8(A.ic, A.kw, A.dw)


cdef inline int64_t taps_of(const pack_conv_u8_t *A) noexcept nogil:
    """Of a row of the window; a run is one."""
    return 1 if is_of_runs(A) else A.kw


cdef inline int64_t rows_of(const pack_conv_u8_t *A) noexcept nogil:
    """Of the window, with those of all slices where these are no channels."""
    return A.kh * max(A.kd, <int64_t>1) if is_of_runs(A) else A.kh


cdef inline channels_u8_t packed_channels_of(const pack_conv_u8_t *A, int64_t o) noexcept nogil:
    return channels_u8_of(o, A.oc, all_ic_of(A), A.goc, A.gic, 0 if is_of_runs(A) else A.kd)


cdef inline int64_t all_ic_of(const pack_conv_u8_t *A) noexcept nogil:
    if is_of_runs(A):
        return A.kw * A.ic
    return A.oc // A.goc * A.gic if A.goc > 0 else A.ic


cdef int64_t parts_of_weights(const pack_conv_u8_t *A, const int16_t *w) noexcept nogil:
    """Of how many parts of int8 they are."""
    cdef int64_t low = 0, high = 0, o, c, z, i, j, v
    for o in range(A.oc):
        for c in range(A.ic):
            for z in range(max(A.kd, <int64_t>1)):
                for i in range(A.kh):
                    for j in range(A.kw):
                        v = w[o * A.so + c * A.si + z * A.sz + i * A.sy + j * A.sx]
                        low, high = min(low, v), max(high, v)
    return parts_s8(low, high)


cdef packed_t pack_conv_u8_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_conv_u8_t *A = <const pack_conv_u8_t *>params
    cdef int64_t o = 0
    cdef channels_u8_t reads
    cdef packed_t found
    found.bytes, found.tiles = HEADER, 0
    found.parts = parts_of_weights(A, <const int16_t *>at(base, A.w))
    if DOT_GROUP == 2:
        found.parts = min(found.parts, <int64_t>2)
    while o < A.oc:
        reads = packed_channels_of(A, o)
        found.bytes += tile_u8_bytes(&reads, found.parts, rows_of(A) * taps_of(A))
        o += reads.width
        found.tiles += 1
    return found


cdef inline int64_t weight_of(const pack_conv_u8_t *A, const int16_t *w, int64_t o, int64_t c) noexcept nogil:
    """The weight of output channel o and input channel c of all groups at the tap at w; 0 where there is none."""
    if o >= A.oc or c >= all_ic_of(A):
        return 0
    if A.goc > 0:
        if o // A.goc != c // A.gic:
            return 0
        c %= A.gic
    return w[o * A.so + c % A.ic * A.si + c // A.ic * A.sx]      # of a run: tap after tap


cdef void pack_conv_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_conv_u8_t *A = <const pack_conv_u8_t *>params
    cdef const int16_t *w = <const int16_t *>at(base, A.w)
    cdef const int16_t *tap
    cdef char *packed = <char *>at(base, A.y)
    cdef char *y = packed + HEADER
    cdef int32_t *start
    cdef dot_w_t *to
    cdef signed char *narrow
    cdef int64_t o = 0, t, b, z, i, j, g, k, lane, part, c, v, slices = 1 if is_of_runs(A) else max(A.kd, <int64_t>1)
    cdef channels_u8_t reads = packed_channels_of(A, 0)
    if tile == 0:
        memset(packed, 0, HEADER)
        (<int64_t *>packed)[0], (<int64_t *>packed)[1], (<int64_t *>packed)[2] = A.parts, A.oc, is_of_runs(A)
    for t in range(tile):
        y += tile_u8_bytes(&reads, A.parts, rows_of(A) * taps_of(A))
        o += reads.width
        reads = packed_channels_of(A, o)
    start, to = <int32_t *>y, <dot_w_t *>(y + 4 * reads.width)
    narrow = <signed char *>to
    memset(start, 0, 4 * reads.width)
    for part in range(A.parts if DOT_GROUP > 2 else 1):
        for b in range(reads.full + (reads.last > 0)):
            for i in range(rows_of(A)):
                z = (reads.block + b) % slices + i // A.kh
                for j in range(taps_of(A)):
                    tap = w + z * A.sz + i % A.kh * A.sy + j * A.sx
                    for g in range(CB // DOT_GROUP if b < reads.full else reads.last):
                        c = (reads.block + b) // slices * CB + g * DOT_GROUP
                        for lane in range(reads.width):
                            for k in range(DOT_GROUP):
                                v = weight_of(A, tap, o + lane, c + k)
                                if DOT_GROUP == 2 and A.parts == 1:
                                    narrow[0] = <signed char>v
                                    narrow += 1
                                else:
                                    to[0] = dot_part(v, part)
                                    to += 1
                                if part == 0:
                                    start[lane] += <int32_t>(DOT_STARTS_AT * v)


if not HAS_AMX:                         # there conv_u8_amx.pxi has them
    enter("conv_u8", fields_of("conv_u8_t"), sizeof(conv_u8_t), conv_u8_run, strip_room)
    enter("pack_conv_u8", fields_of("pack_conv_u8_t"), sizeof(pack_conv_u8_t), pack_conv_u8_run, NULL,
          pack_conv_u8_packed)
