/* Any other CPU: vectors of 4 lanes, in what the compiler makes of them. */
#ifndef PLAIN_H
#define PLAIN_H
#define VW 4
#include "four.h"
#define HELD(v) ((void)0)
INL vf     rounded(vf x)            { volatile vf y = x; return y; }
INL double rounded_double(double x) { volatile double y = x; return y; }
INL vf  vmax(vf a, vf b)            { return pick(a > b, a, b); }
INL vf  vmin(vf a, vf b)            { return pick(a < b, a, b); }
INL vf  vsqrt(vf x)                 { FOR(i, VW) x[i] = __builtin_sqrtf(x[i]); return x; }
INL int any(vm m)                   { int32_t r = 0; FOR(i, VW) r |= m[i]; return r != 0; }
INL vi  nearest_int(vf v)           { return to_int(vrint(vmax(v, bc(-65536.f)))); }
INL vi  nearest_16(vf v)            { return nearest_int(vmax(vmin(bc(32767.f), v), bc(-32768.f))); }
INL vf  times_plus(vf x, vf s, vf t) { return x * s + t; }

INL vi ld_u8(const uint8_t *p)
{
    vb u;
    memcpy(&u, p, VW);
    return __builtin_convertvector(u, vi);
}
INL void st_u8(uint8_t *p, vi v)
{
    vb u = __builtin_convertvector(v, vb);
    memcpy(p, &u, VW);
}
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
#endif
