# Elementwise operators on bytes; the contract and the loops are in elementwise_u8.h.

cdef extern from "elementwise_u8.h" nogil:
    ctypedef struct zip_u8_t:
        buf_t a, b, table, slope, y
        int64_t cb, h, w, an, ab, ar, bn, bb, br, yn, yb, yr, d, az, bz, row_tiles, rows
    ctypedef struct zip_scales_t:
        pass
    const char *zip_u8_t_fields
    zip_scales_t zip_scales_of(const zip_u8_t *, const float *)
    void zip_row(const zip_u8_t *, const zip_scales_t *, const look_up_t *, const uint8_t *, const uint8_t *, uint8_t *)

ctypedef struct look_up_u8_t:
    buf_t x, table, y
    int64_t n, cb, h, w, xn, xb, xr, yn, yb, yr, row_tiles, rows


cdef void look_up_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const look_up_u8_t *A = <const look_up_u8_t *>params
    cdef part_t k = part_of(tile, A.cb * CB, A.h, A.row_tiles, A.rows)
    cdef const uint8_t *x = <const uint8_t *>at(base, A.x) + k.image * A.xn + k.block * A.xb
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef look_up_t look
    cdef int64_t i
    look_up_begin(&look, <const uint8_t *>at(base, A.table))
    if A.xr == A.w and A.yr == A.w:                 # the rows follow each other
        look_up_row(&look, x + k.row * A.xr, y + k.row * A.yr, (k.end - k.row) * A.w)
        return
    for i in range(k.row, k.end):
        look_up_row(&look, x + i * A.xr, y + i * A.yr, A.w)


cdef void zip_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const zip_u8_t *A = <const zip_u8_t *>params
    cdef part_t k = part_of(tile, A.cb * CB, A.h, A.row_tiles, A.rows)
    cdef int64_t volume = k.image if A.d == 0 else k.image // A.d, z = 0 if A.d == 0 else k.image % A.d
    cdef const uint8_t *a = <const uint8_t *>at(base, A.a) + volume * A.an + z * A.az + k.block * A.ab
    cdef const uint8_t *b = <const uint8_t *>at(base, A.b) + volume * A.bn + z * A.bz + k.block * A.bb
    cdef uint8_t *y = <uint8_t *>at(base, A.y) + k.image * A.yn + k.block * A.yb
    cdef const uint8_t *table = <const uint8_t *>at(base, A.table)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef zip_scales_t scales = zip_scales_of(A, slope + k.block * CB if slope != NULL else NULL)
    cdef look_up_t look
    cdef int64_t i
    if table != NULL:
        look_up_begin(&look, table)
    for i in range(k.row, k.end):
        zip_row(A, &scales, &look if table != NULL else NULL, a + i * A.ar, b + i * A.br, y + i * A.yr)


enter("look_up_u8", fields_of("look_up_u8_t"), sizeof(look_up_u8_t), look_up_u8_run)
enter("zip_u8", zip_u8_t_fields, sizeof(zip_u8_t), zip_u8_run)
