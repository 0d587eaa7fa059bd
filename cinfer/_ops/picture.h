/* A picture of bytes scaled in two passes, rows first, and fed: what Pillow's Image.resize gives, to the bit.
 *
 * h[r, j] = clip(sum_t kx[j, t] * x[r, jx[j] + t]), y[i, j] = table[clip(sum_t ky[i, t] * h[iy[i] + t, j])]
 * clip(s) = (s + half) >> BITS, 0 to 255: weights are whole numbers, 1 << BITS stands for 1, as in Pillow's Resample.c
 *
 * x     ih rows, xr bytes apart, of iw pixels, `step` bytes apart, of c bytes: 1 of 1, 3 of 3, or 3 of 4
 * kx jx int32 [ow][nx], int32 [ow]; ky, iy [oh][ny], [oh]: all windows lie inside, so nx <= iw, ny <= ih; iy never
 *       falls
 * y     plane k of pixel (i, j) at (k * yc + i * yr + j * yx), k the source's channel, or c - 1 - k where `reverse` is
 *       set
 * table float [c][256] of the planes as they are fed; absent: y are the bytes themselves
 *
 * Lanes are R rows of the picture, which are transposed [pixel][channel][row] before the first pass and back behind it;
 * lanes of the second pass are neighbours in a row. What lies between is a ring of rows, each used while it is in the
 * cache. Kernel tile: `rows` rows of the output. Scratch: picture_room. */
#ifndef PICTURE_H
#define PICTURE_H
#include "api.h"
#include "transpose.h"
#define PICTURE_FIELDS(B, I, F, A) B(x) B(kx) B(jx) B(ky) B(iy) B(table) B(y) I(ih) I(iw) I(c) I(xr) I(oh) I(ow) \
    I(nx) I(ny) I(yc) I(yr) I(yx) I(reverse) I(step) I(rows)
PARAMS(picture_t, PICTURE_FIELDS)

enum { PICTURE_BITS = 22, PICTURE_ROWS = VW > 8 ? VW : 8 };     /* Pillow's PRECISION_BITS; R */

/* What a tile works in; the addresses are those of the rows that a row of y is made of. */
typedef struct {
    int64_t row, ring;                  /* bytes of a row, of whole vectors; rows of the ring */
    uint8_t *turned;                    /* [iw * step, of whole vectors][R] */
    uint8_t *passed;                    /* [c][row][R] */
    uint8_t *lines;                     /* [ring][c][row] */
    uint8_t *done;                      /* [row] */
    const uint8_t **rows;               /* [ny] */
} picture_room_t;
static int64_t picture_room(const picture_t *A, char *scratch, picture_room_t *P)
{
    const int64_t row = P->row = (A->ow + 15) / 16 * 16, ring = P->ring = A->ny + PICTURE_ROWS - 1;
    P->turned = (uint8_t *)scratch;
    P->passed = P->turned + (A->iw * A->step + 15) / 16 * 16 * PICTURE_ROWS;
    P->lines = P->passed + A->c * row * PICTURE_ROWS;
    P->done = P->lines + ring * A->c * row;
    P->rows = (const uint8_t **)(P->done + row);
    return (char *)(P->rows + A->ny) - scratch;
}

/* 16 columns of R rows: [row][column] -> [column][row] */
INL void picture_turn(bytes_v *v)
{
    shuffle_bytes(v, PICTURE_ROWS);
    shuffle_bytes(v, PICTURE_ROWS);
    shuffle_bytes(v, PICTURE_ROWS);
    if (PICTURE_ROWS == 16) shuffle_bytes(v, PICTURE_ROWS);
}
static __attribute__((noinline)) void picture_in(const uint8_t *const *row, int64_t n, uint8_t *t)
{
    enum { R = PICTURE_ROWS };
    bytes_v v[R];
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        FOR(r, R) memcpy(&v[r], row[r] + i, 16);
        picture_turn(v);
        memcpy(t + i * R, v, sizeof v);
    }
    if (i < n) {
        FOR(r, R) { v[r] = (bytes_v){0}; memcpy(&v[r], row[r] + i, (size_t)(n - i)); }
        picture_turn(v);
        memcpy(t + i * R, v, sizeof v);
    }
}
/* n a multiple of 16 */
static __attribute__((noinline)) void picture_out(const uint8_t *t, int64_t n, uint8_t *const *row)
{
    enum { R = PICTURE_ROWS };
    bytes_v v[R];
    for (int64_t i = 0; i < n; i += 16) {
        memcpy(v, t + i * R, sizeof v);
        columns_to_rows(v, PICTURE_ROWS);
        FOR(r, R) memcpy(row[r] + i, &v[r], 16);
    }
}

INL vi picture_clip(vi s)
{
    s >>= PICTURE_BITS;
    s = s & ~(s >> 31);                                         /* from below 0 */
    return (s | (s > 255)) & 255;
}
/* C channels of the pixels j of R rows, S bytes apart: t [iw][S][R] -> h [C][row][R] */
#define PICTURE_FIRST(C, S) \
static __attribute__((noinline)) void picture_first_##C##_of_##S(const uint8_t *t, const int32_t *k, \
    const int32_t *from, int64_t n, int64_t ow, uint8_t *h, int64_t row) \
{ \
    enum { R = PICTURE_ROWS, V = PICTURE_ROWS / VW }; \
    for (int64_t j = 0; j < ow; j++, k += n) { \
        const uint8_t *p = t + (int64_t)from[j] * (S * R); \
        vi a[C][V]; \
        FOR(c, C) FOR(v, V) a[c][v] = (vi){0} + (1 << (PICTURE_BITS - 1)); \
        for (int64_t i = 0; i < n; i++, p += S * R) { \
            const vi w = (vi){0} + k[i]; \
            FOR(c, C) FOR(v, V) a[c][v] += ld_u8(p + c * R + v * VW) * w; \
        } \
        FOR(c, C) FOR(v, V) st_u8(h + (c * row + j) * R + v * VW, picture_clip(a[c][v])); \
    } \
}
PICTURE_FIRST(1, 1)
PICTURE_FIRST(3, 3)
PICTURE_FIRST(3, 4)
static void picture_first(const picture_t *A, const uint8_t *t, const int32_t *k, const int32_t *from, uint8_t *h,
                          int64_t row)
{
    (A->c == 1 ? picture_first_1_of_1 : A->step == 3 ? picture_first_3_of_3 : picture_first_3_of_4)(
        t, k, from, A->nx, A->ow, h, row);
}

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
