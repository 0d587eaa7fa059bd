/* What only AVX-512 has instructions for: masks, here vectors of 0 and -1, and powers of two, by the bits of an
 * exponent. */
#ifndef MASKS_H
#define MASKS_H
typedef vi vm;
INL vm lt(vf a, vf b) { return a < b; }
INL vm eq(vf a, vf b) { return a == b; }
INL vm nan_of(vf a)   { return a != a; }
INL vm bit_of(vi a, int bit) { return (a & bit) != 0; }
INL vf times_exp2(vf p, vf n)
{
    vi k = to_int(n), h = k >> 1;
    return p * (vf)((h + 127) << 23) * (vf)((k - h + 127) << 23);
}
INL vf times_exp2_normal(vf p, vf n) { return p * (vf)((to_int(n) + 127) << 23); }
#endif
