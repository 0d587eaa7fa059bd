/* Depthwise convolution, blocked in and out: lanes are channels, the sums of a run of pixels in registers.
 *
 * y[n, c, i, j] = act(bias[c] + sum over (p, q) of w[c, p, q] * x[n, c, i*sh + p*dh, j*sw + q*dw])
 *
 * x     points at pixel (-pad_t, -pad_l) of a picture with a halo, so that every read is legal
 * w     packed by pack_depthwise: [cb][kh*kw][16]; bias and slope padded to whole blocks
 * y     pixel (0, 0); both with strides n b r in floats
 * Order of sums: the taps row by row, whatever the tile; the bias last (see conv.h). More than PRODUCT_WHOLE
 * taps are summed in pieces, whose sums are added in float64 (dw_far in depthwise.pxi).
 * Kernel tile = (image*row_tiles + r)*cb + block, rows r*rows .. of the output.
 *
 * Register tiles, one vector of channels x PX pixels of a row:
 *   dw_K_S_PX   K x K taps, stride S, dilation 1: an input vector is loaded once a row and meets all its taps
 *   dw_any_S_PX any kernel: one load a multiply-add, which cores can just load; S = 1 when the stride is 1 */
#ifndef DEPTHWISE_H
#define DEPTHWISE_H
#include "activation.h"
#include "sums.h"
#define DEPTHWISE_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(y) I(n) I(cb) I(kh) I(kw) I(dh) I(dw) \
    I(sh) I(sw) I(oh) I(ow) I(xn) I(xb) I(xr) I(yn) I(yb) I(yr) I(act) F(alpha) F(beta) I(row_tiles) I(rows)
PARAMS(depthwise_t, DEPTHWISE_FIELDS)

/* GCC would load a value again for each of its uses, to fold the loads into the multiply-adds: more loads
 * than there is room for. This keeps it in its register. */
#if !defined(__clang__)
# define DW_KEEP(v) HELD(v)
#else
# define DW_KEEP(v) ((void)0)
#endif

#if VW == 16
# define DW_PX 14
# define EACH_DW(X, K, S) X(K,S,1) X(K,S,2) X(K,S,3) X(K,S,4) X(K,S,5) X(K,S,6) X(K,S,7) X(K,S,8) \
    X(K,S,9) X(K,S,10) X(K,S,11) X(K,S,12) X(K,S,13) X(K,S,14)
#else
# define DW_PX 8
# define EACH_DW(X, K, S) X(K,S,1) X(K,S,2) X(K,S,3) X(K,S,4) X(K,S,5) X(K,S,6) X(K,S,7) X(K,S,8)
#endif
#define DW_ARGS const depthwise_t *A, const float *x, const float *w, const float *bias, const float *slope, \
    float *y, const epilogue_t *f, int64_t rows
/* All 9 weights of 3x3 stay in registers where there are 32 of them, else those of a row. */
#define DW_KEPT(K) (VW == 16 && (K) == 3)
#define DW_TILE(K, S, PX) \
static __attribute__((noinline)) void dw_##K##_##S##_##PX(DW_ARGS) \
{ \
    const size_t xr = A->xr, yr = A->yr; \
    vf q[DW_KEPT(K) ? K * K : K]; \
    if (DW_KEPT(K)) FOR(j, K * K) q[j] = ld(w + j * CB); \
    for (; rows > 0; rows--, x += S * xr, y += yr) \
        for (int h = 0; h < NV; h++) { \
            vf a[PX], b = ld(bias + h * VW); \
            FOR(p, PX) a[p] = (vf){0}; \
            const float *r = x + h * VW, *u = w + h * VW; \
            UNROLL(DW_UNROLL(K)) for (int i = 0; i < K; i++, r += xr, u += K * CB) { \
                if (!DW_KEPT(K)) FOR(j, K) q[j] = ld(u + j * CB); \
                FOR(j, (PX - 1) * S + K) { \
                    vf v = ld(r + j * CB); \
                    DW_KEEP(v); \
                    FOR(p, PX) \
                        if (j - p * S >= 0 && j - p * S < K) \
                            a[p] += v * q[j - p * S + (DW_KEPT(K) ? i * K : 0)]; \
                } \
            } \
            FOR(p, PX) a[p] += b; \
            activate_sums(a, PX, f, slope + h * VW); \
            FOR(p, PX) st(y + h * VW + p * CB, a[p]); \
        } \
}
#define DW_UNROLL(K) (DW_KEPT(K) ? K : 1)
#define DW_ANY(K, S, PX) \
static __attribute__((noinline)) void dw_any_##S##_##PX(DW_ARGS) \
{ \
    const size_t xr = A->sh * A->xr, yr = A->yr, row = A->dh * A->xr, tap = A->dw * CB; \
    const size_t step = (S ? S : A->sw) * CB; \
    for (; rows > 0; rows--, x += xr, y += yr) \
        for (int h = 0; h < CB; h += VW) { \
            vf a[PX], b = ld(bias + h); \
            FOR(p, PX) a[p] = (vf){0}; \
            const float *r = x + h, *u = w + h; \
            for (int64_t i = 0; i < A->kh; i++, r += row) { \
                const float *v = r; \
                for (int64_t j = 0; j < A->kw; j++, v += tap, u += CB) { \
                    vf q = ld(u); \
                    FOR(p, PX) a[p] += q * ld(v + p * step); \
                } \
            } \
            FOR(p, PX) a[p] += b; \
            activate_sums(a, PX, f, slope + h); \
            FOR(p, PX) st(y + h + p * CB, a[p]); \
        } \
}
EACH_DW(DW_TILE, 3, 1)
EACH_DW(DW_TILE, 3, 2)
EACH_DW(DW_TILE, 5, 1)
EACH_DW(DW_TILE, 5, 2)
EACH_DW(DW_ANY, any, 0)
EACH_DW(DW_ANY, any, 1)
/* y = act(x + bias) of so many pixels. */
static __attribute__((noinline)) void dw_finish(const float *x, const float *bias, const float *slope,
                                                float *y, const epilogue_t *f, int64_t pixels)
{
    for (; pixels > 0; pixels--, x += CB, y += CB)
        for (int h = 0; h < CB; h += VW) {
            vf a = ld(x + h) + ld(bias + h);
            activate_sums(&a, 1, f, slope + h);
            st(y + h, a);
        }
}
typedef void (*dw_fn)(DW_ARGS);
#define DW_REF(K, S, PX) dw_##K##_##S##_##PX,
static const dw_fn dw_tiles[6][DW_PX + 1] = {
    {0, EACH_DW(DW_REF, 3, 1)}, {0, EACH_DW(DW_REF, 3, 2)}, {0, EACH_DW(DW_REF, 5, 1)},
    {0, EACH_DW(DW_REF, 5, 2)}, {0, EACH_DW(DW_REF, any, 0)}, {0, EACH_DW(DW_REF, any, 1)}};
INL const dw_fn *dw_form(const depthwise_t *A)
{
    int square = A->kh == A->kw && A->sh == A->sw && A->dh == 1 && A->dw == 1;
    if (square && (A->kh == 3 || A->kh == 5) && A->sw <= 2) return dw_tiles[(A->kh == 5) * 2 + A->sw - 1];
    return dw_tiles[4 + (A->sw == 1)];
}
#endif
