/* Register tiles of integer products: t[r, c] = shift[c] + sum_k x[r, k] w[k, c] in int32, which wraps around.
 *
 * k runs by groups of neighbours, 4 bytes of each operand: quads, x unsigned bytes and w signed ones, or pairs of
 * int16. A group of a row is broadcast and multiplied by the groups of a vector of columns; OVU vectors of columns x up
 * to PMU rows of sums stay in registers.
 *
 * x      rows ldx groups apart
 * w      [group][OCTU], read once and in order
 *        (bytes_R: pairs as bytes, which are widened as they are read)
 * more   of SPLIT, groups of each of the OVU vectors in a second list w2 [..][VW], one vector after the other; group
 *        at[i] of x multiplies entry i
 * shift  of OCTU columns; t [row][OCTU]
 *
 * All is exact. vpdpbusd is, of quads, and so are usdot and sdot of Arm; sdot takes signed bytes only, so x is made 128
 * less (QUADS_LESS_128), and sums begin with 128 times those of w. AVX2 and AVX-512 without it have vpmaddubsw, which
 * saturates a sum of two products at 16 bits: it does not as long as two weights of one sign add up to 128 at most,
 * 128 * 255 < 2^15. Trained weights mostly do; where a pair does not, half of it is in the second list (SPLIT). That is
 * 3 instructions for 32 products, where vpmaddwd on pairs takes 4: 103 against 82 G/s on Zen 3, so where too many
 * vectors of quads would be split, pairs are taken. SSE2 and NEON have only these. Both have 2 multiplications for 32
 * products, for which there are 2 ports; the additions of pairs get in their way (3.2 instructions a cycle of 4). What
 * else is exact for any weights has no fewer instructions: by signs (vpsignb) 4, by parts of x or of w 4.5 and more.
 *
 * Sums, weights, a broadcast and a product fill the registers: AVX2 2 x 6 (16 of 16, with the ones), AVX-512 2 x 12,
 * SSE2 4 x 2 (14 of 16), NEON 4 x 5. Empty asm keeps the compiler from reordering them: it would spill the sums. */
#ifndef GEMM_U8_TILE_H
#define GEMM_U8_TILE_H
#include "up_to.h"
#include "vec.h"
#define SPLIT QUADS_SATURATE
#define PAIRS (!HAS_QUADS || SPLIT)
enum { LEAST_K_AMX = 64, ROWS_AMX = 32 };       /* terms of a sum, from which on; rows that its tiles take at a time */
#define IN_AMX(k) (HAS_AMX && (k) >= LEAST_K_AMX)
#if VW == 16
# define OVU 2
# define PMU 12
# define EACH_ROWS UP_TO_12
#elif VW == 8
# define OVU 2
# define PMU 6
# define EACH_ROWS UP_TO_6
#elif REGISTERS == 32
# define OVU 4
# define PMU 5
# define EACH_ROWS UP_TO_5
#else
# define OVU 4
# define PMU 2
# define EACH_ROWS UP_TO_2
#endif
#define OCTU (OVU * VW)                 /* columns of a packed panel */

/* a + the products of the groups of x, bytes as they lie in memory or pairs, and w */
#if HAS_QUADS
INL vi plus_quads(vi a, vi x, vi w) { return dot_quads(a, x ^ (int32_t)(QUADS_LESS_128 ? 0x80808080 : 0), w); }
#endif
INL vi plus_pairs(vi a, vi x, vi w) { return a + mul_pairs(x, w); }
/* `narrow`: how many times narrower w is than x */
#define GEMM_U8_STEP(R, plus, load, narrow, x, w) \
    do { \
        vi b[OVU]; \
        FOR(v, OVU) b[v] = load((w) + v * VW / narrow); \
        FOR(r, R) { \
            vi one = bci((x) + r * ldx); \
            FOR(v, OVU) { a[r][v] = plus(a[r][v], one, b[v]); KEEP(a[r][v]); } \
        } \
    } while (0)
#define GEMM_U8_TILE(R, name, plus, load, narrow) \
static __attribute__((noinline)) void name##_##R(const int32_t *x, int64_t ldx, const int32_t *w, int64_t groups, \
                                                 const int32_t *w2, const int32_t *at, const int32_t *more, \
                                                 const int32_t *shift, int32_t *t) \
{ \
    vi a[R][OVU]; \
    FOR(r, R) FOR(v, OVU) { a[r][v] = ldi(shift + v * VW); KEEP(a[r][v]); } \
    for (int64_t g = 0; g < groups; g++) GEMM_U8_STEP(R, plus, load, narrow, x + g, w + g * OCTU / narrow); \
    if (SPLIT) \
        FOR(v, OVU) \
            for (int32_t i = more[v]; i > 0; i--, at++, w2 += VW) { \
                const vi b = ldi(w2); \
                FOR(r, R) { a[r][v] = plus(a[r][v], bci(x + *at + r * ldx), b); KEEP(a[r][v]); } \
            } \
    FOR(r, R) FOR(v, OVU) memcpy(t + r * OCTU + v * VW, &a[r][v], sizeof(vi)); \
}
/* One row x ROW_PANELS panels, `apart` words from each other: all are read at once, since memory gives more to several
 * readers (of Zen 3: 12 to 9 GB/s). t[panel][OCTU] is added to. */
#define ROW_PANELS (8 / OVU)
#define GEMM_U8_ROW(name, plus, load, narrow) \
static __attribute__((noinline)) void name##_row(const int32_t *x, const int32_t *w, int64_t apart, int64_t groups, \
                                                 int32_t *t) \
{ \
    vi a[ROW_PANELS][OVU]; \
    FOR(i, ROW_PANELS) FOR(v, OVU) a[i][v] = ldi(t + i * OCTU + v * VW); \
    for (int64_t g = 0; g < groups; g++, w += OCTU / narrow) { \
        const vi one = bci(x + g); \
        FOR(i, ROW_PANELS) FOR(v, OVU) a[i][v] = plus(a[i][v], one, load(w + i * apart + v * VW / narrow)); \
    } \
    FOR(i, ROW_PANELS) FOR(v, OVU) memcpy(t + i * OCTU + v * VW, &a[i][v], sizeof(vi)); \
}
typedef void (*gemm_u8_tile_fn)(const int32_t *, int64_t, const int32_t *, int64_t, const int32_t *, const int32_t *,
                                const int32_t *, const int32_t *, int32_t *);
#define GEMM_U8_REF(R, name) name##_##R,
#define GEMM_U8_TILES(name, ...) \
    EACH_ROWS(GEMM_U8_TILE, name, __VA_ARGS__) \
    static const gemm_u8_tile_fn name##_tiles[] = {EACH_ROWS(GEMM_U8_REF, name)}; \
    GEMM_U8_ROW(name, __VA_ARGS__)
#if HAS_QUADS
GEMM_U8_TILES(quads, plus_quads, ldi, 1)
#else
# define quads_tiles pairs_tiles
# define quads_row pairs_row
#endif
#if PAIRS
GEMM_U8_TILES(pairs, plus_pairs, ldi, 1)
#else
# define pairs_tiles quads_tiles
# define pairs_row quads_row
#endif
#if SPLIT
GEMM_U8_TILES(bytes, plus_pairs, ld_pairs_s8, 2)
#else
# define bytes_tiles pairs_tiles
# define bytes_row pairs_row
#endif
#endif
