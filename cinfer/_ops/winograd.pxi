# Winograd convolution; contract, transforms and register tiles are in winograd.h.
from libc.string cimport memcpy

cdef extern from "winograd.h" nogil:
    enum: WINO_WHOLE, WINO_PIECE
    ctypedef struct winograd_t:
        buf_t x, w, bias, slope, res, y
        int64_t n, ib, last, ob, ih, iw, oh, ow, pt, pl, xn, xb, xr, yn, yb, yr, rn, rb, rr, m, act
        int64_t patches, patch_tiles, oc_tiles, blocks, slices, slice_tiles, kd, sd, dd, pf, id, od
        double alpha, beta
    const char *winograd_t_fields
    void wino_in_6(const float *, size_t, int, int, int, int, float *, size_t)
    void wino_in_4(const float *, size_t, int, int, int, int, float *, size_t)
    ctypedef struct wino_source_t:
        const winograd_t *A
        const float *x
        const float *w
        slices_t s
        int64_t block, top, left
    void wino_out_6(const float *, size_t, const float *, const float *, const epilogue_t *, const float *,
                    size_t, float *, size_t, int, int)
    void wino_out_4(const float *, size_t, const float *, const float *, const epilogue_t *, const float *,
                    size_t, float *, size_t, int, int)
    bint wino_odd_6(const float *, size_t, int64_t)
    bint wino_odd_4(const float *, size_t, int64_t)
    void wino_out_odd_6(const wino_source_t *, const float *, const float *, const epilogue_t *,
                        const float *, size_t, float *, size_t, int, int)
    void wino_out_odd_4(const wino_source_t *, const float *, const float *, const epilogue_t *,
                        const float *, size_t, float *, size_t, int, int)
    ctypedef void (*wino_fn)(const float *, size_t, const float *, int64_t, float *, size_t,
                             const float *, size_t, bint) noexcept nogil
    const wino_fn *wino_tiles
    const wino_fn *wino_half_tiles
    void wino_w_6(const float *, float *, size_t)
    void wino_w_4(const float *, float *, size_t)

ctypedef struct pack_winograd_t:
    buf_t w, y
    int64_t oc, ic, kd, m, so, si, sz, sy, sx


cdef void wino_inputs(const winograd_t *A, const float *x, int64_t first, int64_t n, float *V,
                      int64_t vs) noexcept nogil:
    """Patches first .. first+n-1 of all input blocks of a slice -> V[t*t][ib][n][16], parts vs apart."""
    cdef int64_t across = (A.ow + A.m - 1) // A.m, b, q, top, left, t = A.m + 2
    cdef int r0, r1, c0, c1
    cdef const float *at
    for b in range(A.ib):
        top, left = first // across * A.m - A.pt, first % across * A.m - A.pl
        for q in range(n):
            r0, c0 = <int>max(0, -top), <int>max(0, -left)
            r1, c1 = <int>max(0, min(t, A.ih - top)), <int>max(c0, min(t, A.iw - left))
            at = x + b * A.xb + top * A.xr + left * CB
            if A.m == 4:
                wino_in_6(at, A.xr, r0, r1, c0, c1, V + (b * n + q) * CB, vs)
            else:
                wino_in_4(at, A.xr, r0, r1, c0, c1, V + (b * n + q) * CB, vs)
            left += A.m
            if left + A.pl >= A.ow:
                top, left = top + A.m, -A.pl


