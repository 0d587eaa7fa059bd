/* The least and the largest of 0 and of what a tile has written, for a DynamicQuantizeLinear that reads it.
 *
 * A kernel that finds them has a parameter `range`: NULL, or two float32 for each of its tiles, [tile][low, high], into
 * which tile t writes its own; scale_of_range (dynamic_quantize.h) joins them. Both are exact, so the bits do not
 * depend on how the work was divided. A NaN among the numbers makes NaN of both.
 *
 * range_take           a vector, all of whose lanes count
 * range_row            n floats
 * range_pixels         n pixels of a block that has so many channels: what other lanes hold does not count */
#ifndef RANGE_H
#define RANGE_H
#include "vec_math.h"
typedef struct { vf low, high; vm odd; } range_t;

INL range_t range_of_zero(void)
{
    const vf zero = {0};
    return (range_t){zero, zero, lt(zero, zero)};
}
INL void range_take(range_t *r, vf v)
{
    r->low = vmin(v, r->low);                                   /* NaN in v: the second */
    r->high = vmax(v, r->high);
    r->odd = r->odd | nan_of(v);
}
INL void range_join(range_t *r, const range_t *other)
{
    r->low = vmin(other->low, r->low);
    r->high = vmax(other->high, r->high);
    r->odd = r->odd | other->odd;
}
static __attribute__((noinline, unused)) void range_row(range_t *range, const float *x, int64_t n)
{
    range_t r[4] = {*range, *range, *range, *range};
    int64_t i = 0;
    for (; i + 4 * VW <= n; i += 4 * VW) FOR(k, 4) range_take(r + k, ld(x + i + k * VW));
    for (; i + VW <= n; i += VW) range_take(r, ld(x + i));
    if (i < n) range_take(r, ld_part(x + i, n - i, 0));
    FOR(k, 3) range_join(r, r + 1 + k);
    *range = *r;
}
static __attribute__((unused)) void range_pixels(range_t *range, const float *x, int64_t n, int64_t lanes)
{
    if (lanes >= CB) {
        range_row(range, x, n * CB);
        return;
    }
    int32_t is_lane[CB];
    range_t r = *range;
    FOR(c, CB) is_lane[c] = -(c < lanes);
    for (; n > 0; n--, x += CB) FOR(v, NV) range_take(&r, (vf)(ldi(x + v * VW) & ldi(is_lane + v * VW)));
    *range = r;
}
static __attribute__((unused)) void range_end(const range_t *range, float *part)
{
    vf low = range->low, high = range->high;
    FOLD(low, vmin);
    FOLD(high, vmax);
    part[0] = any(range->odd) ? NAN_ : low[0];
    part[1] = any(range->odd) ? NAN_ : high[0];
}
#endif
