/* Elementary functions over vectors, written once for all widths.
 *
 * Largest errors in units of the last place (tests/_ops/test_vec_math.py measures them at each level):
 *   exp 1.1, expm1 of x <= 0 1, log 1, log1p 2, tanh 1.5, sigmoid 3 (of x < -1 |x| more), erf 1.5,
 *   pow 0.6, sin and cos 1.5 (|x| < 8192; beyond, the argument is reduced exactly, lane by lane).
 * Limits are exact: exp(-inf) = 0, exp overflows to inf, log(0) = -inf, log(x < 0) is NaN, tanh, erf and
 * sigmoid saturate; NaN stays NaN; pow is IEEE 754's. Subnormal numbers count as zero (the executor flushes
 * them). Polynomials are weighted minimax fits over the reduced range. */
#ifndef VEC_MATH_H
#define VEC_MATH_H
#include "vec.h"

#define INF_ __builtin_inff()
#define NAN_ __builtin_nanf("")
INL vf vabs(vf x)            { return (vf)((vi)x & 0x7fffffff); }
/* a >= 0, sign of x */
INL vf signed_as(vf a, vf x) { return (vf)((vi)a | ((vi)x & (int32_t)0x80000000)); }
/* Maximum and minimum by NumPy's rule: NaN if either is. A NaN or-ed with anything is a NaN. */
INL vf vmax_nan(vf a, vf b) { return (vf)((vi)vmax(a, b) | (vi)vmax(b, a)); }
INL vf vmin_nan(vf a, vf b) { return pick(nan_of(a), a, vmin(a, b)); }

/* All lanes to one, pairwise: FOLD(x, join) leaves join over all lanes in every lane. */
#if defined(__has_builtin)
# if __has_builtin(__builtin_shufflevector)
#  define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
# endif
#endif
#ifndef SHUFFLE
# define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
#if VW == 16
# define SWAP_LANES(x, h) SHUFFLE(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h, 4 ^ h, 5 ^ h, 6 ^ h, 7 ^ h, \
                                  8 ^ h, 9 ^ h, 10 ^ h, 11 ^ h, 12 ^ h, 13 ^ h, 14 ^ h, 15 ^ h)
# define FOLD(x, join) \
    do { FOLD_(x, join, 8); FOLD_(x, join, 4); FOLD_(x, join, 2); FOLD_(x, join, 1); } while (0)
#elif VW == 8
# define SWAP_LANES(x, h) SHUFFLE(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h, 4 ^ h, 5 ^ h, 6 ^ h, 7 ^ h)
# define FOLD(x, join) do { FOLD_(x, join, 4); FOLD_(x, join, 2); FOLD_(x, join, 1); } while (0)
#else
# define SWAP_LANES(x, h) SHUFFLE(x, x, 0 ^ h, 1 ^ h, 2 ^ h, 3 ^ h)
# define FOLD(x, join) do { FOLD_(x, join, 2); FOLD_(x, join, 1); } while (0)
#endif
#define FOLD_(x, join, h) do { vf o_ = SWAP_LANES(x, h); x = join(x, o_); } while (0)
#define PLUS(a, b) ((a) + (b))
INL float sum_of_lanes(vf x) { FOLD(x, PLUS); return x[0]; }
INL float max_of_lanes(vf x) { FOLD(x, vmax); return x[0]; }

