# Layouts of bytes in blocks; the contract and the loops are in layout_u8.h.

cdef extern from "layout_u8.h" nogil:
    ctypedef struct quant_t:
        pass
    quant_t quant_of(double, int64_t, int64_t, int64_t, int64_t)
    void block_planes_u8(const char *, int64_t, int, int64_t, uint8_t *, int64_t, int64_t, const quant_t *)
    void block_planes_f32(const char *, int64_t, int, int64_t, uint8_t *, int64_t, int64_t, const quant_t *)
    void block_pixels_u8(const char *, int64_t, int, int64_t, uint8_t *, const quant_t *)
    void block_pixels_f32(const char *, int64_t, int, int64_t, uint8_t *, const quant_t *)
    void block_strided_u8(const char *, int64_t, int64_t, int, int64_t, uint8_t *, const quant_t *)
    void block_strided_f32(const char *, int64_t, int64_t, int, int64_t, uint8_t *, const quant_t *)
    void unblock_planes_u8(const uint8_t *, int64_t, int64_t, int64_t, char *, const int64_t *, int, const quant_t *)
    void unblock_planes_f32(const uint8_t *, int64_t, int64_t, int64_t, char *, const int64_t *, int, const quant_t *)
    void unblock_pixels_u8(const uint8_t *, int64_t, char *, int64_t, int, const quant_t *)
    void unblock_pixels_f32(const uint8_t *, int64_t, char *, int64_t, int, const quant_t *)
    void unblock_strided_u8(const uint8_t *, int64_t, char *, const int64_t *, int64_t, int, const quant_t *)
    void unblock_strided_f32(const uint8_t *, int64_t, char *, const int64_t *, int64_t, int, const quant_t *)
    void fill_elements(char *, int64_t, int64_t, int64_t)
    void gather_row_u8(const lanes_t *, const uint8_t *, int64_t, int64_t, uint8_t *)

ctypedef struct block_u8_t:
    buf_t x, y, s, z
    int64_t n, c, d, h, w, xn, xb, xc, xd, xh, xw, yn, yb, yr, flip, zero, lo, hi, row_tiles, rows
    double scale

ctypedef struct unblock_u8_t:
    buf_t x, y, coff
    int64_t n, c, d, h, w, xn, xb, xr, yn, yb, yc, yd, yh, yw, flip, zero, row_tiles, rows
    double scale

ctypedef struct fill_halo_t:
    buf_t y, of_byte
    int64_t n, cb, h, w, yn, yb, yr, t, l, b, r, size, fill


cdef void block_u8(const block_u8_t *A, char *const *base, int64_t tile, bint floats) noexcept nogil:
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const float *s = <const float *>at(base, A.s)
    cdef const uint8_t *z = <const uint8_t *>at(base, A.z)
    cdef quant_t q = quant_of(A.scale if s == NULL else s[0], A.zero if z == NULL else z[0], A.lo, A.hi, A.flip)
    cdef int64_t size = 4 if floats else 1, rows = k.end - k.row, n = A.w
    cdef const char *x = <const char *>at(base, A.x) \
        + (slice_at(k.image, A.d, A.xn, A.xd) + k.block * A.xb + k.row * A.xh) * size
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb + k.row * A.yr
    cdef bint planes = A.xw == 1 and (A.xc != 1 or A.w > 1)
    if planes and A.xh == A.w:                      # the rows of a plane follow each other: one run of pixels
        n *= rows
        rows = 1
    for _ in range(rows):
        if planes:
            (block_planes_f32 if floats else block_planes_u8)(x, A.xc, k.lanes, n, y, A.w, A.yr, &q)
        elif A.xc == 1:
            (block_pixels_f32 if floats else block_pixels_u8)(x, A.xw, k.lanes, n, y, &q)
        else:
            (block_strided_f32 if floats else block_strided_u8)(x, A.xc, A.xw, k.lanes, n, y, &q)
        x += A.xh * size
        y += A.yr


