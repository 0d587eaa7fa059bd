# Direct convolution; contract and register tiles are in conv.h.

DEF L2_FLOATS = 65536                   # input of a block of rows that stays in L2 while all output channels pass over it: 256 KB

cdef extern from "conv.h" nogil:
    enum: CONV_OC, CONV_OV, CONV_PX
    ctypedef struct conv_t:
        buf_t x, w, bias, slope, res, y
        int64_t n, groups, ib, last, ob, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, yn, yb, yr, yp, rn, rb, rr, act
        int64_t row_tiles, rows, oc_tiles, blocks
        double alpha, beta
    ctypedef struct conv_stem_t:
        buf_t x, w, koff, bias, slope, res, y
        int64_t n, k, ob, sh, sw, oh, ow, xn, xr, xp, yn, yb, yr, rn, rb, rr, act, row_tiles, rows, oc_tiles, blocks
        double alpha, beta
    ctypedef struct pack_conv_t:
        buf_t w, y
        int64_t groups, oc, ic, kh, kw, so, si, sy, sx, sg
    ctypedef struct conv_go_t:
        size_t xb, xr, xc, xs, xrow, yb, yr, yp, rb, rr
        int64_t ib, last, kh, kw
        epilogue_t e
    const char *conv_t_fields
    const char *conv_stem_t_fields
    const char *pack_conv_t_fields
    ctypedef void (*conv_fn)(const conv_go_t *, const float *, const int32_t *, const float *, const float *, const float *, const float *,
                             float *) noexcept nogil
    ctypedef struct conv_form_t:
        const conv_fn *one
        const conv_fn *two
    conv_form_t conv_form(int64_t, int64_t)
    const conv_fn *stem_form(int64_t, int64_t)


cdef void conv_rows(const conv_go_t *go, conv_form_t form, const float *x, const int32_t *koff, const float *w, const float *bias,
                    const float *slope, const float *res, float *y, int64_t y0, int64_t y1, int64_t ow) noexcept nogil:
    """Rows y0 .. y1-1 of one tile of channels, in register tiles of nearly the same width (28 = 14 + 14), of two rows where that
    fills them better (7x7: 2 x 7)."""
    cdef int64_t one = (ow + CONV_PX - 1) // CONV_PX, two = (ow + CONV_PX // 2 - 1) // (CONV_PX // 2), i = y0, t, p, q, r, n
    cdef bint pairs = form.two != NULL and 4 * 2 * one > 5 * two      # sharing weights between rows must pay for the second address
    cdef int64_t row
    while i < y1:
        r = 2 if pairs and y1 - i > 1 else 1
        n = two if r == 2 else one
        p = 0
        for t in range(n):
            q = ow // n + (t < ow % n)
            (form.two if r == 2 else form.one)[q](
                go, x + i * go.xrow + p * go.xs, koff, w, bias, slope, res + i * go.rr + p * CB if res != NULL else NULL,
                y + i * go.yr + p * go.yp)
            p += q
        i += r


cdef void later(const epilogue_t *e, float *y, int64_t blocks, size_t yb, int64_t y0, int64_t y1, size_t yr, int64_t ow, size_t yp) noexcept nogil:
    """The activations that are not done in registers, on rows just stored."""
    cdef int64_t b, i, p
    if not acts_later(e.act):
        return
    for b in range(blocks):
        for i in range(y0, y1):
            if yp == CB:
                activate_rows(y + b * yb + i * yr, ow * CB, <int>e.act, e.alpha, e.beta)
            else:
                for p in range(ow):
                    activate_rows(y + b * yb + i * yr + p * yp, CB, <int>e.act, e.alpha, e.beta)