cdef void wino_products(const winograd_t *A, const float *w, const float *V, int64_t vs, float *M, int64_t ms,
                        int64_t b0, int64_t nb, int64_t n, int64_t low, int64_t o0,
                        int64_t slices) noexcept nogil:
    """V, whose first slice is `low`, times the weights of output blocks b0 .. b0+nb-1
    -> M[t*t][slices][nb][n][16], output slices from o0 on."""
    cdef int64_t ic = (A.ib - 1) * CB + A.last, all = ic * max(A.kd, 1), x, oc, width, j, p, q, o, z
    cdef int64_t tiles = (n + WINO_PX - 1) // WINO_PX, step, k, run, runs, piece
    cdef bint together = A.last == CB and A.dd == 1     # slices of a window as more blocks of one picture
    cdef slices_t s
    cdef const wino_fn *form
    cdef const float *next
    cdef const float *v
    cdef const float *u
    cdef const float *ahead
    cdef float *m
    for x in range((A.m + 2) * (A.m + 2)):
        oc = b0 * CB
        while oc < (b0 + nb) * CB:
            width = min(WINO_OC, A.ob * CB - oc)
            step = width // (tiles * slices)
            form = wino_tiles if width == WINO_OC else wino_half_tiles
            if oc + width < (b0 + nb) * CB:      # the weights of the next tile
                next = w + (x * A.ob * CB + oc + width) * all
            else:
                next = w + ((x + 1) * A.ob + b0) * CB * all
            for o in range(slices):
                s = slices_of(o0 + o, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
                runs = 1 if together or s.inside == 0 else s.inside
                run = s.inside * ic // runs
                piece = run if run <= WINO_WHOLE else WINO_PIECE
                p = 0
                for j in range(tiles):           # of nearly the same width: 16 = 8 + 8
                    q = n // tiles + (j < n % tiles)
                    v = V + x * vs + ((s.first - low) * A.ib * n + p) * CB
                    u = w + (x * A.ob * CB + oc) * all + s.before * ic * width
                    m = M + x * ms + ((o * nb + oc // CB - b0) * n + p) * CB + oc % CB
                    ahead = next + (o * tiles + j) * step * run
                    form[q](v, n * CB, u, min(run, piece), m, n * CB, ahead, step, False)
                    for z in range(runs):
                        k = 0 if z > 0 else piece
                        while k < run:
                            form[q](v + z * A.dd * A.ib * n * CB + k * n, n * CB, u + (z * run + k) * width,
                                    min(run - k, piece), m, n * CB, ahead + k * step, step, True)
                            k += piece
                    p += q
            oc += width


cdef bint wino_odd(int64_t m, const float *sums, int64_t ms, int64_t n) noexcept nogil:
    return wino_odd_6(sums, ms, n) if m == 4 else wino_odd_4(sums, ms, n)


cdef void wino_outputs(const winograd_t *A, const float *M, int64_t ms, int64_t b0, int64_t nb, int64_t first,
                       int64_t n, const float *x, const float *w, const float *bias, const float *slope,
                       const epilogue_t *f, const float *res, float *y, slices_t s) noexcept nogil:
    """M[t*t][nb][n][16] -> patches first .. first+n-1 of output blocks b0 .. b0+nb-1."""
    cdef int64_t across = (A.ow + A.m - 1) // A.m, b, q, top, left, nh, nw
    cdef const float *r = NULL
    cdef const float *shift = NULL
    cdef float *out
    cdef const float *sums = M                   # of the first block
    cdef bint any_odd = wino_odd(A.m, M, ms, n)
    cdef wino_source_t source
    source.A, source.x, source.w, source.s = A, x, w, s
    for b in range(b0, b0 + nb):
        top, left = first // across * A.m, first % across * A.m
        if bias != NULL:
            shift = bias + b * CB
        for q in range(n):
            nh, nw = min(A.m, A.oh - top), min(A.m, A.ow - left)
            out = y + b * A.yb + top * A.yr + left * CB
            if res != NULL:
                r = res + b * A.rb + top * A.rr + left * CB
            if any_odd and wino_odd(A.m, sums + q * CB, ms, 1):
                source.block, source.top, source.left = b, top - A.pt, left - A.pl
                if A.m == 4:
                    wino_out_odd_6(&source, shift, slope + b * CB, f, r, A.rr, out, A.yr, <int>nh, <int>nw)
                else:
                    wino_out_odd_4(&source, shift, slope + b * CB, f, r, A.rr, out, A.yr, <int>nh, <int>nw)
            elif A.m == 4:
                wino_out_6(M, ms, shift, slope + b * CB, f, r, A.rr, out, A.yr, <int>nh, <int>nw)
            else:
                wino_out_4(M, ms, shift, slope + b * CB, f, r, A.rr, out, A.yr, <int>nh, <int>nw)
            if acts_later(f.act):
                activate_rows(out, nw * CB, nh, A.yr, <int>f.act, f.alpha, f.beta)
            M += CB
            left += A.m
            if left >= A.ow:
                top, left = top + A.m, 0


cdef void winograd_run(const void *params, char *const *base, char *scratch, int64_t tile) noexcept nogil:
    cdef const winograd_t *A = <const winograd_t *>params
    cdef int64_t b0 = tile % A.oc_tiles * A.blocks, nb = min(A.blocks, A.ob - b0)
    cdef int64_t part = tile // A.oc_tiles, first = part % A.patch_tiles * A.patches
    cdef int64_t n = min(A.patches, ((A.oh + A.m - 1) // A.m) * ((A.ow + A.m - 1) // A.m) - first)
    cdef int64_t volume = part // A.patch_tiles, o0 = 0, slices = 1, low = 0, high = 1, picture = volume, o, z
    cdef const float *x = <const float *>at(base, A.x)
    cdef const float *w = <const float *>at(base, A.w)
    cdef const float *bias = <const float *>at(base, A.bias)
    cdef const float *slope = <const float *>at(base, A.slope)
    cdef const float *res = <const float *>at(base, A.res)
    cdef float *y = <float *>at(base, A.y)
    cdef float *V = <float *>scratch
    cdef float *M
    cdef int64_t vs, ms
    cdef epilogue_t f
    cdef slices_t s
    if A.kd > 0:
        o0, volume = volume % A.slice_tiles * A.slices, volume // A.slice_tiles
        slices, picture = min(A.slices, A.od - o0), volume * A.od + o0
        low = max(0, min(A.id, o0 * A.sd - A.pf))
        high = max(low, min(A.id, (o0 + slices - 1) * A.sd - A.pf + (A.kd - 1) * A.dd + 1))
        x += volume * A.id * A.xn
    else:
        x += volume * A.xn
    vs, ms = ((high - low) * A.ib * n | 1) * CB, (slices * nb * n | 1) * CB
    M = V + (A.m + 2) * (A.m + 2) * vs
    f.act, f.alpha, f.beta = A.act, A.alpha, A.beta
    for z in range(low, high):
        wino_inputs(A, x + z * A.xn, first, n, V + (z - low) * A.ib * n * CB, vs)
    wino_products(A, w, V, vs, M, ms, b0, nb, n, low, o0, slices)
    for o in range(slices):
        s = slices_of(o0 + o, A.kd, A.sd, A.dd, A.pf, A.id, A.od)
        wino_outputs(A, M + o * nb * n * CB, ms, b0, nb, first, n, x + s.first * A.xn, w, bias, slope, &f,
                     res + (picture + o) * A.rn if res != NULL else NULL, y + (picture + o) * A.yn, s)


DEF WINO_K = 8          # input channels transformed before they are written: 8 cache lines of each matrix

cdef void pack_winograd_run(const void *params, char *const *base, char *scratch,
                            int64_t tile) noexcept nogil:
    cdef const pack_winograd_t *A = <const pack_winograd_t *>params
    cdef int64_t taps = (A.m + 2) * (A.m + 2), ob = (A.oc + CB - 1) // CB, block = tile % ob, z = tile // ob
    cdef int64_t n = min(CB, A.oc - block * CB), kd = max(A.kd, 1), k0, k, l, x, i, oc, width, part
    cdef const float *w = <const float *>at(base, A.w) + block * CB * A.so + z * A.sz
    cdef const float *g
    cdef float *y = <float *>at(base, A.y)
    cdef float *to
    cdef float[WINO_K * 9 * CB] s
    cdef float[WINO_K * 36 * CB] u
    for i in range(WINO_K * 9 * CB):
        s[i] = 0
    for k0 in range(0, A.ic, WINO_K):
        for l in range(n):
            for k in range(min(WINO_K, A.ic - k0)):
                g = w + l * A.so + (k0 + k) * A.si
                for i in range(3):
                    for x in range(3):
                        s[(k * 9 + i * 3 + x) * CB + l] = g[i * A.sy + x * A.sx]
        for k in range(WINO_K):
            if A.m == 4:
                wino_w_6(s + k * 9 * CB, u + k * CB, WINO_K * CB)
            else:
                wino_w_4(s + k * 9 * CB, u + k * CB, WINO_K * CB)
        part = min(CB, WINO_OC)
        for i in range(CB // part):              # 1, or 2 where a tile is narrower than a block
            l = i * part
            oc = block * CB + l
            width = min(WINO_OC, ob * CB - oc // WINO_OC * WINO_OC)
            for x in range(taps):
                to = y + (x * ob * CB + oc // WINO_OC * WINO_OC) * A.ic * kd
                to += (z * A.ic + k0) * width + oc % WINO_OC
                for k in range(min(WINO_K, A.ic - k0)):
                    memcpy(to + k * width, u + (x * WINO_K + k) * CB + l, part * sizeof(float))


cdef int64_t winograd_scratch(const void *params, char *const *base) noexcept nogil:
    """V of all slices that a tile reads, and M."""
    cdef const winograd_t *A = <const winograd_t *>params
    cdef int64_t slices = 1, read = 1, taps = (A.m + 2) * (A.m + 2)
    if A.kd > 0:
        slices, read = A.slices, (A.slices - 1) * A.sd + (A.kd - 1) * A.dd + 1
    return taps * ((read * A.ib * A.patches | 1) + (slices * A.blocks * A.patches | 1)) * CB * <int64_t>sizeof(float)


cdef packed_t pack_winograd_packed(const void *params, char *const *base) noexcept nogil:
    cdef const pack_winograd_t *A = <const pack_winograd_t *>params
    cdef int64_t ob = (A.oc + CB - 1) // CB, kd = max(A.kd, 1)
    return packed_floats((A.m + 2) * (A.m + 2) * ob * CB * kd * A.ic, kd * ob)


enter("winograd", winograd_t_fields, sizeof(winograd_t), winograd_run, winograd_scratch)
enter("pack_winograd", fields_of("pack_winograd_t"), sizeof(pack_winograd_t), pack_winograd_run, NULL,
      pack_winograd_packed)
