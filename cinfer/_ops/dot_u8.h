/* Products of unsigned bytes and whole weights, summed in int32, exactly: the step of all integer kernels.
 *
 * A group is DOT_K neighbours of k, 4 bytes of x and 4 bytes of weights for each output channel: one step adds the
 * products of a group to each of VW sums.
 *
 *   pairs  x as int16, weights of up to 9 bits as int16. Bytes are widened before (dot_row). Quads that saturate
 *          (QUADS_SATURATE of vec.h) are not for sums of any weights.
 *   quads  x as the bytes lie in memory, weights as int8; where products take x - 128 (QUADS_LESS_128; dot_x flips the
 *          top bit), 128 times the sum of the weights is what a sum begins with (DOT_START)
 *
 * Weights beyond int8 make several quads of parts that add up to them (dot_parts, dot_part). */
#ifndef DOT_U8_H
#define DOT_U8_H
#include "vec_u8.h"
#if HAS_QUADS && !QUADS_SATURATE
# define DOT_K 4
# define DOT_ADD(a, x, w) ((a) = dot_quads(a, x, w))
#else
# define DOT_K 2
# define DOT_ADD(a, x, w) ((a) = dot_pairs(a, x, w))
#endif
#define DOT_START (128 * QUADS_LESS_128)
#if DOT_K == 2
typedef int16_t dot_x_t, dot_w_t;
#else
typedef uint8_t dot_x_t;
typedef int8_t dot_w_t;
#endif
enum { DOT_GROUP = DOT_K, DOT_STARTS_AT = DOT_START, MOST_PIXEL = 8 };
/* Whether rows of windows of few channels are runs (conv_u8.pxi): of kw taps, dw apart. */
static int runs_u8(int64_t ic, int64_t kw, int64_t dw) { return DOT_K == 2 && dw == 1 && kw > 1 && ic <= MOST_PIXEL; }

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
#else
        st_wide_u8(y, x);
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
/* Likewise from plain memory: channels xc bytes apart, pixels xw. */
static __attribute__((noinline)) void dot_plain(const uint8_t *x, int64_t xc, int64_t xw, int64_t n, int64_t pixel,
                                                dot_x_t *y)
{
    int64_t p = 0;
#if DOT_K == 2
    if (xw == 1) for (; p + CB <= n; p += CB) {
        b16_t plane[MOST_PIXEL] = {{0}};
        for (int c = 0; c < pixel; c++) plane[c] = ld_b16(x + c * xc + p);
        FOR(k, 4) {
            b16_t wide[2][2];                                   /* of 4 channels each: two pixels, and two */
            FOR(h, 2) {
                const b16_t four = four_of_planes(plane + 4 * h, k);
                wide[h][0] = low_bytes(four, (b16_t){0});
                wide[h][1] = high_bytes(four, (b16_t){0});
                if (pixel <= 4) break;
            }
            FOR(i, 4) {
                dot_x_t *to = y + (p + 4 * k + i) * pixel;
                memcpy(to, (const char *)wide[0] + 8 * i, 8);
                if (pixel > 4) memcpy(to + 4, (const char *)wide[1] + 8 * i, 8);
            }
        }
    }
#endif
    if (xc == 1 && xw == pixel) for (int64_t i = p * pixel; i < n * pixel; i++) y[i] = x[i];
    else for (; p < n; p++) for (int64_t c = 0; c < pixel; c++) y[p * pixel + c] = x[c * xc + p * xw];
}
/* n weights as bytes, a multiple of CB, as those of pairs. */
static __attribute__((noinline, unused)) void dot_widen(const int8_t *w, int64_t n, dot_w_t *y)
{
    for (int64_t i = 0; i < n; i += CB) {
#if DOT_K == 2
        st_wide_s8(y + i, w + i);
#else
        memcpy(y + i, w + i, CB);
#endif
    }
}
/* n elements that are all of one byte */
static inline void dot_fill(int byte, int64_t n, dot_x_t *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = (dot_x_t)byte;
}
#endif
