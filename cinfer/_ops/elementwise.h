/* Elementwise operators over strided tensors of up to 6 axes.
 *
 * map          y = op(x)
 * zip          y = act(a op b)
 * scale_shift  y = act(x*s + t)
 * fill         y = value
 * Strides are in floats, may be 0 (broadcast) or negative; dims[5] is the innermost axis. The outer indices,
 * the product of dims[0..4] in row-major order, are cut into tiles of `outer` each. map with op none moves
 * 4-byte elements of any kind without looking at them. y overlaps an input only where it is that input. range, of map
 * and zip: as range.h has it; numbers of y are then neighbours along its innermost axis.
 *
 * The drivers hand planes to the functions here: `rows` steps along one axis by `row` strides, n along the
 * innermost axis by `step` strides. In blocked tensors these axes are pixels and lanes. */
#ifndef ELEMENTWISE_H
#define ELEMENTWISE_H
#include "activation.h"
#include "transpose.h"
#define BINARY_OPS(X) X(add) X(sub) X(mul) X(div) X(min) X(max) X(pow) X(prelu)
#define ENUM_B_(n) B_##n,
enum { BINARY_OPS(ENUM_B_) B_COUNT };
#define BINARY_NAME_(n) #n " "
static const char binary_names[] __attribute__((unused)) = BINARY_OPS(BINARY_NAME_);

/* floats that strided operands are gathered into: a few of these fit L1 */
enum { PIECE = 1024 };

INL void gather(const float *x, int64_t step, int64_t n, float *t)
{
    /* with small constants the compiler makes vector permutes */
    if (step == 0) for (int64_t i = 0; i < n; i++) t[i] = *x;
    else if (step == 2) for (int64_t i = 0; i < n; i++) t[i] = x[2 * i];
    else if (step == 3) for (int64_t i = 0; i < n; i++) t[i] = x[3 * i];
    else if (step == 4) for (int64_t i = 0; i < n; i++) t[i] = x[4 * i];
    else for (int64_t i = 0; i < n; i++) t[i] = x[i * step];
}

/* One row of any strides, in pieces. */
static __attribute__((noinline)) void map_strided(const float *x, int64_t xs, float *y, int64_t ys, int64_t n,
                                                  int op, float alpha, float beta)
{
    float t[PIECE] __attribute__((aligned(64)));
    for (int64_t m; n > 0; n -= m, x += m * xs, y += m * ys) {
        m = n < PIECE ? n : PIECE;
        if (ys == 1) {
            gather(x, xs, m, y);
            activate_rows(y, m, 1, 0, op, alpha, beta);
        } else if (op == U_none) {
            for (int64_t i = 0; i < m; i++) y[i * ys] = x[i * xs];
        } else {
            gather(x, xs, m, t);
            activate_rows(t, m, 1, 0, op, alpha, beta);
            for (int64_t i = 0; i < m; i++) y[i * ys] = t[i];
        }
    }
}

/* Rows shorter than a vector, or a few vectors of them: all in one loop. */
static __attribute__((noinline)) void copy_short(const float *x, int64_t xr, float *y, int64_t yr,
                                                 int64_t rows, int64_t n)
{
    int64_t whole = n / VW * VW;
    for (; rows > 0; rows--, x += xr, y += yr) {
        int64_t i = 0;
        for (; i < whole; i += VW) st(y + i, ld(x + i));
        for (; i < n; i++) y[i] = x[i];
    }
}

/* y[i][r] = x[r][i]; the planes are done in squares that fit L1. */
static __attribute__((noinline)) void transpose_plane(const float *x, int64_t xr, float *y, int64_t yr,
                                                      int64_t rows, int64_t n)
{
    int64_t r = 0;
    for (; r + VW <= rows; r += VW) {
        int64_t i = 0;
        for (; i + VW <= n; i += VW) transpose_square(x + r * xr + i, xr, y + i * yr + r, yr);
        for (; i < n; i++) for (int k = 0; k < VW; k++) y[i * yr + r + k] = x[(r + k) * xr + i];
    }
    for (; r < rows; r++) for (int64_t i = 0; i < n; i++) y[i * yr + r] = x[r * xr + i];
}

