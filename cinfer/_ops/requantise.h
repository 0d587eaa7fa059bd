/* From exact sums to bytes:
 *
 * y = table[clamp(round((sum + bias[c]) * scale[c]) + zero, lo, hi)]
 *
 * Sums begin with the bias. They become float32, the product is float32, round is to nearest, ties to even: one order
 * of roundings for all levels, and no addition that could go into a multiply-add. Products too small for int32 saturate
 * when they are narrowed; those too large have to be cut before (requant_cut): scales of no more than 1/2 make none.
 * table: 256 bytes, or absent. */
#ifndef REQUANTISE_H
#define REQUANTISE_H
#include "look_up.h"
typedef struct {
    float high;
    int32_t zero, lo, hi, cut, plain;   /* plain: nothing to add, no limits but 0 and 255 */
} requant_t;

static inline requant_t requant_of(int64_t zero, int64_t lo, int64_t hi)
{
    const int32_t plain = zero == 0 && lo == 0 && hi == 255;
    return (requant_t){(float)(hi - zero), (int32_t)zero, (int32_t)lo, (int32_t)hi, 1, plain};
}
/* Whether products by these scales have to be cut. */
static inline int32_t requant_cut(const float *scale, int64_t n)
{
    int32_t cut = 0;
    for (int64_t i = 0; i < n; i++) cut |= !(scale[i] <= .5f);
    return cut;
}

/* round(sum * scale) of n sums of the same channels, in place */
INL void requant_lanes(vi *a, int n, vf scale, const requant_t *q)
{
    FOR(p, n) a[p] = (vi)(to_float(a[p]) * scale);
    if (__builtin_expect(q->cut, 0)) FOR(p, n) a[p] = (vi)vmin((vf)a[p], bc(q->high));
    FOR(p, n) a[p] = nearest_int((vf)a[p]);
}

/* A block of two pixels, NV vectors of rounded lanes each, to y0 and y1, which may be one. */
INL void requant_store(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, const requant_t *q)
{
    st_cut(y0, y1, a, b, q->zero, q->lo, q->hi, q->plain);
}
#endif
