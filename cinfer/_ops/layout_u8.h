/* Bytes in NCHW16c blocks: from and to other layouts, and quantised on the way.
 *
 * to_blocked_u8       y[n][b][i][j][lane] = x[n][b*16 + lane][i][j] ^ flip; flip is 0, or 128 for int8 as uint8
 * quantize_blocked    y = min(hi, max(lo, rint(x / scale) + zero)), x float32; the quotient is rounded once,
 *                     rint is to even, NaN gives lo; s and z, where they are given, are scale and zero (a byte)
 * from_blocked_u8     the reverse of the first; coff as of from_blocked (layout.h)
 * dequantize_blocked  y = (x - zero) * scale, y float32
 * gather_channels_u8  as gather_channels (layout.h), of bytes
 * fill_halo           fills the frame of t, l, b, r pixels around each picture; y points at pixel (0, 0); elements
 *                     of `size` bytes, 1 or 4, `fill` their bits; or the byte at `of_byte`. Tile = image*cb + block
 *
 * The side that is not bytes in blocks has strides n, b (16 channels on), c, h, w: plain memory of any strides (b =
 * 16*c), or float blocks (c = 1, w = 16, h the row stride; the channels are then given as whole blocks). Bytes in
 * blocks: strides n b r. All in elements. Lanes of y beyond the last channel hold anything. Pictures are d slices of
 * each volume, in plain memory xd or yd apart (d = 0: pictures). Other tiles = (image*row_tiles + r)*blocks + b, rows
 * r*rows .. of the picture.
 *
 * Planes are turned into pixels 16 by 16 in registers (vec_u8.h), those of floats once they are bytes. Bound by loads
 * and stores.
 *
 * A quotient is rounded to a whole number, so a product by 1 / scale does, but near a tie: it is less than 2^-12 off
 * while it is below 1024, and beyond all is cut to lo or hi. Where any of a vector's is as near as that to a tie, or
 * the inverse may not be a normal number, they are divided. */
#ifndef LAYOUT_U8_H
#define LAYOUT_U8_H
#include "layout.h"
#include "vec_u8.h"

typedef struct { vf scale, inverse, near; vi zero; ub lo, hi, flip; } quant_t;
static quant_t quant_of(double scale, int64_t zero, int64_t lo, int64_t hi, int64_t flip)
{
    int32_t z = (int32_t)zero;
    const float s = (float)scale;
    const int usual = s >= 0x1p-100f && s <= 0x1p100f;
    return (quant_t){bc(s), bc(usual ? 1 / s : 0), bc(usual ? .5f - 0x1p-12f : -1), bci(&z),
                     bc_ub((int)lo), bc_ub((int)hi), bc_ub((int)flip)};
}

