/* Products of unsigned bytes and whole weights, summed in int32, exactly: the step of all integer kernels.
 *
 * A group is DOT_K neighbours of k, 4 bytes of x and 4 bytes of weights for each output channel: one step adds the
 * products of a group to each of VW sums.
 *
 *   pairs  x as int16, weights of up to 9 bits as int16: pmaddwd. Bytes are widened before (dot_row). pmaddubsw
 *          would take bytes, but saturates at 16 bits.
 *   quads  x as the bytes lie in memory, weights as int8: vpdpbusd, usdot; sdot takes x - 128 (dot_x flips the
 *          top bit), and 128 times the sum of the weights is what a sum begins with (DOT_START)
 *
 * Weights beyond int8 make several quads of parts that add up to them (dot_parts, dot_part).
 * DOT_ADD holds the sum in its register: GCC 12 would move such sums to the stack and back. */
#ifndef DOT_U8_H
#define DOT_U8_H
#include "vec.h"
#if defined(__AVX512VNNI__) && VW == 16
# define DOT_K 4
# define DOT_ADD(a, x, w) __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(x), "v"(w))
#elif defined(__AVXVNNI__) && VW == 8
# define DOT_K 4
# define DOT_ADD(a, x, w) __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(x), "x"(w))
#elif defined(__ARM_FEATURE_MATMUL_INT8)
# include <arm_neon.h>
# define DOT_K 4
# define DOT_ADD(a, x, w) ((a) = (vi)vusdotq_s32((int32x4_t)(a), (uint8x16_t)(x), (int8x16_t)(w)))
#elif defined(__ARM_FEATURE_DOTPROD)
# include <arm_neon.h>
# define DOT_K 4
# define DOT_START 128
# define DOT_ADD(a, x, w) ((a) = (vi)vdotq_s32((int32x4_t)(a), (int8x16_t)(x), (int8x16_t)(w)))
#else
# define DOT_K 2
# if defined(__SSE2__)
#  include "dot_s16.h"
#  define DOT_ADD(a, x, w) ((a) = (vi)dot_s16((vu)(a), w, x))
# elif defined(__aarch64__)
#  include <arm_neon.h>
#  define DOT_ADD(a, x, w) ((a) = (vi)dot_pairs_neon((int32x4_t)(a), (int16x8_t)(x), (int16x8_t)(w)))
# else                                  /* int32 products of the lower and of the upper halves */
#  define DOT_ADD(a, x, w) ((a) += ((x) << 16 >> 16) * ((w) << 16 >> 16) + ((x) >> 16) * ((w) >> 16))
# endif
#endif
#ifndef DOT_START
# define DOT_START 0
#endif
#if defined(__aarch64__)
INL int32x4_t dot_pairs_neon(int32x4_t a, int16x8_t x, int16x8_t w)
{
    return vaddq_s32(a, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(w)), vmull_high_s16(x, w)));
}
#endif
#if DOT_K == 2
typedef int16_t dot_x_t, dot_w_t;
#else
typedef uint8_t dot_x_t;
typedef int8_t dot_w_t;
#endif
enum { DOT_GROUP = DOT_K, DOT_STARTS_AT = DOT_START, MOST_PIXEL = 8 };

/* One group of x in all lanes; groups of weights for VW channels. */
INL vi dot_x(const dot_x_t *p)
{
#if DOT_START
    return bci(p) ^ (int32_t)0x80808080;
#else
    return bci(p);
#endif
}
INL vi dot_w(const dot_w_t *p) { return ldi(p); }

/* Of how many parts of int8 weights between low and high are, and part i of one. */
static inline int64_t parts_s8(int64_t low, int64_t high)
{
    int64_t parts = 1;
    while (low < -128 * parts || high > 127 * parts) parts++;
    return parts;
}
static inline int8_t part_s8(int64_t w, int64_t i)
{
    for (; i > 0; i--) w -= w < -128 ? -128 : w > 127 ? 127 : w;
    return (int8_t)(w < -128 ? -128 : w > 127 ? 127 : w);
}
/* Likewise of those of a group. */
static inline int64_t dot_parts(int64_t low, int64_t high) { return DOT_K == 4 ? parts_s8(low, high) : 1; }
static inline dot_w_t dot_part(int64_t w, int64_t i) { return DOT_K == 4 ? (dot_w_t)part_s8(w, i) : (dot_w_t)w; }

/* n blocks of 16 bytes, `step` bytes apart, as x of the products: y[n][16]. */
static __attribute__((noinline)) void dot_row(const uint8_t *x, int64_t n, int64_t step, dot_x_t *y)
{
    for (; n > 0; n--, x += step, y += CB) {
#if DOT_K == 4
        memcpy(y, x, CB);
#elif VW >= 8 && defined(__AVX2__)
        _mm256_storeu_si256((__m256i *)y, _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)x)));
#elif defined(__SSE2__)
        const __m128i v = _mm_loadu_si128((const __m128i *)x), zero = _mm_setzero_si128();
        _mm_storeu_si128((__m128i *)y, _mm_unpacklo_epi8(v, zero));
        _mm_storeu_si128((__m128i *)y + 1, _mm_unpackhi_epi8(v, zero));
#else
        typedef uint8_t bytes_t __attribute__((vector_size(CB)));
        typedef int16_t halves_t __attribute__((vector_size(CB * 2)));
        bytes_t v;
        memcpy(&v, x, CB);
        const halves_t wide = __builtin_convertvector(v, halves_t);
        memcpy(y, &wide, sizeof wide);
#endif
    }
}
/* The first `pixel` channels of n blocks, side by side. What is written behind them, up to 8 in all, is of no use. */
static __attribute__((noinline)) void dot_pixels(const uint8_t *x, int64_t n, int64_t step, int64_t pixel, dot_x_t *y)
{
    for (; n > 0; n--, x += step, y += pixel) {
        dot_x_t v[MOST_PIXEL];
        for (int c = 0; c < MOST_PIXEL; c++) v[c] = x[c];
        memcpy(y, v, sizeof v);
    }
}
/* n weights as bytes, a multiple of CB, as those of pairs. */
static __attribute__((noinline, unused)) void dot_widen(const int8_t *w, int64_t n, dot_w_t *y)
{
    for (int64_t i = 0; i < n; i += CB) {
#if VW >= 8 && defined(__AVX2__)
        _mm256_storeu_si256((__m256i *)(y + i), _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + i))));
#elif defined(__SSE2__)
        const __m128i v = _mm_loadu_si128((const __m128i *)(w + i));
        _mm_storeu_si128((__m128i *)(y + i), _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8));
        _mm_storeu_si128((__m128i *)(y + i) + 1, _mm_srai_epi16(_mm_unpackhi_epi8(v, v), 8));
#else
        for (int j = 0; j < CB; j++) y[i + j] = (dot_w_t)w[i + j];
#endif
    }
}
/* n blocks that are all of one byte. */
static inline void dot_row_of(int byte, int64_t n, dot_x_t *y)
{
    for (int64_t i = 0; i < n * CB; i++) y[i] = (dot_x_t)byte;
}
#endif
