/* Direct convolution: y[oc, pixel] = act(sum over (ic, ky, kx) of w[oc, ic, ky, kx] * x[ic, pixel, ky, kx] + bias[oc] + res), all sums in registers.
 *
 * x     blocked, at pixel (-pad_t, -pad_l) of a picture with a halo, so that every read is legal; strides xn xb xr in floats. Group g
 *       begins at block g*ib. last: real channels in a group's last input block (1..16): the sum stops there
 * w     packed by pack_conv: [group][oc tile][ic block][kh][kw][channel][width], width CONV_OC, in a group's last tile what is left of
 *       ob*16 channels; groups * ob*16 * ic * kh*kw floats; read once a tile of pixels, in order
 * y     blocked, at pixel (0, 0); yp floats between pixels (16; more for the phases of a transposed convolution); res: 16
 *       group g begins at block g*ob of y, res, bias, slope; blocks are written whole
 * Kernel tile = ((image*groups + g)*row_tiles + r)*oc_tiles + c: output rows r*rows .., output blocks c*blocks .. (a multiple of
 * CONV_OC/16, unless oc_tiles is 1). Order of sums: block, ky, kx, channel, whatever the tile; the bias last: were it first, each
 * addition would round at its size, however large it is beside the sum.
 *
 * conv_stem reads few channels from plain memory that is padded already: x[koff[k] + oy*sh*xr + ox*sw*xp], k = 0 .. k-1 in the
 * order of w: [oc tile][k][width].
 *
 * Register tile: OV vectors of channels x (R rows x C columns) of pixels S apart: OV*R*C sums, OV weights, one broadcast. Pixels of a
 * row are at constant distances from one address (S = 1, 2; S = 0: any distance, the offsets are kept), so that loads cost no
 * address arithmetic; two rows at once serve narrow maps (7x7). */
#ifndef CONV_H
#define CONV_H
#include "epilogue.h"
#define CONV_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(res) B(y) I(n) I(groups) I(ib) I(last) I(ob) I(kh) I(kw) I(dh) I(dw) I(sh) I(sw) \
    I(oh) I(ow) I(xn) I(xb) I(xr) I(yn) I(yb) I(yr) I(yp) I(rn) I(rb) I(rr) I(act) F(alpha) F(beta) I(row_tiles) I(rows) I(oc_tiles) I(blocks)
PARAMS(conv_t, CONV_FIELDS)
#define CONV_STEM_FIELDS(B, I, F, A) B(x) B(w) B(koff) B(bias) B(slope) B(res) B(y) I(n) I(k) I(ob) I(sh) I(sw) I(oh) I(ow) I(xn) I(xr) I(xp) \
    I(yn) I(yb) I(yr) I(rn) I(rb) I(rr) I(act) F(alpha) F(beta) I(row_tiles) I(rows) I(oc_tiles) I(blocks)
PARAMS(conv_stem_t, CONV_STEM_FIELDS)
#define PACK_CONV_FIELDS(B, I, F, A) B(w) B(y) I(groups) I(oc) I(ic) I(kh) I(kw) I(so) I(si) I(sy) I(sx) I(sg)
PARAMS(pack_conv_t, PACK_CONV_FIELDS)

#if VW == 16
# define CONV_OV 2
# define CONV_PX 14
# define EACH_C1(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__) X(3,__VA_ARGS__) X(4,__VA_ARGS__) X(5,__VA_ARGS__) X(6,__VA_ARGS__) X(7,__VA_ARGS__) \
    X(8,__VA_ARGS__) X(9,__VA_ARGS__) X(10,__VA_ARGS__) X(11,__VA_ARGS__) X(12,__VA_ARGS__) X(13,__VA_ARGS__) X(14,__VA_ARGS__)
# define EACH_C2(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__) X(3,__VA_ARGS__) X(4,__VA_ARGS__) X(5,__VA_ARGS__) X(6,__VA_ARGS__) X(7,__VA_ARGS__)
#elif defined(__aarch64__)
# define CONV_OV 4
# define CONV_PX 5
# define EACH_C1(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__) X(3,__VA_ARGS__) X(4,__VA_ARGS__) X(5,__VA_ARGS__)
# define EACH_C2(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__)
#elif VW == 4                           /* 8 sums, 4 weights: a tile of channels is a whole block */
# define CONV_OV 4
# define CONV_PX 2
# define EACH_C1(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__)
# define EACH_C2(X, ...) X(1,__VA_ARGS__)
#else
# define CONV_OV 2
# define CONV_PX 6
# define EACH_C1(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__) X(3,__VA_ARGS__) X(4,__VA_ARGS__) X(5,__VA_ARGS__) X(6,__VA_ARGS__)
# define EACH_C2(X, ...) X(1,__VA_ARGS__) X(2,__VA_ARGS__) X(3,__VA_ARGS__)
#endif
#define CONV_OC (CONV_OV * VW)