/* rint(x / scale) of UB numbers, as of nearest_16 */
INL void quotients(const vf *x, vi *v, const quant_t *k)
{
    vm near = lt(x[0], x[0]);                                   /* none */
    FOR(i, UB_VECTORS) {
        const vf quotient = x[i] * k->inverse;
        v[i] = nearest_16(quotient);
        near = near | ~lt(vabs(quotient - to_float(v[i])), k->near);
    }
    if (__builtin_expect(any(near), 0)) FOR(i, UB_VECTORS) v[i] = nearest_16(x[i] / k->scale);
}
/* UB elements as bytes: CB from p on and, where that is one pixel of two, CB from q on; 0 where there is no q. */
INL ub quantise_ub(const void *p, const void *q, const quant_t *k, int floats)
{
    static const uint8_t none[CB] = {0};
    if (!floats) return ld_two((const uint8_t *)p, q ? (const uint8_t *)q : none) ^ k->flip;
    vf x[UB_VECTORS] = {{0}};
    vi v[UB_VECTORS];
    FOR(i, NV) x[i] = ld((const float *)p + i * VW);
#if UB == 32
    if (q) FOR(i, NV) x[NV + i] = ld((const float *)q + i * VW);
#endif
    quotients(x, v, k);
    FOR(i, UB_VECTORS) v[i] += k->zero;
    return min_ub(k->hi, max_ub(k->lo, narrow_ub(v)));
}
/* n numbers side by side */
static __attribute__((noinline)) void quantise_bytes(const float *x, int64_t n, const quant_t *q, uint8_t *y)
{
    int64_t i = 0;
    for (; i + UB <= n; i += UB) st_ub(y + i, quantise_ub(x + i, x + i + CB, q, 1));
    if (i < n && n >= UB) {
        st_ub(y + n - UB, quantise_ub(x + n - UB, x + n - CB * (UB_PIXELS - 1), q, 1));
    } else if (i < n) {
        float few[UB] = {0};
        uint8_t rest[UB];
        memcpy(few, x + i, sizeof(float) * (size_t)(n - i));
        st_ub(rest, quantise_ub(few, few + CB, q, 1));
        memcpy(y + i, rest, (size_t)(n - i));
    }
}
/* CB bytes to elements at p, and where there are two pixels CB more to q. */
INL void dequantise_ub(ub x, void *p, void *q, const quant_t *k, int floats)
{
    if (!floats) { st_two((uint8_t *)p, (uint8_t *)q, x ^ k->flip); return; }
    uint8_t t[UB];
    vi v[UB_VECTORS];
    st_ub(t, x);
    widen_ub(t, v);
    FOR(i, NV) st((float *)p + i * VW, to_float(v[i] - k->zero) * k->scale);
#if UB == 32
    FOR(i, NV) st((float *)q + i * VW, to_float(v[NV + i] - k->zero) * k->scale);
#endif
}

/* 16 pixels of up to FEW planes, `step` bytes apart. */
enum { FEW = 4 };
INL void few_planes(const char *x, int64_t step, int lanes, uint8_t *y, const quant_t *q, const int floats)
{
    uint8_t planes[FEW * CB] = {0};
    for (int k = 0; k < lanes; k += UB_PIXELS)
        st_ub(planes + k * CB, quantise_ub(x + k * step, k + 1 < lanes ? x + (k + 1) * step : NULL, q, floats));
    few_to_pixels(planes, y);
}
/* n pixels side by side in each of `lanes` planes -> blocked, 16 at a time; the last 16 start early enough. */
INL void block_planes_of(const char *x, int64_t plane, int lanes, int64_t n, uint8_t *y, int64_t w, int64_t row,
                         const quant_t *q, const int floats)
{
    const int size = floats ? 4 : 1;
    char few[CB * CB * 4];
    for (int64_t p = 0; p < n; p += CB) {
        if (p > n - CB && n >= CB) p = n - CB;
        const char *from = x + p * size;
        int64_t m = n < CB ? n : CB, step = plane;
        if (m < CB) {
            memset(few, 0, sizeof few);
            for (int k = 0; k < lanes; k++) memcpy(few + k * CB * size, x + k * plane * size, m * size);
            from = few;
            step = CB;
        }
        run_t to = run_at(p, w, row);
        const int whole = m == CB && to.left >= CB;
        uint8_t t[CB * CB], *pixels = whole ? y + to.at : t;
        if (lanes <= FEW) {
            few_planes(from, step * size, lanes, pixels, q, floats);
        } else {
            ub v[PLANES];
            FOR(k, PLANES) {
                const char *low = from + k * step * size;
                const char *high = k + PLANES < lanes ? from + (k + PLANES) * step * size : NULL;
                v[k] = k < lanes ? quantise_ub(low, high, q, floats) : (ub){0};
            }
            to_pixels(v);
            FOR(k, PLANES) st_ub(pixels + k * UB, v[k]);
        }
        if (!whole) for (int64_t k = 0; k < m; k++, run_next(&to)) memcpy(y + to.at, t + k * CB, CB);
    }
}
/* The reverse: n pixels of a blocked run to planes at y + off[lane]. */
INL void unblock_planes_of(const uint8_t *x, int64_t w, int64_t row, int64_t n, char *y, const int64_t *off, int lanes,
                           const quant_t *q, const int floats)
{
    const int size = floats ? 4 : 1;
    char few[CB * CB * 4], none[CB * 4];
    for (int64_t p = 0; p < n; p += CB) {
        if (p > n - CB && n >= CB) p = n - CB;
        int64_t m = n < CB ? n : CB;
        run_t from = run_at(p, w, row);
        ub v[PLANES];
        if (m == CB && from.left >= CB) {
            FOR(k, PLANES) v[k] = ld_ub(x + from.at + k * UB);
        } else {
            uint8_t t[CB * CB] = {0};
            for (int64_t k = 0; k < m; k++, run_next(&from)) memcpy(t + k * CB, x + from.at, CB);
            FOR(k, PLANES) v[k] = ld_ub(t + k * UB);
        }
        to_planes(v);
        FOR(k, PLANES) {
            if (k >= lanes) break;
            char *low = y + (off[k] + p) * size;
            char *high = UB > CB && k + PLANES < lanes ? y + (off[k + PLANES < CB ? k + PLANES : 0] + p) * size : none;
            if (m == CB) {
                dequantise_ub(v[k], low, high, q, floats);
            } else {
                dequantise_ub(v[k], few, few + CB * size, q, floats);
                memcpy(low, few, m * size);
                if (high != none) memcpy(high, few + CB * size, m * size);
            }
        }
    }
}

