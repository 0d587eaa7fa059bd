/* GridSample: a picture or volume looked up at the places of a grid, which only the run knows.
 *
 * Three axes; those that are missing come first, have size 1 and no number in the grid. Strides in floats:
 * xs, ys over (picture, channel or block, axes), gs over (picture, axes, number). The last number is the
 * first axis' place. Offsets within a picture are int32.
 *
 * blocked = 1: x and y are blocks of 16 channels, c counts blocks: vectors lie along channels.
 * blocked = 0: planes, c counts channels: 64 places side by side.
 *
 * Along each axis a place becomes 1, 2 or 4 indices and weights (mode nearest, linear, cubic), in float32 and
 * rounded as in ops/gridsample.py, so that the nearest is the same one. What lies outside: weight 0 of a
 * point inside (ZEROS), the border's point, or the one that its mirror shows. Any float is a place:
 * NaN is nowhere.
 *
 * Kernel tile: `outer` of all pieces of up to POINTS places of a row. */
#ifndef GRID_SAMPLE_H
#define GRID_SAMPLE_H
#include "vec_math.h"
#include "api.h"
#define GRID_SAMPLE_FIELDS(B, I, F, A) B(x) B(grid) B(y) I(n) I(c) A(size, 3) A(out, 3) A(xs, 5) A(gs, 5) \
    A(ys, 5) I(axes) I(mode) I(padding) I(align) I(blocked) I(outer)
PARAMS(grid_sample_t, GRID_SAMPLE_FIELDS)
enum { NEAREST, LINEAR, CUBIC };
enum { ZEROS, BORDER, REFLECTION };
enum { POINTS = 64, SOME_CHANNELS = 8 };

/* of one axis: indices times the stride, and weights */
typedef struct { int64_t taps; int32_t at[4][POINTS]; float w[4][POINTS]; } places_t;
typedef struct { float low, high, size; int padding, align; int32_t step; } lookup_t;

/* (x - low) % period, exact as NumPy's; both are below 2^53 in units of what the float32 can show */
INL float reflected(float x, float low, float high)
{
    if (high <= low) return low;
    double a = (double)(float)(x - low), period = 2 * ((double)high - low);
    double m = a - (double)(int64_t)(a / period) * period;
    if (m < 0) m += period;
    return high - __builtin_fabsf(high - low - (float)m);
}
INL vf reflect(vf x, const lookup_t *f)
{
    FOR(k, VW) x[k] = reflected(x[k], f->low, f->high);
    return x;
}
/* From -1 .. 1 to points. The product is rounded before 1 is taken from it, not fused. */
INL vf place(vf g, const lookup_t *f, int mode)
{
    vf x;
    if (f->align) {
        x = (g + 1) / 2 * (f->size - 1);
    } else {
        x = (rounded((g + 1) * f->size) - 1) / 2;
    }
    x = pick(nan_of(x), bc(-16), vmin(vmax(x, bc(-1e9f)), bc(1e9f)));
    if (mode == NEAREST) x = vrint(x);
    if (f->padding == BORDER && mode != CUBIC) {
        vf inside = vmin(vmax(x, bc(0)), bc(f->size - 1));
        x = pick(lt(x, bc(f->low)) | lt(bc(f->high), x), inside, x);
    }
    if (f->padding == REFLECTION && mode != CUBIC) x = reflect(x, f);
    return x;
}
INL vf cubic_near(vf t) { return ((1.25f * t - 2.25f) * t) * t + 1; }              /* a = -0.75, t <= 1 */
INL vf cubic_far(vf t)  { return -.75f * (((t - 5) * t + 8) * t) + 3; }            /* 1 <= t <= 2 */
/* Tap number t of the points at x[] */
INL void tap(vf x, int number, const lookup_t *f, int mode, int32_t *at, float *w)
{
    static const int first[] = {0, 0, -1};
    vf base = vfloor(x), t = x - base, i = base + (float)(number + first[mode]), weight = bc(1);
    if (mode == LINEAR) {
        if (number == 0) weight = 1 - t;
        else weight = t;
    } else if (mode == CUBIC) {
        if (number == 0) weight = cubic_far(t + 1);
        else if (number == 1) weight = cubic_near(t);
        else if (number == 2) weight = cubic_near(1 - t);
        else weight = cubic_far(2 - t);
    }
    if (f->padding == ZEROS) weight = pick(lt(i, bc(0)) | lt(bc(f->size - 1), i), bc(0), weight);
    else if (f->padding == REFLECTION) i = reflect(i, f);
    vi whole = to_int(vmin(vmax(i, bc(0)), bc(f->size - 1)));
    whole *= f->step;
    memcpy(at, &whole, sizeof whole);
    st(w, weight);
}
/* n places of an axis, gs apart */
INL void find_places(const float *g, int64_t gs, int64_t n, const lookup_t *f, int mode, places_t *o)
{
    float side[POINTS];
    for (int64_t i = 0; i < n; i++) side[i] = g[i * gs];
    for (int64_t i = n; i % VW; i++) side[i] = 0;
    o->taps = 1 << mode;
    for (int64_t i = 0; i < n; i += VW) {
        vf x = place(ld(side + i), f, mode);
        FOR(t, 1 << mode) tap(x, t, f, mode, o->at[t] + i, o->w[t] + i);
    }
}
#define FIND_PLACES(name, mode) \
static __attribute__((noinline)) void name(const float *g, int64_t gs, int64_t n, const lookup_t *f, \
                                           places_t *o) \
{ \
    find_places(g, gs, n, f, mode, o); \
}
FIND_PLACES(find_nearest, NEAREST)
FIND_PLACES(find_linear, LINEAR)
FIND_PLACES(find_cubic, CUBIC)
static void no_places(int64_t n, places_t *o)
{
    o->taps = 1;
    for (int64_t i = 0; i < n; i++) { o->at[0][i] = 0; o->w[0][i] = 1; }
}

