/* Register tiles of convolution and matrix product: OV vectors of output channels x PX pixels, all sums in registers.
 *
 * y[oc, p] = act(scale * sum_k x[k, p] w[k, oc] + bias[oc] + res[oc, p])
 *
 * x     k runs over blocks (xb floats apart) x kh rows (xr apart) x kw taps (xt apart) x 16 neighbours; there are `full` blocks
 *       and, unless `last` is 0, one of `last` neighbours; pixel p lies xo[p] floats further (form _LIST), or 16*p (_NEAR), with x pointing at the first pixel.
 *       Form _STEM: K offsets koff[k] instead of the loops. A matrix row is a pixel, its k are the neighbours.
 * w     packed [oc tile][k][OCT], read once and in order; the last tile may be one of a single block (OV_HALF vectors) where
 *       OCT is two blocks
 * y     channel c of pixel p at y[yo[p] + c/16*yb + c%16], res likewise by ro, rb; yb = 16 makes row-major matrices
 * bias, slope (read for prelu) and res of these channels; res may be NULL
 * Order of sums: k = 0, 1, ..., whatever the tile; then scale, bias, residual.
 *
 * Sums, weights and a broadcast fill the registers: AVX-512 2 x 14 (31 of 32), AVX2 and SSE 2 x 6 (15 of 16), NEON 4 x 5 (25
 * of 32; 4 x 6 spills). */
#ifndef CONV_TILE_H
#define CONV_TILE_H
#include "api.h"
#include "vec.h"
#include "depthwise.h"                  /* the activations done in registers */
#define UP_TO_5(X, OV)  X(OV, 1) X(OV, 2) X(OV, 3) X(OV, 4) X(OV, 5)
#if VW == 16
# define OCV 2
# define PM 14
# define EACH_PX(X, OV) UP_TO_5(X, OV) X(OV, 6) X(OV, 7) X(OV, 8) X(OV, 9) X(OV, 10) X(OV, 11) X(OV, 12) X(OV, 13) X(OV, 14)
# define OV_HALF 1
#elif defined(__aarch64__)
# define OCV 4
# define PM 5
# define EACH_PX(X, OV) UP_TO_5(X, OV)
#else
# define OCV 2
# define PM 6
# define EACH_PX(X, OV) UP_TO_5(X, OV) X(OV, 6)
#endif
#define OCT (OCV * VW)                  /* output channels of a packed tile */

typedef struct {
    const float *w, *bias, *scaled, *slope, *res;
    float *y;
    const int32_t *koff;
    int64_t full, last, kh, kw, xb, xr, xt, yb, rb;   /* _STEM: last = K */
    float scale;
    dw_act_t f;
} tile_t;
#define TILE_ARGS const tile_t *T, const float *x, const int64_t *xo, const int64_t *yo, const int64_t *ro

/* Weights come from beyond L2, hardware prefetching stops at the ends of pages: floats to fetch ahead. */
enum { WEIGHTS_AHEAD = 4096 };
#define TILE_BEGIN(OV, PX) \
    vf a[OV][PX]; \
    const float *w = T->w; \
    FOR(o, OV) { vf b = ld(T->bias + o * VW); FOR(p, PX) a[o][p] = b; }
#define TILE_END(OV, PX) \
    FOR(o, OV) FOR(p, PX) KEEP(a[o][p]); \
    const size_t yb = T->yb, rb = T->rb; \
    const float *res = T->res; \
    float *y = T->y; \
    if (T->scaled) { vf s = bc(T->scale); FOR(o, OV) { vf b = ld(T->scaled + o * VW); FOR(p, PX) a[o][p] = a[o][p] * s + b; } } \
    if (res) FOR(p, PX) FOR(o, OV) a[o][p] += ld(res + ro[p] + o * VW / CB * rb + o * VW % CB); \
    if (T->f.act == U_clip && T->f.beta == __builtin_inff()) { vf lo = bc(T->f.alpha); FOR(o, OV) FOR(p, PX) a[o][p] = vmax(lo, a[o][p]); } \
    else FOR(o, OV) dw_activate(a[o], PX, &T->f, T->slope + o * VW); \
    FOR(p, PX) { float *to = y + yo[p]; FOR(o, OV) st(to + o * VW / CB * yb + o * VW % CB, a[o][p]); }

#define KERNEL_LOOPS(OV, PX, AT) \
    const size_t xb = T->xb, xr = T->xr, xt = T->xt; \
    const int64_t kh = T->kh, kw = T->kw, full = T->full, last = T->last, blocks = full + (last > 0); \
    for (int64_t b = 0; b < blocks; b++, x += xb) { \
        const float *row = x; \
        for (int64_t i = kh; i > 0; i--, row += xr) { \
            const float *tap = row; \
            for (int64_t j = kw; j > 0; j--, tap += xt) { \
                const float *v = tap; \
                if (b < full) { UNROLL(2) for (int c = 0; c < CB; c++, v++, w += OV * VW) { STEP_AT(OV, PX, AT) } } \
                else UNROLL(1) for (int64_t c = last; c > 0; c--, v++, w += OV * VW) { STEP_AT(OV, PX, AT) } \
            } \
        } \
    }
