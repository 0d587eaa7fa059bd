/* Register tiles of convolutions of bytes: OV vectors of output channels x PX pixels, all sums in registers.
 *
 * y[oc, p] = requantised(sum_k x[k, p] w[k, oc], bias, scale), as requantise.h says
 *
 * x     as the products take it (dot_u8.h): k runs over `full` blocks (xb elements apart) x kh rows (xr) x kw taps (xt)
 *       x the groups of a block; then, unless `last` is 0, once more over the first `last` groups of a block
 * w     [OCT int32 that the sums begin with][parts][k groups][OCT][DOT_K], read once and in order; OCT is that of the
 *       float convolutions, or CB in the last tile where the blocks are odd and a tile has two
 * y     block o of a pixel is o*yb bytes from it, 16 bytes each, written whole
 * Pixels: wherever the lists xo, yo say; `near`: those of x are 16 elements apart.
 * Sums of integers have no order: they wrap where they do not fit in int32, everywhere alike.
 *
 * Sums, weights, a group of x and, of pairs, a product: AVX-512 2 x 12 (28 of 32), AVX2 2 x 6 (16 of 16), NEON 4 x 5,
 * SSE 4 x 2 (14 of 16). */
#ifndef CONV_U8_TILE_H
#define CONV_U8_TILE_H
#include "conv_tile.h"
#include "dot_u8.h"
#include "requantise.h"
#if VW == 16
# define PM_U8 12
# define EACH_PX_U8 UP_TO_12
#elif VW == 8
# define PM_U8 6
# define EACH_PX_U8 UP_TO_6
#elif defined(__aarch64__)
# define PM_U8 5
# define EACH_PX_U8 UP_TO_5
#else
# define PM_U8 2
# define EACH_PX_U8 UP_TO_2
#endif
typedef struct {
    int32_t start[OCT];                 /* what sums begin with, and the bias */
    const float *scale;
    const dot_w_t *w;
    uint8_t *y;
    int64_t parts, full, last, kh, kw, xb, xr, xt, yb;
    requant_t q;
} tile_u8_t;
#define TILE_U8_ARGS const tile_u8_t *T, const dot_x_t *x, const int64_t *xo, const int64_t *yo

#define STEP_U8(OV, PX, X) \
    vi q[OV]; \
    FOR(o, OV) q[o] = dot_w(w + o * VW * DOT_K); \
    FOR(p, PX) { const vi s = dot_x(v + X(p)); FOR(o, OV) DOT_ADD(a[o][p], s, q[o]); }
#define LOOPS_U8(OV, PX, X) \
    const size_t xb = T->xb, xr = T->xr, xt = T->xt; \
    const int64_t full = T->full, blocks = full + (T->last > 0); \
    for (int64_t part = T->parts; part > 0; part--) { \
        const dot_x_t *block = x; \
        for (int64_t b = 0; b < blocks; b++, block += xb) { \
            const dot_x_t *row = block; \
            for (int64_t i = T->kh; i > 0; i--, row += xr) { \
                const dot_x_t *tap = row; \
                for (int64_t j = T->kw; j > 0; j--, tap += xt) { \
                    const dot_x_t *v = tap; \
                    if (b < full) { \
                        UNROLL(4) for (int c = 0; c < CB; c += DOT_K, v += DOT_K, w += OV * VW * DOT_K) \
                            { STEP_U8(OV, PX, X) } \
                    } else { \
                        UNROLL(1) for (int64_t c = T->last; c > 0; c--, v += DOT_K, w += OV * VW * DOT_K) \
                            { STEP_U8(OV, PX, X) } \
                    } \
                } \
            } \
        } \
    }
#define TILE_U8(PX, NAME, OV, X) \
static __attribute__((noinline)) void tile_u8_##NAME##_##OV##_##PX(TILE_U8_ARGS) \
{ \
    size_t f[PX]; \
    FOR(p, PX) f[p] = xo[p]; \
    (void)f; \
    vi a[OV][PX]; \
    const dot_w_t *w = T->w; \
    FOR(o, OV) FOR(p, PX) a[o][p] = ldi(T->start + o * VW); \
    LOOPS_U8(OV, PX, X) \
    FOR(o, OV) FOR(p, PX) PIN(a[o][p]); \
    const requant_t q = T->q; \
    FOR(o, OV) requant_lanes(a[o], PX, ld(T->scale + o * VW), &q); \
    FOR(b, OV / NV) { \
        uint8_t *y = T->y + b * T->yb; \
        FOR(p, PX) if (p % 2 == 0) { \
            const int next = p + 1 < PX ? p + 1 : p; \
            vi s[NV], t[NV]; \
            FOR(v, NV) { s[v] = a[b * NV + v][p]; t[v] = a[b * NV + v][next]; } \
            requant_store(y + yo[p], y + yo[next], s, t, &q); \
        } \
    } \
}
typedef void (*tile_u8_run)(TILE_U8_ARGS);
enum { FORM_U8_NEAR, FORM_U8_LIST, FORMS_U8 };
#define TILE_U8_REF(PX, NAME, OV, X) tile_u8_##NAME##_##OV##_##PX,
#define EACH_U8_FORM(OPEN, MAKE, CLOSE, OV) \
    OPEN EACH_PX_U8(MAKE, near, OV, BY_16) CLOSE \
    OPEN EACH_PX_U8(MAKE, list, OV, BY_LIST) CLOSE
EACH_U8_FORM(NOTHING, TILE_U8, NOTHING, OCV)
static const tile_u8_run tiles_u8[FORMS_U8][PM_U8 + 1] = {EACH_U8_FORM(TABLE_OPEN, TILE_U8_REF, TABLE_CLOSE, OCV)};
#if OCT > CB                            /* one block of two */
EACH_U8_FORM(NOTHING, TILE_U8, NOTHING, OV_HALF)
static const tile_u8_run tiles_u8_block[FORMS_U8][PM_U8 + 1] = {
    EACH_U8_FORM(TABLE_OPEN, TILE_U8_REF, TABLE_CLOSE, OV_HALF)};
#else
# define tiles_u8_block tiles_u8
#endif
#endif