cdef void conv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_t *A = <const conv_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles, g = tile // A.oc_tiles // A.row_tiles % A.groups
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles // A.groups
    cdef int64_t y0 = r * A.rows, y1 = min(y0 + A.rows, A.oh), k = ((A.ib - 1) * CB + A.last) * A.kh * A.kw
    cdef int64_t last = min((c + 1) * A.blocks, A.ob) * CB, oc, width, at_oc, step, i, j
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn + g * A.ib * A.xb
    cdef const float *w = <const float *>at(base, A.w)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *y = <float *>at(base, A.y) + image * A.yn + g * A.ob * A.yb
    cdef conv_go_t go
    if res != NULL:
        res += image * A.rn + g * A.ob * A.rb
    if slope == NULL:
        slope = bias
    go.xb, go.xr, go.xc, go.xs, go.xrow = A.xb, A.dh * A.xr, A.dw * CB, A.sw * CB, A.sh * A.xr
    go.yb, go.yr, go.yp, go.rb, go.rr = A.yb, A.yr, A.yp, A.rb, A.rr
    go.ib, go.last, go.kh, go.kw = A.ib, A.last, A.kh, A.kw
    go.e.act, go.e.alpha, go.e.beta = A.act, A.alpha, A.beta
    step = max(2, L2_FLOATS // max(1, A.ib * A.xr * A.sh))
    i = y0
    while i < y1:
        j = min(i + step, y1)
        if y1 - j < 2 and y1 - i < step + 2:
            j = y1
        oc = c * A.blocks * CB
        while oc < last:
            width = min(CONV_OC, A.ob * CB - oc)
            at_oc = g * A.ob * CB + oc
            conv_rows(&go, conv_form(go.xs, width), x, NULL, w + at_oc * k, bias + at_oc, slope + at_oc,
                      res + oc // CB * A.rb if res != NULL else NULL, y + oc // CB * A.yb, i, j, A.ow)
            later(&go.e, y + oc // CB * A.yb, width // CB, A.yb, i, j, A.yr, A.ow, A.yp)
            oc += width
        i = j


cdef void conv_stem_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_stem_t *A = <const conv_stem_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles, image = tile // A.oc_tiles // A.row_tiles
    cdef int64_t y0 = r * A.rows, y1 = min(y0 + A.rows, A.oh), last = min((c + 1) * A.blocks, A.ob) * CB, oc, width, i
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn
    cdef const float *w = <const float *>at(base, A.w)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *y = <float *>at(base, A.y) + image * A.yn
    cdef conv_form_t form
    cdef conv_go_t go
    if res != NULL:
        res += image * A.rn
    if slope == NULL:
        slope = bias
    go.xb = go.xr = go.xc = 0
    go.xs, go.xrow = A.sw * A.xp, A.sh * A.xr
    go.yb, go.yr, go.yp, go.rb, go.rr = A.yb, A.yr, CB, A.rb, A.rr
    go.ib, go.last, go.kh, go.kw = A.k, 0, 0, 0
    go.e.act, go.e.alpha, go.e.beta = A.act, A.alpha, A.beta
    form.two = NULL
    for i in range(y0, y1):                     # a row of input serves all output channels
        oc = c * A.blocks * CB
        while oc < last:
            width = min(CONV_OC, A.ob * CB - oc)
            form.one = stem_form(go.xs, width)
            conv_rows(&go, form, x, <const int32_t *>at(base, A.koff), w + oc * A.k, bias + oc, slope + oc,
                      res + oc // CB * A.rb if res != NULL else NULL, y + oc // CB * A.yb, i, i + 1, A.ow)
            later(&go.e, y + oc // CB * A.yb, width // CB, A.yb, i, i + 1, A.yr, A.ow, CB)
            oc += width


cdef void pack_conv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    """Tile = (group, oc tile)."""
    cdef const pack_conv_t *A = <const pack_conv_t *>params
    cdef int64_t ob = (A.oc + CB - 1) // CB * CB, tiles = (ob + CONV_OC - 1) // CONV_OC, g = tile // tiles, oc = tile % tiles * CONV_OC
    cdef int64_t width = min(CONV_OC, ob - oc), real = min(width, A.oc - oc), taps = A.kh * A.kw, b, n, ky, kx
    cdef const float *w = <const float *>at(base, A.w) + g * A.sg + oc * A.so
    cdef float *y = <float *>at(base, A.y) + (g * ob + oc) * A.ic * taps
    for b in range((A.ic + CB - 1) // CB):
        n = min(CB, A.ic - b * CB)
        for ky in range(A.kh):
            for kx in range(A.kw):
                turn(w + b * CB * A.si + ky * A.sy + kx * A.sx, A.so, A.si, real, n, y, width)
                y += n * width


cdef void turn(const float *w, int64_t so, int64_t si, int64_t real, int64_t n, float *y, int64_t width) noexcept nogil:
    """y[n][width] = w[width][n]: `real` columns, the others zero. so, si: floats between its rows and columns."""
    cdef int64_t o, c
    for o in range(real):
        for c in range(n):
            y[c * width + o] = w[o * so + c * si]
    for o in range(real, width):
        for c in range(n):
            y[c * width + o] = 0


enter("conv", conv_t_fields, sizeof(conv_t), conv_run)
enter("conv_stem", conv_stem_t_fields, sizeof(conv_stem_t), conv_stem_run)
enter("pack_conv", pack_conv_t_fields, sizeof(pack_conv_t), pack_conv_run)