#define STEP_AT(OV, PX, AT) \
    vf q[OV]; \
    FOR(o, OV) { q[o] = ld(w + o * VW); if (o * VW % CB == 0) __builtin_prefetch(w + o * VW + WEIGHTS_AHEAD); } \
    FOR(p, PX) { vf s = bc(v[AT(p)]); FOR(o, OV) a[o][p] += q[o] * s; }
#define NEAR_AT(p) (p) * CB
#define LIST_AT(p) f[p]
#define TILE_NEAR(OV, PX) \
static __attribute__((noinline)) void tile_near_##OV##_##PX(TILE_ARGS) \
{ \
    TILE_BEGIN(OV, PX) \
    KERNEL_LOOPS(OV, PX, NEAR_AT) \
    TILE_END(OV, PX) \
}
#define TILE_LIST(OV, PX) \
static __attribute__((noinline)) void tile_list_##OV##_##PX(TILE_ARGS) \
{ \
    size_t f[PX]; \
    FOR(p, PX) f[p] = xo[p]; \
    TILE_BEGIN(OV, PX) \
    KERNEL_LOOPS(OV, PX, LIST_AT) \
    TILE_END(OV, PX) \
}
#define TILE_STEM(OV, PX) \
static __attribute__((noinline)) void tile_stem_##OV##_##PX(TILE_ARGS) \
{ \
    size_t f[PX]; \
    FOR(p, PX) f[p] = xo[p]; \
    TILE_BEGIN(OV, PX) \
    UNROLL(2) for (int64_t k = 0; k < T->last; k++, w += OV * VW) { \
        const float *v = x + T->koff[k]; \
        STEP_AT(OV, PX, LIST_AT) \
    } \
    TILE_END(OV, PX) \
}
typedef void (*tile_run)(TILE_ARGS);
enum { NEAR, LIST, STEM };
#define NEAR_REF(OV, PX) tile_near_##OV##_##PX,
#define LIST_REF(OV, PX) tile_list_##OV##_##PX,
#define STEM_REF(OV, PX) tile_stem_##OV##_##PX,
EACH_PX(TILE_NEAR, OCV)
EACH_PX(TILE_LIST, OCV)
EACH_PX(TILE_STEM, OCV)
static const tile_run tiles_full[3][PM + 1] = {{0, EACH_PX(NEAR_REF, OCV)}, {0, EACH_PX(LIST_REF, OCV)}, {0, EACH_PX(STEM_REF, OCV)}};
#ifdef OV_HALF
EACH_PX(TILE_NEAR, OV_HALF)
EACH_PX(TILE_LIST, OV_HALF)
EACH_PX(TILE_STEM, OV_HALF)
static const tile_run tiles_half[3][PM + 1] = {{0, EACH_PX(NEAR_REF, OV_HALF)}, {0, EACH_PX(LIST_REF, OV_HALF)},
                                               {0, EACH_PX(STEM_REF, OV_HALF)}};
#else
# define tiles_half tiles_full          /* never asked for: a block is whole tiles */
#endif
/* The offsets of n pixels from (i, j) on, in rows of `across`; rows oi, pixels oj apart. */
static __attribute__((noinline)) void pixel_offsets(int64_t *o, int64_t n, int64_t i, int64_t j, int64_t across, int64_t oi, int64_t oj)
{
    for (int64_t m; n > 0; o += m, n -= m, i++, j = 0) {
        m = n < across - j ? n : across - j;
        const int64_t at = i * oi + j * oj;
        for (int64_t q = 0; q < m; q++) o[q] = at + q * oj;
    }
}

/* Rows of k floats, xr apart -> blocks [k/16][n][16]. */
static __attribute__((noinline)) void rows_to_blocks(const float *x, int64_t xr, int64_t n, int64_t k, float *y)
{
    for (int64_t p = 0; p < n; p++, x += xr) {
        float *to = y + p * CB;
        int64_t c = 0;
        for (; c + CB <= k; c += CB, to += n * CB) FOR(v, NV) st(to + v * VW, ld(x + c + v * VW));
        for (; c < k; c++) to[c % CB] = x[c];
    }
}

/* A product: the tiles over a range of pixels and channels. Pixel (i, j), j < across, lies i*xi + j*xj floats from x, and
 * likewise in y and res. Tiles run over the ends of rows. */
typedef struct {
    const float *x, *w, *bias, *slope, *res;
    float *y;
    int64_t k;                          /* terms of a sum: floats of w to a channel */
    int64_t across, xi, xj, yi, yj, ri, rj;
    int64_t pixel_bytes;                /* input that a pixel takes, about */
    int64_t packed_n, n;                /* channels packed, channels that y has (the others are not written) */
    int64_t stem;                       /* form _STEM */
    float *copy;                        /* NULL, or room for a chunk of pixels: rows of a matrix are copied to blocks first */
    tile_t t;
} product_t;
#endif
