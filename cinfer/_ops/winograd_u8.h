/* 3x3 convolution of uint8, stride 1, by Winograd's F(m x m, 3x3) in integers: y is to the bit what the direct sum
 * gives. m = 4 (points 0, 1, -1, 2, -1/2, infinity) or 2 (0, 1, -1, infinity).
 *
 * Idea: without its denominators the algorithm is one of whole numbers, which gives each sum N times, N = 30*30 for
 * m = 4 and 2*2 for m = 2. All of it may be done modulo 2^32, whatever becomes of the sums between, for odd factors of
 * N have an inverse there (225 * WINO_U8_INVERSE = 1) and the rest, 4, leaves 30 bits of the sum: it is exact where
 * |sum + bias| < 2^29. The points are chosen for this: 6 of them meet in pairs modulo 2, at best, so that one factor
 * 2 is left in each direction (with 0, +-1, +-2, infinity there are three). And what is multiplied has to be int16:
 * transformed inputs are at most 98 * 255, weights 49 times the largest one (m = 2: 4 * 255, 9 times).
 * Toom's and Cook's construction in homogeneous points: A. Toom 1963; S. Winograd, Arithmetic Complexity of
 * Computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
 *
 * x     uint8 blocks, points at pixel (0, 0) of a picture of ih x iw; no halo is needed, what lies outside counts as
 *       xz, the zero point of x
 * kd .. od   kd 0, or slices of volumes as depth.h has them: pictures of x are slices, ib counts the blocks of kd
 *       slices, w has their channels one slice after the other, whole blocks each (last is 16)
 * w     packed by pack_winograd_u8, int16: [t*t][oc tile][ic/KG][width][KG], t = m + 2, ic the real number of channels
 *       rounded up to KG, width = WINO_OC, in the last tile what is left of the ob*16 channels; weights beyond
 *       the real channels are 0
 * bias  int32[ob*16], holds -xz times the sum of the weights besides; scale float32[ob*16]; table uint8[256] or absent;
 *       res uint8 blocks, or absent: they are added before the table (requantise.pxi)
 * y     uint8 blocks, pixel (0, 0) of oh x ow: table[clamp(round((sum + bias) * scale) + yz, lo, hi)], ties to even; or
 *       float32 blocks (requantise.pxi)
 * last  real channels in the last of the ib input blocks
 * Kernel tile = (n*patch_tiles + p)*oc_tiles + c: patches p*patches .. (row by row), output blocks c*blocks ..;
 * blocks is a multiple of WINO_OC / 16 unless oc_tiles is 1. The inputs are transformed again for every c.
 * scratch: 64 * t*t * ((ib*patches + 1 >> 1 | 1) + (blocks*patches | 1)) bytes: V [t*t][ib][patches][16] int16,
 * M [t*t][blocks][patches][16] int32; an odd number of cache lines in each of the t*t parts, that they do not fall on
 * the same cache sets.
 * pack_winograd_u8: source int16, its zero point subtracted, [oc][ic][3][3] with strides so si sy sx in numbers;
 * tile = block. */
#ifndef WINOGRAD_U8_H
#define WINOGRAD_U8_H
#include "requantise.h"
#include "winograd_tile.h"
#define WINO_U8_INVERSE 0x87654321u     /* of 225, modulo 2^32 */

/* The 16 channels of a pixel; by pointer, for below AVX2 they are two registers, which have no way to be passed. */
typedef int16_t s16x16 __attribute__((vector_size(CB * 2), may_alias));
typedef uint8_t u8x16 __attribute__((vector_size(CB)));
INL void ld_channels(const uint8_t *p, s16x16 *v)
{
    u8x16 c;
    memcpy(&c, p, CB);
    *v = __builtin_convertvector(c, s16x16);
}