/* One block at n places; axes z, r, s of tz, tr, ts taps */
INL void look_up(const float *x, const places_t *z, const places_t *r, const places_t *s, int64_t tz,
                 int64_t tr, int64_t ts, int64_t n, float *y, int64_t ys)
{
    for (int64_t p = 0; p < n; p++, y += ys) {
        vf a[NV];
        FOR(v, NV) a[v] = (vf){0};
        for (int64_t i = 0; i < tz; i++)
            for (int64_t j = 0; j < tr; j++) {
                const float *row = x + z->at[i][p] + r->at[j][p];
                const float outer = z->w[i][p] * r->w[j][p];
                for (int64_t k = 0; k < ts; k++) {
                    const float *q = row + s->at[k][p];
                    const vf w = bc(outer * s->w[k][p]);
                    FOR(v, NV) a[v] += w * ld(q + v * VW);
                }
            }
        FOR(v, NV) st(y + v * VW, a[v]);
    }
}
static __attribute__((noinline)) void look_up_block(const float *x, const places_t *f, int64_t n, float *y,
                                                    int64_t ys)
{
    const places_t *z = f, *r = f + 1, *s = f + 2;
    if (s->taps == 1) {
        for (int64_t p = 0; p < n; p++, y += ys) {
            const float *q = x + z->at[0][p] + r->at[0][p] + s->at[0][p];
            const int there = z->w[0][p] * r->w[0][p] * s->w[0][p] != 0;
            if (there) FOR(v, NV) st(y + v * VW, ld(q + v * VW));
            else FOR(v, NV) st(y + v * VW, bc(0));
        }
    }
    else if (z->taps == 1 && r->taps == 2) look_up(x, z, r, s, 1, 2, 2, n, y, ys);
    else if (z->taps == 1 && r->taps == 4) look_up(x, z, r, s, 1, 4, 4, n, y, ys);
    else if (z->taps == 2) look_up(x, z, r, s, 2, 2, 2, n, y, ys);
    else look_up(x, z, r, s, z->taps, r->taps, s->taps, n, y, ys);
}
/* c planes at n places */
static __attribute__((noinline)) void look_up_planes(const float *x, int64_t xc, const places_t *f, int64_t c,
                                                     int64_t n, float *y, int64_t yc, int64_t ys)
{
    const places_t *z = f, *r = f + 1, *s = f + 2;
    const int blends = s->taps > 1;
    float sums[SOME_CHANNELS][POINTS], w[POINTS];
    int32_t at[POINTS];
    for (int64_t first = 0; first < c; first += SOME_CHANNELS) {
        const int64_t some = c - first < SOME_CHANNELS ? c - first : SOME_CHANNELS;
        memset(sums, 0, some * sizeof *sums);
        for (int64_t i = 0; i < z->taps; i++)
            for (int64_t j = 0; j < r->taps; j++)
                for (int64_t k = 0; k < s->taps; k++) {
                    for (int64_t p = 0; p < n; p++) {
                        at[p] = (int32_t)(z->at[i][p] + r->at[j][p] + s->at[k][p]);
                        w[p] = z->w[i][p] * r->w[j][p] * s->w[k][p];
                    }
                    for (int64_t ch = 0; ch < some; ch++) {
                        const float *plane = x + (first + ch) * xc;
                        float *sum = sums[ch];
                        if (blends) for (int64_t p = 0; p < n; p++) sum[p] += w[p] * plane[at[p]];
                        else for (int64_t p = 0; p < n; p++) sum[p] = w[p] != 0 ? plane[at[p]] : 0;
                    }
                }
        for (int64_t ch = 0; ch < some; ch++)
            for (int64_t p = 0; p < n; p++) y[(first + ch) * yc + p * ys] = sums[ch][p];
    }
}
/* Piece number `piece` of the row (picture, a, b) of the places */
static void sample_piece(const grid_sample_t *A, const float *x, const float *grid, float *y, int64_t row,
                         int64_t piece, places_t *f)
{
    const int64_t b = row % A->out[1], a = row / A->out[1] % A->out[0], picture = row / A->out[1] / A->out[0];
    const int64_t first = piece * POINTS, n = A->out[2] - first < POINTS ? A->out[2] - first : POINTS;
    const float *g = grid + picture * A->gs[0] + a * A->gs[1] + b * A->gs[2] + first * A->gs[3];
    for (int64_t axis = 0; axis < 3; axis++) {
        const int64_t number = 2 - axis;                /* of the grid's, from the end of the axes */
        const float size = (float)A->size[axis];
        const lookup_t how = {A->align ? 0 : -.5f, A->align ? size - 1 : size - .5f, size, (int)A->padding,
                              (int)A->align, (int32_t)A->xs[2 + axis]};
        const float *places = g + number * A->gs[4];
        if (number >= A->axes) no_places(n, f + axis);
        else if (A->mode == NEAREST) find_nearest(places, A->gs[3], n, &how, f + axis);
        else if (A->mode == LINEAR) find_linear(places, A->gs[3], n, &how, f + axis);
        else find_cubic(places, A->gs[3], n, &how, f + axis);
    }
    x += picture * A->xs[0];
    y += picture * A->ys[0] + a * A->ys[2] + b * A->ys[3] + first * A->ys[4];
    if (A->blocked)
        for (int64_t i = 0; i < A->c; i++) look_up_block(x + i * A->xs[1], f, n, y + i * A->ys[1], A->ys[4]);
    else
        look_up_planes(x, A->xs[1], f, A->c, n, y, A->ys[1], A->ys[4]);
}
#endif
