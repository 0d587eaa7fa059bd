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
 * less (LESS_128), and sums begin with 128 times those of w. AVX2 and AVX-512 without it have vpmaddubsw, which
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
#include "vec.h"
#if defined(__AVX512VNNI__) && VW == 16 || defined(__AVXVNNI__) && VW == 8 || defined(__ARM_FEATURE_DOTPROD)
# define QUADS 1
# define PAIRS 0
#elif VW >= 8
# define QUADS 1
# define PAIRS 1
#else
# define QUADS 0
# define PAIRS 1
#endif
#define SPLIT (QUADS && PAIRS)
#if defined(__AMX_INT8__) || defined(AMX_IN_C)
# define HAS_AMX 1
#else
# define HAS_AMX 0
#endif
enum { LEAST_K_AMX = 64, ROWS_AMX = 32 };       /* terms of a sum, from which on; rows that its tiles take at a time */
#define IN_AMX(k) (HAS_AMX && (k) >= LEAST_K_AMX)
#if defined(__ARM_FEATURE_DOTPROD) && !defined(__ARM_FEATURE_MATMUL_INT8)
# define LESS_128 1
#else
# define LESS_128 0
#endif
#define UP_TO_2_ROWS(X) X(1) X(2)
#define UP_TO_5_ROWS(X) UP_TO_2_ROWS(X) X(3) X(4) X(5)
#define UP_TO_6_ROWS(X) UP_TO_5_ROWS(X) X(6)
#define UP_TO_12_ROWS(X) UP_TO_6_ROWS(X) X(7) X(8) X(9) X(10) X(11) X(12)
#if VW == 16
# define OVU 2
# define PMU 12
# define EACH_ROWS UP_TO_12_ROWS
#elif VW == 8
# define OVU 2
# define PMU 6
# define EACH_ROWS UP_TO_6_ROWS
#elif defined(__aarch64__)
# define OVU 4
# define PMU 5
# define EACH_ROWS UP_TO_5_ROWS
#else
# define OVU 4
# define PMU 2
# define EACH_ROWS UP_TO_2_ROWS
#endif
#define OCTU (OVU * VW)                 /* columns of a packed panel */
#if defined(__aarch64__)
# include <arm_neon.h>
# define KEEP(v) __asm__("" : "+w"(v))
#elif defined(__AVX512F__)
# define KEEP(v) __asm__("" : "+v"(v))
#elif defined(__SSE2__)
# define KEEP(v) __asm__("" : "+x"(v))
#else
# define KEEP(v) (void)0
#endif

/* a + the products of the groups of x and w */
#if QUADS
INL vi dot_quads(vi a, vi x, vi w)
{
#if SPLIT && VW == 16
    return a + (vi)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)x, (__m512i)w), _mm512_set1_epi16(1));
#elif SPLIT
    return a + (vi)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)x, (__m256i)w), _mm256_set1_epi16(1));
#elif VW == 16
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(x), "v"(w));
    return a;
#elif VW == 8
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(x), "x"(w));
    return a;
#elif LESS_128
    return (vi)vdotq_s32((int32x4_t)a, (int8x16_t)(x ^ (int32_t)0x80808080), (int8x16_t)w);
#else
    return (vi)vusdotq_s32((int32x4_t)a, (uint8x16_t)x, (int8x16_t)w);
#endif
}
#endif
#if PAIRS
INL vi dot_pairs(vi a, vi x, vi w)
{
#if VW == 16
    return a + (vi)_mm512_madd_epi16((__m512i)x, (__m512i)w);
#elif VW == 8
    return a + (vi)_mm256_madd_epi16((__m256i)x, (__m256i)w);
#elif defined(__SSE2__)
    return a + (vi)_mm_madd_epi16((__m128i)x, (__m128i)w);
#elif defined(__aarch64__)
    int16x8_t p = (int16x8_t)x, q = (int16x8_t)w;
    return a + (vi)vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q));
#else
    return a + (x << 16 >> 16) * (w << 16 >> 16) + (x >> 16) * (w >> 16);
#endif
}
#endif

#if SPLIT && VW == 16
# define LD_BYTES(w) ((vi)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(w))))
#elif SPLIT
# define LD_BYTES(w) ((vi)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w))))
#endif
/* `narrow`: how many times narrower w is than x */
#define GEMM_U8_STEP(R, dot, load, narrow, x, w) \
    do { \
        vi b[OVU]; \
        FOR(v, OVU) b[v] = load((w) + v * VW / narrow); \
        FOR(r, R) { \
            vi one = bci((x) + r * ldx); \
            FOR(v, OVU) { a[r][v] = dot(a[r][v], one, b[v]); KEEP(a[r][v]); } \
        } \
    } while (0)
#define GEMM_U8_TILE(R, dot, load, narrow, name) \
static __attribute__((noinline)) void name##_##R(const int32_t *x, int64_t ldx, const int32_t *w, int64_t groups, \
                                                 const int32_t *w2, const int32_t *at, const int32_t *more, \
                                                 const int32_t *shift, int32_t *t) \
{ \
    vi a[R][OVU]; \
    FOR(r, R) FOR(v, OVU) { a[r][v] = ldi(shift + v * VW); KEEP(a[r][v]); } \
    for (int64_t g = 0; g < groups; g++) GEMM_U8_STEP(R, dot, load, narrow, x + g, w + g * OCTU / narrow); \
    if (SPLIT) \
        FOR(v, OVU) \
            for (int32_t i = more[v]; i > 0; i--, at++, w2 += VW) { \
                const vi b = ldi(w2); \
                FOR(r, R) { a[r][v] = dot(a[r][v], bci(x + *at + r * ldx), b); KEEP(a[r][v]); } \
            } \
    FOR(r, R) FOR(v, OVU) memcpy(t + r * OCTU + v * VW, &a[r][v], sizeof(vi)); \
}
typedef void (*gemm_u8_tile_fn)(const int32_t *, int64_t, const int32_t *, int64_t, const int32_t *, const int32_t *,
                                const int32_t *, const int32_t *, int32_t *);
#define QUADS_TILE(R) GEMM_U8_TILE(R, dot_quads, ldi, 1, quads)
#define PAIRS_TILE(R) GEMM_U8_TILE(R, dot_pairs, ldi, 1, pairs)
#define BYTES_TILE(R) GEMM_U8_TILE(R, dot_pairs, LD_BYTES, 2, bytes)
#define QUADS_REF(R) quads_##R,
#define PAIRS_REF(R) pairs_##R,
#define BYTES_REF(R) bytes_##R,
#if QUADS
EACH_ROWS(QUADS_TILE)
static const gemm_u8_tile_fn quads_tiles[] = {EACH_ROWS(QUADS_REF)};
#else
# define quads_tiles pairs_tiles
#endif
#if PAIRS
EACH_ROWS(PAIRS_TILE)
static const gemm_u8_tile_fn pairs_tiles[] = {EACH_ROWS(PAIRS_REF)};
#else
# define pairs_tiles quads_tiles
#endif
#if SPLIT
EACH_ROWS(BYTES_TILE)
static const gemm_u8_tile_fn bytes_tiles[] = {EACH_ROWS(BYTES_REF)};
#else
# define bytes_tiles pairs_tiles
#endif
#endif
