# Convolution of few output channels: contracts and register tiles in conv_few.h.

cdef extern from "conv_few.h" nogil:
    enum: FEW_OC, FEW_RUN, U_leaky_relu
    ctypedef struct few_t:
        const float *w
        size_t wo, xb, xr, xt
        int64_t full, last, kh, kw
    ctypedef void (*few_run)(const few_t *, const float *, const int64_t *, float *) noexcept nogil
    const few_run few_near[]
    const few_run few_list[]
    const int64_t few_pixels[]
    void few_add(float *, int64_t, float, const float *, int64_t)
    void few_spread(const float *, int64_t, float *, int64_t)
    void unary_row(const float *, float *, int64_t, int, float, float)

ctypedef struct conv_few_t:
    buf_t x, w, bias, slope, res, y, yo
    int64_t n, ib, last, oc, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, yn, yr, yp, rn, rc, rr, rp, act, parts
    int64_t pixels
    double alpha, beta

ctypedef struct pack_few_t:
    buf_t w, y
    int64_t oc, ic, kh, kw, so, si, sy, sx


cdef void few_sums(const few_t *T, int64_t channels, const float *x, int64_t *xo, int64_t n,
                   float *s) noexcept nogil:
    """n pixels, at xo from x, of up to FEW_OC channels, to s[channel][FEW_RUN]. Both have room for a tile."""
    cdef int64_t px = few_pixels[channels], p = 0, i
    for i in range(n, px):
        xo[i] = xo[n - 1]
    while p < n:
        if p > n - px:
            p = max(0, n - px)                   # the last tile does some pixels again
        if n >= px and xo[p + px - 1] - xo[p] == (px - 1) * CB:     # no step is less than a pixel
            few_near[channels](T, x + xo[p], xo + p, s + p)
        else:
            few_list[channels](T, x, xo + p, s + p)
        p += px


cdef void few_far(const few_t *T, int64_t channels, const float *x, int64_t *xo, int64_t n,
                  float *s) noexcept nogil:
    """As few_sums, for more than PRODUCT_WHOLE terms a lane: in pieces."""
    cdef double[FEW_OC * FEW_RUN] total
    cdef few_t P = T[0]
    cdef pieces_t q = pieces_of(T.full + (T.last > 0), T.kh, T.kw, NV)
    cdef bint first = True
    cdef int64_t o
    while next_piece(&q):
        P.full = min(q.nb, T.full - q.b)
        P.last = T.last if P.full < q.nb else 0
        P.kh, P.kw, P.w = q.ni, q.nj, T.w + ((q.b * T.kh + q.i) * T.kw + q.j) * CB
        few_sums(&P, channels, x + q.b * T.xb + q.i * T.xr + q.j * T.xt, xo, n, s)
        for o in range(channels):
            add_to_total(total + o * FEW_RUN, s + o * FEW_RUN, n, first)
        first = False
    for o in range(channels):
        rounded_total(total + o * FEW_RUN, s + o * FEW_RUN, n)


cdef void few_finish(const conv_few_t *A, char *const *base, int64_t image, int64_t c, int64_t first,
                     int64_t n, float *s) noexcept nogil:
    """Bias, residual and activation of n sums of one channel, from pixel `first` on, and to y with them."""
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *y = <float *>at(base, A.y) + image * A.yn + (<const int64_t *>at(base, A.yo))[c]
    cdef int act = <int>A.act
    cdef float alpha = A.alpha, b = bias[c] if bias != NULL else 0
    cdef bint rows_join = (A.yp == 1 and A.yr == A.ow
                           and (res == NULL or A.rp == 1 and A.rr == A.ow))
    cdef int64_t across = A.ow * A.oh if rows_join else A.ow, i = first // across, j = first % across, m
    if act == U_prelu:
        act, alpha = U_leaky_relu, (<const float *>at(base, A.slope))[c]
    if res != NULL:
        res += image * A.rn + c * A.rc
    while n > 0:
        m = min(n, across - j)
        few_add(s, m, b, res + i * A.rr + j * A.rp if res != NULL else NULL, A.rp)
        if A.yp == 1:
            unary_row(s, y + i * A.yr + j, m, act, alpha, A.beta)
        else:
            unary_row(s, s, m, act, alpha, A.beta)
            few_spread(s, m, y + i * A.yr + j * A.yp, A.yp)
        s, n, i, j = s + m, n - m, i + 1, 0


cdef void conv_few_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_few_t *A = <const conv_few_t *>params
    cdef int64_t[FEW_RUN] xo
    cdef float[FEW_OC * FEW_RUN] s
    cdef int64_t image = tile // A.parts, p = tile % A.parts * A.pixels
    cdef int64_t end = min(p + A.pixels, A.oh * A.ow), n, c, width, left, o
    cdef const float *x = <const float *>at(base, A.x) + image * A.xn
    cdef const float *w = <const float *>at(base, A.w)
    cdef few_t T
    T.wo = A.ib * A.kh * A.kw * CB
    T.xb, T.xr, T.xt, T.kh, T.kw = A.xb, A.dh * A.xr, A.dw * CB, A.kh, A.kw
    T.full, T.last = A.ib - (A.last < CB), A.last % CB
    while p < end:
        n = min(end - p, FEW_RUN)
        pixel_offsets(xo, n, p // A.ow, p % A.ow, A.ow, A.sh * A.xr, A.sw * CB)
        c = 0
        for left in range((A.oc + FEW_OC - 1) // FEW_OC, 0, -1):    # of nearly the same width
            width = (A.oc - c + left - 1) // left
            T.w = w + c * T.wo
            if A.ib * A.kh * A.kw * NV > PRODUCT_WHOLE:
                few_far(&T, width, x, xo, n, s)
            else:
                few_sums(&T, width, x, xo, n, s)
            for o in range(width):
                few_finish(A, base, image, c + o, p, n, s + o * FEW_RUN)
            c += width
        p += n


cdef void pack_few_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_few_t *A = <const pack_few_t *>params
    cdef int64_t blocks = (A.ic + CB - 1) // CB, b, i, j, c
    cdef const float *w = <const float *>at(base, A.w) + tile * A.so
    cdef float *y = <float *>at(base, A.y) + tile * blocks * A.kh * A.kw * CB
    for b in range(blocks):
        for i in range(A.kh):
            for j in range(A.kw):
                for c in range(b * CB, b * CB + CB):
                    y[c - b * CB] = w[c * A.si + i * A.sy + j * A.sx] if c < A.ic else 0
                y += CB


cdef packed_t pack_few_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_few_t *A = <const pack_few_t *>params
    return packed_floats(A.oc * ((A.ic + CB - 1) // CB) * CB * A.kh * A.kw, A.oc)


enter("conv_few", fields_of("conv_few_t"), sizeof(conv_few_t), conv_few_run)
enter("pack_few", fields_of("pack_few_t"), sizeof(pack_few_t), pack_few_run, NULL, pack_few_packed)
