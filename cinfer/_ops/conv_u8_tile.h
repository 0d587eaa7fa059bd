/* Register tiles of convolutions of bytes: OV vectors of output channels x PX pixels, all sums in registers.
 *
 * y[oc, p] = requantised(sum_k x[k, p] w[k, oc], bias, scale), as requantise.h says
 *
 * x     as the products take it (dot_u8.h): k runs over `full` blocks (xb elements apart) x kh rows (xr) x kw taps (xt)
 *       x the groups of a block; then, unless `last` is 0, once more over the first `last` groups of a block
 * w     [OCT int32 that the sums begin with][parts][k groups][OCT][DOT_K], read once and in order; OCT is that of the
 *       float convolutions, or HALF in the last tile where no more are left
 * y     block o of a pixel is o*yb elements from it, 16 each, written whole: bytes, or where there is no `scale` the
 *       sums, int32; if `real` is not NULL, the floats of channels from c on (real_sums.h)
 * res   NULL, or elements like y in blocks rb apart, which are added (bytes: requantise.h)
 * Pixels: wherever the lists xo, yo, ro say; `near`: those of x are 16 elements apart. Of few there is no such form:
 * their offsets stay in registers.
 * Sums of integers have no order: they wrap where they do not fit in int32, everywhere alike.
 *
 * Sums, weights, a group of x and, of pairs, a product: AVX-512 2 x 12 (28 of 32), AVX2 2 x 6 (16 of 16), NEON 4 x 5,
 * SSE 4 x 2 (14 of 16); half as many channels x twice as many pixels, where there are registers. */
#ifndef CONV_U8_TILE_H
#define CONV_U8_TILE_H
#include "conv_tile.h"
#include "dot_u8.h"
#include "real_sums.h"
#include "requantise.h"
#define NO_MORE(X, ...)
#if VW == 16                            /* few pixels, and more */
# define PM_U8 12
# define FEW_PX_U8 UP_TO_4
# define MORE_PX_U8 FROM_5_TO_12
# define PM_U8_HALF 12
# define FEW_PX_U8_HALF UP_TO_4
# define MORE_PX_U8_HALF FROM_5_TO_12
#elif VW == 8
# define PM_U8 6
# define FEW_PX_U8 UP_TO_4
# define MORE_PX_U8 FROM_5_TO_6
# define PM_U8_HALF 10
# define FEW_PX_U8_HALF UP_TO_4
# define MORE_PX_U8_HALF FROM_5_TO_10
#elif REGISTERS == 32
# define PM_U8 5
# define FEW_PX_U8 UP_TO_5
# define MORE_PX_U8 NO_MORE
# define PM_U8_HALF 10
# define FEW_PX_U8_HALF UP_TO_4
# define MORE_PX_U8_HALF FROM_5_TO_10
#else
# define PM_U8 2
# define FEW_PX_U8 UP_TO_2
# define MORE_PX_U8 NO_MORE
# define PM_U8_HALF 4
# define FEW_PX_U8_HALF UP_TO_4
# define MORE_PX_U8_HALF NO_MORE
#endif
typedef struct {
    int32_t start[OCT];                 /* what sums begin with, and the bias */
    const float *scale;                 /* or NULL */
    const dot_w_t *w;
    void *y;
    int64_t parts, full, last, kh, kw, xb, xr, xt, yb;
    const char *ahead;                  /* what is read next: a tile fetches so many cache lines of it into L2 */
    int64_t lines;
    requant_t q;
    const void *res;
    real_sums_t *real;
    int64_t c, rb, rounds;              /* rounds: sums are only rounded and stored; if not, tile_u8_end has them */
    added_t added;
} tile_u8_t;
INL int64_t rounds_u8(const tile_u8_t *T) { return T->scale && !T->res && !T->q.cut; }
/* so many tiles, one after the other, whose pixels follow in the lists */
#define TILE_U8_ARGS const tile_u8_t *T, const dot_x_t *x, const int64_t *xo, const int64_t *yo, const int64_t *ro, \
    int64_t tiles

#define STEP_U8(OV, PX, X) \
    vi q[OV]; \
    FOR(o, OV) q[o] = dot_w(w + o * VW * DOT_K); \
    FOR(p, PX) { const vi s = dot_x(v + X(p)); FOR(o, OV) DOT_ADD(a[o][p], s, q[o]); }
