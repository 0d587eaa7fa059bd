/* NEON of 64-bit Arm: vectors of 4 lanes. */
#ifndef NEON_H
#define NEON_H
#define VW 4
#define REGISTERS 32
#include <arm_neon.h>
#include "four.h"
#include "conversions.h"
#define HELD(v) ((void)0)
#define KEEP(v) __asm__("" : "+w"(v))
INL vf     rounded(vf x)            { __asm__("" : "+w"(x)); return x; }
INL double rounded_double(double x) { __asm__("" : "+w"(x)); return x; }
INL vf  vmax(vf a, vf b)            { return pick(a > b, a, b); }
INL vf  vmin(vf a, vf b)            { return pick(a < b, a, b); }
INL vf  vsqrt(vf x)                 { return (vf)vsqrtq_f32((float32x4_t)x); }
INL int any(vm m)                   { return vmaxvq_u32((uint32x4_t)m) != 0; }
INL vi  nearest_int(vf v)           { return (vi)vcvtnq_s32_f32((float32x4_t)v); }
INL vi  nearest_16(vf v)            { return nearest_int(vmax(vmin(bc(32767.f), v), bc(-32768.f))); }
INL vf  times_plus(vf x, vf s, vf t) { return x * s + t; }

INL vi ld_u16(const uint16_t *p)      { return (vi)vmovl_u16(vld1_u16(p)); }
INL vf from_bfloat(const uint16_t *p) { return (vf)vshll_n_u16(vld1_u16(p), 16); }
INL void st_upper(uint16_t *p, const vi *v)
{
    FOR(i, 2) vst1q_u16(p + 8 * i, vuzp2q_u16((uint16x8_t)v[2 * i], (uint16x8_t)v[2 * i + 1]));
}
INL ub max_ub(ub a, ub b)             { return (ub)vmaxq_u8((uint8x16_t)a, (uint8x16_t)b); }
INL ub min_ub(ub a, ub b)             { return (ub)vminq_u8((uint8x16_t)a, (uint8x16_t)b); }
INL int16x8_t halves(vi a, vi b)      { return vcombine_s16(vqmovn_s32((int32x4_t)a), vqmovn_s32((int32x4_t)b)); }
INL ub narrow_ub(const vi *v)
{
    return (ub)vcombine_u8(vqmovun_s16(halves(v[0], v[1])), vqmovun_s16(halves(v[2], v[3])));
}
INL void st_cut(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, int zero, int lo, int hi,
                 int plain)
{
    const int16x8_t z = vdupq_n_s16((int16_t)zero);
    (void)plain;
    const vi *pixel[2] = {b, a};
    uint8_t *y[2] = {y1, y0};
    FOR(i, 2) {
        const vi *v = pixel[i];
        uint8x8_t s = vqmovun_s16(vqaddq_s16(halves(v[0], v[1]), z));
        uint8x8_t t = vqmovun_s16(vqaddq_s16(halves(v[2], v[3]), z));
        st_ub(y[i], min_ub(max_ub((ub)vcombine_u8(s, t), bc_ub(lo)), bc_ub(hi)));
    }
}

INL vi mul_pairs(vi x, vi w)
{
    const int16x8_t p = (int16x8_t)x, q = (int16x8_t)w;
    return (vi)vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q));
}
#define KG 1
typedef int16x4_t w_s16, x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { return vld1_s16(w); }
INL x_s16 bc_x_s16(const int16_t *x)    /* GCC would go by way of a general register */
{
    x_s16 v;
    __asm__("ld1r {%0.4h}, %1" : "=w"(v) : "Q"(*x));
    return v;
}
INL vu dot_s16(vu a, w_s16 w, x_s16 x) { return (vu)vmlal_s16((int32x4_t)a, w, x); }
#endif
