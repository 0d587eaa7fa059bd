# Direct convolution: contracts in conv.h, register tiles in conv_tile.h; `multiply` drives all of them.

cdef extern from "conv_tile.h" nogil:
    enum: FORM_STEM_1, FORM_STEM_2, FORM_STEM_6, FORM_STEM_LIST, FORMS
    const tile_run tiles_full[FORMS][PM]
    const tile_run tiles_half[FORMS][PM_HALF]

cdef extern from "conv.h" nogil:
    void pack_rows(const float *, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, float *)
    void pack_channels(const float *, int64_t, int64_t, int64_t, float *)

ctypedef struct conv_t:
    buf_t x, w, bias, slope, res, y, reads
    int64_t n, ib, last, ob, kh, kw, dh, dw, sh, sw, oh, ow, xn, xb, xr, yp, yv, goc, gic, yn, yb, yr, rn, rb, rr
    int64_t act, row_tiles, rows, oc_tiles, blocks, kd, sd, dd, pf, id, od
    double alpha, beta

ctypedef struct conv_stem_t:
    buf_t x, w, bias, slope, res, y, koff
    int64_t n, k, ob, sh, sw, oh, ow, xn, xs, xr, xp, yn, yb, yr, rn, rb, rr, act, row_tiles, rows, oc_tiles, blocks
    int64_t kd, sd, dd, pf, id, od
    double alpha, beta

ctypedef struct pack_conv_t:
    buf_t w, y, reads
    int64_t oc, goc, ic, kd, kh, kw, so, si, sz, sy, sx


cdef inline void product_begin(product_t *P, int64_t act, float alpha, float beta) noexcept nogil:
    """A product of floats without operands, of an activation; the caller goes on with what lies where."""
    product_of_tiles(P, &tiles_full[0][0], &tiles_half[0][0], act, alpha, beta)


