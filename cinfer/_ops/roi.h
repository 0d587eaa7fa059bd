/* RoiAlign, mode avg, and MaxRoiPool.
 *
 * RoiAlign: in each of oh x ow bins of a region of a picture the mean of bilinear samples on a grid.
 *
 * x  blocked [n][c/16][h][w][16];  y  plain [count][c][oh][ow]
 * rois[count]: x1, y1, x2, y2, times `scale`, minus `offset`; batches[count]: its picture, int64 where `wide`, else
 * int32. rs, cs, is_: strides of regions, of their numbers, and of batches. ratio: samples of a bin along an axis, 0:
 * one a pixel. Without an offset a region is at least a pixel. A sample beyond -1 .. size is 0; one on the border
 * is the pixel there. Refused (api.h): a picture that is none, coordinates from 1e9 on, NaN, and more than
 * MOST_SAMPLES along an axis.
 *
 * The mean of samples on a grid is separable: each bin has weights of few rows and weights of few columns, found in
 * float64. First the rows are added up, for each column that has a weight, then the columns.
 *
 * MaxRoiPool: in each bin the largest of its pixels, 0 where it has none; a NaN is the largest. rois[count]:
 * picture, x1, y1, x2, y2, the latter times `scale`, rounded, ends included. Bins overlap where a region does not
 * divide. Refused: a picture that is none, what is not finite or from MOST_PLACE on.
 *
 * Kernel tile: `outer` of the blocks of regions, region by region. Scratch: as roi_work() has it. */
#ifndef ROI_H
#define ROI_H
#include "elementwise.h"
#include "pooling.h"
#define ROI_ALIGN_FIELDS(B, I, F, A) B(x) B(rois) B(batches) B(y) I(n) I(c) I(h) I(w) I(xn) I(xb) I(xr) I(count) \
    I(oh) I(ow) I(rs) I(cs) I(is_) I(wide) I(ratio) F(scale) F(offset) I(outer)
PARAMS(roi_align_t, ROI_ALIGN_FIELDS)
enum { MOST_SAMPLES = 1 << 16, MOST_PLACE = 1 << 29 };

typedef struct { int64_t at; double weight; } tap_t;
/* of one axis: the taps of bin i are number i * size to i * size + n[i] - 1 */
typedef struct { tap_t *taps; int64_t *n; int64_t bins, size, first, last, total; } axis_t;

/* Rounded as in NumPy: a last bit may decide on which side a sample is. */
INL double times(double a, double b) { return rounded_double(a * b); }
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
static int64_t roi_room(const roi_align_t *A)
{
    return (int64_t)((char *)(roi_work(A, NULL).columns.n + A->ow) - (char *)NULL);
}
/* Bins of a block, [bins][16] -> the planes of its channels. */
static void roi_store(const float *o, int64_t bins, float *y, int64_t lanes)
{
    transpose_plane(o, CB, y, bins, bins, lanes);
}

/* [bins][2]: the first pixel of each bin along an axis, and the one behind its last. Whether the axis can be. */
static int bins_of(int64_t *at, int64_t bins, int64_t size, double from, double to, double scale)
{
    double start = __builtin_floor(times(from, scale) + .5), end = __builtin_floor(times(to, scale) + .5);
    if (!(__builtin_fabs(start) < MOST_PLACE && __builtin_fabs(end) < MOST_PLACE)) return 0;
    const int64_t first = (int64_t)start, extent = end < start ? 1 : (int64_t)(end - start) + 1;
    for (int64_t i = 0; i < 2 * bins; i++) {
        int64_t place = first + (i & 1 ? ((i / 2 + 1) * extent + bins - 1) / bins : i / 2 * extent / bins);
        at[i] = place < 0 ? 0 : place > size ? size : place;
    }
    return 1;
}
/* One block of one region: o[oh][ow][16] */
static void max_roi_block(const float *x, int64_t xr, const int64_t *rows, int64_t oh, const int64_t *columns,
                          int64_t ow, float *o)
{
    for (int64_t r = 0; r < oh; r++)
        for (int64_t b = 0; b < ow; b++, o += CB) {
            const int64_t top = rows[2 * r], bottom = rows[2 * r + 1];
            const int64_t left = columns[2 * b], right = columns[2 * b + 1];
            vf a[NV];
            FOR(v, NV) a[v] = bc(top < bottom && left < right ? -__builtin_inff() : 0);
            for (int64_t i = top; i < bottom; i++)
                for (int64_t j = left; j < right; j++)
                    FOR(v, NV) a[v] = pool_max(a[v], ld(x + i * xr + j * CB + v * VW));
            FOR(v, NV) st(o + v * VW, a[v]);
        }
}
#endif
