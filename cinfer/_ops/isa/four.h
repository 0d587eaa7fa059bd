/* What vectors of four lanes do without an instruction of their own: SSE2, NEON, any other CPU. */
#ifndef FOUR_H
#define FOUR_H
#include "lanes.h"
#include "masks.h"
INL vf pick(vm m, vf a, vf b) { return (vf)(((vi)a & m) | ((vi)b & ~m)); }
INL vi either(vi m, vi a, vi b) { return (a & m) | (b & ~m); }

INL vf vrint(vf x)
{
    vf a = (vf)((vi)x & 0x7fffffff), big = bc(8388608.f);       /* 2^23: the sum has no bits left below 1 */
    vf r = (vf)((vi)((a + big) - big) | ((vi)x & (int32_t)0x80000000));
    return pick(lt(a, big), r, x);
}
INL vf vfloor(vf x) { vf r = vrint(x); return pick(lt(x, r), r - 1, r); }
INL vf vceil(vf x)
{
    vf r = vrint(x), up = (vf)(((vi)(r + 1) & 0x7fffffff) | ((vi)x & (int32_t)0x80000000));
    return pick(lt(r, x), up, r);
}
INL vf ld_part(const float *p, int64_t n, float rest)
{
    return (vf){n > 0 ? p[0] : rest, n > 1 ? p[1] : rest, n > 2 ? p[2] : rest, rest};
}
INL void st_part(float *p, vf v, int64_t n)
{
    if (n > 0) p[0] = v[0];
    if (n > 1) p[1] = v[1];
    if (n > 2) p[2] = v[2];
}

INL vi ld_s8(const int8_t *p)
{
    vsb u;
    memcpy(&u, p, sizeof u);
    return __builtin_convertvector(u, vi);
}
/* The bits of a half, moved to their places in a float, are 2^112 times too small; those of a subnormal half
 * count units of 2^-24, which the difference of two normal floats of 2^-14 puts right. */
INL vf from_half(const uint16_t *p)
{
    vi h;
    FOR(k, VW) h[k] = p[k];
    vi size = (h & 0x7fff) << 13, normal = size + (112 << 23);
    vi small = (vi)((vf)(size + (113 << 23)) - 0x1p-14f);
    vi special = size + (224 << 23), exponent = h & 0x7c00;
    vi v = either(exponent == 0x7c00, special, either(exponent == 0, small, normal));
    return (vf)(v | (h & 0x8000) << 16);
}
/* The sum with 2^-1 has its last bit at 2^-24, the unit of subnormal halves: it is rounded there. */
INL void to_half(uint16_t *p, vf v)
{
    vi b = (vi)v, size = b & 0x7fffffff;
    vi normal = (size - (112 << 23) + 0xfff + (size >> 13 & 1)) >> 13;
    vi small = (vi)((vf)size + .5f) - 0x3f000000;
    vi h = either(size < (113 << 23), small, either(size < (143 << 23), normal, bci(&(int32_t){0x7c00})));
    h = either(size > 0x7f800000, bci(&(int32_t){0x7e00}), h) | (b >> 16 & 0x8000);
    FOR(k, VW) p[k] = (uint16_t)h[k];
}

INL ub ld_two(const uint8_t *p, const uint8_t *q)             { (void)q; return ld_ub(p); }
INL void st_two(uint8_t *p, uint8_t *q, ub v)                 { (void)q; st_ub(p, v); }
#endif
