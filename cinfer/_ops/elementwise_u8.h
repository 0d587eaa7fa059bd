/* Elementwise operators on bytes.
 *
 * look_up_u8  y = table[x]
 * zip_u8      y = clamp(rint(s / sy) + zy), a' = (a - za) * sa, b' = (b - zb) * sb, clamped to lo .. hi; then, where
 *             there is a table, y = table[y]. By op, s is 0: a' + b'; 1: a' * b'; 2: a' + b', times the `slope` of its
 *             channel where it is below 0. Where flip is 128, a, b and y (before the table) are int8, seen as bytes
 *             that are 128 more: so are za, zb, zy, lo, hi. By op 3 y = clamp(rint((a - za) * k) + zy), k is sa, or
 *             where a is below za `slope`; b has to be there, and says nothing. Slopes are float32 and of channels,
 *             which only blocks have
 *
 * All of zip_u8 is float32, each operation rounded by itself, rint is to even: what DequantizeLinear, Add or Mul, and
 * QuantizeLinear give one after the other. Engines that take the scales together first (a * (sa/sy) ...) may give a
 * neighbour where a number lies on the border.
 *
 * A row has w elements (16 times the pixels, in blocks), rows are r apart, blocks b, pictures n; in plain memory a row
 * may be of any length. Of volumes the pictures of zip_u8 are d slices of each (d 0: none), and the strides n of its
 * operands lead from volume to volume, z from slice to slice. These have two strides more, w from pixel to pixel and l
 * from lane to lane:
 * w 16 l 1  their own element for each of y        w 0 l 1  16 channels for all pixels of a row
 * w 16 l 0  the first lane of each pixel for all   w 0 l 0  one element for all
 * y may be x, a or b. Tile = (image*row_tiles + r)*cb + block, rows r*rows .. of h. */
#ifndef ELEMENTWISE_U8_H
#define ELEMENTWISE_U8_H
#include "activation.h"
#include "look_up.h"
#define ZIP_U8_FIELDS(B, I, F, A) B(a) B(b) B(table) B(slope) B(y) I(n) I(cb) I(h) I(w) I(an) I(ab) I(ar) I(aw) I(al) \
    I(bn) I(bb) I(br) I(bw) I(bl) I(yn) I(yb) I(yr) I(d) I(az) I(bz) I(op) I(flip) F(sa) I(za) F(sb) I(zb) F(sy) I(zy) \
    I(lo) I(hi) I(row_tiles) I(rows)
PARAMS(zip_u8_t, ZIP_U8_FIELDS)
enum { ZIP_u8_add, ZIP_u8_mul, ZIP_u8_sloped, ZIP_u8_scaled, ZIP_PIECE = 1024 };

typedef struct { vf sa, sb, sy; vi flip_in, za, zb, zy; ub lo, hi, flip; const float *slope; } zip_scales_t;
/* slope: of a block, or NULL */
static zip_scales_t zip_scales_of(const zip_u8_t *A, const float *slope)
{
    const int32_t flip = (int32_t)A->flip;
    const int32_t za = (int32_t)A->za, zb = (int32_t)A->zb, zy = (int32_t)A->zy;
    return (zip_scales_t){bc((float)A->sa), bc((float)A->sb), bc((float)A->sy), bci(&flip), bci(&za), bci(&zb),
                          bci(&zy), bc_ub((int)A->lo), bc_ub((int)A->hi), bc_ub(flip), slope};
}
INL ub zip_ub(const uint8_t *a, const uint8_t *b, const zip_scales_t *k, int op, int flips)
{
    vi x[UB_VECTORS], y[UB_VECTORS];
    widen_ub(a, x);
    if (op != ZIP_u8_scaled) widen_ub(b, y);
    FOR(i, UB_VECTORS) {
        if (flips) x[i] ^= k->flip_in;
        const vf a = to_float(x[i] - k->za);
        if (op == ZIP_u8_scaled) {
            x[i] = nearest_16(scaled_by_sign(a, k->sa, ld(k->slope + i % NV * VW))) + k->zy;
            continue;
        }
        if (flips) y[i] ^= k->flip_in;
        const vf u = rounded(a * k->sa), v = rounded(to_float(y[i] - k->zb) * k->sb);
        vf s = op == ZIP_u8_mul ? u * v : u + v;
        if (op == ZIP_u8_sloped) s = sloped(s, ld(k->slope + i % NV * VW));
        x[i] = nearest_16(s / k->sy) + k->zy;
    }
    ub bytes = min_ub(k->hi, max_ub(k->lo, narrow_ub(x)));
    if (flips) bytes ^= k->flip;
    return bytes;
}
INL void zip_piece_of(const uint8_t *a, const uint8_t *b, uint8_t *y, int64_t n, const zip_scales_t *k, int op,
                      int flips)
{
    int64_t i = 0;
    for (; i + UB <= n; i += UB) st_ub(y + i, zip_ub(a + i, b + i, k, op, flips));
    if (i < n) {
        uint8_t s[UB] = {0}, t[UB] = {0};
        memcpy(s, a + i, n - i);
        memcpy(t, b + i, n - i);
        st_ub(s, zip_ub(s, t, k, op, flips));
        memcpy(y + i, s, n - i);
    }
}
static __attribute__((noinline)) void zip_piece(const uint8_t *a, const uint8_t *b, uint8_t *y, int64_t n,
                                                const zip_scales_t *k, int64_t op, int64_t flip)
{
    if (op == ZIP_u8_scaled) zip_piece_of(a, b, y, n, k, ZIP_u8_scaled, 1);
    else if (op == ZIP_u8_sloped) zip_piece_of(a, b, y, n, k, ZIP_u8_sloped, 1);
    else if (op == ZIP_u8_add && !flip) zip_piece_of(a, b, y, n, k, ZIP_u8_add, 0);
    else if (op == ZIP_u8_add) zip_piece_of(a, b, y, n, k, ZIP_u8_add, 1);
    else if (!flip) zip_piece_of(a, b, y, n, k, ZIP_u8_mul, 0);
    else zip_piece_of(a, b, y, n, k, ZIP_u8_mul, 1);
}

/* Up to ZIP_PIECE elements of an operand, side by side: where they lie, or their copies in t. */
INL const uint8_t *zip_operand(const uint8_t *x, int64_t w, int64_t l, int64_t n, uint8_t *t)
{
    if (w && l) return x;
    if (!w && !l) {
        memset(t, *x, n);
    } else if (w) {
        for (int64_t i = 0; i < n; i += CB) memset(t + i, x[i], CB);
    } else {
        for (int64_t i = 0; i < n; i += CB) memcpy(t + i, x, CB);
    }
    return t;
}
static void zip_row(const zip_u8_t *A, const zip_scales_t *k, const look_up_t *look, const uint8_t *a, const uint8_t *b,
                    uint8_t *y)
{
    uint8_t s[ZIP_PIECE + CB], t[ZIP_PIECE + CB];
    for (int64_t i = 0, m; i < A->w; i += m) {
        m = A->w - i < ZIP_PIECE ? A->w - i : ZIP_PIECE;
        const uint8_t *p = zip_operand(a + (A->aw ? i : 0), A->aw, A->al, m, s);
        const uint8_t *q = zip_operand(b + (A->bw ? i : 0), A->bw, A->bl, m, t);
        zip_piece(p, q, y + i, m, k, A->op, A->flip);
        if (look) look_up_row(look, y + i, y + i, m);
    }
}
#endif
