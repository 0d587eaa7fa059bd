/* Max and average pooling, blocked in and out: lanes are channels.
 *
 * x     points at pixel (0, 0) of a picture of ih x iw; windows are clamped to it, no halo is needed
 * y     pixel (0, 0); both with strides n b r in floats
 * kd .. as depth.h says: the windows of the slices one by one, into scratch (ow*64 bytes unless kd = 0), from
 *       where they are joined; pe: padding behind the last slice
 * mode  0 maximum, NaN if any value is NaN; 1 average of the pixels inside; 2 average that counts the
 *       padding, but not what ceil_mode lets hang over it. A window without any pixel gives -inf, or 0 for an
 *       average.
 * Order: down each column of the window, then along the columns, then the slices; the same in every tile
 * function. An average over more than COLUMN_PIECE rows or columns is made of the sums of parts of the window
 * of at most so many by so many, added in float64 (sums.h): good to 3e-5, and to half of that where all terms
 * are alike.
 * Kernel tile = (image*row_tiles + r)*cb + block, rows r*rows .. of the output.
 * Kernel tile of global_pool = image*cb + block, of d slices that lie xd floats apart (d = 0: pictures); its
 * sums are block_sum's (sums.h), those of the slices added in float64.
 *
 * Tile functions do pixels whose windows lie inside from left to right; the rows of the window are counted at
 * run time, which clamps it at the top and the bottom. pool_OP_K_S: K columns, stride S, dilation 1: columns
 * are reduced once and shared by the windows they lie in. pool_OP_any_P: any window, P pixels; P = 1 for
 * those at the edges. */
#ifndef POOLING_H
#define POOLING_H
#include "depth.h"
#include "sums.h"

/* vmax() keeps a NaN of its second operand only. A NaN or-ed with anything is a NaN, equal values
 * are themselves. */
INL vf pool_max(vf a, vf b) { return (vf)((vi)vmax(a, b) | (vi)vmax(b, a)); }
INL vf pool_sum(vf a, vf b) { return a + b; }

/* x: first pixel of the first window, its first row inside; row, tap, step: floats between rows and columns
 * of the window and between windows; rows, taps >= 1, in pool_OP_any >= 0; n: pixels, not below the tile's;
 * scale: of the average. */
#define POOL_ARGS const float *x, size_t row, int64_t rows, size_t tap, int64_t taps, size_t step, \
    int64_t n, float scale, float *y