/* Inputs to points; the signs are such that those of the sums are positive. */
INL void wino_u8_in1_6(const s16x16 *d, s16x16 *t)
{
    s16x16 a = d[4] - d[2], b = d[3] - d[1], a2 = a + a, b2 = b + b;
    s16x16 u = a2 - 3 * d[3], v = 3 * d[2] - b2, e = a + d[0] - d[2], f = d[5] - d[3] - b;
    t[0] = e + e - b2 - b; t[1] = u - v; t[2] = u + v; t[3] = a2 + b; t[4] = a - b2; t[5] = f + f - a2 - a;
}
INL void wino_u8_in1_4(const s16x16 *d, s16x16 *t)
{
    t[0] = d[0] - d[2]; t[1] = d[1] + d[2]; t[2] = d[2] - d[1]; t[3] = d[3] - d[1];
}
/* Weights to points. */
INL void wino_u8_w1_6(const s16x16 *g, s16x16 *u)
{
    s16x16 e = g[0] + g[2];
    u[0] = 3 * g[0]; u[1] = -e - g[1]; u[2] = e - g[1];
    u[3] = g[0] + 2 * g[1] + 4 * g[2]; u[4] = 2 * g[1] - 4 * g[0] - g[2]; u[5] = 3 * g[2];
}
INL void wino_u8_w1_4(const s16x16 *g, s16x16 *u)
{
    s16x16 e = g[0] + g[2];
    u[0] = g[0] + g[0]; u[1] = e + g[1]; u[2] = e - g[1]; u[3] = g[2] + g[2];
}
/* Sums at points to 30 and 2 times the outputs; _whole to 4 times, from both directions. */
INL vu times_5(vu v) { return (v << 2) + v; }
INL void wino_u8_out1_6(const vu *m, vu *y)
{
    vu s = m[1] + m[2], d = m[1] - m[2], p = m[3] + m[3], q = m[4] + m[4];
    y[0] = times_5(m[0] + s) + m[3] + (m[4] << 3); y[1] = times_5(d) + p - q - q;
    y[2] = times_5(s) + p + p + q; y[3] = times_5(d + m[5]) + (m[3] << 3) - m[4];
}
INL void wino_u8_out1_4(const vu *m, vu *y) { y[0] = m[0] + m[1] + m[2]; y[1] = m[1] - m[2] + m[3]; }
INL vu wino_u8_whole_6(vu v) { return v * WINO_U8_INVERSE; }
INL vu wino_u8_whole_4(vu v) { return v; }

/* One block of T x T pixels at x -> T*T pixels of V, so many numbers apart. Only rows r0 .. r1-1 and columns
 * c0 .. c1-1 are in the picture; outside: T pixels of what counts elsewhere. */
#define WINO_U8_IN(T) \
static __attribute__((noinline)) void wino_u8_in_##T(const uint8_t *x, size_t xr, int r0, int r1, int c0, int c1, \
                                                     const uint8_t *outside, int16_t *v, size_t apart) \
{ \
    const uint8_t *r[T]; \
    FOR(i, T) r[i] = i >= r0 && i < r1 ? x + i * xr : outside; \
    s16x16 t[T][T]; \
    if (c1 - c0 < T) { \
        s16x16 d[T], q[T]; \
        FOR(i, T) ld_channels(outside, d + i); \
        wino_u8_in1_##T(d, q); \
        FOR(j, T) if (j < c0 || j >= c1) FOR(i, T) t[i][j] = q[i]; \
    } \
    for (int j = c0; j < c1; j++) { \
        s16x16 d[T], q[T]; \
        FOR(i, T) ld_channels(r[i] + j * CB, d + i); \
        wino_u8_in1_##T(d, q); \
        FOR(i, T) t[i][j] = q[i]; \
    } \
    for (int i = 0; i < T; i++) { \
        s16x16 q[T]; \
        wino_u8_in1_##T(t[i], q); \
        FOR(j, T) memcpy(v + (i * T + j) * apart, q + j, sizeof *q); \
    } \
}
WINO_U8_IN(6)
WINO_U8_IN(4)

/* T*T sums, ms numbers apart -> nh x nw pixels of one block. What becomes bytes is 4 times each sum, and so that the
 * same float is rounded, a quarter of the scale. Without a scale, the sums: int32. */