/* A row of w pixels whose channels lie side by side, pixels xw elements apart. */
INL void block_pixels_of(const char *x, int64_t xw, int lanes, int64_t w, uint8_t *y, const quant_t *q,
                         const int floats)
{
    const int64_t size = floats ? 4 : 1, step = xw * size;
    /* of how many pixels 16 elements lie in the row: what is read beyond the channels goes where anything may be */
    int64_t whole = lanes == CB ? w : xw < 1 || (w - 1) * xw + lanes < CB ? 0 : ((w - 1) * xw + lanes - CB) / xw + 1;
    int64_t j = 0;
    for (; j + UB_PIXELS <= whole; j += UB_PIXELS, x += UB_PIXELS * step, y += UB)
        st_ub(y, quantise_ub(x, x + step, q, floats));
    for (; j < w; j++, x += step, y += CB) {
        char few[CB * 4] = {0};
        uint8_t pixels[UB];
        memcpy(few, x, lanes * size);
        st_ub(pixels, quantise_ub(few, NULL, q, floats));
        memcpy(y, pixels, CB);
    }
}
INL void unblock_pixels_of(const uint8_t *x, int64_t w, char *y, int64_t yw, int lanes, const quant_t *q,
                           const int floats)
{
    const int64_t size = floats ? 4 : 1, step = yw * size;
    int64_t j = 0;
    if (lanes == CB)
        for (; j + UB_PIXELS <= w; j += UB_PIXELS, x += UB, y += UB_PIXELS * step)
            dequantise_ub(ld_ub(x), y, y + step, q, floats);
    for (; j < w; j++, x += CB, y += step) {
        char few[CB * 4], none[CB * 4];
        dequantise_ub(ld_two(x, x), few, none, q, floats);
        memcpy(y, few, lanes * size);
    }
}
#define LAYOUT_U8_FORMS(name, floats) \
static __attribute__((noinline)) void block_planes_##name( \
    const char *x, int64_t plane, int lanes, int64_t n, uint8_t *y, int64_t w, int64_t row, const quant_t *q) \
{ \
    if (lanes == CB) block_planes_of(x, plane, CB, n, y, w, row, q, floats); \
    else block_planes_of(x, plane, lanes, n, y, w, row, q, floats); \
} \
static __attribute__((noinline)) void unblock_planes_##name( \
    const uint8_t *x, int64_t w, int64_t row, int64_t n, char *y, const int64_t *off, int lanes, const quant_t *q) \
{ \
    unblock_planes_of(x, w, row, n, y, off, lanes, q, floats); \
} \
static __attribute__((noinline)) void block_pixels_##name( \
    const char *x, int64_t xw, int lanes, int64_t w, uint8_t *y, const quant_t *q) \
{ \
    block_pixels_of(x, xw, lanes, w, y, q, floats); \
} \
static __attribute__((noinline)) void unblock_pixels_##name( \
    const uint8_t *x, int64_t w, char *y, int64_t yw, int lanes, const quant_t *q) \
{ \
    unblock_pixels_of(x, w, y, yw, lanes, q, floats); \
}
LAYOUT_U8_FORMS(u8, 0)
LAYOUT_U8_FORMS(f32, 1)

