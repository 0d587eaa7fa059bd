/* The unary operators over vectors and rows: activations of an epilogue, and the elementwise kernel.
 *
 * sloped               what LeakyRelu and PRelu make of one vector; scaled_by_sign: with another factor above 0, too
 * activate_sums        sums in registers before they are stored, by the activations that are cheap enough;
 *                      the others (acts_later) are done on what was just stored, while it is in L1. Sums are rounded to
 *                      16 bits by a product with the inverse of the scale, less than 1/64 of a step off, as they are
 * activate             one vector; op is a constant, or its switch costs a jump each time
 * unary_row            y[i] = op(x[i]), n floats, nothing beyond them is read or written; y may be x
 * activate_rows        rows of n floats, step floats apart, in place
 * activate_rows_prelu  slopes by lane of a block */
#ifndef ACTIVATION_H
#define ACTIVATION_H
#include "api.h"
#include "vec_math.h"

/* Named as in ONNX. Their two numbers alpha, beta are float attributes in the order of the standard, but for
 *   clip: lo, hi; prelu: a slope per channel instead; hard_swish: x * hard_sigmoid(x, alpha, beta);
 *   quant_u8 and the like: scale, zero point of QuantizeLinear followed by DequantizeLinear. */
#define UNARY_OPS(X) \
    X(none) X(clip) X(prelu) X(leaky_relu) X(hard_sigmoid) X(hard_swish) X(sigmoid) X(swish) X(tanh) X(gelu) \
    X(gelu_tanh) X(elu) X(celu) X(selu) X(softplus) X(mish) X(exp) X(log) X(sqrt) X(abs) X(neg) \
    X(reciprocal) X(erf) X(floor) X(ceil) X(round) X(sign) X(softsign) X(sin) X(cos) X(thresholded_relu) \
    X(quant_u8) X(quant_s8) X(quant_u16) X(quant_s16)
#define ENUM_U_(n) U_##n,
enum { UNARY_OPS(ENUM_U_) U_COUNT };
#define UNARY_NAME_(n) #n " "
static const char unary_names[] __attribute__((unused)) = UNARY_OPS(UNARY_NAME_);

typedef struct { int64_t act; float alpha, beta; } epilogue_t;
/* x times its slope where it is below 0 */
INL vf sloped(vf x, vf slope) { return vmax((vf){0}, x) + slope * vmin((vf){0}, x); }
/* x times one of two numbers, rounded once: one of the products is 0 */
INL vf scaled_by_sign(vf x, vf above, vf below) { return above * vmax((vf){0}, x) + below * vmin((vf){0}, x); }
/* n sums of the same channels; slope: of these channels, for prelu */
INL void activate_sums(vf *a, int n, const epilogue_t *f, const float *slope)
{
    if (f->act == U_clip) {
        vf lo = bc(f->alpha), hi = bc(f->beta);
        FOR(p, n) a[p] = vmax(lo, a[p]);
        if (f->beta < __builtin_inff()) FOR(p, n) a[p] = vmin(hi, a[p]);
    } else if (f->act == U_prelu || f->act == U_leaky_relu) {
        vf s = bc(f->alpha);
        if (f->act == U_prelu) s = ld(slope);
        FOR(p, n) a[p] = sloped(a[p], s);
    } else if (f->act == U_hard_sigmoid || f->act == U_hard_swish) {
        vf k = bc(f->alpha), b = bc(f->beta);
        int times = f->act == U_hard_swish;
        FOR(p, n) { vf s = vmin(bc(1.f), vmax((vf){0}, a[p] * k + b)); if (times) s *= a[p]; a[p] = s; }
    } else if (f->act == U_quant_u16 || f->act == U_quant_s16) {
        const float low = f->act == U_quant_u16 ? 0 : -32768;
        const vf scale = bc(f->alpha), inverse = bc(1 / f->alpha);
        const vf lo = bc(low - f->beta), hi = bc(low + 65535 - f->beta);
        FOR(p, n) a[p] = vmin(hi, vmax(vrint(a[p] * inverse), lo)) * scale;
    }
}
/* Whether an activation is left to activate_rows(). */
INL int acts_later(int64_t act)
{
    return !(act == U_none || act == U_clip || act == U_prelu || act == U_leaky_relu ||
             act == U_hard_sigmoid || act == U_hard_swish || act == U_quant_u16 || act == U_quant_s16);
}

/* NaN is stored as 0 */
INL vf quantised(vf x, float scale, float zero, float lo, float hi)
{
    vf q = vmin(bc(hi), vmax(bc(lo), vrint(x / scale) + zero));
    return (pick(nan_of(q), (vf){0}, q) - zero) * scale;
}