#define WINO_U8_OUT(T) \
static __attribute__((noinline)) void wino_u8_out_##T(const int32_t *m, size_t ms, const int32_t *bias, \
                                                      const float *scale, const requant_t *f, void *to, size_t yr, \
                                                      int nh, int nw) \
{ \
    enum { P = T - 2 }; \
    vi lanes[P * P][NV]; \
    uint8_t *y = to; \
    for (int v = 0; v < NV; v++) { \
        vu t[P][T], a[P * P]; \
        FOR(j, T) { \
            vu d[T], q[P]; \
            FOR(i, T) d[i] = (vu)ldi(m + (i * T + j) * ms + v * VW); \
            wino_u8_out1_##T(d, q); \
            FOR(i, P) t[i][j] = q[i]; \
        } \
        FOR(i, P) wino_u8_out1_##T(t[i], a + i * P); \
        const vu b = (vu)ldi(bias + v * VW) << 2; \
        vi done[P * P]; \
        FOR(i, P * P) done[i] = (vi)(wino_u8_whole_##T(a[i]) + b); \
        if (scale) requant_lanes(done, P * P, ld(scale + v * VW) * .25f, v * VW, f); \
        else FOR(i, P * P) done[i] >>= 2; \
        FOR(i, P * P) lanes[i][v] = done[i]; \
    } \
    if (!scale) { \
        for (int i = 0; i < nh; i++) \
            for (int j = 0; j < nw; j++) memcpy((int32_t *)to + i * yr + j * CB, lanes[i * P + j], sizeof lanes[0]); \
        return; \
    } \
    if (nh == P && nw == P) \
        FOR(i, P) for (int j = 0; j < P; j += 2) \
            requant_store(y + i * yr + j * CB, y + i * yr + (j + 1) * CB, lanes[i * P + j], lanes[i * P + j + 1], f); \
    else \
        for (int i = 0; i < nh; i++) \
            for (int j = 0; j < nw; j++) \
                requant_store(y + i * yr + j * CB, y + i * yr + j * CB, lanes[i * P + j], lanes[i * P + j], f); \
}
WINO_U8_OUT(6)
WINO_U8_OUT(4)

/* Products: OV vectors of output channels x PX patches. v: [ic block][patch][16], bs numbers from block to block;
 * w: [k][OV*VW][KG]; m: [oc block][patch][16], ms from block to block; k: input channels / KG.
 * Weights come from memory, and hardware prefetching stops at each page: every step fetches some of the next tile's, at
 * ahead, `step` numbers further each time, so that memory works as long as the tile takes. */
#define WINO_U8_ARGS const int16_t *v, size_t bs, const int16_t *w, int64_t k, int32_t *m, size_t ms, \
    const int16_t *ahead, size_t step
#define WINO_U8_STEP(OV, PX) \
    w_s16 q[OV]; \
    FOR(o, OV) q[o] = ld_w_s16(w + o * VW * KG); \
    FOR(o, OV) if (o * VW * KG % 32 == 0) __builtin_prefetch(ahead + o * VW * KG); \
    ahead += step; \
    FOR(p, PX) { x_s16 s = bc_x_s16(v + p * CB + c * KG); FOR(o, OV) a[o][p] = dot_s16(a[o][p], q[o], s); }
#define WINO_U8_TILE(PX, OV) \
static __attribute__((noinline)) void wino_u8_tile_##OV##_##PX(WINO_U8_ARGS) \
{ \
    vu a[OV][PX]; \
    FOR(o, OV) FOR(p, PX) a[o][p] = (vu){0}; \
    for (; k >= CB / KG; k -= CB / KG, v += bs) \
        UNROLL(4) for (int c = 0; c < CB / KG; c++, w += OV * VW * KG) { WINO_U8_STEP(OV, PX) } \
    UNROLL(1) for (int64_t c = 0; c < k; c++, w += OV * VW * KG) { WINO_U8_STEP(OV, PX) } \
    FOR(o, OV) FOR(p, PX) memcpy(m + (o / NV) * ms + p * CB + (o % NV) * VW, &a[o][p], sizeof(vi)); \
}
typedef void (*wino_u8_fn)(WINO_U8_ARGS);
#define WINO_U8_REF(PX, OV) wino_u8_tile_##OV##_##PX,
EACH_PATCH(WINO_U8_TILE, WINO_OV)
static const wino_u8_fn wino_u8_tiles[] = {0, EACH_PATCH(WINO_U8_REF, WINO_OV)};
#if WINO_OC > CB
EACH_PATCH(WINO_U8_TILE, 1)             /* the last block of an odd number */
static const wino_u8_fn wino_u8_half_tiles[] = {0, EACH_PATCH(WINO_U8_REF, 1)};
#else
# define wino_u8_half_tiles wino_u8_tiles
#endif

/* s: [9 taps][16 output channels] of one input channel -> u: T*T times 16 channels, us numbers apart. */
#define WINO_U8_W(T) \
static __attribute__((noinline)) void wino_u8_w_##T(const int16_t *s, int16_t *u, size_t us) \
{ \
    s16x16 g[9], t[T][3], q[T]; \
    memcpy(g, s, sizeof g); \
    FOR(j, 3) { \
        const s16x16 column[3] = {g[j], g[3 + j], g[6 + j]}; \
        wino_u8_w1_##T(column, q); \
        FOR(i, T) t[i][j] = q[i]; \
    } \
    FOR(i, T) { \
        wino_u8_w1_##T(t[i], q); \
        FOR(j, T) memcpy(u + (i * T + j) * us, q + j, sizeof *q); \
    } \
}
WINO_U8_W(6)
WINO_U8_W(4)

/* What a register tile takes of a block: KG input channels, us numbers apart, side by side. */
enum { WINO_U8_PART = WINO_OC < CB ? WINO_OC : CB };
static __attribute__((noinline)) void wino_u8_group(const int16_t *u, size_t us, int16_t *to)
{
    int16_t part[WINO_U8_PART * KG];
    FOR(l, WINO_U8_PART) FOR(g, KG) part[l * KG + g] = u[g * us + l];
    memcpy(to, part, sizeof part);
}
#endif
