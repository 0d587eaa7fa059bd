/* Resizing of bytes in blocks: what resize.h says, of numbers that are quantised.
 *
 * linear = 0: y[i, j] = x[iy0[i], ix0[j]]
 * linear = 1: y[i, j] = rint(v) + zy, clamped to lo .. hi; v is the mixture of resize.h of x - xz, with the weights of
 *             the rows times ratio = x_scale / y_scale. Each product and sum is rounded by itself: the same bits with
 *             multiply-add and without. DequantizeLinear, Resize and QuantizeLinear multiply by the scale first, and
 *             may give a neighbour where a number lies on the border.
 * Where there is a table, y = table[y] in the end.
 *
 * Rows of x become floats in the thread's scratch, the last two stay there; of two a strip is mixed, of which pixels
 * are: 3 rows, iw*192 bytes, if linear. Where at most every other column is wanted, each pixel is mixed by itself, in
 * the same order. Parameters and tiles as in resize.h; iw: columns of x. */
#ifndef RESIZE_U8_H
#define RESIZE_U8_H
#include "api.h"
#include "look_up.h"
#define RESIZE_U8_FIELDS(B, I, F, A) B(x) B(y) B(table) B(iy0) B(iy1) B(wy) B(ix0) B(ix1) B(wx) I(n) I(cb) I(iw) I(oh) \
    I(ow) I(xn) I(xb) I(xr) I(yn) I(yb) I(yr) I(linear) F(ratio) I(xz) I(zy) I(lo) I(hi) I(row_tiles) I(rows)
PARAMS(resize_u8_t, RESIZE_U8_FIELDS)

static __attribute__((noinline)) void resize_nearest_u8(const uint8_t *x, const int32_t *ix, int64_t ow, uint8_t *y)
{
    int64_t j = 0;
    for (; j + UB_PIXELS <= ow; j += UB_PIXELS)
        st_ub(y + j * CB, ld_two(x + (int64_t)ix[j] * CB, x + (int64_t)ix[j + UB_PIXELS - 1] * CB));
    for (; j < ow; j++) memcpy(y + j * CB, x + (int64_t)ix[j] * CB, CB);
}
INL vf weighed(vf a, vf b, vf left, vf right) { return rounded(a * left) + rounded(b * right); }
/* Rows of x as floats, their numbers, and the strip. */
typedef struct { float *row[2], *strip; int64_t number[2]; } real_rows_t;
static real_rows_t real_rows(float *scratch, int64_t n)
{
    return (real_rows_t){{scratch, scratch + n}, scratch + 2 * n, {-1, -1}};
}
/* The row of this number, in the place of the one that is not `beside`. */
INL const float *real_row(real_rows_t *k, const resize_u8_t *A, const uint8_t *x, int64_t number, int64_t beside)
{
    const int64_t n = A->iw * CB;
    const int32_t zero = (int32_t)A->xz;
    const vi xz = bci(&zero);
    const int at = k->number[0] == number ? 0 : k->number[1] == number ? 1 : k->number[0] == beside;
    float *y = k->row[at];
    if (k->number[at] != number)
        for (int64_t i = 0; i < n; i += VW) st(y + i, to_float(ld_u8(x + number * A->xr + i) - xz));
    k->number[at] = number;
    return y;
}
/* The strip between two rows. */
static __attribute__((noinline)) void resize_rows_u8(real_rows_t *k, const resize_u8_t *A, const uint8_t *x, int64_t i0,
                                                     int64_t i1, float below)
{
    const float *a = real_row(k, A, x, i0, i1), *b = real_row(k, A, x, i1, i0);
    const vf lower = bc(below * (float)A->ratio), upper = bc((1 - below) * (float)A->ratio);
    for (int64_t i = 0; i < A->iw * CB; i += VW) st(k->strip + i, weighed(ld(a + i), ld(b + i), upper, lower));
}
/* Columns a and b of the rows x0 and x1, mixed: by upper and lower from row to row, as the strip is, then by column. */
typedef struct { const uint8_t *x0, *x1; vf upper, lower; vi xz; } two_rows_t;
INL vf mixed_rows(const two_rows_t *r, int64_t i)
{
    return weighed(to_float(ld_u8(r->x0 + i) - r->xz), to_float(ld_u8(r->x1 + i) - r->xz), r->upper, r->lower);
}
INL void resize_row_u8(const resize_u8_t *A, const float *strip, const two_rows_t *rows, const int32_t *ix0,
                       const int32_t *ix1, const float *wx, uint8_t *y)
{
    const int32_t zero = (int32_t)A->zy;
    const vi zy = bci(&zero);
    const ub lo = bc_ub((int)A->lo), hi = bc_ub((int)A->hi);
    for (int64_t j = 0; j < A->ow; j += UB_PIXELS) {
        vi v[UB_VECTORS];
        FOR(p, UB_PIXELS) {
            const int64_t k = j + p < A->ow ? j + p : j, a = (int64_t)ix0[k] * CB, b = (int64_t)ix1[k] * CB;
            const vf right = bc(wx[k]), left = bc(1 - wx[k]);
            FOR(h, NV) {
                const vf s = rows ? mixed_rows(rows, a + h * VW) : ld(strip + a + h * VW);
                const vf t = rows ? mixed_rows(rows, b + h * VW) : ld(strip + b + h * VW);
                v[p * NV + h] = nearest_16(weighed(s, t, left, right)) + zy;
            }
        }
        ub r = min_ub(hi, max_ub(lo, narrow_ub(v)));
        if (j + UB_PIXELS <= A->ow) st_ub(y + j * CB, r);
        else st_one(y + j * CB, r);
    }
}
static __attribute__((noinline)) void resize_columns_u8(const resize_u8_t *A, const float *strip, const int32_t *ix0,
                                                        const int32_t *ix1, const float *wx, uint8_t *y)
{
    resize_row_u8(A, strip, NULL, ix0, ix1, wx, y);
}
static __attribute__((noinline)) void resize_pixels_u8(const resize_u8_t *A, const uint8_t *x0, const uint8_t *x1,
                                                       float below, const int32_t *ix0, const int32_t *ix1,
                                                       const float *wx, uint8_t *y)
{
    const int32_t zero = (int32_t)A->xz;
    const two_rows_t rows = {x0, x1, bc((1 - below) * (float)A->ratio), bc(below * (float)A->ratio), bci(&zero)};
    resize_row_u8(A, NULL, &rows, ix0, ix1, wx, y);
}
#endif
