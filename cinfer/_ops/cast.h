/* From one element type to another, over strided tensors of up to 6 axes.
 *
 * convert, how
 *   0 cast        y = x in the type `to`, as C converts it; floats become integers by way of int64 and are
 *                 cut to the low bits; bool is whether x is not 0
 *   1 quantise    y = min(hi, max(lo, rint(x / s) + z)), x float32, z float32; NaN becomes 0, of uint8 lo
 *   2 dequantise  y = (x - z) * s, x of 4 bytes at most, z int32, y float32
 *
 * from, to: element codes (strided.h). The same type twice moves the bits. Strides are in elements, may be 0
 * or negative; dims[5] is the innermost axis; ss are those of s and z alike. The outer indices, the product
 * of dims[0..4] in row-major order, are cut into tiles of `outer` each. y overlaps no input.
 *
 * A row goes through up to three stages - widen, change, narrow - in pieces that stay in L1. */
#ifndef CAST_H
#define CAST_H
#include "strided.h"
#include "layout_u8.h"
enum { HOW_cast, HOW_quantise, HOW_dequantise };

STAGE(i32_to_i64, int32_t, int64_t, x[i])
STAGE(i32_to_f32, int32_t, float, x[i])
STAGE(i32_to_f64, int32_t, double, x[i])
STAGE(i64_to_i32, int64_t, int32_t, x[i])
STAGE(i64_to_f32, int64_t, float, x[i])
STAGE(i64_to_f64, int64_t, double, x[i])
STAGE(f32_to_i64, float, int64_t, x[i])
STAGE(f32_to_f64, float, double, x[i])
STAGE(f64_to_i32, double, int32_t, (int64_t)x[i])
STAGE(f64_to_i64, double, int64_t, x[i])
STAGE(f64_to_f32, double, float, x[i])
/* by their bits: subnormal numbers are not 0 */
STAGE(truth_of_i32, int32_t, int32_t, x[i] != 0)
STAGE(truth_of_i64, int64_t, int32_t, x[i] != 0)
STAGE(truth_of_f32, int32_t, int32_t, (x[i] & 0x7fffffff) != 0)
STAGE(truth_of_f64, int64_t, int32_t, (x[i] & 0x7fffffffffffffff) != 0)

/* The low bits of (int64_t)x. Vectors know conversions to int32 only: larger values are done one by one. */
static void f32_to_i32(const void *from, void *to, int64_t n, const scale_t *q)
{
    const float *x = from;
    int32_t *y = to;
    (void)q;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < VW ? n - i : VW;
        vf v = m < VW ? ld_part(x + i, m, 0) : ld(x + i);
        if (any(~lt(vabs(v), bc(0x1p31f)))) for (int64_t k = i; k < i + m; k++) y[k] = (int32_t)(int64_t)x[k];
        else if (m < VW) st_part((float *)(y + i), (vf)to_int(v), m);
        else st((float *)(y + i), (vf)to_int(v));
    }
}
/* To float32, the last bit set where anything is lost ("to odd"), so that rounding on to float16 is right. */
static void f64_to_f32_odd(const void *from, void *to, int64_t n, const scale_t *q)
{
    const double *x = from;
    (void)q;
    for (int64_t i = 0; i < n; i++) {
        float f = (float)x[i];
        uint32_t b;
        memcpy(&b, &f, 4);
        if (f == f && f != x[i]) b = (b - (__builtin_fabs(f) > __builtin_fabs(x[i]))) | 1;
        memcpy((char *)to + 4 * i, &b, 4);
    }
}
static void quantise(const void *from, void *to, int64_t n, const scale_t *q)
{
    const float *x = from, *s = q->s, *z = q->z;
    float *y = to;
    const vf lo = bc(q->lo), hi = bc(q->hi);
    vf scale = bc(*s), zero = bc(*z);
    for (int64_t i = 0; i < n; i += VW) {
        int64_t m = n - i;
        if (q->step) {
            scale = m < VW ? ld_part(s + i, m, 1) : ld(s + i);
            zero = m < VW ? ld_part(z + i, m, 0) : ld(z + i);
        }
        vf v = m < VW ? ld_part(x + i, m, 0) : ld(x + i);
        v = vmin(hi, vmax(lo, vrint(v / scale) + zero));
        v = (vf)to_int(pick(nan_of(v), (vf){0}, v));
        if (m < VW) st_part(y + i, v, m);
        else st(y + i, v);
    }
}
/* The same to uint8, by one scale */
static void quantise_u8(const void *from, void *to, int64_t n, const scale_t *q)
{
    const quant_t k = quant_of(*q->s, (int64_t)*(const float *)q->z, (int64_t)q->lo, (int64_t)q->hi, 0);
    quantise_bytes(from, n, &k, to);
}
static void dequantise(const void *from, void *to, int64_t n, const scale_t *q)
{
    const int32_t *x = from, *z = q->z;
    const float *s = q->s;
    float *y = to, scale = *s;
    int32_t zero = *z;
    if (q->step) for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - z[i]) * s[i];
    else for (int64_t i = 0; i < n; i++) y[i] = (float)(x[i] - zero) * scale;
}
static const stage_fn change[W_COUNT][W_COUNT] = {
    [W_i32] = {[W_i64] = i32_to_i64, [W_f32] = i32_to_f32, [W_f64] = i32_to_f64},
    [W_i64] = {[W_i32] = i64_to_i32, [W_f32] = i64_to_f32, [W_f64] = i64_to_f64},
    [W_f32] = {[W_i32] = f32_to_i32, [W_i64] = f32_to_i64, [W_f64] = f32_to_f64},
    [W_f64] = {[W_i32] = f64_to_i32, [W_i64] = f64_to_i64, [W_f32] = f64_to_f32}};