/* One row of n pixels of any strides: by way of pixels whose channels lie together. */
#define STRIDED_U8(name, type) \
static void block_strided_##name(const char *from, int64_t xc, int64_t xw, int lanes, int64_t n, uint8_t *y, \
                                 const quant_t *q) \
{ \
    const type *x = (const type *)from; \
    for (; n > 0; n--, x += xw, y += CB) { \
        type few[CB] = {0}; \
        for (int k = 0; k < lanes; k++) few[k] = x[k * xc]; \
        block_pixels_##name((const char *)few, CB, CB, 1, y, q); \
    } \
} \
static void unblock_strided_##name(const uint8_t *x, int64_t n, char *to, const int64_t *off, int64_t yw, int lanes, \
                                   const quant_t *q) \
{ \
    type *y = (type *)to; \
    for (; n > 0; n--, x += CB, y += yw) { \
        type few[CB]; \
        unblock_pixels_##name(x, 1, (char *)few, CB, CB, q); \
        for (int k = 0; k < lanes; k++) y[off[k]] = few[k]; \
    } \
}
STRIDED_U8(u8, uint8_t)
STRIDED_U8(f32, float)

static void fill_elements(char *y, int64_t n, int64_t size, int64_t fill)
{
    if (size == 1) { memset(y, (int)fill, n); return; }
    const uint32_t word = (uint32_t)fill;
    for (int64_t i = 0; i < n; i++) memcpy(y + 4 * i, &word, 4);
}

/* w pixels of one block whose channels come from elsewhere; x: where the places count from. */
static __attribute__((noinline)) void gather_row_u8(const lanes_t *f, const uint8_t *x, int64_t row, int64_t w,
                                                    uint8_t *y)
{
#if defined(__SSSE3__) || defined(__aarch64__)
    if (f->sources > 0) {
        const uint8_t *s[4];
        uint8_t from[4][CB];
        FOR(k, 4) {
            s[k] = k < f->sources ? x + f->source[k] + row * f->source_row[k] : NULL;
            FOR(i, CB) from[k][i] = f->from[i] / CB == k ? f->from[i] % CB : 0x80;      /* 0x80 gives 0 */
        }
        for (int64_t i = 0; i < w * CB; i += CB) {
            uint8_t none[CB] = {0};
            bytes_v v;
            memcpy(&v, none, CB);
            for (int k = 0; k < f->sources; k++) {
                bytes_v a, c;
                memcpy(&a, s[k] + i, CB);
                memcpy(&c, from[k], CB);
# if defined(__aarch64__)
                v |= (bytes_v)vqtbl1q_u8((uint8x16_t)a, (uint8x16_t)c);
# else
                v |= (bytes_v)_mm_shuffle_epi8((__m128i)a, (__m128i)c);
# endif
            }
            memcpy(y + i, &v, CB);
        }
        return;
    }
#endif
    for (int h = 0; h < CB; h += 8) {           /* 8 pointers stay in registers */
        const uint8_t *p[8];
        FOR(k, 8) p[k] = x + f->lane[h + k] + row * f->row[h + k];
        for (int64_t i = 0; i < w * CB; i += CB) FOR(k, 8) y[i + h + k] = p[k][i];
    }
}
#endif
