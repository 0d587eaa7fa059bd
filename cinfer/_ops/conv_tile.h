/* Register tiles of convolutions and matrix products: OV vectors of output channels x PX pixels.
 *
 * y[oc, p] = act(scale * sum_k x[k, p] w[k, oc] + bias[oc] + res[oc, p])
 *
 * x     k runs over blocks (xb floats apart) x kh rows (xr apart) x kw taps (xt apart) x 16 neighbours; there
 *       are `full` blocks and behind them, unless `last` is 0, the first `last` neighbours of one. The stem
 *       forms have `last` offsets koff[k] instead. A matrix row is a pixel, its k are the neighbours.
 * w     packed [oc tile][k][width], read once and in order. A tile has OCT channels or HALF (OV_HALF vectors):
 *       where OCT is two blocks the last one of a product, and any whose channels read other input (product_t)
 * y     channel c of a pixel is c/16*yb + c%16 floats from it, rb in res; yb = 16 makes row-major matrices
 * bias, slope (read for prelu) and res of these channels; res may be NULL
 * Pixels: wherever the lists xo, yo, ro say: any stride, and tiles run over the ends of rows, so that a 7x7
 * map is 49 pixels. Those at constant steps in x, 16 floats or, in stems, 1, 2, 6, have forms of their own.
 * Rows of a matrix y are on their way into the cache while the sums are made.
 * Order of sums: k = 0, 1, ..., whatever the tile; then scale, bias, residual. (Were the bias first, each
 * addition would round at its size, however large it is beside the sum.) More than PRODUCT_WHOLE terms are
 * summed in pieces, each from zero, and added to the sums of those before; after RUN pieces these go to
 * float64 (long_tile in conv.pxi). Off by at most k/2^24 of the sum of the magnitudes, or 3.5e-5; products of
 * one sign and size reach a quarter of that, 9e-6, others much less.
 * Panels: from PANELS_ABOVE terms on, where there are pixels enough, all channels are multiplied by a piece
 * of the k before the next, and the sums wait in y: the input of many pixels stays in L2 (K. Goto, R. van de
 * Geijn, Anatomy of High-Performance Matrix Multiplication, 2008). Up to PRODUCT_WHOLE terms a sum goes on
 * where it was, so that its bits are those of one loop.
 *
 * Sums, weights and a broadcast fill the registers: AVX-512 2 x 14 (31 of 32), AVX2 2 x 6 (15 of 16), NEON
 * 4 x 5 (25 of 32; 4 x 6 spills), SSE 4 x 2 (13 of 16): OCT is at least a block. Narrow tiles have twice the
 * pixels, for so many sums hide the latency of a multiply-add (AVX-512 has enough). */
#ifndef CONV_TILE_H
#define CONV_TILE_H
#include "activation.h"
#include "sums.h"
#include "up_to.h"
#if VW == 16                            /* OCV vectors x PM pixels, or OV_HALF x PM_HALF */
# define OCV 2
# define OV_HALF 1
# define PM 14
# define PM_HALF 14
# define EACH_PX UP_TO_14
# define EACH_PX_HALF UP_TO_14
#elif VW == 8
# define OCV 2
# define OV_HALF 1
# define PM 6
# define PM_HALF 12
# define EACH_PX UP_TO_6
# define EACH_PX_HALF UP_TO_12
#elif REGISTERS == 32
# define OCV 4
# define OV_HALF 2
# define PM 5
# define PM_HALF 10
# define EACH_PX UP_TO_5
# define EACH_PX_HALF UP_TO_10
#else
# define OCV 4
# define OV_HALF 2
# define PM 2
# define PM_HALF 4
# define EACH_PX UP_TO_2
# define EACH_PX_HALF UP_TO_4
#endif
#define OCT (OCV * VW)                  /* output channels of a packed tile */
#define HALF (OV_HALF * VW)

typedef struct {
    const float *w, *bias, *slope, *res;
    float *y;
    const int32_t *koff;
    int64_t full, last, kh, kw, xb, xr, xt, yb, rb;
    int64_t head;                       /* of long_tile: 0, or the last neighbours of a block before all these; */
    int64_t slices, xs;                 /* and all this so many times, each xs floats further */
    int64_t part;                       /* PART_..: one panel of the k; y has the sums of those before */
    const float *before;                /* NULL, or [OV][PX][VW]: sums of earlier pieces of k, to be added */
    float *after;                       /* where they then go, NULL in the last piece */
    const char *ahead;                  /* of fetching forms: what to fetch, and from step to step */
    int64_t ahead_by;
    float scale;
    epilogue_t e;
} tile_t;
enum { PART_GOES_ON = 1,                /* sums begin with what y has, */
       PART_IS_ADDED = 2,               /* or with 0, and y is added behind; */
       PART_STAYS = 4 };                /* then they go to y as they are: it is not the last panel */
