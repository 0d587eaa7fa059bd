/* From exact sums to bytes:
 *
 * y = table[clamp(round(act((sum + bias[c]) * scale[c]) / step) + zero, lo, hi)]
 *
 * Sums begin with the bias. They become float32, the product is float32, round is to nearest, ties to even: one order
 * of roundings for all levels, and no addition that could go into a multiply-add. Products too small for int32 saturate
 * when they are narrowed; those too large have to be cut before (requant_cut): scales of no more than 1/2 make none.
 * table: 256 bytes, or absent. act, if any (activation.h): of numbers, which steps become behind it; of prelu, which
 * goes with any scale, of steps: there is no `step` then.
 *
 * Where the bytes of another value are added (QLinearAdd), y is, before the table,
 *
 * y = clamp(rint((a + b) / sy) + zy), a = (the bytes from above - za) * sa, b = (res - zb) * sb
 *
 * in float32, each operation rounded by itself: what zip_u8 makes of both (elementwise_u8.h). za is `zero`; there is no
 * act then. */
#ifndef REQUANTISE_H
#define REQUANTISE_H
#include "activation.h"
#include "look_up.h"
typedef struct {
    float high;
    int32_t zero, lo, hi, cut, plain;   /* cut: products have to be cut, or act is to come; plain: nothing to add, no
                                           limits but 0 and 255 */
    float step;                         /* 0: none */
    const float *slope;                 /* of the channels that `scale` is of, for prelu */
    epilogue_t e;
} requant_t;

static inline requant_t requant_of(int64_t zero, int64_t lo, int64_t hi)
{
    const int32_t plain = zero == 0 && lo == 0 && hi == 255;
    return (requant_t){.high = (float)(hi - zero), .zero = (int32_t)zero, .lo = (int32_t)lo, .hi = (int32_t)hi,
                       .cut = 1, .plain = plain};
}
/* What requant_store asks for, where it is not `plain`: stores of bytes could change what is behind a pointer */
static inline requant_t requant_limits(const requant_t *q)
{
    return (requant_t){.zero = q->zero, .lo = q->lo, .hi = q->hi};
}
/* Whether products by these scales have to be cut. What an activation may make of them is not known. */
static inline int32_t requant_cut(const float *scale, int64_t n, int64_t act)
{
    int32_t cut = act != U_none;
    for (int64_t i = 0; i < n; i++) cut |= !(scale[i] <= .5f);
    return cut;
}

/* act(x) / step of n products of the same channels; lane: as below */
static __attribute__((noinline, unused)) void requant_activate(vf *x, int n, int64_t lane, const requant_t *q)
{
    const int act = (int)q->e.act;
    if (act == U_prelu) {
        const vf s = ld(q->slope + lane);
        for (int p = 0; p < n; p++) x[p] = sloped(x[p], s);
    } else if (acts_later(act)) unary_row((float *)x, (float *)x, (int64_t)n * VW, act, q->e.alpha, q->e.beta);
    else for (int p = 0; p < n; p++) activate_sums(x + p, 1, &q->e, NULL);
    if (q->step > 0) for (int p = 0; p < n; p++) x[p] /= q->step;
}
/* round(sum * scale) of n sums, in place: all there is to it where nothing is cut */
INL void requant_round(vi *a, int n, vf scale) { FOR(p, n) a[p] = nearest_int(to_float(a[p]) * scale); }
/* Likewise of the same channels, with all that q says; lane: where these lie among those of q */
INL void requant_lanes(vi *a, int n, vf scale, int64_t lane, const requant_t *q)
{
    FOR(p, n) a[p] = (vi)(to_float(a[p]) * scale);
    if (__builtin_expect(q->e.act, 0)) {
        vf x[16];                       /* not the sums: these would have to have an address */
        FOR(p, n) x[p] = (vf)a[p];
        requant_activate(x, n, lane, q);
        FOR(p, n) a[p] = (vi)x[p];
    }
    if (__builtin_expect(q->cut, 0)) FOR(p, n) a[p] = (vi)vmin((vf)a[p], bc(q->high));
    FOR(p, n) a[p] = nearest_int((vf)a[p]);
}

typedef struct {
    float low, high;                    /* of what comes from above, before the zero point */
    float sa, sb, sy;
    int32_t za, zb;
    requant_t q;                        /* of the sum */
} added_t;
static inline added_t added_of(int64_t za, int64_t lo, int64_t hi, double sa, double sb, int64_t zb, double sy,
                               int64_t zy)
{
    return (added_t){(float)(lo - za), (float)(hi - za), (float)sa, (float)sb, (float)sy, (int32_t)za, (int32_t)zb,
                     requant_of(zy, 0, 255)};
}
/* products: of sums and their scales; for requant_store */
INL vi added_lanes(vf products, const uint8_t *res, const added_t *k)
{
    const vf a = rounded(vrint(vmin(bc(k->high), vmax(bc(k->low), products))) * k->sa);
    const vf b = rounded(to_float(ld_u8(res) - k->zb) * k->sb);
    return nearest_16((a + b) / k->sy);
}
/* A block of two pixels, NV vectors of rounded lanes each, to y0 and y1, which may be one. */
INL void requant_store(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, const requant_t *q)
{
    st_cut(y0, y1, a, b, q->zero, q->lo, q->hi, q->plain);
}
/* n pixels of a block whose bytes have just been stored, in place. res: of the first one */
static __attribute__((noinline, unused)) void added_row(const added_t *k, uint8_t *y, const uint8_t *res, int64_t n)
{
    for (int64_t p = 0; p < n; p++, y += CB, res += CB) {
        vi s[NV];
        FOR(v, NV) s[v] = added_lanes(to_float(ld_u8(y + v * VW) - k->za), res + v * VW, k);
        requant_store(y, y, s, s, &k->q);
    }
}
#endif