#define GROUPS_U8(N, COUNT, OV, PX, X) \
    UNROLL(N) for (int64_t c = COUNT; c > 0; c--, v += DOT_K, w += OV * VW * DOT_K) { STEP_U8(OV, PX, X) }
/* One loop for whole blocks and for a part of one: between two, GCC drives sums to the stack. */
#define WINDOW_U8(OV, PX, X) \
    for (int64_t part = DOT_K == 2 ? 1 : T->parts; part > 0; part--) { \
        const dot_x_t *block = from; \
        for (int64_t b = 0, groups = CB / DOT_K; b < full + (last > 0); b++, block += xb) { \
            if (b == full) groups = last; \
            const dot_x_t *row = block; \
            for (int64_t i = T->kh; i > 0; i--, row += xr) { \
                const dot_x_t *tap = row; \
                for (int64_t j = T->kw; j > 0; j--, tap += xt) { \
                    const dot_x_t *v = tap; \
                    GROUPS_U8(1, groups, OV, PX, X) \
                } \
            } \
        } \
    }
/* Of few channels, counting to one takes as long as the products. */
#define ONE_TAP_U8(OV, PX, X) \
    for (int64_t part = DOT_K == 2 ? 1 : T->parts; part > 0; part--) { \
        const dot_x_t *block = from; \
        for (int64_t b = full; b > 0; b--, block += xb) { \
            const dot_x_t *v = block; \
            GROUPS_U8(8, CB / DOT_K, OV, PX, X) \
        } \
        const dot_x_t *v = block; \
        GROUPS_U8(1, last, OV, PX, X) \
    }
/* What becomes of sums [ov][px] where that is not rounding alone: in one loop for tiles of all sizes. The sums are
 * changed. */
static __attribute__((noinline)) void tile_u8_end(const tile_u8_t *T, vi *a, int ov, int px, const int64_t *yo,
                                                  const int64_t *ro)
{
    if (!T->scale && T->real) {
        real_lanes(T->real, T->c, a, ov, px, px, 1, (float *)T->y, T->yb, yo, (const float *)T->res, T->rb, ro);
        return;
    }
    if (!T->scale) {
        for (int p = 0; p < px; p++)
            for (int o = 0; o < ov; o++)
                memcpy((int32_t *)T->y + yo[p] + o * VW / CB * T->yb + o * VW % CB, a + o * px + p, sizeof(vi));
        return;
    }
    if (!T->res) {
        const requant_t q = T->q;
        for (int o = 0; o < ov; o++) requant_lanes(a + o * px, px, ld(T->scale + o * VW), o * VW, &q);
        for (int b = 0; b * NV < ov; b++)
            for (int p = 0; p < px; p++) {
                vi s[NV];
                FOR(v, NV) s[v] = a[(b * NV + v < ov ? b * NV + v : ov - 1) * px + p];
                uint8_t *y = (uint8_t *)T->y + b * T->yb + yo[p];
                requant_store(y, y, s, s, &q);
            }
        return;
    }
    const added_t k = T->added;
    for (int b = 0; b * NV < ov; b++)
        for (int p = 0; p < px; p += 2) {
            const int next = p + 1 < px ? p + 1 : p;
            vi s[NV], t[NV];
            FOR(v, NV) {
                const int o = b * NV + v < ov ? b * NV + v : ov - 1;
                const vf scale = ld(T->scale + o * VW);
                const uint8_t *res = (const uint8_t *)T->res + o * VW / CB * T->rb + o * VW % CB;
                s[v] = added_lanes(to_float(a[o * px + p]) * scale, res + ro[p], &k);
                t[v] = added_lanes(to_float(a[o * px + next]) * scale, res + ro[next], &k);
            }
            uint8_t *y = (uint8_t *)T->y + b * T->yb;
            requant_store(y + yo[p], y + yo[next], s, t, &k.q);
        }
}
/* Blocks of which a tile has a part are written whole, with anything in the lanes beyond. */
#define STORE_U8(OV, PX, q) \
    FOR(b, (OV + NV - 1) / NV) { \
        uint8_t *y = (uint8_t *)T->y + b * T->yb; \
        FOR(p, PX) if (p % 2 == 0) { \
            const int next = p + 1 < PX ? p + 1 : p; \
            vi s[NV], t[NV]; \
            FOR(v, NV) { \
                const int o = b * NV + v < OV ? b * NV + v : OV - 1; \
                s[v] = a[o][p]; \
                t[v] = a[o][next]; \
            } \
            requant_store(y + yo[p], y + yo[next], s, t, q); \
        } \
    }