#define TILE_ARGS const tile_t *T, const float *x, const int64_t *xo, const int64_t *yo, const int64_t *ro
/* Weights come from memory, and hardware prefetching stops at the ends of pages. So the first FETCHING of the
 * tiles that share some fetch those of the next channels into L2, a part each: memory works as long as they
 * take, and all other tiles, whose weights are near by, lose nothing to it. */
enum { FETCHING = 8 };
/* Keeps the sums in registers up to here, whatever becomes of them later. */
#define PIN(v) HELD(v)

/* One k of all pixels, at v; X(p): the offset of pixel p */
#define TILE_STEP(OV, PX, X) \
    vf q[OV]; \
    FOR(o, OV) q[o] = ld(w + o * VW); \
    FOR(p, PX) { vf s = bc(v[X(p)]); FOR(o, OV) a[o][p] += q[o] * s; }
#define FETCH_AHEAD(OV) \
    FOR(o, OV) if (o * VW % CB == 0) __builtin_prefetch(ahead + o * VW * sizeof(float), 0, 2); \
    ahead += T->ahead_by;
#define FETCHING_STEP(OV, PX, X) FETCH_AHEAD(OV) TILE_STEP(OV, PX, X)
#define FETCHING_LOOPS(OV, PX, X) \
    const char *ahead = T->ahead; \
    LOOPS_OF(OV, PX, X, FETCHING_STEP)
#define BLOCK_LOOPS(OV, PX, X) LOOPS_OF(OV, PX, X, TILE_STEP)
#define LOOPS_OF(OV, PX, X, STEP) \
    const size_t xb = T->xb, xr = T->xr, xt = T->xt; \
    const int64_t kh = T->kh, kw = T->kw, full = T->full, last = T->last, blocks = full + (last > 0); \
    for (int64_t b = 0; b < blocks; b++, x += xb) { \
        const float *row = x; \
        for (int64_t i = kh; i > 0; i--, row += xr) { \
            const float *v = row, *tap = row; \
            for (int64_t j = kw; j > 0; j--, v = tap += xt) { \
                if (b < full) { \
                    UNROLL(2) for (int c = 0; c < CB; c++, v++, w += OV * VW) { STEP(OV, PX, X) } \
                } else { \
                    UNROLL(1) for (int64_t c = last; c > 0; c--, v++, w += OV * VW) { STEP(OV, PX, X) } \
                } \
            } \
        } \
    }
#define STEM_LOOP(OV, PX, X) \
    const int32_t *koff = T->koff, *end = koff + T->last; \
    UNROLL(2) for (; koff < end; koff++, w += OV * VW) { const float *v = x + *koff; TILE_STEP(OV, PX, X) }
#define BY_1(p) (p)
#define BY_2(p) (p) * 2
#define BY_6(p) (p) * 6
#define BY_16(p) (p) * 16
#define BY_LIST(p) f[p]
#define Y_AT(o, p) yo[p] + (o) * VW / CB * yb + (o) * VW % CB
#define TILE_BEGINS(OV, PX) \
    vf a[OV][PX]; \
    const float *w = T->w; \
    { \
        const size_t yb = T->yb; \
        const float *y = T->y; \
        if (yb == CB) FOR(p, PX) FOR(o, OV) if (o * VW % CB == 0) __builtin_prefetch(y + Y_AT(o, p), 1); \
        if (__builtin_expect(T->part & PART_GOES_ON, 0)) FOR(o, OV) FOR(p, PX) a[o][p] = ld(y + Y_AT(o, p)); \
        else FOR(o, OV) FOR(p, PX) a[o][p] = (vf){0}; \
    }
