/* From exact sums to float32, of blocks of 16 channels: those in the registers of a tile (real_lanes), which is faster
 * by an eighth of a whole network, or in place, where a kernel has just stored them,
 *
 * y = act(float(sum) * (scale[c] * by) + bias[c] + res)
 *
 * Products are rounded before anything is added, so that bits are the same at every level and those of operators one by
 * one. scale, bias, slope (read for prelu): of 16 channels; bias and res may be absent. Where `ranges` is set, `range`
 * holds all of y of real channels (range.h). */
#ifndef REAL_SUMS_H
#define REAL_SUMS_H
#include "activation.h"
#include "range.h"
typedef struct {
    const float *scale, *bias, *slope, *res;
    epilogue_t e;
    float by;
    int32_t ranges;
    int64_t channels;                   /* read where `ranges` is set */
    range_t range;
} real_sums_t;

/* Whether register tiles make floats of their sums at once (real_lanes): activations of rows and ranges of a part of a
 * block have to wait, and parts of a block, for its other lanes are to become finite, too. n: of channels from c on */
INL int real_at_once(const real_sums_t *f, int64_t c, int64_t n)
{
    return n % CB == 0 && !acts_later(f->e.act) && (!f->ranges || f->channels - c >= n);
}
enum { REAL_limits, REAL_slopes, REAL_other };
/* o vectors of channels from c on x n pixels: sums `apart` and `next` vectors from each other, to y, blocks yb apart,
 * pixels where `at` says; res: NULL, or likewise by rb and ro. adds, and how it acts: known where this is called */
INL void real_lanes_of(real_sums_t *f, int64_t c, const vi *sums, int o, int64_t apart, int n, int64_t next, float *y,
                       int64_t yb, const int64_t *at, const float *res, int64_t rb, const int64_t *ro, int adds,
                       int acts)
{
    const int clips = f->e.act == U_clip;
    const vf by = bc(f->by), lo = bc(clips ? f->e.alpha : -__builtin_inff());
    const vf hi = bc(clips ? f->e.beta : __builtin_inff());
    const epilogue_t e = f->e;
    range_t range = f->range;
    for (int i = 0; i < o; i++, c += VW) {
        const int64_t block = i * VW / CB, lane = i * VW % CB;
        const vf scale = ld(f->scale + c) * by, bias = f->bias ? ld(f->bias + c) : (vf){0};
        const vf slope = f->e.act == U_prelu ? ld(f->slope + c) : bc(f->e.alpha);
        for (int p = 0; p < n; p++) {
            vf a = rounded(to_float(sums[i * apart + p * next]) * scale) + bias;
            if (adds) a += ld(res + block * rb + lane + ro[p]);
            if (acts == REAL_limits) a = vmin(hi, vmax(lo, a));
            else if (acts == REAL_slopes) a = sloped(a, slope);
            else activate_sums(&a, 1, &e, NULL);
            range_take(&range, a);
            st(y + block * yb + lane + at[p], a);
        }
    }
    f->range = range;
}
INL void real_lanes(real_sums_t *f, int64_t c, const vi *sums, int o, int64_t apart, int n, int64_t next, float *y,
                    int64_t yb, const int64_t *at, const float *res, int64_t rb, const int64_t *ro)
{
    const int limits = f->e.act == U_none || f->e.act == U_clip;
#define REAL_LANES(adds, acts) real_lanes_of(f, c, sums, o, apart, n, next, y, yb, at, res, rb, ro, adds, acts)
    if (limits && !res) REAL_LANES(0, REAL_limits);
    else if (limits) REAL_LANES(1, REAL_limits);
    else if (f->e.act != U_prelu && f->e.act != U_leaky_relu) REAL_LANES(res != NULL, REAL_other);
    else if (!res) REAL_LANES(0, REAL_slopes);
    else REAL_LANES(1, REAL_slopes);
}
/* A run of n pixels at y, channels from c on; res: of the first one, or NULL. */
INL void real_sums_of_row(real_sums_t *f, int64_t c, float *y, const float *res, int64_t n, const int ranges)
{
    range_t range = ranges ? f->range : range_of_zero();
    FOR(v, NV) {
        const vf scale = ld(f->scale + c + v * VW) * bc(f->by), bias = f->bias ? ld(f->bias + c + v * VW) : (vf){0};
        const float *slope = f->slope ? f->slope + c + v * VW : NULL;
        float *at_y = y + v * VW;
        const float *at_res = res ? res + v * VW : NULL;
        int64_t p = 0;
        for (; p + 4 <= n; p += 4, at_y += 4 * CB) {
            vf a[4];
            FOR(i, 4) a[i] = rounded(to_float(ldi(at_y + i * CB)) * scale) + bias;
            if (res) {
                FOR(i, 4) a[i] += ld(at_res + i * CB);
                at_res += 4 * CB;
            }
            activate_sums(a, 4, &f->e, slope);
            if (ranges) FOR(i, 4) range_take(&range, a[i]);
            FOR(i, 4) st(at_y + i * CB, a[i]);
        }
        for (; p < n; p++, at_y += CB) {
            vf a = rounded(to_float(ldi(at_y)) * scale) + bias;
            if (res) {
                a += ld(at_res);
                at_res += CB;
            }
            activate_sums(&a, 1, &f->e, slope);
            if (ranges) range_take(&range, a);
            st(at_y, a);
        }
    }
    if (ranges) f->range = range;
}
static __attribute__((noinline)) void real_sums_row(real_sums_t *f, int64_t c, float *y, const float *res, int64_t n)
{
    const int later = acts_later(f->e.act);
    if (f->ranges && !later && f->channels - c >= CB) {
        real_sums_of_row(f, c, y, res, n, 1);
        return;
    }
    real_sums_of_row(f, c, y, res, n, 0);
    if (later) activate_rows(y, n * CB, 1, 0, (int)f->e.act, f->e.alpha, f->e.beta);
    if (f->ranges) range_pixels(&f->range, y, n, f->channels - c);
}
/* n pixels wherever the lists say, by runs of neighbours. */
static inline void real_sums_list(real_sums_t *f, int64_t c, float *y, const int64_t *yo, const float *res,
                                  const int64_t *ro, int64_t n)
{
    for (int64_t p = 0, q; p < n; p = q) {
        for (q = p + 1; q < n && yo[q] - yo[q - 1] == CB && (!res || ro[q] - ro[q - 1] == CB); q++) {}
        real_sums_row(f, c, y + yo[p], res ? res + ro[p] : NULL, q - p);
    }
}
#endif
