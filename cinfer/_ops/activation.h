/* The unary operators U_* of api.h over vectors and rows.
 *
 * activate             one vector; op is a constant, or its switch costs a jump each time
 * unary_row            y[i] = op(x[i]), n floats, nothing beyond them is read or written; y may be x
 * activate_rows        rows of n floats, step floats apart, in place
 * activate_rows_prelu  slopes by lane of a block */
#ifndef ACTIVATION_H
#define ACTIVATION_H
#include "epilogue.h"
#include "vec_math.h"

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
    case U_sign:         return pick(lt(zero, x), one, pick(lt(x, zero), -one, x));
    case U_softsign:     return x / (1 + vabs(x));
    case U_sin:          return vsin(x);
    case U_cos:          return vcos(x);
    case U_thresholded_relu: return pick(lt(bc(alpha), x) | nan_of(x), x, zero);
    case U_quant_u8:     return quantised(x, alpha, beta, 0, 255);
    case U_quant_s8:     return quantised(x, alpha, beta, -128, 127);
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
