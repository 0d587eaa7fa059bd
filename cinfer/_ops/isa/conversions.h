/* Bytes, halves and lanes by conversions of C: NEON, any other CPU. */
#ifndef CONVERSIONS_H
#define CONVERSIONS_H
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
INL void st_wide_u8(int16_t *y, const uint8_t *x)
{
    typedef uint8_t bytes_t __attribute__((vector_size(CB)));
    typedef int16_t halves_t __attribute__((vector_size(CB * 2)));
    bytes_t v;
    memcpy(&v, x, CB);
    const halves_t wide = __builtin_convertvector(v, halves_t);
    memcpy(y, &wide, sizeof wide);
}
INL void st_wide_s8(int16_t *y, const int8_t *x) { for (int j = 0; j < CB; j++) y[j] = x[j]; }
INL void st_s16(int16_t *y, const vi *v)         { FOR(i, CB) y[i] = (int16_t)v[i / VW][i % VW]; }
#endif
