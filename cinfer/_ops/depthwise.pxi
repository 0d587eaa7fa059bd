# Depthwise convolution; the contract and the register tiles are in depthwise.h.

DEF DW_ROWS = 8                      # rows a tile function does in one call

cdef extern from "depthwise.h" nogil:
    enum: DW_PX
    ctypedef struct depthwise_t:
        buf_t x, w, bias, slope, y
        int64_t n, cb, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, yn, yb, yr, act, row_tiles, rows
        double alpha, beta
    const char *depthwise_t_fields
    ctypedef void (*dw_fn)(const depthwise_t *, const float *, const float *, const float *, const float *,
                           float *, const epilogue_t *, int64_t) noexcept nogil
    const dw_fn *dw_form(const depthwise_t *)
    void dw_finish(const float *, const float *, const float *, float *, const epilogue_t *, int64_t)

ctypedef struct pack_depthwise_t:
    buf_t w, y
    int64_t c, taps


cdef float[CB] dw_zeros

cdef void dw_far(const depthwise_t *A, dw_fn form, const float *x, const float *w, const float *bias,
                 const float *slope, float *y, const epilogue_t *f, int64_t pixels) noexcept nogil:
    """`pixels` of a row by more than PRODUCT_WHOLE taps, in pieces."""
    cdef double[DW_PX * CB] total
    cdef float[DW_PX * CB] part
    cdef depthwise_t P = A[0]
    cdef pieces_t q = pieces_of(1, A.kh, A.kw, 1)
    cdef epilogue_t none
    cdef bint first = True
    none.act = U_none
    while next_piece(&q):
        P.kh, P.kw = q.ni, q.nj
        form(&P, x + q.i * A.dh * A.xr + q.j * A.dw * CB, w + (q.i * A.kw + q.j) * CB, dw_zeros, dw_zeros,
             part, &none, 1)
        add_to_total(total, part, pixels * CB, first)
        first = False
    rounded_total(total, part, pixels * CB)
    dw_finish(part, bias, slope, y, f, pixels)


cdef void depthwise_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const depthwise_t *A = <const depthwise_t *>params
    cdef int64_t b = tile % A.cb, r = tile // A.cb % A.row_tiles, image = tile // A.cb // A.row_tiles
    cdef int64_t y0 = r * A.rows, y1 = min(y0 + A.rows, A.oh)
    cdef int64_t tiles = (A.ow + DW_PX - 1) // DW_PX, i, j, t, p, q
    cdef bint far = A.kh * A.kw > PRODUCT_WHOLE
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn + b * A.xb
    cdef const float *w = <const float *>at(base, A.w) + b * A.kh * A.kw * CB
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef float *y = <float *>at(base, A.y) + image * A.yn + b * A.yb
    cdef const dw_fn *form = dw_form(A)
    cdef epilogue_t f
    f.act, f.alpha, f.beta = A.act, A.alpha, A.beta
    bias = bias + b * CB if bias != NULL else dw_zeros
    slope = slope + b * CB if slope != NULL else bias
    for i in range(y0, y1, DW_ROWS):
        p = 0
        for t in range(tiles):                   # tiles of nearly the same width: 16 = 8 + 8
            q = A.ow // tiles + (t < A.ow % tiles)
            if far:
                for j in range(i, min(i + DW_ROWS, y1)):
                    dw_far(A, form[q], x + j * A.sh * A.xr + p * A.sw * CB, w, bias, slope,
                           y + j * A.yr + p * CB, &f, q)
            else:
                form[q](A, x + i * A.sh * A.xr + p * A.sw * CB, w, bias, slope, y + i * A.yr + p * CB, &f,
                        min(DW_ROWS, y1 - i))
            p += q
        if acts_later(A.act):
            activate_rows(y + i * A.yr, A.ow * CB, min(DW_ROWS, y1 - i), A.yr, <int>A.act, A.alpha, A.beta)


cdef void pack_depthwise_run(const void *params, char *const *base, char *scratch,
                             int64_t tile) noexcept nogil:
    """[c][taps] -> block `tile` of [cb][taps][16]; the last block is filled up with zeros."""
    cdef const pack_depthwise_t *A = <const pack_depthwise_t *>params
    cdef int64_t c, t
    cdef const float *w = <const float *>at(base, A.w) + tile * CB * A.taps
    cdef float *y = <float *>at(base, A.y) + tile * CB * A.taps
    for t in range(A.taps):
        for c in range(CB):
            y[t * CB + c] = w[c * A.taps + t] if tile * CB + c < A.c else 0


cdef packed_t pack_depthwise_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_depthwise_t *A = <const pack_depthwise_t *>params
    cdef int64_t blocks = (A.c + CB - 1) // CB
    return packed_floats(blocks * CB * A.taps, blocks)


enter("depthwise", depthwise_t_fields, sizeof(depthwise_t), depthwise_run)
enter("pack_depthwise", fields_of("pack_depthwise_t"), sizeof(pack_depthwise_t), pack_depthwise_run, NULL,
      pack_depthwise_packed)