/* What a tile needs beside its pointers; strides in floats. xs: between output pixels of a row in x, xrow: between output rows. */
typedef struct {
    size_t xb, xr, xc, xs, xrow, yb, yr, yp, rb, rr;
    int64_t ib, last, kh, kw;
    epilogue_t e;
} conv_go_t;
#define CONV_ARGS const conv_go_t *A, const float *x, const int32_t *koff, const float *w, const float *bias, const float *slope, \
    const float *res, float *y
/* With 16 registers none is left for a second broadcast: keep the compiler from loading it early and spilling a sum. */
#if VW == 8
# define IN_ORDER(v) __asm__ volatile("" : "+x"(v))
#else
# define IN_ORDER(v) ((void)0)
#endif
/* Weights come from beyond L2 and hardware prefetching stops at each page: floats to fetch ahead, 16 KB. */
#define CONV_AHEAD 4096
#define CONV_X(S) ((S) ? (size_t)(S) * (p % C) : f[p])
#define CONV_STEP(OV, R, S, AT) \
    vf q[OV]; \
    FOR(o, OV) { q[o] = ld(w + o * VW); if (o * VW % CB == 0) __builtin_prefetch(w + o * VW + CONV_AHEAD); } \
    FOR(p, R * C) { vf v = bc((p < C ? AT : AT##2)[CONV_X(S)]); IN_ORDER(v); FOR(o, OV) a[o][p] += q[o] * v; }
#define CONV_EPILOGUE(OV, R) \
    FOR(o, OV) { \
        vf b = ld(bias + o * VW); \
        FOR(p, R * C) a[o][p] += b; \
        if (res) FOR(p, R * C) a[o][p] += ld(res + (o / NV) * A->rb + (p / C) * A->rr + p % C * CB + (o % NV) * VW); \
        activate_sums(a[o], R * C, &A->e, slope + o * VW); \
        FOR(p, R * C) st(y + (o / NV) * A->yb + (p / C) * A->yr + p % C * A->yp + (o % NV) * VW, a[o][p]); \
    }
#define CONV_TILE(COLS, OV, R, S) \
static __attribute__((noinline)) void conv_##OV##_##R##_##S##_##COLS(CONV_ARGS) \
{ \
    enum { C = COLS }; \
    size_t f[C]; \
    FOR(p, C) f[p] = p * A->xs; \
    (void)f; (void)koff; \
    vf a[OV][R * C]; \
    FOR(o, OV) FOR(p, R * C) a[o][p] = (vf){0}; \
    const size_t row2 = A->xrow, xc = A->xc; \
    for (int64_t b = A->ib; b > 0; b--, x += A->xb) { \
        const float *xr = x; \
        const int64_t n = b > 1 ? CB : A->last; \
        for (int64_t ky = A->kh; ky > 0; ky--, xr += A->xr) { \
            const float *at = xr; \
            for (int64_t kx = A->kw; kx > 0; kx--, at += xc) { \
                const float *i = at, *i2 = at + row2; \
                (void)i2; \
                int64_t c = n; \
                for (; c >= 4; c -= 4, i += 4, i2 += 4) \
                    UNROLL(4) for (int j = 0; j < 4; j++, w += OV * VW) { \
                        const float *s = i + j, *s2 = i2 + j; (void)s2; \
                        CONV_STEP(OV, R, S, s) \
                    } \
                UNROLL(1) for (; c > 0; c--, i++, i2++, w += OV * VW) { CONV_STEP(OV, R, S, i) } \
            } \
        } \
    } \
    CONV_EPILOGUE(OV, R) \
}
#define STEM_TILE(COLS, OV, R, S) \
static __attribute__((noinline)) void stem_##OV##_##S##_##COLS(CONV_ARGS) \
{ \
    enum { C = COLS }; \
    size_t f[C]; \
    FOR(p, C) f[p] = p * A->xs; \
    (void)f; \
    vf a[OV][C]; \
    FOR(o, OV) FOR(p, C) a[o][p] = (vf){0}; \
    UNROLL(2) for (int64_t k = 0; k < A->ib; k++, w += OV * VW) { \
        const float *s = x + koff[k], *s2 = s; (void)s2; \
        CONV_STEP(OV, 1, S, s) \
    } \
    CONV_EPILOGUE(OV, 1) \
}
typedef void (*conv_fn)(CONV_ARGS);
#define CONV_REF(COLS, OV, R, S) conv_##OV##_##R##_##S##_##COLS,
#define STEM_REF(COLS, OV, R, S) stem_##OV##_##S##_##COLS,
/* S in floats: 16 and 32 for neighbours of blocked pixels at stride 1 and 2; 1 and 2 for plain planes, 3 and 6 for interleaved RGB */
EACH_C1(CONV_TILE, CONV_OV, 1, 16) EACH_C2(CONV_TILE, CONV_OV, 2, 16) EACH_C1(CONV_TILE, CONV_OV, 1, 32) EACH_C2(CONV_TILE, CONV_OV, 2, 32)
EACH_C1(CONV_TILE, CONV_OV, 1, 0)
EACH_C1(STEM_TILE, CONV_OV, 1, 1) EACH_C1(STEM_TILE, CONV_OV, 1, 2) EACH_C1(STEM_TILE, CONV_OV, 1, 6) EACH_C1(STEM_TILE, CONV_OV, 1, 0)
#if CONV_OC > CB                        /* the last block where their number is odd */
EACH_C1(CONV_TILE, 1, 1, 16) EACH_C2(CONV_TILE, 1, 2, 16) EACH_C1(CONV_TILE, 1, 1, 0)
EACH_C1(STEM_TILE, 1, 1, 0)
#endif
typedef struct { const conv_fn *one, *two; } conv_form_t;  /* by columns: of one row, of two rows (or NULL) */
#define CONV_TABLE(NAME, EACH, REF, ...) static const conv_fn NAME[] = {0, EACH(REF, __VA_ARGS__)};
CONV_TABLE(conv_11, EACH_C1, CONV_REF, CONV_OV, 1, 16)
CONV_TABLE(conv_12, EACH_C2, CONV_REF, CONV_OV, 2, 16)
CONV_TABLE(conv_21, EACH_C1, CONV_REF, CONV_OV, 1, 32)
CONV_TABLE(conv_22, EACH_C2, CONV_REF, CONV_OV, 2, 32)
CONV_TABLE(conv_any, EACH_C1, CONV_REF, CONV_OV, 1, 0)
CONV_TABLE(stem_1, EACH_C1, STEM_REF, CONV_OV, 1, 1)
CONV_TABLE(stem_2, EACH_C1, STEM_REF, CONV_OV, 1, 2)
CONV_TABLE(stem_6, EACH_C1, STEM_REF, CONV_OV, 1, 6)
CONV_TABLE(stem_any, EACH_C1, STEM_REF, CONV_OV, 1, 0)
#if CONV_OC > CB
CONV_TABLE(half_11, EACH_C1, CONV_REF, 1, 1, 16)
CONV_TABLE(half_12, EACH_C2, CONV_REF, 1, 2, 16)
CONV_TABLE(half_any, EACH_C1, CONV_REF, 1, 1, 0)
CONV_TABLE(half_stem, EACH_C1, STEM_REF, 1, 1, 0)
#endif
static inline conv_form_t conv_form(int64_t step, int64_t width)
{
#if CONV_OC > CB
    if (width < CONV_OC) return step == CB ? (conv_form_t){half_11, half_12} : (conv_form_t){half_any, NULL};
#endif
    (void)width;
    return step == CB ? (conv_form_t){conv_11, conv_12} : step == 2 * CB ? (conv_form_t){conv_21, conv_22} : (conv_form_t){conv_any, NULL};
}
static inline const conv_fn *stem_form(int64_t step, int64_t width)
{
#if CONV_OC > CB
    if (width < CONV_OC) return half_stem;
#endif
    (void)width;
    return step == 1 ? stem_1 : step == 2 ? stem_2 : step == 6 ? stem_6 : stem_any;
}
#endif
