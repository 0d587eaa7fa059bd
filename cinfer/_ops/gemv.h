/* Products of a few rows with weights in their place, which are read once: the time is that of reading them.
 *
 * gemv       y[m, n] = act(scale * sum_k x[m, k] w[k, n] + bias[n]); w of any type in narrow.h. Strides sk, sn of w in
 *            elements, one of them 1; rows of x and y ldx and ldy apart, columns side by side. y overlaps neither x
 *            nor w. bias absent, or padded to whole blocks of 16, as slope.
 *            type: of narrow.h, with s, z, ss, zs, shift and zero_shift where it is scaled
 *            Kernel tile: columns t*cols .. ; cols is a multiple of 16.
 * widen      w of any type -> float32, packed as pack_gemm does (matmul.h). Kernel tile: OCT columns.
 *
 * Order of sums: with sk = 1: 2*VW interleaved partial sums, then the lanes, more than DOT_PIECE terms in pieces; with
 * sn = 1: k = 0, 1, ..., more than PRODUCT_WHOLE in pieces; the sums of the pieces are added in float64 (sums.h). The
 * bits depend neither on the tiles nor on the type: they are those of the widened weights in float32. */
#ifndef GEMV_H
#define GEMV_H
#include "conv_tile.h"
#include "sums.h"
#include "activation.h"
#include "narrow.h"
#include "matmul.h"

enum { DOT_PIECE = 512 * VW, WIDE_PIECE = 128 };       /* terms of a dot product, of a row, that are done at once */

#define DOTS_LOAD(X, i) FOR(q, X) FOR(h, 2) u[q][h] = ld(x + q * ldx + (i) + h * VW);
#define DOTS_STEP(type, bits, scaled, r, X, i) { \
    two_##type(w[r] + (uint64_t)(i) * bits / 8, v); \
    if (scaled) FOR(h, 2) v[h] = (v[h] - zero[r]) * scale[r]; \
    FOR(q, X) FOR(h, 2) a[q][r][h] += v[h] * u[q][h]; \
}
/* Dot products of k terms, from the k0'th on, of R rows of w from n on with X rows of x, ldx apart: y[X][R]. Two sums
 * each: even, odd vectors. k0 is a multiple of LEAST_RUN, and so is k but in the last piece of a row. */
#define DOTS(type, bits, scaled, R, X) \
static __attribute__((noinline)) void dots_##type##_##R##_##X(const weights_t *W, int64_t n, int64_t k0, \
                                                              const float *x, int64_t ldx, int64_t k, float *y) \
{ \
    const char *w[R]; \
    vf a[X][R][2], scale[R] = {{0}}, zero[R] = {{0}}, u[X][2], v[2]; \
    const int64_t rest = k % (2 * VW); \
    int64_t i = 0; \
    FOR(r, R) w[r] = W->w + (n + r) * W->ld + k0 * bits / 8; \
    FOR(q, X) FOR(r, R) FOR(h, 2) a[q][r][h] = (vf){0}; \
    if (scaled) for (; i + LEAST_RUN <= k; i += LEAST_RUN) \
        FOR(r, R) { \
            scale[r] = SCALE_OF(W, n + r, k0 + i); \
            zero[r] = ZERO_OF(W, n + r, k0 + i); \
            FOR(step, LEAST_RUN / (2 * VW)) { \
                DOTS_LOAD(X, i + step * 2 * VW) \
                DOTS_STEP(type, bits, scaled, r, X, i + step * 2 * VW) \
            } \
        } \
    for (; i + 2 * VW <= k; i += 2 * VW) { \
        DOTS_LOAD(X, i) \
        FOR(r, R) { \
            if (scaled) { scale[r] = SCALE_OF(W, n + r, k0 + i); zero[r] = ZERO_OF(W, n + r, k0 + i); } \
            DOTS_STEP(type, bits, scaled, r, X, i) \
        } \
    } \
    if (rest > 0) FOR(r, R) { \
        part_of_two_##type(W, n + r, k0 + i, rest, v); \
        FOR(q, X) { \
            const float *end = x + q * ldx + i; \
            if (rest >= VW) a[q][r][0] += v[0] * ld(end); \
            if (rest % VW > 0) a[q][r][1] += v[rest / VW] * ld_part(end + rest / VW * VW, rest % VW, 0); \
        } \
    } \
    FOR(q, X) FOR(r, R) y[q * R + r] = sum_of_lanes(a[q][r][0] + a[q][r][1]); \
}
#define DOTS_(type, bits, scaled) \
    DOTS(type, bits, scaled, 1, 1) DOTS(type, bits, scaled, 4, 1) DOTS(type, bits, scaled, 1, 2) \
    DOTS(type, bits, scaled, 2, 2) DOTS(type, bits, scaled, 1, 4)
