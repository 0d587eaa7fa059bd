/* RoiAlign, mode avg: in each of oh x ow bins of a region of a picture the mean of bilinear samples on a grid.
 *
 * x  blocked [n][c/16][h][w][16];  y  plain [count][c][oh][ow]
 * rois[count]: x1, y1, x2, y2, times `scale`, minus `offset`; batches[count]: its picture, int64 where `wide`, else
 * int32. rs, cs, is: strides of regions, of their numbers, and of batches. ratio: samples of a bin along an axis, 0:
 * one a pixel. Without an offset a region is at least a pixel. A sample beyond -1 .. size is 0; one on the border
 * is the pixel there. Refused (api.h): a picture that is none, coordinates from 1e9 on, NaN, and more than
 * MOST_SAMPLES along an axis.
 *
 * The mean of samples on a grid is separable: each bin has weights of few rows and weights of few columns, found in
 * float64. First the rows are added up, for each column that has a weight, then the columns.
 *
 * Kernel tile: `outer` of the blocks of regions, region by region. Scratch: as roi_work() has it. */
#ifndef ROI_H
#define ROI_H
#include "elementwise.h"
#define ROI_ALIGN_FIELDS(B, I, F, A) B(x) B(rois) B(batches) B(y) I(n) I(c) I(h) I(w) I(xn) I(xb) I(xr) I(count) \
    I(oh) I(ow) I(rs) I(cs) I(is) I(wide) I(ratio) F(scale) F(offset) I(outer)
PARAMS(roi_align_t, ROI_ALIGN_FIELDS)
enum { MOST_SAMPLES = 1 << 16 };

typedef struct { int64_t at; double weight; } tap_t;
/* of one axis: the taps of bin i are number i * size to i * size + n[i] - 1 */
typedef struct { tap_t *taps; int64_t *n; int64_t bins, size, first, last, total; } axis_t;

INL double times(double a, double b)
{
    volatile double product = a * b;    /* rounded as in NumPy: a last bit may decide on which side a sample is */
    return product;
}
static void add_tap(tap_t *taps, int64_t *n, int64_t at, double weight)
{
    for (int64_t i = *n - 1; i >= 0 && i >= *n - 4; i--)        /* samples go one way: no pixel comes back later */
        if (taps[i].at == at) { taps[i].weight += weight; return; }
    taps[(*n)++] = (tap_t){at, weight};
}
/* Whether the axis can be. */
static int axis_of(axis_t *f, double from, double to, const roi_align_t *A)
{
    double start = times(from, A->scale) - A->offset, extent = times(to, A->scale) - A->offset - start;
    const int64_t size = f->size, before_last = size > 2 ? size - 2 : 0;
    if (A->offset == 0 && extent < 1) extent = 1;
    if (!(__builtin_fabs(start) < 1e9 && __builtin_fabs(extent) < 1e9)) return 0;
    double step = extent / f->bins;
    int64_t grid = A->ratio > 0 ? A->ratio : step > 0 ? (int64_t)__builtin_ceil(step) : 0;
    if (grid > MOST_SAMPLES / f->bins) return 0;
    f->first = size - 1, f->last = 0, f->total = 0;
    for (int64_t i = 0; i < f->bins; i++) {
        tap_t *taps = f->taps + i * size;
        int64_t n = 0;
        for (int64_t k = 0; k < grid; k++) {
            double at = start + times(step, i + (k + .5) / grid);
            double share = at < -1 || at > size ? 0 : 1.;
            at = at < 0 ? 0 : at > size - 1 ? size - 1 : at;
            int64_t before = (int64_t)at < before_last ? (int64_t)at : before_last;
            int64_t behind = before + 1 < size ? before + 1 : size - 1;
            double t = at - before;
            add_tap(taps, &n, before, share * (1 - t) / grid);
            add_tap(taps, &n, behind, share * t / grid);
            if (before < f->first) f->first = before;
            if (behind > f->last) f->last = behind;
        }
        f->n[i] = n;
        f->total += n;
    }
    return 1;
}

/* The sum of weighted rows at one column. */
INL void add_rows(const float *x, int64_t xr, const tap_t *taps, int64_t n, float *t)
{
    vf a[NV];
    FOR(v, NV) a[v] = (vf){0};
    for (int64_t i = 0; i < n; i++) {
        const float *p = x + taps[i].at * xr;
        const float weight = (float)taps[i].weight;
        FOR(v, NV) a[v] += weight * ld(p + v * VW);
    }
    FOR(v, NV) st(t + v * VW, a[v]);
}
/* One block of one region: o[oh][ow][16]; t: room for a row of sums, [w][16] */
static void roi_block(const float *x, int64_t xr, const axis_t *rows, const axis_t *columns, float *t, float *o)
{
    for (int64_t r = 0; r < rows->bins; r++) {
        const tap_t *over = rows->taps + r * rows->size;
        const int64_t n = rows->n[r];
        if (columns->last - columns->first < columns->total)
            for (int64_t w = columns->first; w <= columns->last; w++) add_rows(x + w * CB, xr, over, n, t + w * CB);
        else
            for (int64_t b = 0; b < columns->bins; b++)
                for (int64_t k = 0; k < columns->n[b]; k++) {
                    int64_t w = columns->taps[b * columns->size + k].at;
                    add_rows(x + w * CB, xr, over, n, t + w * CB);
                }
        for (int64_t b = 0; b < columns->bins; b++, o += CB)
            add_rows(t, CB, columns->taps + b * columns->size, columns->n[b], o);
    }
}
/* What lies in the scratch of a tile: a row of sums, the bins of a block, taps and their numbers. */
typedef struct { axis_t rows, columns; float *t, *o; } roi_work_t;
static roi_work_t roi_work(const roi_align_t *A, char *scratch)
{
    roi_work_t k = {.rows = {.bins = A->oh, .size = A->h}, .columns = {.bins = A->ow, .size = A->w}};
    k.t = (float *)scratch;
    k.o = k.t + A->w * CB;
    k.rows.taps = (tap_t *)(k.o + A->oh * A->ow * CB);
    k.columns.taps = k.rows.taps + A->oh * A->h;
    k.rows.n = (int64_t *)(k.columns.taps + A->ow * A->w);
    k.columns.n = k.rows.n + A->oh;
    return k;
}
/* Bins of a block -> the planes of its channels. */
static void roi_store(const roi_work_t *k, float *y, int64_t lanes)
{
    const int64_t bins = k->rows.bins * k->columns.bins;
    transpose_plane(k->o, CB, y, bins, bins, lanes);
}
#endif