/* T is read again: registers are the loops' till now. */
#define TILE_ENDS(OV, PX) \
    __asm__("" : "+r"(T)); \
    const size_t yb = T->yb, rb = T->rb; \
    float *y = T->y; \
    const int64_t part = T->part; \
    FOR(o, OV) FOR(p, PX) PIN(a[o][p]); \
    if (__builtin_expect(part != 0, 0)) { \
        if (part & PART_IS_ADDED) FOR(o, OV) FOR(p, PX) a[o][p] += ld(y + Y_AT(o, p)); \
        if (part & PART_STAYS) { FOR(p, PX) FOR(o, OV) st(y + Y_AT(o, p), a[o][p]); return; } \
    } \
    const float *before = T->before; \
    if (__builtin_expect(before != 0, 0)) { \
        float *after = T->after; \
        FOR(o, OV) FOR(p, PX) a[o][p] += ld(before + (o * PX + p) * VW); \
        if (after) { FOR(o, OV) FOR(p, PX) st(after + (o * PX + p) * VW, a[o][p]); return; } \
    } \
    const float *bias = T->bias, *res = T->res; \
    const vf scale = bc(T->scale); \
    FOR(o, OV) { vf b = ld(bias + o * VW); FOR(p, PX) a[o][p] = a[o][p] * scale + b; } \
    if (res) FOR(p, PX) FOR(o, OV) a[o][p] += ld(res + ro[p] + o * VW / CB * rb + o * VW % CB); \
    FOR(o, OV) activate_sums(a[o], PX, &T->e, T->slope + o * VW); \
    FOR(p, PX) FOR(o, OV) st(y + Y_AT(o, p), a[o][p]);
#define OFFSETS(PX) \
    size_t f[PX]; \
    FOR(p, PX) f[p] = xo[p];
typedef void (*tile_run)(TILE_ARGS);
enum { FORM_NEAR, FORM_LIST, FORM_NEAR_FETCHING, FORM_LIST_FETCHING,
       FORM_STEM_1, FORM_STEM_2, FORM_STEM_6, FORM_STEM_LIST, FORMS };
/* A tile of any form: what is before the loops and behind them, most of its text, is compiled once a size. The tables
 * have an entry for each form, which jumps there. */
#define TILE_OF_FORMS(PX, NAME, OV, CASES) \
static __attribute__((noinline, noclone)) void tile_##NAME##_##OV##_##PX(TILE_ARGS, int form) \
{ \
    TILE_BEGINS(OV, PX) \
    switch (form) { \
    CASES(OV, PX) \
    } \
    TILE_ENDS(OV, PX) \
}
#define BLOCK_CASES(OV, PX) \
    case FORM_NEAR: { BLOCK_LOOPS(OV, PX, BY_16) break; } \
    case FORM_NEAR_FETCHING: { FETCHING_LOOPS(OV, PX, BY_16) break; } \
    case FORM_LIST: { OFFSETS(PX) BLOCK_LOOPS(OV, PX, BY_LIST) break; } \
    case FORM_LIST_FETCHING: { OFFSETS(PX) FETCHING_LOOPS(OV, PX, BY_LIST) break; }
#define ALL_CASES(OV, PX) \
    BLOCK_CASES(OV, PX) \
    case FORM_STEM_1: { STEM_LOOP(OV, PX, BY_1) break; } \
    case FORM_STEM_2: { STEM_LOOP(OV, PX, BY_2) break; } \
    case FORM_STEM_6: { STEM_LOOP(OV, PX, BY_6) break; } \
    case FORM_STEM_LIST: { OFFSETS(PX) STEM_LOOP(OV, PX, BY_LIST) break; }
#define TILE_OF_FORM(PX, NAME, OV, FORM) \
static void tile_##NAME##_##FORM##_##OV##_##PX(TILE_ARGS) \
{ \
    tile_##NAME##_##OV##_##PX(T, x, xo, yo, ro, FORM_##FORM); \
}
#define TILE_OF_FORM_REF(PX, NAME, OV, FORM) tile_##NAME##_##FORM##_##OV##_##PX,
#define EACH_BLOCK_FORM(OPEN, MAKE, CLOSE, EACH, OV) \
    OPEN EACH(MAKE, f32, OV, NEAR) CLOSE OPEN EACH(MAKE, f32, OV, LIST) CLOSE \
    OPEN EACH(MAKE, f32, OV, NEAR_FETCHING) CLOSE OPEN EACH(MAKE, f32, OV, LIST_FETCHING) CLOSE
#define EACH_STEM_FORM(OPEN, MAKE, CLOSE, EACH, OV) \
    OPEN EACH(MAKE, f32, OV, STEM_1) CLOSE OPEN EACH(MAKE, f32, OV, STEM_2) CLOSE \
    OPEN EACH(MAKE, f32, OV, STEM_6) CLOSE OPEN EACH(MAKE, f32, OV, STEM_LIST) CLOSE