ROW_TYPES(DOTS_)
/* by R and X, at most 4 sums */
typedef struct {
    void (*run)(const weights_t *, int64_t, int64_t, const float *, int64_t, int64_t, float *);
    int64_t rows, x_rows;
} dots_t;
#define DOTS_ENTRY(type, bits, scaled) \
    {{dots_##type##_1_1, 1, 1}, {dots_##type##_4_1, 4, 1}, {dots_##type##_1_2, 1, 2}, {dots_##type##_2_2, 2, 2}, \
     {dots_##type##_1_4, 1, 4}},
static const dots_t dots[NARROW_TYPES][5] = {ROW_TYPES(DOTS_ENTRY)};
/* for the rows of w and of x that are left; x_rows of it is a matter of those of x alone */
INL const dots_t *dots_of(int64_t type, int64_t rows, int64_t x_rows)
{
    return &dots[type][x_rows >= 4 ? 4 : x_rows >= 2 ? 2 + (rows >= 2) : rows >= 4];
}

/* y[j] += x[0] w[k][j] + x[1] w[k + 1][j] + ... over R rows of w and n columns, in this order; first: from zero. The
 * rows are of one run. */
#define AXPYS(type, bits, scaled, R) \
static __attribute__((noinline)) void axpys_##type##_##R(const weights_t *W, int64_t k, int64_t c, const float *x, \
                                                         int64_t n, int first, float *y) \
{ \
    const char *w = W->w + k * W->ld + c * bits / 8; \
    const float *s = scaled ? W->s + (k >> W->shift) * W->ss + c : NULL; \
    const float *z = scaled ? W->z + (k >> W->zero_shift) * W->zs + c : NULL; \
    const int64_t ld_w = W->ld; \
    vf u[R]; \
    FOR(r, R) u[r] = bc(x[r]); \
    int64_t j = 0; \
    for (; j + VW <= n; j += VW) { \
        vf a = first ? (vf){0} : ld(y + j), scale = {0}, zero = {0}; \
        if (scaled) { scale = ld(s + j); zero = ld(z + j); } \
        FOR(r, R) { \
            vf v = one_##type(w + r * ld_w + j * bits / 8); \
            if (scaled) v = (v - zero) * scale; \
            a += v * u[r]; \
        } \
        st(y + j, a); \
    } \
    if (j < n) { \
        vf a = first ? (vf){0} : ld_part(y + j, n - j, 0); \
        FOR(r, R) a += column_part_##type(W, k + r, c + j, n - j) * u[r]; \
        st_part(y + j, a, n - j); \
    } \
}
#define AXPYS_(type, bits, scaled) AXPYS(type, bits, scaled, 1) AXPYS(type, bits, scaled, 8)
COLUMN_TYPES(AXPYS_)
typedef void (*axpys_fn)(const weights_t *, int64_t, int64_t, const float *, int64_t, int, float *);
#define AXPYS_ENTRY(type, bits, scaled) {axpys_##type##_1, axpys_##type##_8},
static const axpys_fn axpys[NARROW_TYPES][2] = {COLUMN_TYPES(AXPYS_ENTRY)};

/* m weights as float32: of row n, from its k'th on, a multiple of 2 * VW; of row k of columns, from n on. */
#define WIDE_ROW(type, bits, scaled) \
static __attribute__((noinline)) void wide_row_##type(const weights_t *W, int64_t n, int64_t k, int64_t m, float *y) \
{ \
    vf v[2]; \
    int64_t i = 0; \
    for (; i + 2 * VW <= m; i += 2 * VW) { \
        two_##type(W->w + n * W->ld + (k + i) * bits / 8, v); \
        if (scaled) FOR(h, 2) v[h] = (v[h] - ZERO_OF(W, n, k + i)) * SCALE_OF(W, n, k + i); \
        FOR(h, 2) st(y + i + h * VW, v[h]); \
    } \
    if (i < m) { \
        float rest[2 * VW]; \
        part_of_two_##type(W, n, k + i, m - i, v); \
        FOR(h, 2) st(rest + h * VW, v[h]); \
        memcpy(y + i, rest, (m - i) * sizeof *y); \
    } \
}
ROW_TYPES(WIDE_ROW)
#define WIDE_COLUMNS(type, bits, scaled) \
static __attribute__((noinline)) void wide_columns_##type(const weights_t *W, int64_t k, int64_t n, int64_t m, \
                                                              float *y) \
{ \
    for (int64_t j = 0; j < m; j += VW) { \
        int64_t some = m - j < VW ? m - j : VW; \
        if (some < VW) { st_part(y + j, column_part_##type(W, k, n + j, some), some); continue; } \
        vf v = one_##type(W->w + k * W->ld + (n + j) * bits / 8); \
        if (scaled) \
            v = (v - ld(W->z + (k >> W->zero_shift) * W->zs + n + j)) * ld(W->s + (k >> W->shift) * W->ss + n + j); \
        st(y + j, v); \
    } \
}
COLUMN_TYPES(WIDE_COLUMNS)
typedef void (*wide_fn)(const weights_t *, int64_t, int64_t, int64_t, float *);
#define WIDE_ROW_ENTRY(type, bits, scaled) wide_row_##type,
#define WIDE_COLUMNS_ENTRY(type, bits, scaled) wide_columns_##type,
static const wide_fn wide_row[NARROW_TYPES] = {ROW_TYPES(WIDE_ROW_ENTRY)};
static const wide_fn wide_columns[NARROW_TYPES] = {COLUMN_TYPES(WIDE_COLUMNS_ENTRY)};

/* Columns n0 .. n0 + n - 1 into a tile `width` wide of a packed matrix. */
static void widen_columns(const weights_t *W, int64_t type, int by_rows, int64_t k, int64_t n0, int64_t n,
                          int64_t width, float *y)
{
    if (!by_rows) {
        for (int64_t i = 0; i < k; i++, y += width) {
            wide_columns[type](W, i, n0, n, y);
            for (int64_t o = n; o < width; o++) y[o] = 0;
        }
        return;
    }
    float rows[OCT][WIDE_PIECE];
    for (int64_t i = 0; i < k; i += WIDE_PIECE) {
        int64_t m = k - i < WIDE_PIECE ? k - i : WIDE_PIECE;
        for (int64_t o = 0; o < n; o++) wide_row[type](W, n0 + o, i, m, rows[o]);
        pack_columns(rows[0], 1, WIDE_PIECE, m, n, width, y + i * width);
    }
}
/* y = act(scale * y + bias) over n columns; bias may be NULL; slope is read for prelu only. */
INL void finish_row(float *y, int64_t n, float scale, const float *bias, const float *slope,
                    const epilogue_t *e)
{
    for (int64_t j = 0; j < n; j += VW) {
        vf v = ld_up_to(y + j, n - j) * scale;
        if (bias) v += ld(bias + j);                            /* padded to whole blocks */
        activate_sums(&v, 1, e, slope + j);
        if (n - j >= VW) st(y + j, v);
        else st_part(y + j, v, n - j);
    }
    if (acts_later(e->act)) activate_rows(y, n, 1, 0, (int)e->act, e->alpha, e->beta);
}

INL weights_t weights_of(const char *w, const float *s, const float *z, int64_t ld, int64_t type, int64_t ss,
                         int64_t zs, int64_t shift, int64_t zero_shift)
{
    return (weights_t){w, s, z, ld * narrow_bits[type] / 8, ss, zs, shift, zero_shift};
}
#endif
