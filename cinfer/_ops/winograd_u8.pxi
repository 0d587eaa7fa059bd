# Winograd convolution of uint8; contract, transforms and register tiles are in winograd_u8.h.

cdef extern from "winograd_u8.h" nogil:
    enum: KG, WINO_U8_PART
    void wino_u8_in_6(const uint8_t *, size_t, int, int, int, int, const uint8_t *, int16_t *, size_t)
    void wino_u8_in_4(const uint8_t *, size_t, int, int, int, int, const uint8_t *, int16_t *, size_t)
    void wino_u8_out_6(const int32_t *, size_t, const int32_t *, const float *, const requant_t *, void *, size_t,
                       int, int)
    void wino_u8_out_4(const int32_t *, size_t, const int32_t *, const float *, const requant_t *, void *, size_t,
                       int, int)
    ctypedef void (*wino_u8_fn)(const int16_t *, size_t, const int16_t *, int64_t, int32_t *, size_t,
                                const int16_t *, size_t) noexcept nogil
    const wino_u8_fn *wino_u8_tiles
    const wino_u8_fn *wino_u8_half_tiles
    void wino_u8_w_6(const int16_t *, int16_t *, size_t)
    void wino_u8_w_4(const int16_t *, int16_t *, size_t)
    void wino_u8_group(const int16_t *, size_t, int16_t *)

cdef struct winograd_u8_t:
    buf_t x, w, bias, scale, table, y
    int64_t n, ib, last, ob, ih, iw, oh, ow, pt, pl, xn, xb, xr, yn, yb, yr, xz, yz, lo, hi, m
    int64_t patches, patch_tiles, oc_tiles, blocks, kd, sd, dd, pf, id, od
    buf_t wsum, zero, add, slope, res, by, range    # real_end_t
    int64_t rn, rb, rr, act, channels
    double alpha, beta, step
    double sa, sb, sy                   # added_end_t
    int64_t zb, zy

cdef struct pack_winograd_u8_t:
    buf_t w, y
    int64_t oc, ic, m, so, si, sy, sx


cdef void wino_u8_inputs(const winograd_u8_t *A, const uint8_t *x, int64_t picture, int64_t first, int64_t n,
                         int64_t zero, int16_t *V, int64_t vs) noexcept nogil:
    """Patches first .. first+n-1 of all input blocks of an output picture -> V[t*t][ib][n][16], parts vs apart.

    zero : zero point of x"""
    cdef int64_t slices = max(A.kd, <int64_t>1), of_slice = A.ib // slices, d = picture
    cdef bint inside = True
    cdef int64_t across = (A.ow + A.m - 1) // A.m, b, q, top, left, t = A.m + 2
    cdef int r0, r1, c0, c1
    cdef const uint8_t *at
    cdef uint8_t[6 * CB] outside
    memset(outside, <int>zero, sizeof(outside))
    for b in range(A.ib):
        top, left = first // across * A.m - A.pt, first % across * A.m - A.pl
        if A.kd > 0:
            d = picture % A.od * A.sd - A.pf + b // of_slice * A.dd
            inside = 0 <= d < A.id
            d += picture // A.od * A.id
        for q in range(n):
            r0, c0 = <int>max(0, -top), <int>max(0, -left)
            r1, c1 = <int>max(0, min(t, A.ih - top)), <int>max(c0, min(t, A.iw - left))
            if not inside:
                c1 = c0
            at = x + d * A.xn + b % of_slice * A.xb + top * A.xr + left * CB
            if A.m == 4:
                wino_u8_in_6(at, A.xr, r0, r1, c0, c1, outside, V + (b * n + q) * CB, vs)
            else:
                wino_u8_in_4(at, A.xr, r0, r1, c0, c1, outside, V + (b * n + q) * CB, vs)
            left += A.m
            if left + A.pl >= A.ow:
                top, left = top + A.m, -A.pl