cdef void conv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_t *A = <const conv_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles, taps = A.kh * A.kw
    cdef int64_t c0 = c * A.blocks * CB, c1 = min((c + 1) * A.blocks, A.ob) * CB, ic = (A.ib - 1) * CB + A.last
    cdef const int64_t *reads = <const int64_t *>at(base, A.reads)
    cdef slices_t s = slices_of(image, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
    cdef bint together = s.inside < 2 or (reads == NULL and A.last == CB      # as more blocks of one
                                          and A.dd * A.xn == A.ib * A.xb)
    cdef int64_t joined = s.inside if together else 1
    cdef product_t P
    product_begin(&P, A.act, A.alpha, A.beta)
    P.x = <const float *>at(base, A.x) + (s.volume * max(A.id, 1) + s.first) * A.xn
    P.w = <const float *>at(base, A.w)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.res = <const float *>at(base, A.res)
    if P.res != NULL:
        P.res += image * A.rn
    P.y = <float *>at(base, A.y) + s.out * A.yn + s.volume * (A.yv if A.kd > 0 else A.yn)
    P.reads, P.goc, P.gic = reads, A.goc, A.gic
    P.k, P.first, P.terms = max(A.kd, 1) * taps, s.before * taps, s.inside * taps
    if reads == NULL:
        P.k, P.first, P.terms = P.k * ic, P.first * ic, P.terms * ic
        read_of(&P.t, 0, ic * joined)
    else:                                        # of input, what the first of these channels reads, for each
        ic = reads[c0 // HALF * 3 + 1] * ((c1 - c0) // HALF)
    P.across, P.xi, P.xj, P.yi, P.yj, P.ri, P.rj = A.ow, A.sh * A.xr, A.sw * CB, A.yr, A.yp, A.rr, CB
    P.pixel_bytes = max(s.inside, 1) * ((ic + CB - 1) // CB) * CB * 4 * min(A.sh, CHUNK_BYTES) * min(A.sw, CHUNK_BYTES)
    P.packed_n = P.n = A.ob * CB
    if A.sw == 1:
        P.near = FORM_NEAR
    P.t.kh, P.t.kw = A.kh, A.kw
    P.t.slices, P.t.xs = s.inside // max(joined, 1), A.dd * A.xn
    P.t.xb, P.t.xr, P.t.xt, P.t.yb, P.t.rb = A.xb, A.dh * A.xr, A.dw * CB, A.yb, A.rb
    multiply(&P, r * A.rows * A.ow, min((r + 1) * A.rows, A.oh) * A.ow, c0, c1)


cdef void conv_stem_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const conv_stem_t *A = <const conv_stem_t *>params
    cdef int64_t c = tile % A.oc_tiles, r = tile // A.oc_tiles % A.row_tiles
    cdef int64_t image = tile // A.oc_tiles // A.row_tiles
    cdef slices_t s = slices_of(image, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
    cdef int64_t plane = A.k // max(A.kd, 1)
    cdef product_t P
    product_begin(&P, A.act, A.alpha, A.beta)
    P.k, P.first, P.terms = A.k, s.before * plane, s.inside * plane
    P.x = <const float *>at(base, A.x) + s.volume * A.xn + (s.first - s.before * A.dd) * A.xs
    P.w = <const float *>at(base, A.w)
    P.bias = <const float *>at(base, A.bias)
    P.slope = <const float *>at(base, A.slope)
    P.res = <const float *>at(base, A.res)
    if P.res != NULL:
        P.res += image * A.rn
    P.y = <float *>at(base, A.y) + image * A.yn
    P.across, P.xi, P.xj, P.yi, P.yj, P.ri, P.rj = A.ow, A.sh * A.xr, A.sw * A.xp, A.yr, CB, A.rr, CB
    P.pixel_bytes = 4 * A.k
    P.packed_n = P.n = A.ob * CB
    P.list = FORM_STEM_LIST
    P.near = FORM_STEM_1 if P.xj == 1 else FORM_STEM_2 if P.xj == 2 else FORM_STEM_6 if P.xj == 6 else P.list
    P.t.last, P.t.koff = P.terms, <const int32_t *>at(base, A.koff) + P.first
    P.t.yb, P.t.rb = A.yb, A.rb
    multiply(&P, r * A.rows * A.ow, min((r + 1) * A.rows, A.oh) * A.ow,
             c * A.blocks * CB, min((c + 1) * A.blocks, A.ob) * CB)


cdef void pack_conv_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const pack_conv_t *A = <const pack_conv_t *>params
    cdef int64_t packed_oc = (A.oc + CB - 1) // CB * CB, o = tile * OCT, width = min(OCT, packed_oc - o)
    cdef int64_t n = min(width, A.oc - o), kd = max(A.kd, 1), taps = A.kh * A.kw, z, b, i, j, c
    cdef const float *w = <const float *>at(base, A.w)
    cdef float *y = <float *>at(base, A.y)
    cdef const int64_t *reads = <const int64_t *>at(base, A.reads)
    if reads != NULL:
        pack_groups(A, w, y, reads, tile)
        return
    w, y = w + o * A.so, y + o * A.ic * kd * taps
    if A.si == kd * taps and (kd == 1 or A.sz == taps) and (taps == 1 or A.sx == 1 and A.sy == A.kw):
        pack_rows(w, A.so, n, width, A.ic, kd, taps, y)
        return
    for z in range(kd):
        for b in range((A.ic + CB - 1) // CB):
            for i in range(A.kh):
                for j in range(A.kw):
                    for c in range(b * CB, min(b * CB + CB, A.ic)):
                        pack_channels(w + c * A.si + z * A.sz + i * A.sy + j * A.sx, A.so, n, width, y)
                        y += width


cdef void pack_groups(const pack_conv_t *A, const float *w, float *y, const int64_t *reads,
                      int64_t h) noexcept nogil:
    """The tile that begins with HALF channel h, if one does."""
    cdef int64_t o = h * HALF, width = HALF, begin = reads[3 * h], end = begin + reads[3 * h + 1]
    cdef int64_t z, i, j, c, first, to, g, p, q
    if end < begin:
        return
    if o + OCT <= (A.oc + CB - 1) // CB * CB and reads[3 * h + 4] < 0:
        width = OCT
    y += reads[3 * h + 2]
    for z in range(max(A.kd, 1)):
        first = begin
        while first < end:
            to = min(first // CB * CB + CB, end)     # of a block
            for i in range(A.kh):
                for j in range(A.kw):
                    for c in range(first, to):
                        g = c // A.ic                # of the lanes p .. q-1
                        p, q = max(0, g * A.goc - o), min(width, min((g + 1) * A.goc, A.oc) - o)
                        memset(y, 0, width * sizeof(float))
                        if p < q:
                            pack_channels(w + (o + p) * A.so + (c - g * A.ic) * A.si + z * A.sz + i * A.sy
                                          + j * A.sx, A.so, q - p, q - p, y + p)
                        y += width
            first = to


cdef packed_t pack_conv_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_conv_t *A = <const pack_conv_t *>params
    cdef int64_t packed_oc = (A.oc + CB - 1) // CB * CB, taps = max(A.kd, 1) * A.kh * A.kw, h, last = 0, width = HALF
    cdef const int64_t *reads = <const int64_t *>at(base, A.reads)
    if reads == NULL:
        return packed_floats(packed_oc * A.ic * taps, (packed_oc + OCT - 1) // OCT)
    for h in range(packed_oc // HALF):
        if reads[3 * h + 1] < 0:
            width = OCT
        else:
            last, width = h, HALF
    return packed_floats(reads[3 * last + 2] + reads[3 * last + 1] * width * taps, packed_oc // HALF)


enter("conv", fields_of("conv_t"), sizeof(conv_t), conv_run)
enter("conv_stem", fields_of("conv_stem_t"), sizeof(conv_stem_t), conv_stem_run)
enter("pack_conv", fields_of("pack_conv_t"), sizeof(pack_conv_t), pack_conv_run, NULL, pack_conv_packed)