static const stage_fn truth[W_COUNT] = {truth_of_i32, truth_of_i64, truth_of_f32, truth_of_f64};

/* at_once: NULL, or all stages in one, of neighbours by one scale */
typedef struct { stage_fn stage[3], at_once; int stages, from_size, to_size; } conversion_t;
static conversion_t conversion(int64_t from, int64_t to, int64_t how)
{
    conversion_t c = {.from_size = element_size[from], .to_size = element_size[to]};
    if (from == to) return c;
    const int wide = element_wide[from], wide_to = element_wide[to];
    stage_fn f = how == HOW_quantise ? quantise : how == HOW_dequantise ? dequantise
        : to == E_bool ? truth[wide] : from == E_float64 && to == E_float16 ? f64_to_f32_odd
        : change[wide][wide_to];
    if (widen[from]) c.stage[c.stages++] = widen[from];
    if (f) c.stage[c.stages++] = f;
    if (narrow[to]) c.stage[c.stages++] = narrow[to];
    if (how == HOW_quantise && to == E_uint8) c.at_once = quantise_u8;
    return c;
}

/* One row of any strides, in pieces; q: of its first element, `step` being any stride. */
static void convert_row(const conversion_t *c, const char *x, int64_t xs, char *y, int64_t ys, int64_t n,
                        scale_t q)
{
    char t[3][8 * PIECE] __attribute__((aligned(64)));
    float s[PIECE], z[PIECE];
    int64_t step = q.step;
    if (c->at_once && step == 0 && n >= UB && xs == 1 && ys == 1) { c->at_once(x, y, n, &q); return; }
    if (c->stages == 0) { row_move(x, xs, y, ys, n, c->from_size); return; }
    for (int64_t m; n > 0; n -= m, x += m * xs * c->from_size, y += m * ys * c->to_size) {
        m = n < PIECE ? n : PIECE;
        const void *have = beside(x, xs, t[2], m, c->from_size);
        scale_t part = q;
        if (step) {
            part.s = beside(q.s, step, s, m, 4);
            part.z = beside(q.z, step, z, m, 4);
            part.step = 1;
            q.s += m * step;
            q.z = (const char *)q.z + 4 * m * step;
        }
        for (int k = 0; k < c->stages; k++) {
            void *into = k == c->stages - 1 && ys == 1 ? (void *)y : t[k & 1];
            c->stage[k](have, into, m, &part);
            have = into;
        }
        if (ys != 1) row_move(have, 1, y, ys, m, c->to_size);
    }
}

/* A plane: rows xr, sr, yr elements apart. Where 4-byte elements lie side by side across the rows, as the
 * lanes of a block do, squares of them are turned first. */
static void convert_plane(const conversion_t *c, const char *x, int64_t xr, int64_t xs, scale_t q, int64_t sr,
                          char *y, int64_t yr, int64_t ys, int64_t rows, int64_t n)
{
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(xr, xs) SWAP(sr, q.step) SWAP(yr, ys))
    int turned = c->from_size == 4 && xr == 1 && xs != 1 && rows >= VW && n >= VW;
    float t[CB * 64] __attribute__((aligned(64)));
    for (int64_t r = 0, some; r < rows; r += some) {
        some = !turned ? 1 : rows - r < CB ? rows - r : CB;
        for (int64_t i = 0, m; i < n; i += m) {
            m = turned && n - i > 64 ? 64 : n - i;
            if (turned) transpose_plane((const float *)x + r + i * xs, xs, t, 64, m, some);
            for (int64_t k = r; k < r + some; k++) {
                const char *row = turned ? (const char *)(t + (k - r) * 64) : x + k * xr * c->from_size;
                scale_t part = q;
                part.s = q.s + k * sr + i * q.step;
                part.z = (const char *)q.z + 4 * (k * sr + i * q.step);
                convert_row(c, row, turned ? 1 : xs, y + (k * yr + i * ys) * c->to_size, ys, m, part);
            }
        }
    }
}
#endif
