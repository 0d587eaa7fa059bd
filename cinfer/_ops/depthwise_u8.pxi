# Depthwise convolution of bytes; register tiles, strips, the packed form are in depthwise_u8.h.
#
# depthwise_u8       y[n, c, i, j] = requantised(sum over (p, q) of w[c, p, q] * x[n, c/each, i*sh + p*dh, j*sw + q*dw],
#                    bias[c], scale[c]), as requantise.h says: zero point yz, limits lo and hi; or in float32
#                    (requantise.pxi)
#   x                points at pixel (-pad_t, -pad_l) of a picture whose halo is its zero point; strides xn xb xr. No
#                    zero point is subtracted: bias has -x_zero times the sum of the weights
#   each             channels of y that read one of x; 0 is 1. Where they are more, x is spread in scratch
#   w                packed by pack_depthwise_u8
#   bias, scale      int32 and float32, padded to whole blocks
#   table            absent, or 256 bytes through which y goes
#   y                pixel (0, 0); strides yn yb yr. The last block is written whole
#   kd .. od         kd 0, or slices of volumes as depth.h has them: pictures are slices. Those beyond the volume are
#                    xz, its zero point
#   Kernel tile = (image*row_tiles + r)*cb + block, rows r*rows .. of the output.
# pack_depthwise_u8  from int16 weights, strides so (channel) sz sy sx in elements, zero points subtracted before; kd,
#                    sh, dh as the convolution has them. HEADER bytes that begin with parts and c, then blocks. Kernel
#                    tile = a block
#
# The strips of a chunk of columns, those of the rows that two rows of output need, lie in scratch, one slice after the
# other.

cdef extern from "depthwise_u8.h" nogil:
    enum: DW_U8_PX
    ctypedef struct dw_u8_t:
        int32_t start[CB]
        const float *scale
        real_sums_t *real
        const float *row
        const float *res
        int64_t c, rounds
        const dot_w_t *w
        const dot_x_t **strips
        int64_t parts, groups, kw, dw, sw
        requant_t q
    ctypedef void (*dw_u8_fn)(const dw_u8_t *, int64_t, void *, int64_t) noexcept nogil
    const dw_u8_fn *dw_u8_form(int64_t, int64_t, int64_t)
    void interleave_rows(const uint8_t **, int64_t, dot_x_t *)
    ctypedef struct spread_t:
        int64_t first, second
    spread_t spread_of(int64_t, int64_t, int64_t)
    void spread_row(const spread_t *, const uint8_t *, int64_t, int64_t, uint8_t *)

ctypedef struct depthwise_u8_t:
    buf_t x, w, bias, scale, table, y
    int64_t n, cb, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, yn, yb, yr, yz, lo, hi, row_tiles, rows
    int64_t kd, sd, dd, pf, id, od, xz, each
    buf_t wsum, zero, add, slope, res, by, range    # real_end_t
    int64_t rn, rb, rr, act, channels
    double alpha, beta, step

ctypedef struct pack_depthwise_u8_t:
    buf_t w, y
    int64_t c, kd, kh, kw, so, sz, sy, sx, sh, dh, parts

DEF DW_STRIPS_BYTES = 24576             # of all strips: a part of L1
DEF DW_START = 64                       # bytes that the sums of a block begin with
DEF DW_PIXEL = 64                       # bytes of a pixel in a strip

ctypedef struct phases_t:
    # Rows of output that share strips, how many strips these need of each slice and in all, bytes of the weights of one
    # phase and of a block
    int64_t phases, slices, each, groups, bytes, block


cdef phases_t phases_of(int64_t kd, int64_t kh, int64_t kw, int64_t sh, int64_t dh, int64_t parts) noexcept nogil:
    cdef phases_t p
    p.phases, p.slices = 2 if sh == 1 and dh == 1 and kh > 1 else 1, max(kd, <int64_t>1)
    p.each = (kh + p.phases - 1 + DOT_GROUP - 1) // DOT_GROUP
    p.groups = p.slices * p.each
    p.bytes = parts * p.groups * kw * CB * DOT_GROUP * <int64_t>sizeof(dot_w_t)
    p.block = DW_START + p.phases * p.bytes
    return p


cdef inline int64_t strip_columns(const depthwise_u8_t *A, int64_t columns) noexcept nogil:
    return (columns - 1) * A.sw + (A.kw - 1) * A.dw + 1