cdef void wino_u8_products(const winograd_u8_t *A, const int16_t *w, const int16_t *V, int64_t vs, int32_t *M,
                           int64_t ms, int64_t b0, int64_t nb, int64_t n) noexcept nogil:
    """V times the weights of output blocks b0 .. b0+nb-1 -> M[t*t][nb][n][16], parts ms apart."""
    cdef int64_t k = ((A.ib - 1) * CB + A.last + KG - 1) // KG, x, oc, width, j, p, q, step
    cdef int64_t tiles = (n + WINO_PX - 1) // WINO_PX, all = k * KG
    cdef const wino_u8_fn *form
    cdef const int16_t *ahead
    for x in range((A.m + 2) * (A.m + 2)):
        oc = b0 * CB
        while oc < (b0 + nb) * CB:
            width = min(WINO_OC, A.ob * CB - oc)
            step = width * KG // tiles
            form = wino_u8_tiles if width == WINO_OC else wino_u8_half_tiles
            if oc + width < (b0 + nb) * CB:      # the weights of the next tile
                ahead = w + (x * A.ob * CB + oc + width) * all
            else:
                ahead = w + ((x + 1) * A.ob + b0) * CB * all
            p = 0
            for j in range(tiles):               # of nearly the same width: 16 = 8 + 8
                q = n // tiles + (j < n % tiles)
                form[q](V + x * vs + p * CB, n * CB, w + (x * A.ob * CB + oc) * all, k,
                        M + x * ms + ((oc // CB - b0) * n + p) * CB + oc % CB, n * CB, ahead + j * step * k, step)
                p += q
            oc += width


cdef void wino_u8_outputs(const winograd_u8_t *A, const int32_t *M, int64_t ms, int64_t b0, int64_t nb,
                          int64_t first, int64_t n, const int32_t *bias, const float *scale, const uint8_t *table,
                          char *y, real_sums_t *real, const int32_t *wsum, int32_t zero,
                          char *const *base, const uint8_t *res_u8) noexcept nogil:
    """M[t*t][nb][n][16] -> patches first .. first+n-1 of output blocks b0 .. b0+nb-1. real, wsum : NULL where y is of
    bytes; res_u8 : NULL where none are added"""
    cdef int64_t across = (A.ow + A.m - 1) // A.m, b, q, top, left, i
    cdef int nh, nw
    cdef char *out
    cdef float *row
    cdef const float *res = NULL
    cdef const float *of_block = NULL
    cdef int32_t[CB] start
    cdef requant_t f = requant_by(<const real_end_t *>&A.wsum, A.yz, A.lo, A.hi)
    cdef added_t added = added_of(A.yz, A.lo, A.hi, A.sa, A.sb, A.zb, A.sy, A.zy)
    cdef look_up_t found
    if table != NULL:
        look_up_begin(&found, table)
    for b in range(b0, b0 + nb):
        top, left = first // across * A.m, first % across * A.m
        if real != NULL:
            begin_by_zero(start, NULL, bias, b * CB, wsum, zero, CB)
        else:
            begin_sums(start, NULL, bias + b * CB, CB)
            of_block = scale + b * CB
            f.slope = <const float *>at(base, A.slope)
            if f.slope != NULL:
                f.slope += b * CB
        for q in range(n):
            nh, nw = <int>min(A.m, A.oh - top), <int>min(A.m, A.ow - left)
            out = y + (b * A.yb + top * A.yr + left * CB) * (1 if real == NULL else 4)
            if A.m == 4:
                wino_u8_out_6(M, ms, start, of_block, &f, out, A.yr, nh, nw)
            else:
                wino_u8_out_4(M, ms, start, of_block, &f, out, A.yr, nh, nw)
            for i in range(nh):
                if real != NULL:
                    if real.res != NULL:
                        res = real.res + b * A.rb + (top + i) * A.rr + left * CB
                    row = <float *>out + i * A.yr
                    real_sums_row(real, b * CB, row, res, nw)
                elif res_u8 != NULL:
                    added_row(&added, <uint8_t *>out + i * A.yr, res_u8 + b * A.rb + (top + i) * A.rr + left * CB, nw)
                if table != NULL:
                    look_up_row(&found, <uint8_t *>out + i * A.yr, <uint8_t *>out + i * A.yr, nw * CB)
            M += CB
            left += A.m
            if left >= A.ow:
                top, left = top + A.m, 0


cdef void winograd_u8_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const winograd_u8_t *A = <const winograd_u8_t *>params
    cdef int64_t b0 = tile % A.oc_tiles * A.blocks, nb = min(A.blocks, A.ob - b0)
    cdef int64_t part = tile // A.oc_tiles, first = part % A.patch_tiles * A.patches, picture = part // A.patch_tiles
    cdef int64_t n = min(A.patches, ((A.oh + A.m - 1) // A.m) * ((A.ow + A.m - 1) // A.m) - first)
    cdef int64_t vs = ((A.ib * n + 1) // 2 | 1) * 2 * CB, ms = (nb * n | 1) * CB
    cdef int16_t *V = <int16_t *>scratch
    cdef int32_t *M = <int32_t *>(V + (A.m + 2) * (A.m + 2) * vs)
    cdef const int32_t *wsum = <const int32_t *>at(base, A.wsum)
    cdef const float *scale = <const float *>at(base, A.scale)
    cdef int64_t zero = A.xz, size = 1
    cdef const uint8_t *res_u8 = NULL
    cdef real_sums_t real
    if wsum != NULL:
        size, zero = 4, (<const uint8_t *>at(base, A.zero))[0]
        real = real_sums_of(<const real_end_t *>&A.wsum, base, scale, picture)
    elif at(base, A.res) != NULL:
        res_u8 = <const uint8_t *>at(base, A.res) + picture * A.rn
    wino_u8_inputs(A, <const uint8_t *>at(base, A.x), picture, first, n, zero, V, vs)
    wino_u8_products(A, <const int16_t *>at(base, A.w), V, vs, M, ms, b0, nb, n)
    wino_u8_outputs(A, M, ms, b0, nb, first, n, <const int32_t *>at(base, A.bias), scale,
                    <const uint8_t *>at(base, A.table), <char *>at(base, A.y) + picture * A.yn * size,
                    NULL if wsum == NULL else &real, wsum, <int32_t>zero, base, res_u8)
    if wsum != NULL:
        real_sums_end(&real, <const real_end_t *>&A.wsum, base, tile)


cdef int64_t winograd_u8_scratch(const void *params, char *const *base) noexcept nogil:
    """V and M."""
    cdef const winograd_u8_t *A = <const winograd_u8_t *>params
    cdef int64_t taps = (A.m + 2) * (A.m + 2)
    return taps * CB * (((A.ib * A.patches + 1) // 2 | 1) * 2 * <int64_t>sizeof(int16_t)
                        + (A.blocks * A.patches | 1) * <int64_t>sizeof(int32_t))


DEF WINO_U8_K = 8       # input channels transformed before they are written: 4 cache lines of each matrix

cdef void pack_winograd_u8_run(const void *params, char *const *base, char *scratch,
                               int64_t tile) noexcept nogil:
    cdef const pack_winograd_u8_t *A = <const pack_winograd_u8_t *>params
    cdef int64_t taps = (A.m + 2) * (A.m + 2), ob = (A.oc + CB - 1) // CB, all = (A.ic + KG - 1) // KG * KG
    cdef int64_t n = min(CB, A.oc - tile * CB), k0, k, l, i, j, x, oc, first, width
    cdef const int16_t *w = <const int16_t *>at(base, A.w) + tile * CB * A.so
    cdef const int16_t *g
    cdef int16_t *to
    cdef int16_t[9 * CB] s
    cdef int16_t[WINO_U8_K * 36 * CB] u
    memset(s, 0, sizeof(s))
    for k0 in range(0, all, WINO_U8_K):
        for k in range(min(WINO_U8_K, all - k0)):
            for l in range(n):
                g = w + l * A.so + (k0 + k) * A.si
                for i in range(3):
                    for j in range(3):
                        s[(i * 3 + j) * CB + l] = g[i * A.sy + j * A.sx] if k0 + k < A.ic else 0
            if A.m == 4:
                wino_u8_w_6(s, u + k * 36 * CB, CB)
            else:
                wino_u8_w_4(s, u + k * 36 * CB, CB)
        for i in range(CB // WINO_U8_PART):      # 1, or 2 where a tile is narrower than a block
            l = i * WINO_U8_PART
            oc = tile * CB + l
            first = oc // WINO_OC * WINO_OC
            width = min(WINO_OC, ob * CB - first)
            for x in range(taps):
                to = <int16_t *>at(base, A.y) + (x * ob * CB + first) * all + (oc - first) * KG
                for k in range(min(WINO_U8_K, all - k0) // KG):
                    wino_u8_group(u + (k * KG * 36 + x) * CB + l, 36 * CB, to + (k0 + k * KG) * width)


cdef packed_t pack_winograd_u8_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_winograd_u8_t *A = <const pack_winograd_u8_t *>params
    cdef int64_t ob = (A.oc + CB - 1) // CB
    cdef packed_t found
    found.tiles, found.parts = ob, 0
    found.bytes = (A.m + 2) * (A.m + 2) * ob * CB * ((A.ic + KG - 1) // KG) * KG * <int64_t>sizeof(int16_t)
    return found


enter("winograd_u8", fields_of("winograd_u8_t"), sizeof(winograd_u8_t), winograd_u8_run, winograd_u8_scratch)
enter("pack_winograd_u8", fields_of("pack_winograd_u8_t"), sizeof(pack_winograd_u8_t), pack_winograd_u8_run, NULL,
      pack_winograd_u8_packed)