INL vf activate(vf x, int op, float alpha, float beta)
{
    const vf zero = {0}, one = bc(1.f);
    switch (op) {
    case U_clip:         return vmin(bc(beta), vmax(bc(alpha), x));
    case U_prelu:
    case U_leaky_relu:   return vmax(zero, x) + alpha * vmin(zero, x);
    case U_hard_sigmoid: return vmin(one, vmax(zero, x * alpha + beta));
    case U_hard_swish:   return x * vmin(one, vmax(zero, x * alpha + beta));
    case U_sigmoid:      return vsigmoid(x);
    case U_swish:        return vswish(x, alpha);
    case U_tanh:         return vtanh(x);
    case U_gelu:         return vgelu(x);
    case U_gelu_tanh: {  /* x/2 (1 + tanh t) = x sigmoid(2t), t = sqrt(2/pi) (x + 0.044715 x^3) */
        vf t = x * (0.79788456080286536f + 0.035677408136300125f * (x * x));
        return x / (1 + vexp_near(t, -2));
    }
    case U_elu:          return vmax(zero, x) + alpha * vexpm1_neg(vmin(zero, x));
    case U_celu:         return vmax(zero, x) + alpha * vexpm1_neg(vmin(zero, x) / alpha);
    case U_selu:         return beta * (vmax(zero, x) + alpha * vexpm1_neg(vmin(zero, x)));
    case U_softplus:     return vmax(zero, x) + vlog1p_unit(vexp(-vabs(x)));
    case U_mish: {       /* tanh(log(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); it is 1 from x = 20 on */
        vf e = vexp(vmin(bc(20.f), x)), t = e * (e + 2);
        return x * (t / (t + 2));
    }
    case U_exp:          return vexp(x);
    case U_log:          return vlog(x);
    case U_sqrt:         return vsqrt(x);
    case U_abs:          return vabs(x);
    case U_neg:          return -x;
    case U_reciprocal:   return 1 / x;
    case U_erf:          return verf(x);
    case U_floor:        return vfloor(x);
    case U_ceil:         return vceil(x);
    case U_round:        return vrint(x);
    case U_sign:         return pick(lt(zero, x), one, pick(lt(x, zero), -one, x + x));      /* of denormals 0 */
    case U_softsign:     return x / (1 + vabs(x));
    case U_sin:          return vsin(x);
    case U_cos:          return vcos(x);
    case U_thresholded_relu: return pick(lt(bc(alpha), x), x, zero);
    case U_quant_u8:     return quantised(x, alpha, beta, 0, 255);
    case U_quant_s8:     return quantised(x, alpha, beta, -128, 127);
    case U_quant_u16:    return quantised(x, alpha, beta, 0, 65535);
    case U_quant_s16:    return quantised(x, alpha, beta, -32768, 32767);
    default:             return x;
    }
}

#define UNARY_ROW(name) \
static __attribute__((noinline)) void unary_row_##name(const float *x, float *y, int64_t n, int64_t rows, \
                                                       int64_t step, float alpha, float beta) \
{ \
    for (; rows > 0; rows--, x += step, y += step) { \
        int64_t i = 0; \
        for (; i + VW <= n; i += VW) st(y + i, activate(ld(x + i), U_##name, alpha, beta)); \
        if (i < n) st_part(y + i, activate(ld_part(x + i, n - i, 0), U_##name, alpha, beta), n - i); \
    } \
}
UNARY_OPS(UNARY_ROW)
typedef void (*unary_fn)(const float *x, float *y, int64_t n, int64_t rows, int64_t step, float alpha,
                         float beta);
#define UNARY_REF(name) unary_row_##name,
static const unary_fn unary_rows[U_COUNT] __attribute__((unused)) = {UNARY_OPS(UNARY_REF)};

INL void unary_row(const float *x, float *y, int64_t n, int op, float alpha, float beta)
{
    unary_rows[op](x, y, n, 1, 0, alpha, beta);
}
/* Many short rows in one call: their latencies overlap. */
static inline void activate_rows(float *p, int64_t n, int64_t rows, int64_t step, int op, float alpha,
                                 float beta)
{
    if (op != U_none) unary_rows[op](p, p, n, rows, step, alpha, beta);
}
/* slope: of the 16 channels of the block */
static __attribute__((noinline, unused)) void activate_rows_prelu(float *p, int64_t pixels,
                                                                  const float *slope)
{
    vf s[NV];
    FOR(v, NV) s[v] = ld(slope + v * VW);
    for (; pixels > 0; pixels--, p += CB)
        FOR(v, NV) { vf x = ld(p + v * VW); st(p + v * VW, vmax((vf){0}, x) + s[v] * vmin((vf){0}, x)); }
}
#endif