cdef int64_t chunk_columns(const depthwise_u8_t *A, int64_t groups) noexcept nogil:
    """Columns of output in a chunk: as many as have room, or a register tile."""
    cdef int64_t room = DW_STRIPS_BYTES // (DW_PIXEL * groups)
    return even(A.ow, max(<int64_t>DW_U8_PX, (room - (A.kw - 1) * A.dw - 1) // A.sw + 1))


cdef int64_t depthwise_u8_room(const void *params, char *const *base) noexcept nogil:
    """Strips, and their addresses before them; behind them rows that are spread."""
    cdef const depthwise_u8_t *A = <const depthwise_u8_t *>params
    cdef int64_t groups = phases_of(A.kd, A.kh, A.kw, A.sh, A.dh, 1).groups
    cdef int64_t columns = strip_columns(A, chunk_columns(A, groups))
    return groups * DW_PIXEL * (columns + 1) + (DOT_GROUP * CB * columns if A.each > 1 else 0)


cdef void depthwise_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const depthwise_u8_t *A = <const depthwise_u8_t *>params
    cdef int64_t b = tile % A.cb, r = tile // A.cb % A.row_tiles, image = tile // A.cb // A.row_tiles
    cdef int64_t y0 = r * A.rows, y1 = min(y0 + A.rows, A.oh), last = (A.oh - 1) * A.sh + (A.kh - 1) * A.dh
    cdef int64_t i, j, g, z, d = 0, k, columns, width, row_tiles, px, wide, phase, first, row, zero = A.xz
    cdef const char *packed = <const char *>at(base, A.w)
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x)
    cdef const uint8_t *from_slice
    cdef uint8_t *spread_to
    cdef spread_t spread
    cdef const uint8_t *rows[4]
    cdef const int32_t *wsum = <const int32_t *>at(base, A.wsum)
    cdef int64_t size = 1 if wsum == NULL else 4
    cdef char *y = <char *>at(base, A.y) + (image * A.yn + b * A.yb) * size
    cdef char *to
    cdef real_sums_t real
    cdef const dot_x_t **strips = <const dot_x_t **>scratch
    cdef const dot_x_t *oldest
    cdef const dw_u8_fn *form = dw_u8_form(A.kw, A.sw, A.dw)
    cdef dw_u8_t T
    cdef look_up_t look_up
    cdef phases_t p
    cdef bint kept
    T.parts, T.kw, T.dw, T.sw = (<const int64_t *>packed)[0], A.kw, A.dw, A.sw
    p = phases_of(A.kd, A.kh, A.kw, A.sh, A.dh, T.parts)
    x += (image if A.kd == 0 else image // A.od * A.id) * A.xn
    if A.each > 1:
        spread = spread_of(b, A.each, (<const int64_t *>packed)[1])
        x += spread.first * A.xb
    else:
        x += b * A.xb
    kept = A.dh == 1 and p.phases * A.sh == DOT_GROUP          # of the next rows' strips all but one are there
    packed += HEADER + b * p.block
    T.groups, T.strips, T.c, T.real = p.groups, strips, b * CB, NULL
    T.res = NULL
    T.q = requant_by(<const real_end_t *>&A.wsum, A.yz, A.lo, A.hi)
    T.scale = <const float *>at(base, A.scale)
    if wsum != NULL:
        real = real_sums_of(<const real_end_t *>&A.wsum, base, T.scale, image)
        T.scale, zero = NULL, (<const uint8_t *>at(base, A.zero))[0]
        if real_at_once(&real, b * CB, CB):
            T.real = &real
        begin_by_zero(T.start, <const int32_t *>packed, <const int32_t *>at(base, A.bias), b * CB, wsum, <int32_t>zero,
                      CB)
    else:
        T.scale += b * CB
        requant_from(&T.q, <const real_end_t *>&A.wsum, base, T.scale, b * CB, CB)
        begin_sums(T.start, <const int32_t *>packed, <const int32_t *>at(base, A.bias) + b * CB, CB)
    T.rounds = T.scale != NULL and not T.q.cut
    if table != NULL:
        look_up_begin(&look_up, table)
    width = chunk_columns(A, p.groups)
    spread_to = <uint8_t *>scratch + p.groups * DW_PIXEL * (strip_columns(A, width) + 1)
    for k in range((A.ow + width - 1) // width):
        j = k * width
        columns = min(width, A.ow - j)
        row_tiles = (columns + DW_U8_PX - 1) // DW_U8_PX            # of nearly the same width
        px = (columns + row_tiles - 1) // row_tiles
        wide = row_tiles - (px * row_tiles - columns)
        for g in range(p.groups):
            strips[g] = <const dot_x_t *>(scratch + p.groups * DW_PIXEL + g * DW_PIXEL * strip_columns(A, width))
        i, first = y0, 0
        while i < y1:
            for z in range(p.slices):
                if A.kd > 0:
                    d = image % A.od * A.sd - A.pf + z * A.dd
                from_slice = x + d * A.xn + j * A.sw * CB
                for g in range(first, p.each):
                    if A.kd > 0 and (d < 0 or d >= A.id):
                        dot_fill(<int>zero, strip_columns(A, columns) * DOT_GROUP * CB,
                                 <dot_x_t *>strips[z * p.each + g])
                        continue
                    for row in range(DOT_GROUP):
                        rows[row] = from_slice + min(i * A.sh + (g * DOT_GROUP + row) * A.dh, last) * A.xr
                        if A.each > 1:
                            spread_row(&spread, rows[row], A.xb, strip_columns(A, columns),
                                       spread_to + row * CB * strip_columns(A, width))
                            rows[row] = spread_to + row * CB * strip_columns(A, width)
                    interleave_rows(rows, strip_columns(A, columns), <dot_x_t *>strips[z * p.each + g])
            for phase in range(min(p.phases, y1 - i)):
                T.w = <const dot_w_t *>(packed + DW_START + phase * p.bytes)
                to = y + ((i + phase) * A.yr + j * CB) * size
                if wsum != NULL:
                    T.row = <const float *>to
                    if real.res != NULL:
                        T.res = real.res + b * A.rb + (i + phase) * A.rr + j * CB
                form[px](&T, 0, to, wide)
                if wide < row_tiles:
                    form[px - 1](&T, wide * px * A.sw, to + wide * px * CB * size, row_tiles - wide)
                if wsum != NULL and T.real == NULL:
                    real_sums_row(&real, b * CB, <float *>to, T.res, columns)
                elif table != NULL and (A.yr != A.ow * CB or width != A.ow):
                    look_up_row(&look_up, <uint8_t *>to, <uint8_t *>to, columns * CB)
            if kept:
                first = p.each - 1
                for z in range(p.slices):
                    oldest = strips[z * p.each]
                    for g in range(z * p.each, z * p.each + first):
                        strips[g] = strips[g + 1]
                    strips[z * p.each + first] = oldest
            i += p.phases
    if wsum != NULL:
        real_sums_end(&real, <const real_end_t *>&A.wsum, base, tile)
    if table != NULL and A.yr == A.ow * CB and width == A.ow:        # one run of bytes
        to = y + y0 * A.yr
        look_up_row(&look_up, <uint8_t *>to, <uint8_t *>to, (y1 - y0) * A.yr)


cdef packed_t pack_depthwise_u8_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_depthwise_u8_t *A = <const pack_depthwise_u8_t *>params
    cdef const int16_t *w = <const int16_t *>at(base, A.w)
    cdef int64_t low = 0, high = 0, c, z, i, j, v
    cdef phases_t p
    cdef packed_t found
    for c in range(A.c):
        for z in range(max(A.kd, <int64_t>1)):
            for i in range(A.kh):
                for j in range(A.kw):
                    v = w[c * A.so + z * A.sz + i * A.sy + j * A.sx]
                    low, high = min(low, v), max(high, v)
    found.parts, found.tiles = dot_parts(low, high), (A.c + CB - 1) // CB
    p = phases_of(A.kd, A.kh, A.kw, A.sh, A.dh, found.parts)
    found.bytes = HEADER + found.tiles * p.block
    return found


cdef void pack_depthwise_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_depthwise_u8_t *A = <const pack_depthwise_u8_t *>params
    cdef const int16_t *w = <const int16_t *>at(base, A.w)
    cdef char *y = <char *>at(base, A.y)
    cdef phases_t p = phases_of(A.kd, A.kh, A.kw, A.sh, A.dh, A.parts)
    cdef int32_t *start
    cdef dot_w_t *to
    cdef int64_t phase, part, g, j, lane, k, c, tap, v
    if tile == 0:
        memset(y, 0, HEADER)
        (<int64_t *>y)[0], (<int64_t *>y)[1] = A.parts, A.c
    y += HEADER + tile * p.block
    start, to = <int32_t *>y, <dot_w_t *>(y + DW_START)
    memset(start, 0, DW_START)
    for phase in range(p.phases):
        for part in range(A.parts):
            for g in range(p.groups):
                for j in range(A.kw):
                    for lane in range(CB):
                        for k in range(DOT_GROUP):
                            c, tap, v = tile * CB + lane, g % p.each * DOT_GROUP + k - phase, 0
                            if 0 <= tap < A.kh and c < A.c:
                                v = w[c * A.so + g // p.each * A.sz + tap * A.sy + j * A.sx]
                            to[0] = dot_part(v, part)
                            to += 1
                            if phase == 0 and part == 0:
                                start[lane] += <int32_t>(DOT_STARTS_AT * v)


enter("depthwise_u8", fields_of("depthwise_u8_t"), sizeof(depthwise_u8_t), depthwise_u8_run, depthwise_u8_room)
enter("pack_depthwise_u8", fields_of("pack_depthwise_u8_t"), sizeof(pack_depthwise_u8_t), pack_depthwise_u8_run,
      NULL, pack_depthwise_u8_packed)
