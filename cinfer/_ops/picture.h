/* A picture of bytes scaled in two passes, rows first, and fed: what Pillow's Image.resize gives, to the bit.
 *
 * h[r, j] = clip(sum_t kx[j, t] * x[r, jx[j] + t]), y[i, j] = table[clip(sum_t ky[i, t] * h[iy[i] + t, j])]
 * clip(s) = (s + half) >> BITS, 0 to 255: weights are whole numbers, 1 << BITS stands for 1, as in Pillow's Resample.c
 *
 * x     ih rows, xr bytes apart, of iw pixels of c (1 or 3) bytes
 * kx jx int32 [ow][nx], int32 [ow]; ky, iy [oh][ny], [oh]: all windows lie inside, so nx <= iw, ny <= ih; iy never
 *       falls
 * y     plane k of pixel (i, j) at (k * yc + i * yr + j * yx), k the source's channel, or c - 1 - k where `reverse` is
 *       set
 * table float [c][256] of the planes as they are fed; absent: y are the bytes themselves
 *
 * Lanes are R rows of the picture, which are transposed [pixel][channel][row] before the first pass and back behind it;
 * lanes of the second pass are neighbours in a row. What lies between is a ring of `ring` rows, each used while it is
 * in the cache. Kernel tile: `rows` rows of the output.
 * scratch: [iw * c up to 16][R] + [c][row][R] + [ring][c][row] + row bytes, row = ow up to 16, then ny addresses; ring
 * is at least ny + R - 1 */
#ifndef PICTURE_H
#define PICTURE_H
#include "api.h"
#include "vec_math.h"
#define PICTURE_FIELDS(B, I, F, A) B(x) B(kx) B(jx) B(ky) B(iy) B(table) B(y) I(ih) I(iw) I(c) I(xr) I(oh) I(ow) \
    I(nx) I(ny) I(yc) I(yr) I(yx) I(reverse) I(ring) I(rows)
PARAMS(picture_t, PICTURE_FIELDS)

enum { PICTURE_BITS = 22, PICTURE_ROWS = VW > 8 ? VW : 8 };     /* Pillow's PRECISION_BITS; R */
typedef uint8_t picture_v __attribute__((vector_size(16), may_alias));

#if defined(__has_builtin)
# if __has_builtin(__builtin_shufflevector)
#  define PICTURE_MIX(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
# endif
#endif
#ifndef PICTURE_MIX
# define PICTURE_MIX(a, b, ...) __builtin_shuffle(a, b, (picture_v){__VA_ARGS__})
#endif
/* One round of a perfect shuffle of n vectors: the highest bit of a byte's number becomes the lowest. */
INL void picture_shuffle(picture_v *v, int n)
{
    picture_v t[16];
    FOR(i, n / 2) {
        t[2 * i] = PICTURE_MIX(v[i], v[i + n / 2], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        t[2 * i + 1] = PICTURE_MIX(v[i], v[i + n / 2], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
    FOR(i, n) v[i] = t[i];
}
/* 16 columns of R rows: [row][column] -> [column][row], and back */
INL void picture_turn(picture_v *v)
{
    picture_shuffle(v, PICTURE_ROWS);
    picture_shuffle(v, PICTURE_ROWS);
    picture_shuffle(v, PICTURE_ROWS);
    if (PICTURE_ROWS == 16) picture_shuffle(v, PICTURE_ROWS);
}
INL void picture_turn_back(picture_v *v)
{
    FOR(k, 4) picture_shuffle(v, PICTURE_ROWS);
}
static __attribute__((noinline)) void picture_in(const uint8_t *const *row, int64_t n, uint8_t *t)
{
    enum { R = PICTURE_ROWS };
    picture_v v[R];
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        FOR(r, R) memcpy(&v[r], row[r] + i, 16);
        picture_turn(v);
        memcpy(t + i * R, v, sizeof v);
    }
    if (i < n) {
        FOR(r, R) { v[r] = (picture_v){0}; memcpy(&v[r], row[r] + i, (size_t)(n - i)); }
        picture_turn(v);
        memcpy(t + i * R, v, sizeof v);
    }
}
/* n a multiple of 16 */
static __attribute__((noinline)) void picture_out(const uint8_t *t, int64_t n, uint8_t *const *row)
{
    enum { R = PICTURE_ROWS };
    picture_v v[R];
    for (int64_t i = 0; i < n; i += 16) {
        memcpy(v, t + i * R, sizeof v);
        picture_turn_back(v);
        FOR(r, R) memcpy(row[r] + i, &v[r], 16);
    }
}

INL vi picture_clip(vi s)
{
    s >>= PICTURE_BITS;
    s = s & ~(s >> 31);                                         /* from below 0 */
    return (s | (s > 255)) & 255;
}
/* C channels of the pixels j of R rows: t [iw][C][R] -> h [C][row][R] */
#define PICTURE_FIRST(C) \
static __attribute__((noinline)) void picture_first_##C(const uint8_t *t, const int32_t *k, const int32_t *from, \
                                                        int64_t n, int64_t ow, uint8_t *h, int64_t row) \
{ \
    enum { R = PICTURE_ROWS, V = PICTURE_ROWS / VW }; \
    for (int64_t j = 0; j < ow; j++, k += n) { \
        const uint8_t *p = t + (int64_t)from[j] * (C * R); \
        vi a[C][V]; \
        FOR(c, C) FOR(v, V) a[c][v] = (vi){0} + (1 << (PICTURE_BITS - 1)); \
        for (int64_t i = 0; i < n; i++, p += C * R) { \
            const vi w = (vi){0} + k[i]; \
            FOR(c, C) FOR(v, V) a[c][v] += ld_u8(p + c * R + v * VW) * w; \
        } \
        FOR(c, C) FOR(v, V) st_u8(h + (c * row + j) * R + v * VW, picture_clip(a[c][v])); \
    } \
}
PICTURE_FIRST(1)
PICTURE_FIRST(3)

/* m neighbours, a multiple of 16, of n rows -> one row */
static __attribute__((noinline)) void picture_second(const uint8_t *const *x, const int32_t *k, int64_t n, int64_t m,
                                                     uint8_t *y)
{
    enum { V = 16 / VW };
    for (int64_t j = 0; j < m; j += 16) {
        vi a[V];
        FOR(v, V) a[v] = (vi){0} + (1 << (PICTURE_BITS - 1));
        for (int64_t i = 0; i < n; i++) {
            const vi w = (vi){0} + k[i];
            FOR(v, V) a[v] += ld_u8(x[i] + j + v * VW) * w;
        }
        FOR(v, V) st_u8(y + j + v * VW, picture_clip(a[v]));
    }
}
static __attribute__((noinline)) void picture_feed(const uint8_t *x, int64_t n, const float *table, float *y,
                                                    int64_t step)
{
    if (step == 1) for (int64_t j = 0; j < n; j++) y[j] = table[x[j]];
    else for (int64_t j = 0; j < n; j++) y[j * step] = table[x[j]];
}
#endif
