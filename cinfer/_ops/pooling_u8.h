/* Pooling of bytes in blocks.
 *
 * max_pool_u8      the largest in each window; 0 where it has no pixel
 * average_pool_u8  y = rint(sum of (x - xz) * float(ratio / pixels)) + zy, clamped to lo .. hi, ratio = x_scale /
 *                  y_scale; mode 1 counts the pixels inside, 2 the padding too, but not what ceil_mode lets hang
 *                  over it. kd*kh*kw <= 2^23; sums of no more than MOST_16 are of 16 bits
 * global_pool_u8   one pixel of all: mode 0 the largest, 1 the average as above. d*h*w <= 2^23
 * Where there is a table, y = table[y] in the end. rint is to even; sums are integers, so the same bits at every level.
 *
 * x, y, n .. od    as in pooling.h: x points at pixel (0, 0) of a picture of ih x iw, windows are clamped to it;
 *                  strides n b r in elements. global_pool_u8: slices xd apart; tile = image*cb + block
 * Tile = (image*row_tiles + r)*cb + block, rows r*rows .. of the output.
 *
 * A window is reduced down its columns first, for all columns of the picture, into a strip in the thread's scratch;
 * then along the strip: kh + kw steps for a pixel instead of kh*kw. Scratch: iw*16 + 64 numbers as the strip has them:
 * bytes, or sums of 16 or 32 bits. */
#ifndef POOLING_U8_H
#define POOLING_U8_H
#include "depth.h"
#include "look_up.h"
#define GLOBAL_POOL_U8_FIELDS(B, I, F, A) B(x) B(y) B(table) I(n) I(cb) I(h) I(w) I(d) I(xn) I(xd) I(xb) I(xr) I(yn) \
    I(yb) I(mode) F(ratio) I(xz) I(zy) I(lo) I(hi)
PARAMS(global_pool_u8_t, GLOBAL_POOL_U8_FIELDS)

/* One pixel's bytes as 16-bit numbers. */
typedef uint16_t us __attribute__((vector_size(UB), may_alias));
enum { US_VECTORS = 2 * CB / UB, MOST_16 = 257, MOST_ROWS = 256 };      /* bytes of which 16 bits hold the sum */
typedef uint16_t usu __attribute__((vector_size(UB), may_alias, aligned(2)));
typedef struct { us v[US_VECTORS]; } sums_t;
INL sums_t ld_sums(const uint16_t *p)
{
    sums_t s;
    FOR(i, US_VECTORS) s.v[i] = *(const usu *)(p + i * UB / 2);
    return s;
}
INL void st_sums(uint16_t *p, sums_t s)         { FOR(i, US_VECTORS) *(usu *)(p + i * UB / 2) = s.v[i]; }
INL sums_t sums_of(const uint8_t *p)
{
#if UB == 32
    return (sums_t){{(us)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p))}};
#else
    ub x = ld_ub(p), none = {0};
# if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (sums_t){{(us)UNPACK_UB(none, x, 0), (us)UNPACK_UB(none, x, 8)}};
# else
    return (sums_t){{(us)UNPACK_UB(x, none, 0), (us)UNPACK_UB(x, none, 8)}};
# endif
#endif
}
INL sums_t plus(sums_t a, sums_t b)
{
    FOR(i, US_VECTORS) a.v[i] += b.v[i];
    return a;
}
/* What becomes of a sum: the zero point of x so many times, the scale over the number of pixels. */
typedef struct { vi shift, zero; vf factor; ub lo, hi; } mean_t;
INL mean_t mean_of(double ratio, int64_t present, int64_t counted, int64_t xz, int64_t zy, int64_t lo, int64_t hi)
{
    const int32_t shift = (int32_t)(present * xz), zero = (int32_t)zy;
    const float factor = counted > 0 ? (float)(ratio / (double)counted) : 0;
    return (mean_t){bci(&shift), bci(&zero), bc(factor), bc_ub((int)lo), bc_ub((int)hi)};
}
INL ub mean_ub(vi *sums, const mean_t *m)
{
    FOR(i, UB_VECTORS) sums[i] = nearest_16(to_float(sums[i] - m->shift) * m->factor) + m->zero;
    return min_ub(m->hi, max_ub(m->lo, narrow_ub(sums)));
}

/* All rows of a window's slices: `rows` of them `row` apart, in `slices` that are `slice` apart. */
typedef struct { const uint8_t *x; int64_t row, rows, slice, slices; } column_t;