/* Planes of many rows of a few floats are done column by column. */
#define SHORT_ROWS(n, rows) ((n) <= 4 && (rows) > 2 * (n))
#define SWAP(a, b) { int64_t t_ = a; a = b; b = t_; }
#define SWAP_AXES(strides) { strides SWAP(rows, n) }

static void map_plane(const float *x, int64_t xr, int64_t xs, float *y, int64_t yr, int64_t ys, int64_t rows,
                      int64_t n, int op, float alpha, float beta)
{
    if (SHORT_ROWS(n, rows) && !(xs == 1 && ys == 1 && xr == n && yr == n))
        SWAP_AXES(SWAP(xr, xs) SWAP(yr, ys))
    if (xs == 1 && ys == 1) {
        if (xr == n && yr == n) { n *= rows; rows = 1; }
        if (op == U_none && n < 256) { copy_short(x, xr, y, yr, rows, n); return; }
        for (int64_t r = 0; r < rows; r++) {
            if (op == U_none) memmove(y + r * yr, x + r * xr, n * sizeof(float));
            else unary_row(x + r * xr, y + r * yr, n, op, alpha, beta);
        }
    } else if (ys == 1 && xr == 1 && rows >= VW && n >= VW) {
        /* x runs along the rows: y[r][i] = x[i][r] */
        for (int64_t i = 0; i < n; i += 64) {
            int64_t m = n - i < 64 ? n - i : 64;
            transpose_plane(x + i * xs, xs, y + i, yr, m, rows);
        }
        activate_rows(y, n, rows, yr, op, alpha, beta);
    } else if (xs == 1 && yr == 1 && rows >= VW && n >= VW && op == U_none) {
        for (int64_t i = 0; i < n; i += 64)
            transpose_plane(x + i, xr, y + i * ys, ys, rows, n - i < 64 ? n - i : 64);
    } else {
        for (int64_t r = 0; r < rows; r++) map_strided(x + r * xr, xs, y + r * yr, ys, n, op, alpha, beta);
    }
}

/* The power .5: of -0 it is +0, of -inf +inf */
INL vf square_root(vf x)
{
    return vsqrt(pick(eq(x, bc(-INF_)), bc(INF_), x) + 0.f);
}

/* Exponents that need no logarithm mean the same wherever they stand: a plane of one of them takes a shorter
 * way, and how planes are cut must not show in the bits. */
static __attribute__((noinline)) vf power(vf x, vf y)
{
    vf r = vpow(x, y);
    r = pick(eq(y, bc(2.f)), x * x, r);
    r = pick(eq(y, bc(3.f)), x * x * x, r);
    return pick(eq(y, bc(.5f)), square_root(x), r);
}

/* Binary operators. Every result is limited to lo .. hi, which costs nothing beside memory: clip, or
 * infinities. */