#define TILE_U8(PX, NAME, OV, LOOPS, X) \
static __attribute__((noinline)) void tile_u8_##NAME##_##OV##_##PX(TILE_U8_ARGS) \
{ \
    const int64_t full = T->full, last = T->last, xb = T->xb, xr = T->xr, xt = T->xt; \
    const char *ahead = T->ahead; \
    (void)xr; \
    (void)xt; \
    for (; tiles > 0; tiles--, xo += PX, yo += PX, ro += PX) { \
        UNROLL(1) for (int64_t i = T->lines; i > 0; i--, ahead += 64) __builtin_prefetch(ahead, 0, 2); \
        const dot_x_t *from = x + xo[0]; \
        size_t f[PX]; \
        FOR(p, PX) f[p] = xo[p] - xo[0]; \
        (void)f; \
        vi a[OV][PX]; \
        const dot_w_t *w = T->w; \
        FOR(o, OV) FOR(p, PX) a[o][p] = ldi(T->start + o * VW); \
        LOOPS(OV, PX, X) \
        FOR(o, OV) FOR(p, PX) PIN(a[o][p]); \
        if (__builtin_expect(!T->rounds, 0)) { \
            vi s[OV][PX];               /* not the sums: these would have to have an address */ \
            FOR(o, OV) FOR(p, PX) s[o][p] = a[o][p]; \
            tile_u8_end(T, s[0], OV, PX, yo, ro); \
            continue; \
        } \
        const float *scale = T->scale; \
        FOR(o, OV) requant_round(a[o], PX, ld(scale + o * VW)); \
        if (T->q.plain) { \
            const requant_t known = requant_of(0, 0, 255); \
            STORE_U8(OV, PX, &known) \
        } else { \
            const requant_t q = requant_limits(&T->q); \
            STORE_U8(OV, PX, &q) \
        } \
    } \
}
typedef void (*tile_u8_run)(TILE_U8_ARGS);
enum { FORM_U8_NEAR, FORM_U8_LIST, FORMS_U8_OF_TAPS, FORMS_U8 = 2 * FORMS_U8_OF_TAPS };   /* of one tap, of more */
#define TILE_U8_REF(PX, NAME, OV, LOOPS, X) tile_u8_##NAME##_##OV##_##PX,
#define TILES_U8(OV, FEW, MORE) \
    MORE(TILE_U8, near, OV, ONE_TAP_U8, BY_16) \
    FEW(TILE_U8, list, OV, ONE_TAP_U8, BY_LIST) MORE(TILE_U8, list, OV, ONE_TAP_U8, BY_LIST) \
    MORE(TILE_U8, near_taps, OV, WINDOW_U8, BY_16) \
    FEW(TILE_U8, list_taps, OV, WINDOW_U8, BY_LIST) MORE(TILE_U8, list_taps, OV, WINDOW_U8, BY_LIST)
#define TILE_U8_REFS(FEW, few, MORE, more, OV) {0, FEW(TILE_U8_REF, few, OV, , ) MORE(TILE_U8_REF, more, OV, , )}
#define FORMS_OF_U8(OV, FEW, MORE) { \
    [FORM_U8_NEAR] = TILE_U8_REFS(FEW, list, MORE, near, OV), \
    [FORM_U8_LIST] = TILE_U8_REFS(FEW, list, MORE, list, OV), \
    [FORMS_U8_OF_TAPS + FORM_U8_NEAR] = TILE_U8_REFS(FEW, list_taps, MORE, near_taps, OV), \
    [FORMS_U8_OF_TAPS + FORM_U8_LIST] = TILE_U8_REFS(FEW, list_taps, MORE, list_taps, OV)}
TILES_U8(OCV, FEW_PX_U8, MORE_PX_U8)
TILES_U8(OV_HALF, FEW_PX_U8_HALF, MORE_PX_U8_HALF)
static const tile_u8_run tiles_u8[FORMS_U8][PM_U8 + 1] = FORMS_OF_U8(OCV, FEW_PX_U8, MORE_PX_U8);
static const tile_u8_run tiles_u8_half[FORMS_U8][PM_U8_HALF + 1] =
    FORMS_OF_U8(OV_HALF, FEW_PX_U8_HALF, MORE_PX_U8_HALF);
#endif