/* Several vectors at once, so that the loops over rows and taps, which are short, are few. */
enum { SOME = 4 };
INL void down_max(const column_t c, int64_t i, uint8_t *y, const int vectors, const int whole)
{
    ub a[SOME];
    FOR(u, vectors) a[u] = (ub){0};
    for (int64_t z = 0; z < c.slices; z++) {
        const uint8_t *p = c.x + z * c.slice + i;
        for (int64_t k = 0; k < c.rows; k++, p += c.row)
            FOR(u, vectors) a[u] = max_ub(a[u], whole ? ld_ub(p + u * UB) : ld_two(p, p));
    }
    FOR(u, vectors) st_ub(y + i + u * UB, a[u]);
}
/* Down the columns: n bytes of a row. Where there is one row only, that is the strip. */
static __attribute__((noinline)) const uint8_t *strip_max(const column_t *c, int64_t n, uint8_t *strip)
{
    int64_t i = 0;
    if (c->rows == 1 && c->slices == 1) return c->x;
    for (; i + SOME * UB <= n; i += SOME * UB) down_max(*c, i, strip, SOME, 1);
    for (; i + UB <= n; i += UB) down_max(*c, i, strip, 1, 1);
    if (i < n) down_max(*c, i, strip, 1, 0);
    return strip;
}
INL void down_sum(const column_t c, int64_t i, uint16_t *y, const int pixels)
{
    sums_t a[SOME];
    FOR(u, pixels) a[u] = (sums_t){{{0}}};
    for (int64_t z = 0; z < c.slices; z++) {
        const uint8_t *p = c.x + z * c.slice + i;
        for (int64_t k = 0; k < c.rows; k++, p += c.row) FOR(u, pixels) a[u] = plus(a[u], sums_of(p + u * CB));
    }
    FOR(u, pixels) st_sums(y + i + u * CB, a[u]);
}
static __attribute__((noinline)) void strip_sum(const column_t *c, int64_t n, uint16_t *strip)
{
    int64_t i = 0;
    for (; i + SOME * CB <= n; i += SOME * CB) down_sum(*c, i, strip, SOME);
    for (; i < n; i += CB) down_sum(*c, i, strip, 1);
}

/* The same, sums of 32 bits. */
static __attribute__((noinline)) void strip_total(const column_t *c, int64_t n, int32_t *strip)
{
    for (int64_t i = 0; i < n; i += CB) {
        vi total[NV] = {0};
        for (int64_t z = 0; z < c->slices; z++)
            for (int64_t first = 0, end; first < c->rows; first = end) {
                const uint8_t *p = c->x + z * c->slice + first * c->row + i;
                uint16_t t[CB];
                sums_t a = {0};
                end = c->rows - first > MOST_ROWS ? first + MOST_ROWS : c->rows;
                for (int64_t k = first; k < end; k++, p += c->row) a = plus(a, sums_of(p));
                st_sums(t, a);
                FOR(v, NV) total[v] += ld_u16(t + v * VW);
            }
        FOR(v, NV) st((float *)(strip + i + v * VW), (vf)total[v]);
    }
}

/* Along the strip: windows from x on, `step` bytes apart, of `taps` columns `tap` apart. near: the windows' pixels are
 * neighbours; one: of vectors of two pixels only one is wanted. */