#define DO_add(a, b)   ((a) + (b))
#define DO_sub(a, b)   ((a) - (b))
#define DO_mul(a, b)   ((a) * (b))
#define DO_div(a, b)   ((a) / (b))
#define DO_min(a, b)   vmin_nan(a, b)
#define DO_max(a, b)   vmax_nan(a, b)
#define DO_pow(a, b)   power(a, b)
#define DO_prelu(a, b) pick(lt(a, (vf){0}), (a) * (b), a)
#define DO_square(a, b) ((a) * (a))
#define DO_cube(a, b)   ((a) * (a) * (a))
#define DO_root(a, b)   square_root(a)
#define ONE_EACH(p, i, n)  ((n) < VW ? ld_part((p) + (i), n, 1) : ld((p) + (i)))
#define ONE_ALL(p, i, n)   bc(*(p))
/* Both operands and the result of one plane: LA, LB say whether a step or not. */
#define ZIP_PLANE(op, form, LA, LB) \
static __attribute__((noinline)) void zip_##op##_##form(ZIP_ARGS) \
{ \
    vf l = bc(lo), h = bc(hi); \
    for (; rows > 0; rows--, a += ar, b += br, y += yr) { \
        int64_t i = 0; \
        for (; i + VW <= n; i += VW) st(y + i, vmin(h, vmax(l, DO_##op(LA(a, i, VW), LB(b, i, VW))))); \
        if (i < n) st_part(y + i, vmin(h, vmax(l, DO_##op(LA(a, i, n - i), LB(b, i, n - i)))), n - i); \
    } \
}
#define ZIP_ARGS const float *a, int64_t ar, const float *b, int64_t br, float *y, int64_t yr, int64_t rows, \
    int64_t n, float lo, float hi
typedef void (*zip_fn)(ZIP_ARGS);
#define ZIP_FORMS(op) ZIP_PLANE(op, each, ONE_EACH, ONE_EACH) ZIP_PLANE(op, right, ONE_EACH, ONE_ALL) \
    ZIP_PLANE(op, left, ONE_ALL, ONE_EACH)
BINARY_OPS(ZIP_FORMS)
ZIP_PLANE(square, right, ONE_EACH, ONE_ALL)
ZIP_PLANE(cube, right, ONE_EACH, ONE_ALL)
ZIP_PLANE(root, right, ONE_EACH, ONE_ALL)
#define ZIP_REF(op) {zip_##op##_each, zip_##op##_right, zip_##op##_left},
static const zip_fn zip_planes[B_COUNT][3] = {BINARY_OPS(ZIP_REF)};

INL void limits(int act, float alpha, float beta, float *lo, float *hi)
{
    *lo = act == U_clip ? alpha : -INF_;
    *hi = act == U_clip ? beta : INF_;
}
INL void activate_plane(float *y, int64_t yr, int64_t rows, int64_t n, int act, float alpha, float beta)
{
    if (act == U_none || act == U_clip) return;
    if (yr == n) { n *= rows; rows = 1; }
    activate_rows(y, n, rows, yr, act, alpha, beta);
}

/* A plane of any strides and size. */
static void zip_plane(const float *a, int64_t ar, int64_t as, const float *b, int64_t br, int64_t bs,
                      float *y, int64_t yr, int64_t ys, int64_t rows, int64_t n, int op, int act, float alpha,
                      float beta)
{
    float lo, hi;
    limits(act, alpha, beta, &lo, &hi);
    if (SHORT_ROWS(n, rows) && !(yr == n && ar == as * n && br == bs * n))
        SWAP_AXES(SWAP(ar, as) SWAP(br, bs) SWAP(yr, ys))
    int form = as == 1 && bs == 1 ? 0 : as == 1 && bs == 0 ? 1 : as == 0 && bs == 1 ? 2 : -1;
    if (form >= 0 && ys == 1) {
        if (yr == n && (as ? ar == n : ar == 0) && (bs ? br == n : br == 0)) { n *= rows; rows = 1; }
        zip_fn f = zip_planes[op][form];
        if (op == B_pow && form == 1 && (br == 0 || rows == 1))
            f = *b == 2 ? zip_square_right : *b == 3 ? zip_cube_right : *b == .5f ? zip_root_right : f;
        for (int64_t i = 0; i < n; i += 4096) {
            int64_t m = n - i < 4096 ? n - i : 4096, some = 4096 / m;
            for (int64_t r = 0; r < rows; r += some) {
                if (some > rows - r) some = rows - r;
                f(a + r * ar + i * as, ar, b + r * br + i * bs, br, y + r * yr + i, yr, some, m, lo, hi);
                activate_plane(y + r * yr + i, yr, some, m, act, alpha, beta);
            }
        }
        return;
    }
    float s[PIECE], t[PIECE];
    for (; rows > 0; rows--, a += ar, b += br, y += yr)
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t m = n - i < PIECE ? n - i : PIECE;
            gather(a + i * as, as, m, s);
            gather(b + i * bs, bs, m, t);
            zip_planes[op][0](s, 0, t, 0, s, 0, 1, m, lo, hi);
            activate_plane(s, m, 1, m, act, alpha, beta);
            for (int64_t k = 0; k < m; k++) y[(i + k) * ys] = s[k];
        }
}

#define SCALE_ARGS const float *x, int64_t xr, const float *s, int64_t sr, const float *t, int64_t tr, \
    float *y, int64_t yr, int64_t rows, int64_t n, float lo, float hi
#define SCALE_PLANE(form, LS) \
static __attribute__((noinline)) void scale_plane_##form(SCALE_ARGS) \
{ \
    vf l = bc(lo), h = bc(hi); \
    for (; rows > 0; rows--, x += xr, s += sr, t += tr, y += yr) { \
        int64_t i = 0; \
        for (; i + VW <= n; i += VW) \
            st(y + i, vmin(h, vmax(l, times_plus(ld(x + i), LS(s, i, VW), LS(t, i, VW))))); \
        if (i < n) { \
            vf v = times_plus(ONE_EACH(x, i, n - i), LS(s, i, n - i), LS(t, i, n - i)); \
            st_part(y + i, vmin(h, vmax(l, v)), n - i); \
        } \
    } \
}
SCALE_PLANE(each, ONE_EACH)
SCALE_PLANE(all, ONE_ALL)

static void scale_shift_plane(const float *x, int64_t xr, int64_t xs, const float *s, int64_t sr, int64_t ss,
                              const float *t, int64_t tr, int64_t ts, float *y, int64_t yr, int64_t ys,
                              int64_t rows, int64_t n, int act, float alpha, float beta)
{
    float lo, hi;
    limits(act, alpha, beta, &lo, &hi);
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(xr, xs) SWAP(sr, ss) SWAP(tr, ts) SWAP(yr, ys))
    if (xs == 1 && ys == 1 && ss == ts && (ss == 0 || ss == 1)) {
        void (*f)(SCALE_ARGS) = ss ? scale_plane_each : scale_plane_all;
        for (int64_t i = 0; i < n; i += 4096) {
            int64_t m = n - i < 4096 ? n - i : 4096, some = 4096 / m;
            for (int64_t r = 0; r < rows; r += some) {
                if (some > rows - r) some = rows - r;
                f(x + r * xr + i, xr, s + r * sr + i * ss, sr, t + r * tr + i * ss, tr, y + r * yr + i, yr,
                  some, m, lo, hi);
                activate_plane(y + r * yr + i, yr, some, m, act, alpha, beta);
            }
        }
        return;
    }
    float u[PIECE], v[PIECE], w[PIECE];
    for (; rows > 0; rows--, x += xr, s += sr, t += tr, y += yr)
        for (int64_t i = 0; i < n; i += PIECE) {
            int64_t m = n - i < PIECE ? n - i : PIECE;
            gather(x + i * xs, xs, m, u);
            gather(s + i * ss, ss, m, v);
            gather(t + i * ts, ts, m, w);
            scale_plane_each(u, 0, v, 0, w, 0, u, 0, 1, m, lo, hi);
            activate_plane(u, m, 1, m, act, alpha, beta);
            for (int64_t k = 0; k < m; k++) y[(i + k) * ys] = u[k];
        }
}

static void fill_plane(float *y, int64_t yr, int64_t ys, int64_t rows, int64_t n, float value)
{
    if (ys == 1 && yr == n) { n *= rows; rows = 1; }
    for (; rows > 0; rows--, y += yr) {
        if (ys == 1) for (int64_t i = 0; i < n; i++) y[i] = value;
        else for (int64_t i = 0; i < n; i++) y[i * ys] = value;
    }
}
#endif
