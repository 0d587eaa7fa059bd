/* Any other CPU: vectors of 4 lanes, in what the compiler makes of them. */
#ifndef PLAIN_H
#define PLAIN_H
#define VW 4
#define REGISTERS 16
#include "four.h"
#include "conversions.h"
#define HELD(v) ((void)0)
#define KEEP(v) ((void)0)
INL vf     rounded(vf x)            { volatile vf y = x; return y; }
INL double rounded_double(double x) { volatile double y = x; return y; }
INL vf  vmax(vf a, vf b)            { return pick(a > b, a, b); }
INL vf  vmin(vf a, vf b)            { return pick(a < b, a, b); }
INL vf  vsqrt(vf x)                 { FOR(i, VW) x[i] = __builtin_sqrtf(x[i]); return x; }
INL int any(vm m)                   { int32_t r = 0; FOR(i, VW) r |= m[i]; return r != 0; }
INL vi  nearest_int(vf v)           { return to_int(vrint(vmax(v, bc(-65536.f)))); }
INL vi  nearest_16(vf v)            { return nearest_int(vmax(vmin(bc(32767.f), v), bc(-32768.f))); }
INL vf  times_plus(vf x, vf s, vf t) { return x * s + t; }

INL vi ld_u16(const uint16_t *p)      { vi v; FOR(i, VW) v[i] = p[i]; return v; }
INL vf from_bfloat(const uint16_t *p) { return (vf)(ld_u16(p) << 16); }
INL void st_upper(uint16_t *p, const vi *v) { FOR(i, CB) p[i] = (uint16_t)((uint32_t)v[i / VW][i % VW] >> 16); }
INL ub max_ub(ub a, ub b)             { ub m = (ub)(a > b); return (a & m) | (b & ~m); }
INL ub min_ub(ub a, ub b)             { ub m = (ub)(a < b); return (a & m) | (b & ~m); }
INL uint8_t cut(int32_t x, int lo, int hi) { return (uint8_t)(x < lo ? lo : x > hi ? hi : x); }
INL ub narrow_ub(const vi *v)
{
    ub r;
    FOR(i, UB) r[i] = cut(v[i / VW][i % VW], 0, 255);
    return r;
}
INL void st_cut(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, int zero, int lo, int hi,
                 int plain)
{
    (void)plain;
    FOR(i, CB) y1[i] = cut(b[i / VW][i % VW] + zero, lo, hi);
    FOR(i, CB) y0[i] = cut(a[i / VW][i % VW] + zero, lo, hi);
}

INL vi mul_pairs(vi x, vi w) { return (x << 16 >> 16) * (w << 16 >> 16) + (x >> 16) * (w >> 16); }
#define KG 1
typedef int16_t w_s16 __attribute__((vector_size(VW * 2)));
typedef int32_t x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { w_s16 v; memcpy(&v, w, sizeof v); return v; }
INL x_s16 bc_x_s16(const int16_t *x) { return *x; }
INL vu dot_s16(vu a, w_s16 w, x_s16 x) { return a + (vu)(__builtin_convertvector(w, vi) * x); }
#endif