#define NOTHING
#define TABLE_OPEN {0,
#define TABLE_CLOSE },
EACH_PX(TILE_OF_FORMS, f32, OCV, ALL_CASES)
EACH_BLOCK_FORM(NOTHING, TILE_OF_FORM, NOTHING, EACH_PX, OCV)
EACH_STEM_FORM(NOTHING, TILE_OF_FORM, NOTHING, EACH_PX, OCV)
static const tile_run tiles_full[FORMS][PM + 1] = {
    EACH_BLOCK_FORM(TABLE_OPEN, TILE_OF_FORM_REF, TABLE_CLOSE, EACH_PX, OCV)
    EACH_STEM_FORM(TABLE_OPEN, TILE_OF_FORM_REF, TABLE_CLOSE, EACH_PX, OCV)};
#if OCT > CB
EACH_PX_HALF(TILE_OF_FORMS, f32, OV_HALF, ALL_CASES)
EACH_STEM_FORM(NOTHING, TILE_OF_FORM, NOTHING, EACH_PX_HALF, OV_HALF)
#else                                   /* no stems are asked for: they have whole blocks */
EACH_PX_HALF(TILE_OF_FORMS, f32, OV_HALF, BLOCK_CASES)
# undef EACH_STEM_FORM
# define EACH_STEM_FORM(...)
#endif
EACH_BLOCK_FORM(NOTHING, TILE_OF_FORM, NOTHING, EACH_PX_HALF, OV_HALF)
static const tile_run tiles_half[FORMS][PM_HALF + 1] = {
    EACH_BLOCK_FORM(TABLE_OPEN, TILE_OF_FORM_REF, TABLE_CLOSE, EACH_PX_HALF, OV_HALF)
    EACH_STEM_FORM(TABLE_OPEN, TILE_OF_FORM_REF, TABLE_CLOSE, EACH_PX_HALF, OV_HALF)};

/* The offsets of n pixels from (i, j) on, in rows of `across`; rows oi, pixels oj apart. */
static __attribute__((noinline)) void pixel_offsets(int64_t *o, int64_t n, int64_t i, int64_t j,
                                                    int64_t across, int64_t oi, int64_t oj)
{
    for (int64_t m; n > 0; o += m, n -= m, i++, j = 0) {
        m = n < across - j ? n : across - j;
        const int64_t at = i * oi + j * oj;
        for (int64_t q = 0; q < m; q++) o[q] = at + q * oj;
    }
}

/* Rows of k floats, xr apart -> blocks [k/16][n][16]. */
static __attribute__((noinline, unused)) void rows_to_blocks(const float *x, int64_t xr, int64_t n, int64_t k,
                                                             float *y)
{
    for (int64_t p = 0; p < n; p++, x += xr) {
        float *to = y + p * CB;
        int64_t c = 0;
        for (; c + CB <= k; c += CB, to += n * CB) FOR(v, NV) st(to + v * VW, ld(x + c + v * VW));
        for (; c < k; c++) to[c % CB] = x[c];
    }
}

/* A product: the tiles over a range of pixels and channels. Pixel (i, j), j < across, lies i*xi + j*xj floats
 * from x, and likewise in y and res. */
typedef struct {
    const float *x, *w, *bias, *slope, *res;    /* bias, res may be NULL */
    float *y;
    int64_t k;                          /* floats of w to a channel, what lies before them included, */
    int64_t first, terms;               /* of which a sum takes so many, from this one on; with reads these two
                                         * are of each channel of input */
    int64_t across, xi, xj, yi, yj, ri, rj;
    int64_t pixel_bytes;                /* input that a pixel takes, about */
    int64_t whole;                      /* sums are of integers until they are finished: all terms at once */
    int64_t packed_n, n;                /* channels packed, channels that y has; no others are written */
    int64_t near, list;                 /* forms for pixels at steps of xj, and for any */
    float *copy;                        /* NULL, or room: rows of a matrix are copied to blocks, by chunks */
    const int64_t *reads;               /* NULL: all channels read all input, as t says. Else, for each HALF
                                         * channels: the first channel of input that they read, how many, and
                                         * how many floats of w lie before theirs; -1 channels: these HALF
                                         * are of one tile with those before */
    int64_t goc, gic;                   /* channels of a group, out and in, where tiles read others' too; else 0 */
    const tile_run *full, *half;        /* [form][pixels]: its register tiles */
    tile_t t;
} product_t;
#endif