#define POOL_START_max -__builtin_inff()
#define POOL_START_sum 0.f
#define POOL_SCALE_max(v) (v)
#define POOL_SCALE_sum(v) ((v) * bc(scale))
#define POOL_PX(S) ((S) == 1 || VW == 16 ? 8 : 4)
#define POOL_TILE(OP, K, S) \
static __attribute__((noinline)) void pool_##OP##_##K##_##S(POOL_ARGS) \
{ \
    enum { PX = POOL_PX(S), C = (PX - 1) * S + K }; \
    for (int64_t j = 0; j < n; j += PX) { \
        if (j > n - PX) j = n - PX;                 /* the last tile does some pixels again */ \
        FOR(h, NV) { \
            const float *r = x + j * S * CB + h * VW; \
            vf c[C]; \
            FOR(i, C) c[i] = ld(r + i * CB); \
            for (int64_t k = 1; k < rows; k++) { \
                r += row; \
                FOR(i, C) c[i] = pool_##OP(c[i], ld(r + i * CB)); \
            } \
            FOR(p, PX) { \
                vf a = c[p * S]; \
                FOR(q, K - 1) a = pool_##OP(a, c[p * S + q + 1]); \
                st(y + (j + p) * CB + h * VW, POOL_SCALE_##OP(a)); \
            } \
        } \
    } \
}
#define POOL_ANY(OP, PX) \
static __attribute__((noinline)) void pool_##OP##_any_##PX(POOL_ARGS) \
{ \
    for (int64_t j = 0; j < n; j += PX) { \
        if (j > n - PX) j = n - PX; \
        for (int h = 0; h < CB; h += VW) { \
            vf a[PX]; \
            FOR(p, PX) a[p] = bc(POOL_START_##OP); \
            for (int64_t q = 0; q < taps; q++) { \
                const float *r = x + j * step + q * tap + h; \
                vf c[PX]; \
                FOR(p, PX) c[p] = bc(POOL_START_##OP); \
                for (int64_t k = 0; k < rows; k++, r += row) \
                    FOR(p, PX) c[p] = pool_##OP(c[p], ld(r + p * step)); \
                FOR(p, PX) a[p] = pool_##OP(a[p], c[p]); \
            } \
            FOR(p, PX) st(y + (j + p) * CB + h, POOL_SCALE_##OP(a[p])); \
        } \
    } \
}
#define POOL_EACH(OP) POOL_TILE(OP, 2, 2) POOL_TILE(OP, 3, 1) POOL_TILE(OP, 3, 2) POOL_TILE(OP, 5, 1) \
    POOL_ANY(OP, 1) POOL_ANY(OP, 4)
POOL_EACH(max)
POOL_EACH(sum)
/* One window in parts. */
static __attribute__((noinline)) void pool_sum_far(POOL_ARGS)
{
    double total[CB] = {0};
    float part[CB];
    (void)step, (void)n;
    for (int64_t i = 0; i < rows; i += COLUMN_PIECE)
        for (int64_t j = 0; j < taps; j += COLUMN_PIECE) {
            const int64_t h = rows - i < COLUMN_PIECE ? rows - i : COLUMN_PIECE;
            const int64_t w = taps - j < COLUMN_PIECE ? taps - j : COLUMN_PIECE;
            pool_sum_any_1(x + i * row + j * tap, row, h, tap, w, 0, 1, 1, part);
            add_to_total(total, part, CB, 0);
        }
    for (int c = 0; c < CB; c++) y[c] = (float)(total[c] * (double)scale);
}
/* A row of n pixels of one more slice. */
static void pool_join(const float *x, int64_t n, int max, float *y)
{
    if (max) for (int64_t i = 0; i < n * CB; i += VW) st(y + i, pool_max(ld(y + i), ld(x + i)));
    else for (int64_t i = 0; i < n * CB; i += VW) st(y + i, ld(y + i) + ld(x + i));
}
typedef void (*pool_fn)(POOL_ARGS);
#define POOL_FORM(OP) \
static pool_fn pool_form_##OP(int64_t kw, int64_t sw, int64_t dw, int64_t pixels) \
{ \
    int64_t k = dw == 1 && pixels >= POOL_PX(sw) ? kw * 10 + sw : 0; \
    return k == 22 ? pool_##OP##_2_2 : k == 31 ? pool_##OP##_3_1 : k == 32 ? pool_##OP##_3_2 : \
        k == 51 ? pool_##OP##_5_1 : pixels >= 4 ? pool_##OP##_any_4 : pool_##OP##_any_1; \
}
POOL_FORM(max)
POOL_FORM(sum)

/* One block of a picture to one pixel: 8 vectors side by side along a row, rows one after another. */
static void global_pool_max(const float *x, int64_t h, int64_t w, size_t row, float *y)
{
    enum { U = 8 / NV };
    vf t[NV];
    FOR(v, NV) t[v] = bc(POOL_START_max);
    for (int64_t i = 0; i < h; i++, x += row) {
        vf a[U][NV];
        int64_t j = 0;
        FOR(u, U) FOR(v, NV) a[u][v] = bc(POOL_START_max);
        for (; j + U <= w; j += U)
            FOR(u, U) FOR(v, NV) a[u][v] = pool_max(a[u][v], ld(x + (j + u) * CB + v * VW));
        FOR(u, U) if (j + u < w) FOR(v, NV) a[u][v] = pool_max(a[u][v], ld(x + (j + u) * CB + v * VW));
        FOR(u, U - 1) FOR(v, NV) a[0][v] = pool_max(a[0][v], a[u + 1][v]);
        FOR(v, NV) t[v] = pool_max(t[v], a[0][v]);
    }
    FOR(v, NV) st(y + v * VW, t[v]);
}
static void global_pool_sum(const float *x, int64_t h, int64_t w, size_t row, float *y)
{
    vf t[NV], zero[NV];
    FOR(v, NV) zero[v] = (vf){0};
    block_sum(x, h, w, (int64_t)row, zero, 0, t);
    FOR(v, NV) st(y + v * VW, t[v]);
}
#endif