INL void along_some(const uint8_t *x, int64_t tap, int64_t taps, int64_t step, uint8_t *y, const int vectors,
                    const int near, const int one)
{
    ub a[SOME];
    FOR(u, vectors) a[u] = (ub){0};
    for (int64_t k = 0; k < taps; k++, x += tap)
        FOR(u, vectors) {
            const uint8_t *p = x + u * UB_PIXELS * step;
            a[u] = max_ub(a[u], near ? ld_ub(p) : ld_two(p, one ? p : p + step));
        }
    if (one) st_one(y, a[0]);
    else FOR(u, vectors) st_ub(y + u * UB, a[u]);
}
INL void along_max_of(const uint8_t *x, int64_t tap, int64_t taps, int64_t step, int64_t n, uint8_t *y, const int near)
{
    int64_t j = 0;
    for (; j + SOME * UB_PIXELS <= n; j += SOME * UB_PIXELS)
        along_some(x + j * step, tap, taps, step, y + j * CB, SOME, near, 0);
    for (; j + UB_PIXELS <= n; j += UB_PIXELS) along_some(x + j * step, tap, taps, step, y + j * CB, 1, near, 0);
    if (j < n) along_some(x + j * step, tap, taps, step, y + j * CB, 1, 0, 1);
}
static __attribute__((noinline)) void along_max(const uint8_t *x, int64_t tap, int64_t taps, int64_t step, int64_t n,
                                                uint8_t *y)
{
    if (taps == 3 && step == 2 * CB) along_max_of(x, tap, 3, 2 * CB, n, y, 0);
    else if (taps == 2 && step == 2 * CB) along_max_of(x, tap, 2, 2 * CB, n, y, 0);
    else if (step == CB) along_max_of(x, tap, taps, CB, n, y, 1);
    else along_max_of(x, tap, taps, step, n, y, 0);
}
INL void along_mean_some(const uint16_t *x, int64_t tap, int64_t taps, int64_t step, const mean_t *m, uint8_t *y,
                         const int pixels)
{
    sums_t a[SOME * UB_PIXELS];
    FOR(u, pixels) a[u] = (sums_t){{{0}}};
    for (int64_t k = 0; k < taps; k++, x += tap) FOR(u, pixels) a[u] = plus(a[u], ld_sums(x + u * step));
    FOR(u, pixels) {
        if (u % UB_PIXELS) continue;
        uint16_t t[2 * CB] = {0};
        vi v[UB_VECTORS];
        st_sums(t, a[u]);
        if (u + 1 < pixels) st_sums(t + CB, a[u + 1]);
        FOR(i, UB_VECTORS) v[i] = ld_u16(t + i * VW);
        if (pixels < UB_PIXELS) st_one(y, mean_ub(v, m));
        else st_ub(y + u * CB, mean_ub(v, m));
    }
}
static __attribute__((noinline)) void along_mean(const uint16_t *x, int64_t tap, int64_t taps, int64_t step, int64_t n,
                                                 const mean_t *m, uint8_t *y)
{
    int64_t j = 0;
    for (; j + SOME <= n; j += SOME) along_mean_some(x + j * step, tap, taps, step, m, y + j * CB, SOME);
    for (; j < n; j++) along_mean_some(x + j * step, tap, taps, step, m, y + j * CB, 1);
}
static __attribute__((noinline)) void along_total(const int32_t *x, int64_t tap, int64_t taps, int64_t step, int64_t n,
                                                  const mean_t *m, uint8_t *y)
{
    for (int64_t j = 0; j < n; j++, x += step) {
        vi v[UB_VECTORS] = {0};
        for (int64_t k = 0; k < taps; k++)
            FOR(i, NV) v[i] += ldi(x + k * tap + i * VW);
        st_one(y + j * CB, mean_ub(v, m));
    }
}

static void global_max_u8(const global_pool_u8_t *A, const uint8_t *x, uint8_t *y)
{
    uint8_t t[UB];
    ub a = {0};
    for (int64_t z = 0; z < A->d; z++)
        for (int64_t i = 0; i < A->h; i++) {
            const uint8_t *p = x + z * A->xd + i * A->xr;
            int64_t j = 0;
            for (; j + UB_PIXELS <= A->w; j += UB_PIXELS) a = max_ub(a, ld_ub(p + j * CB));
            if (j < A->w) a = max_ub(a, ld_two(p + j * CB, p + j * CB));
        }
    st_ub(t, a);
    for (int k = 0; k < CB; k++) y[k] = t[k] > t[UB - CB + k] ? t[k] : t[UB - CB + k];
}
static void global_mean_u8(const global_pool_u8_t *A, const uint8_t *x, uint8_t *y)
{
    enum { U = 4, MOST = 256 * U };         /* 256 bytes fit each 16-bit sum */
    vi total[UB_VECTORS] = {0};
    for (int64_t z = 0; z < A->d; z++)
        for (int64_t i = 0; i < A->h; i++)
            for (int64_t first = 0, end; first < A->w; first = end) {
                const uint8_t *p = x + z * A->xd + i * A->xr;
                uint16_t t[CB];
                sums_t a[U] = {0};
                int64_t j = first;
                end = A->w - first > MOST ? first + MOST : A->w;
                for (; j + U <= end; j += U) FOR(u, U) a[u] = plus(a[u], sums_of(p + (j + u) * CB));
                for (; j < end; j++) a[0] = plus(a[0], sums_of(p + j * CB));
                FOR(u, U) {
                    st_sums(t, a[u]);
                    FOR(v, NV) total[v] += ld_u16(t + v * VW);
                }
            }
    const int64_t count = A->d * A->h * A->w;
    const mean_t m = mean_of(A->ratio, count, count, A->xz, A->zy, A->lo, A->hi);
    st_one(y, mean_ub(total, &m));
}
#endif
