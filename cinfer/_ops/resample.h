/* Resampling along one axis: each element of y is a weighted sum of a few of x, the same few for a whole row.
 *
 * y[o, i, k] = sum over t < taps of weights[i][t] * x[o, index[i][t], k]
 *
 * o walks dims; xs, ys are strides over it, xa, ya along the axis, in floats; k runs over `inner` floats side
 * by side.
 * table: taps, index[wanted][taps] as int32, weights[wanted][taps] as float; one tap alone is a copy.
 *
 * lanes = 0: vectors lie along k. Kernel tile: `outer` of all (o, i).
 * lanes = 1: the axis itself lies side by side, inner is 1, and o walks dims[2] alone. 16 rows at a time are
 *            turned into a block [size][16], vectors lie along the rows, and the block of results is turned
 *            back. Kernel tile: `outer` times 16 rows. Scratch: the two blocks. Fewer than LEAST_ROWS, or
 *            rows of which the blocks have more than LONG_ROWS, are done number by number, in float64.
 *
 * Terms are added in the order of t; more than RUN in pieces whose sums are added in float64 (sums.h). */
#ifndef RESAMPLE_H
#define RESAMPLE_H
#include "layout.h"
#include "sums.h"

enum { LEAST_ROWS = 4, LONG_ROWS = 1 << 14 };

typedef struct { int64_t taps; const int32_t *index; const float *weights; } taps_t;
static taps_t taps_at(const int32_t *table, int64_t wanted)
{
    int64_t taps = *table;
    return (taps_t){taps, table + 1, (const float *)(table + 1 + wanted * taps)};
}