/* The first n lanes of v, the others `rest`. */
INL vf first_of(vf v, int64_t n, float rest)
{
    static const float lane[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return pick(lt(ld(lane), bc((float)n)), v, bc(rest));
}
/* 2^n, -127 (gives 0) <= n <= 128 (inf) */
INL vf exp2_int(vf n) { return (vf)((to_int(n) + 127) << 23); }

/* e^x = 2^n (1 + m), |log(1 + m)| <= log(2)/2: returns m */
INL vf exp_parts(vf x, vf *n)
{
    *n = vrint(x * 1.44269504088896341f);
    vf r = x - *n * 0.693359375f;               /* log 2 in two parts, the first exact in every product */
    r = r + *n * 2.12194440054690583e-4f;
    vf q = bc(0.001395060228f);
    q = q * r + 0.008368953513f;
    q = q * r + 0.041666204139f;
    q = q * r + 0.166665183060f;
    q = q * r + 0.500000009570f;
    return r + r * r * q;
}
/* 2^t, -127 (gives 0) <= t <= 128 (inf); one: 1 + 7.2e-8, off by 1.3 ulp, or 1 to be exact at 0, off by 2 */
INL vf vexp2_by(vf t, float one)
{
    vf n = vrint(t), f = t - n, p = bc(1.327647203e-03f);
    p = p * f + 9.675541480e-03f;
    p = p * f + 5.550713275e-02f;
    p = p * f + 2.402211972e-01f;
    p = p * f + 6.931469671e-01f;
    p = p * f + one;
    return times_exp2_normal(p, n);
}
INL vf vexp2(vf t) { return vexp2_by(t, 1.000000072e+00f); }
/* e^kx where it matters little that kx is rounded: half an ulp of kx in the result */
INL vf vexp_near(vf x, float k)
{
    return vexp2(vmin(bc(128.f), vmax(bc(-127.f), x * (k * 1.44269504088896341f))));
}
/* The same of x <= 0, 1 at 0. */
INL vf vexp_near_unit(vf x) { return vexp2_by(vmax(bc(-127.f), x * 1.44269504088896341f), 1); }
INL vf vsigmoid(vf x) { return 1 / (1 + vexp_near(x, -1)); }
INL vf vswish(vf x, float alpha) { return x / (1 + vexp_near(x, -alpha)); }     /* x sigmoid(alpha x) */
INL vf vexp(vf x)
{
    vf n, m = exp_parts(vmin(bc(90.f), vmax(bc(-105.f), x)), &n);
    return times_exp2(1 + m, n);
}
/* e^x - 1 for x <= 0, exact to the last places near 0 too */
INL vf vexpm1_neg(vf x)
{
    vf n, m = exp_parts(vmax(bc(-87.f), x), &n), s = exp2_int(n);
    return m * s + (s - 1);
}
/* x = 2^n (1 + f), 1 + f in sqrt(1/2) .. sqrt(2); x normal and positive */
INL vf log_parts(vf x, vf *n)
{
    const int32_t half = 0x3f3504f3;                            /* sqrt(1/2) */
    vi b = (vi)x - half;
    *n = to_float(b >> 23);
    return (vf)((b & 0x7fffff) + half) - 1;
}
INL vf log_of_parts(vf f, vf n)
{
    vf p = bc(-0.076343875103f), s = f * f;
    p = p * f + 0.127654277831f;
    p = p * f - 0.131620041968f;
    p = p * f + 0.142013686707f;
    p = p * f - 0.166231444618f;
    p = p * f + 0.200012358750f;
    p = p * f - 0.250008267685f;
    p = p * f + 0.333333316820f;
    vf low = n * -2.12194440054690583e-4f + s * (f * p - 0.5f);
    return n * 0.693359375f + (f + low);
}
INL vf vlog(vf x)
{
    vf n, f = log_parts(x, &n), y = log_of_parts(f, n);
    y = pick(lt(x, bc(INF_)), y, x);
    return pick(lt(x, bc(1.17549435e-38f)), pick(lt(x, (vf){0}), bc(NAN_), bc(-INF_)), y);
}
/* log(1 + x) for 0 <= x <= 1: what 1 + x rounds away is put back */
INL vf vlog1p_unit(vf x)
{
    vf u = 1 + x, n, f = log_parts(u, &n);
    return log_of_parts(f, n) + (x - (u - 1)) / u;
}
INL vf vtanh(vf x)
{
    vf a = vabs(x), s = x * x, p = bc(-0.005697388392f);
    p = p * s + 0.020632550817f;
    p = p * s - 0.053737799666f;
    p = p * s + 0.133314204061f;
    p = p * s - 0.333332811863f;
    return pick(lt(a, bc(.625f)), x + x * s * p, signed_as(1 - 2 / (1 + vexp_near(a, 2)), x));
}
/* x (1 + P(x^2)) below 1, beyond it 1 - exp(-Q(|x|)), Q = -log erfc */
INL vf verf(vf x)
{
    vf a = vmin(bc(4.f), vabs(x)), s = x * x, p = bc(7.853891143956e-05f), q = bc(-1.856946315864e-04f);
    p = p * s - 8.010203394805e-04f;
    p = p * s + 5.188328920232e-03f;
    p = p * s - 2.685381268589e-02f;
    p = p * s + 1.128358517087e-01f;
    p = p * s - 3.761262582708e-01f;
    p = p * s + 1.283791657278e-01f;
    q = q * a + 2.940840103262e-03f;
    q = q * a - 2.181045335659e-02f;
    q = q * a + 1.030485324191e-01f;
    q = q * a + 6.382123089611e-01f;
    q = q * a + 1.127048402368e+00f;
    q = q * a + 3.515799421068e-04f;
    return pick(lt(a, bc(1.f)), x + x * p, signed_as(1 - vexp(-q), x));
}

/* x Phi(x) = max(0, x) - |x|/2 erfc(|x|/sqrt 2), without what cancels in 1 + erf: erfc(a) = 2^(a P(a)), P a
 * fit up to a = 4.1, constant beyond, where the product is below 2e-8. Off by 3e-8, or 4e-6 of the result. That
 * product is 0 long before x = 64, and would be NaN of infinity. */
INL vf vgelu(vf x)
{
    vf m = vabs(vmin(bc(64.f), x)), a = m * .70710678118654752f, b = vmin(bc(4.1f), a), q = bc(-3.043306024e-05f);
    q = q * b + 3.174281489e-04f;
    q = q * b - 1.051786185e-03f;
    q = q * b - 1.539091966e-03f;
    q = q * b + 2.898168404e-02f;
    q = q * b - 1.488533614e-01f;
    q = q * b - 9.183242864e-01f;
    q = q * b - 1.627916852e+00f;
    return vmax((vf){0}, x) - m * .5f * vexp2(vmax(bc(-127.f), q * a));
}

/* x = k pi/2 + r for |x| >= 8192, by x times 96 bits of 2/pi (the words before them give whole turns only):
 * returns r and k mod 4. */
static __attribute__((noinline)) float far_angle(float x, int32_t *k)
{
    static const uint32_t two_over_pi[] = {
        0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab};
    uint32_t b;
    memcpy(&b, &x, 4);
    int e = (int)(b >> 23 & 255) - 150;                         /* |x| = m * 2^e */
    *k = 0;
    if (e == 105) return NAN_;                                  /* inf, NaN */
    const uint32_t *w = two_over_pi + (e > 2 ? (e - 2) / 32 : 0);
    int fraction = 96 - (e > 2 ? (e - 2) % 32 + 2 : e);         /* bits of the product behind its point */
    unsigned __int128 m = (b & 0x7fffff) | 0x800000;
    unsigned __int128 t = ((unsigned __int128)((uint64_t)w[0] << 32 | w[1]) << 32 | w[2]) * m;
    int32_t q = (int32_t)(t >> fraction) & 3;
    double r = (double)(uint64_t)(t << (128 - fraction) >> 64) * 0x1p-64;
    if (r >= .5) { r -= 1; q++; }
    r *= 1.57079632679489662;
    *k = (b >> 31 ? -q : q) & 3;
    return (float)(b >> 31 ? -r : r);
}
/* sin(x + turn pi/2) */
INL vf vsin_turned(vf x, int turn)
{
    vf n = vrint(x * 0.636619772367581343f);
    vf r = x - n * 1.5703125f;                  /* pi/2 in parts of 8, 11 and 24 bits */
    r = r - n * 4.837512969970703125e-4f;
    r = r - n * 7.54978995489188216e-8f;
    vm near = lt(vabs(x), bc(8192.f));
    vi k = to_int(pick(near, n, (vf){0}));
    if (any(~near))
        FOR(i, VW) if (!(x[i] < 8192.f && x[i] > -8192.f)) {
            int32_t q;
            r[i] = far_angle(x[i], &q);
            k[i] = q;
        }
    k += turn;
    vf s = r * r, p = bc(-0.000195146319f), c = bc(2.443773006305e-05f);
    p = p * s + 0.008332156054f;
    p = p * s - 0.166666545366f;
    p = r + r * s * p;
    c = c * s - 1.388736144985e-03f;
    c = c * s + 4.166664674777e-02f;
    c = c * s * s - .5f * s + 1;
    return (vf)((vi)pick(bit_of(k, 1), c, p) ^ (k & 2) << 30);
}
INL vf vsin(vf x) { return vsin_turned(x, 0); }
INL vf vcos(vf x) { return vsin_turned(x, 1); }

/* x^y by logarithms in double precision, half a vector at a time. */
typedef float   vh __attribute__((vector_size(VW * 2)));
typedef double  vd __attribute__((vector_size(VW * 4)));
typedef int64_t vl __attribute__((vector_size(VW * 4)));
INL vd pickd(vl m, vd a, vd b) { return (vd)(((vl)a & m) | ((vl)b & ~m)); }
/* 2^(y (n + log2(1 + f))) = p 2^k */
INL vh pow_half(vh f, vh n, vh y, vh *k)
{
    vd d = __builtin_convertvector(f, vd), s = d / (2 + d), q = s * s, t = 0.282919649422 + 0 * q;
    t = t * q + 0.319904427693;
    t = t * q + 0.412209280293;
    t = t * q + 0.577077942136;
    t = t * q + 0.961796694114;
    t = t * q + 2.885390081778;
    t = (__builtin_convertvector(n, vd) + s * t) * __builtin_convertvector(y, vd);
    t = pickd(t > 130, 130 + (vd){0}, t);
    t = pickd(t < -150, -150 + (vd){0}, t);
    vd whole = (t + 0x1.8p52) - 0x1.8p52, r = t - whole, p = 1.317578450507e-06 + 0 * r;
    p = p * r + 1.530985131155e-05;
    p = p * r + 1.540385301628e-04;
    p = p * r + 1.333345163856e-03;
    p = p * r + 9.618128539478e-03;
    p = p * r + 5.550410939778e-02;
    p = p * r + 2.402265069890e-01;
    p = p * r + 6.931471805464e-01;
    p = p * r + 1;
    *k = __builtin_convertvector(whole, vh);
    return __builtin_convertvector(p, vh);
}
static __attribute__((noinline, unused)) vf vpow(vf x, vf y)
{
    vf a = vabs(x), n, f = log_parts(a, &n), one = bc(1.f), r;
    vm zero = lt(a, bc(1.17549435e-38f)), finite = lt(a, bc(INF_));
    f = pick(zero, (vf){0}, pick(finite, f, (vf){0}));
    n = pick(zero, bc(-INF_), pick(finite, n, a));
    vh fs[2], ns[2], ys[2], ks[2], ps[2];
    memcpy(fs, &f, sizeof f);
    memcpy(ns, &n, sizeof n);
    memcpy(ys, &y, sizeof y);
    FOR(i, 2) ps[i] = pow_half(fs[i], ns[i], ys[i], &ks[i]);
    memcpy(&r, ps, sizeof r);
    memcpy(&n, ks, sizeof n);
    r = times_exp2(r, n);
    vm whole = eq(vfloor(y), y), even = eq(vfloor(y * .5f), y * .5f);
    r = pick(bit_of((vi)x, (int32_t)0x80000000) & whole & ~even, -r, r);
    r = pick(lt(x, (vf){0}) & finite & ~whole, bc(NAN_), r);
    vm certain = eq(y, (vf){0}) | eq(x, one) | (eq(a, one) & eq(vabs(y), bc(INF_)));
    return pick(certain, one, r);
}
#endif
