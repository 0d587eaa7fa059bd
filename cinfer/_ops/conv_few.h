/* Convolution of few output channels from blocked to plain memory: lanes are input channels.
 *
 * conv_few   y[n, oc, i, j] = act(sum over (ic, p, q) of w[oc, ic, p, q] * x[n, ic, i*sh + p*dh, j*sw + q*dw]
 *            + bias[oc] + res[n, oc, i, j])
 *   x        blocked, as for `conv` (conv.h): points at pixel (-pad_t, -pad_l) of a picture with a halo;
 *            strides xn xb xr in floats; ib blocks, `last` channels in the last of them, its other lanes may
 *            hold anything
 *   w        packed by pack_few: [oc][ib][kh][kw][16], zero beyond the last channel
 *   y        plain: images, rows and pixels are yn yr yp floats apart; channel c begins yo[c] (int64) from y,
 *            so that phases of a transposed convolution which read the same pixels are channels too
 *   res      absent, or plain with strides rn rc rr rp
 *   bias     absent, or a number a channel, as slope
 *   Kernel tile = image*parts + t: the output pixels t*pixels .. of a picture, row after row, of all channels
 * pack_few   from any strides so (oc) si (ic) sy sx, in floats. Kernel tile = oc.
 * Order of sums: in each lane blocks, kernel rows, taps, vectors of a block; then the lanes,
 * by sum4() and sum_quads(); then bias, res: the same for every pixel, wherever its tile begins. More than
 * PRODUCT_WHOLE terms a lane are summed in pieces, whose sums are added in float64 (few_far in
 * conv_few.pxi). */
#ifndef CONV_FEW_H
#define CONV_FEW_H
#include "conv_tile.h"
#include "sums.h"
#include "activation.h"
#include "transpose.h"

/* Channels and pixels of a register tile: their sums, the weights and one x. A tile of one channel takes x
 * from memory, so it has as many pixels as hide the latency of an FMA. */
enum { FEW_OC = 3, FEW_RUN = 128 };     /* most channels of a tile; pixels whose sums are finished together */
#define FEW_PX_1 (VW == 16 ? 16 : 8)
#if REGISTERS == 32
# define FEW_PX_2 8                     /* 24 sums at most */
#else
# define FEW_PX_2 4                     /* 12 */
#endif
#define FEW_PX_3 FEW_PX_2

/* x: one pixel's step is xt floats, a kernel row's xr, a block's xb; wo: floats of w to a channel */
typedef struct { const float *w; size_t wo, xb, xr, xt; int64_t full, last, kh, kw; } few_t;

