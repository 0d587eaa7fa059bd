/* From exact sums to float32, in place: where a kernel has just stored int32 sums of blocks of 16 channels,
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