cdef void unblock_u8(const unblock_u8_t *A, char *const *base, int64_t tile, bint floats) noexcept nogil:
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef quant_t q = quant_of(A.scale, A.zero, 0, 255, A.flip)
    cdef int64_t size = 4 if floats else 1, rows = k.end - k.row, n = A.w
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x) + k.image * A.xn + k.block * A.xb + k.row * A.xr
    cdef char *y = <char *>at(base, A.y) + (slice_at(k.image, A.d, A.yn, A.yd) + k.row * A.yh) * size
    cdef const int64_t *given = <const int64_t *>at(base, A.coff)
    cdef int64_t off[16]
    cdef int i
    for i in range(k.lanes):
        off[i] = given[k.block * CB + i] if given != NULL else k.block * A.yb + i * A.yc
    if A.yw == 1 and A.yh == A.w:
        n *= rows
        rows = 1
    for _ in range(rows):
        if A.yw == 1:
            (unblock_planes_f32 if floats else unblock_planes_u8)(x, A.w, A.xr, n, y, off, k.lanes, &q)
        elif A.yc == 1 and given == NULL:
            (unblock_pixels_f32 if floats else unblock_pixels_u8)(x, n, y + off[0] * size, A.yw, k.lanes, &q)
        else:
            (unblock_strided_f32 if floats else unblock_strided_u8)(x, n, y, off, A.yw, k.lanes, &q)
        x += A.xr
        y += A.yh * size


cdef void to_blocked_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    block_u8(<const block_u8_t *>params, base, tile, False)


cdef void quantize_blocked_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    block_u8(<const block_u8_t *>params, base, tile, True)


cdef void from_blocked_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    unblock_u8(<const unblock_u8_t *>params, base, tile, False)


cdef void dequantize_blocked_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    unblock_u8(<const unblock_u8_t *>params, base, tile, True)


cdef void gather_channels_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const gather_channels_t *A = <const gather_channels_t *>params
    cdef part_t k = part_of(tile, A.c, A.h, A.row_tiles, A.rows)
    cdef const int64_t *table = <const int64_t *>at(base, A.table) + k.block * CB * 3
    cdef lanes_t f = find_lanes(table, k.image, k.lanes)
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef int64_t i
    for i in range(k.row, k.end):
        gather_row_u8(&f, <const uint8_t *>at(base, A.x), i, A.w, y + i * A.yr)


cdef void fill_halo_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const fill_halo_t *A = <const fill_halo_t *>params
    cdef char *y = <char *>at(base, A.y) + A.size * (
        tile // A.cb * A.yn + tile % A.cb * A.yb - A.t * A.yr - A.l * CB)
    cdef const uint8_t *byte = <const uint8_t *>at(base, A.of_byte)
    cdef int64_t i, fill = A.fill if byte == NULL else byte[0]
    for i in range(A.t + A.h + A.b):
        if i < A.t or i >= A.t + A.h:
            fill_elements(y, (A.l + A.w + A.r) * CB, A.size, fill)
        else:
            fill_elements(y, A.l * CB, A.size, fill)
            fill_elements(y + (A.l + A.w) * CB * A.size, A.r * CB, A.size, fill)
        y += A.yr * A.size


enter("to_blocked_u8", fields_of("block_u8_t"), sizeof(block_u8_t), to_blocked_u8_run)
enter("quantize_blocked", fields_of("block_u8_t"), sizeof(block_u8_t), quantize_blocked_run)
enter("from_blocked_u8", fields_of("unblock_u8_t"), sizeof(unblock_u8_t), from_blocked_u8_run)
enter("dequantize_blocked", fields_of("unblock_u8_t"), sizeof(unblock_u8_t), dequantize_blocked_run)
enter("gather_channels_u8", fields_of("gather_channels_t"), sizeof(gather_channels_t), gather_channels_u8_run)
enter("fill_halo", fields_of("fill_halo_t"), sizeof(fill_halo_t), fill_halo_run)