/* The sums of 4 lanes of 4 vectors r: quad k of the result has, for each vector, the sum of its quad k. */
INL vf sum4(const vf *r)
{
    vf a = UNPACK_LOW(r[0], r[1]) + UNPACK_HIGH(r[0], r[1]);
    vf b = UNPACK_LOW(r[2], r[3]) + UNPACK_HIGH(r[2], r[3]);
    return MOVE_LOW(a, b) + MOVE_HIGH(a, b);
}
/* The quads of VW/4 such vectors added: quad k of the result belongs to vector k. */
INL vf sum_quads(const vf *u)
{
#if VW == 16
    vf a = LANES_EVEN(u[0], u[1]) + LANES_ODD(u[0], u[1]), b = LANES_EVEN(u[2], u[3]) + LANES_ODD(u[2], u[3]);
    return LANES_EVEN(a, b) + LANES_ODD(a, b);
#elif VW == 8
    return LANES_EVEN(u[0], u[1]) + LANES_ODD(u[0], u[1]);
#else
    return u[0];
#endif
}
static const int32_t few_lanes[2 * CB] __attribute__((unused)) =
    {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

#define FEW_STEP(OC, PX, X, H, MASKED) \
    vf q[OC]; \
    FOR(o, OC) q[o] = ld(w + o * wo + (H)); \
    FOR(p, PX) { vf t = MASKED(ld(v + X(p) + (H))); FOR(o, OC) a[o][p] += q[o] * t; }
#define FEW_WHOLE(t) (t)
#define FEW_MASKED(t) ((vf)((vi)(t) & mask))
/* The sums of PX pixels of OC channels, which are FEW_RUN floats apart in s. X(p): the offset of pixel p. */
#define FEW_TILE(form, OC, PX, X) \
static __attribute__((noinline)) void few_##form##_##OC(const few_t *T, const float *x, const int64_t *xo, \
                                                        float *s) \
{ \
    enum { QUADS = OC * PX / 4, GROUP = VW / 4 }; \
    const size_t wo = T->wo, xr = T->xr, xt = T->xt; \
    const float *w = T->w; \
    vf a[OC][PX], u[QUADS]; \
    float t[OC * PX + VW] __attribute__((aligned(64))); \
    FOR(o, OC) FOR(p, PX) a[o][p] = (vf){0}; \
    for (int64_t b = 0; b < T->full; b++, x += T->xb) { \
        const float *row = x; \
        for (int64_t i = T->kh; i > 0; i--, row += xr) { \
            const float *v = row; \
            for (int64_t j = T->kw; j > 0; j--, v += xt, w += CB) FOR(h, NV) { \
                FEW_STEP(OC, PX, X, h * VW, FEW_WHOLE) \
            } \
        } \
    } \
    if (T->last) \
        for (int64_t i = T->kh; i > 0; i--, x += xr) { \
            const float *v = x; \
            for (int64_t j = T->kw; j > 0; j--, v += xt, w += CB) \
                for (int64_t h = 0; h < T->last; h += VW) { \
                    vi mask = ldi(few_lanes + CB - T->last + h); \
                    FEW_STEP(OC, PX, X, h, FEW_MASKED) \
                } \
        } \
    FOR(o, OC) FOR(p, PX) PIN(a[o][p]); \
    FOR(o, OC) FOR(g, PX / 4) u[o * (PX / 4) + g] = sum4(a[o] + 4 * g); \
    FOR(k, (QUADS + GROUP - 1) / GROUP) { \
        vf g[GROUP]; \
        FOR(i, GROUP) g[i] = u[k * GROUP + i < QUADS ? k * GROUP + i : QUADS - 1]; \
        st(t + k * VW, sum_quads(g)); \
    } \
    FOR(o, OC) memcpy(s + o * FEW_RUN, t + o * PX, sizeof(float[PX])); \
}
#define FEW_NEAR(p) ((p) * CB)
#define FEW_LIST(p) xo[p]
FEW_TILE(near, 1, FEW_PX_1, FEW_NEAR)
FEW_TILE(near, 2, FEW_PX_2, FEW_NEAR)
FEW_TILE(near, 3, FEW_PX_3, FEW_NEAR)
FEW_TILE(list, 1, FEW_PX_1, FEW_LIST)
FEW_TILE(list, 2, FEW_PX_2, FEW_LIST)
FEW_TILE(list, 3, FEW_PX_3, FEW_LIST)
typedef void (*few_run)(const few_t *, const float *, const int64_t *, float *);
static const few_run few_near[FEW_OC + 1] __attribute__((unused)) = {0, few_near_1, few_near_2, few_near_3};
static const few_run few_list[FEW_OC + 1] __attribute__((unused)) = {0, few_list_1, few_list_2, few_list_3};
static const int64_t few_pixels[FEW_OC + 1] __attribute__((unused)) = {0, FEW_PX_1, FEW_PX_2, FEW_PX_3};

/* s += b, and r, whose numbers are rp floats apart */
static __attribute__((noinline)) void few_add(float *s, int64_t n, float b, const float *r, int64_t rp)
{
    if (!r) for (int64_t i = 0; i < n; i++) s[i] += b;
    else if (rp == 1) for (int64_t i = 0; i < n; i++) s[i] = s[i] + b + r[i];
    else for (int64_t i = 0; i < n; i++) s[i] = s[i] + b + r[i * rp];
}
/* s to every yp-th float of y */
static __attribute__((noinline)) void few_spread(const float *s, int64_t n, float *y, int64_t yp)
{
    if (yp == 2) for (int64_t i = 0; i < n; i++) y[2 * i] = s[i];
    else for (int64_t i = 0; i < n; i++) y[i * yp] = s[i];
}
#endif