/* One row of n floats: of so few taps that their rows are known by pointers. */
INL void blend_few(const float *x, int64_t xa, const int32_t *index, const float *weights, int taps, float *y,
                   int64_t n)
{
    const float *p[4];
    vf w[4];
    int64_t k = 0;
    FOR(t, taps) { p[t] = x + index[t] * xa; w[t] = bc(weights[t]); }
    for (; k + VW <= n; k += VW) {
        vf a = w[0] * ld(p[0] + k);
        FOR(t, taps - 1) a += w[t + 1] * ld(p[t + 1] + k);
        st(y + k, a);
    }
    if (k < n) {
        vf a = w[0] * ld_part(p[0] + k, n - k, 0);
        FOR(t, taps - 1) a += w[t + 1] * ld_part(p[t + 1] + k, n - k, 0);
        st_part(y + k, a, n - k);
    }
}
/* 16 columns or, of the last of a row, m. */
INL void add_taps(const float *x, int64_t xa, const int32_t *index, const float *weights, int64_t taps,
                  int64_t m, vf *a)
{
    FOR(v, NV) a[v] = (vf){0};
    for (int64_t t = 0; t < taps; t++) {
        const float *p = x + index[t] * xa;
        vf w = bc(weights[t]);
        FOR(v, NV) {
            int64_t left = m - v * VW;
            if (left >= VW) a[v] += w * ld(p + v * VW);
            else if (left > 0) a[v] += w * ld_part(p + v * VW, left, 0);
        }
    }
}
INL void blend_columns(const float *x, int64_t xa, const int32_t *index, const float *weights, int64_t taps,
                       int64_t m, float *y)
{
    vf a[NV];
    if (taps <= RUN) {
        add_taps(x, xa, index, weights, taps, m, a);
    } else {
        float part[CB];
        double total[CB];
        for (int64_t t = 0; t < taps; t += RUN) {
            add_taps(x, xa, index + t, weights + t, taps - t < RUN ? taps - t : RUN, m, a);
            FOR(v, NV) st(part + v * VW, a[v]);
            add_to_total(total, part, CB, t == 0);
        }
        rounded_total(total, part, CB);
        FOR(v, NV) a[v] = ld(part + v * VW);
    }
    FOR(v, NV) {
        int64_t left = m - v * VW;
        if (left >= VW) st(y + v * VW, a[v]);
        else if (left > 0) st_part(y + v * VW, a[v], left);
    }
}
INL void blend_many(const float *x, int64_t xa, const int32_t *index, const float *weights, int64_t taps,
                    float *y, int64_t n)
{
    for (; n >= CB; n -= CB, x += CB, y += CB) blend_columns(x, xa, index, weights, taps, CB, y);
    if (n > 0) blend_columns(x, xa, index, weights, taps, n, y);
}
/* Rows first .. first + rows - 1, ya apart. */
#define BLEND(name, how, count, n) \
static __attribute__((noinline)) void name(const float *x, int64_t xa, const taps_t *f, int64_t first, \
                                           int64_t rows, float *y, int64_t ya, int64_t inner) \
{ \
    const int32_t *index = f->index + first * f->taps; \
    const float *weights = f->weights + first * f->taps; \
    (void)inner; \
    for (; rows > 0; rows--, y += ya, index += f->taps, weights += f->taps) \
        how(x, xa, index, weights, count, y, n); \
}
BLEND(blend_2, blend_few, 2, inner)
BLEND(blend_4, blend_few, 4, inner)
BLEND(blend_n, blend_many, f->taps, inner)
BLEND(blend_2_block, blend_few, 2, CB)
BLEND(blend_4_block, blend_few, 4, CB)
BLEND(blend_n_block, blend_many, f->taps, CB)
static void blend(const float *x, int64_t xa, const taps_t *f, int64_t first, int64_t rows, float *y,
                  int64_t ya, int64_t inner)
{
#define BLEND_ARGS x, xa, f, first, rows, y, ya, inner
    if (f->taps == 1) {
        for (int64_t i = 0; i < rows; i++)
            memcpy(y + i * ya, x + f->index[first + i] * xa, inner * sizeof(float));
    }
    else if (inner == CB) {
        if (f->taps == 2) blend_2_block(BLEND_ARGS);
        else if (f->taps == 4) blend_4_block(BLEND_ARGS);
        else blend_n_block(BLEND_ARGS);
    }
    else if (f->taps == 2) blend_2(BLEND_ARGS);
    else if (f->taps == 4) blend_4(BLEND_ARGS);
    else blend_n(BLEND_ARGS);
}
static __attribute__((noinline)) void blend_numbers(const float *x, const taps_t *f, int64_t wanted, float *y)
{
    const int32_t *index = f->index;
    const float *weights = f->weights;
    for (int64_t i = 0; i < wanted; i++, index += f->taps, weights += f->taps) {
        double sum = 0;
        for (int64_t t = 0; t < f->taps; t++) sum += (double)weights[t] * x[index[t]];
        y[i] = (float)sum;
    }
}
/* Floats of scratch that blend_rows takes. */
static int64_t rows_room(int64_t size, int64_t wanted)
{
    return size + wanted > LONG_ROWS ? 0 : (size + wanted) * CB;
}
/* Up to 16 rows that lie along the axis; t: scratch. */
static void blend_rows(const float *x, int64_t xs, const taps_t *f, int64_t size, int64_t wanted, int lanes,
                       float *y, int64_t ys, float *t)
{
    if (f->taps == 1) {
        for (; lanes > 0; lanes--, x += xs, y += ys)
            for (int64_t i = 0; i < wanted; i++) y[i] = x[f->index[i]];
        return;
    }
    if (lanes < LEAST_ROWS || size + wanted > LONG_ROWS) {
        for (; lanes > 0; lanes--, x += xs, y += ys) blend_numbers(x, f, wanted, y);
        return;
    }
    int64_t off[CB];
    float *o = t + size * CB;
    for (int k = 0; k < CB; k++) off[k] = k * ys;
    if (lanes == CB) block_planes_whole(x, xs, size, t, size, size * CB);
    else block_planes_part(x, xs, lanes, size, t, size, size * CB);
    blend(t, CB, f, 0, wanted, o, CB, CB);
    unblock_planes(o, wanted, wanted * CB, wanted, y, off, lanes);
}
#endif
