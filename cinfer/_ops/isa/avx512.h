/* AVX-512 F, BW, DQ and VL: vectors of 16 lanes; bytes in vectors of 32. */
#ifndef AVX512_H
#define AVX512_H
#define VW 16
#define REGISTERS 32
#include "lanes.h"
#include "x86.h"
#include "bytes_32.h"
INL vf  vmax(vf a, vf b)            { return _mm512_max_ps(a, b); }
INL vf  vmin(vf a, vf b)            { return _mm512_min_ps(a, b); }
INL vf  vsqrt(vf x)                 { return _mm512_sqrt_ps(x); }
INL vf  vrint(vf x)                 { return _mm512_roundscale_ps(x, 8); }
INL vf  vfloor(vf x)                { return _mm512_roundscale_ps(x, 9); }
INL vf  vceil(vf x)                 { return _mm512_roundscale_ps(x, 10); }
INL vi  nearest_int(vf v)           { return (vi)_mm512_cvtps_epi32(v); }
INL vi  nearest_16(vf v)            { return nearest_int(vmin(bc(32767.f), v)); }
INL vf  times_plus(vf x, vf s, vf t) { return _mm512_fmadd_ps(x, s, t); }
INL vf  times_exp2(vf p, vf n)      { return _mm512_scalef_ps(p, n); }
INL vf  times_exp2_normal(vf p, vf n) { return _mm512_scalef_ps(p, n); }

typedef __mmask16 vm;
INL vm lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
INL vm eq(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INL vm nan_of(vf a)   { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
INL vm bit_of(vi a, int bit) { return _mm512_test_epi32_mask((__m512i)a, _mm512_set1_epi32(bit)); }
INL vf pick(vm m, vf a, vf b) { return _mm512_mask_mov_ps(b, m, a); }
INL int any(vm m) { return m != 0; }

INL __mmask16 first_lanes(int64_t n) { return (__mmask16)((1u << n) - 1); }
INL vf ld_part(const float *p, int64_t n, float rest)
{
    return _mm512_mask_loadu_ps(bc(rest), first_lanes(n), p);
}
INL void st_part(float *p, vf v, int64_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

INL vi ld_u8(const uint8_t *p)     { return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
INL vi ld_s8(const int8_t *p)      { return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }
INL vi ld_u16(const uint16_t *p)   { return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)); }
INL vf from_bfloat(const uint16_t *p) { return (vf)_mm512_slli_epi32((__m512i)ld_u16(p), 16); }
INL vf from_half(const uint16_t *p)   { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
INL void to_half(uint16_t *p, vf v)   { _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(v, 8)); }
INL void st_upper(uint16_t *p, const vi *v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)v[0], 16)));
}
INL void st_u8(uint8_t *p, vi v)
{
    vb u = __builtin_convertvector(v, vb);
    memcpy(p, &u, VW);
}
INL ub narrow_ub(const vi *v)
{
    __m512i none = _mm512_setzero_si512();
    __m128i low = _mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)v[0], none));
    __m128i high = _mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)v[1], none));
    return (ub)_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}
INL vi cut(vi v, int zero, int lo, int hi)
{
    const __m512i s = _mm512_max_epi32((__m512i)(v + zero), _mm512_set1_epi32(lo));
    return (vi)_mm512_min_epi32(s, _mm512_set1_epi32(hi));
}
INL void st_cut(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, int zero, int lo, int hi,
                 int plain)
{
    (void)plain;
    st_u8(y1, cut(b[0], zero, lo, hi));
    st_u8(y0, cut(a[0], zero, lo, hi));
}
INL void st_s16(int16_t *y, const vi *v)
{
    _mm256_storeu_si256((__m256i *)y, _mm512_cvtsepi32_epi16((__m512i)v[0]));
}

INL vi mul_pairs(vi x, vi w) { return (vi)_mm512_madd_epi16((__m512i)w, (__m512i)x); }
#ifndef HAS_QUADS                       /* unless avx512vnni.h is upon this */
# define HAS_QUADS 1
# define QUADS_SATURATE 1
INL vi dot_quads(vi a, vi x, vi w)
{
    return a + (vi)_mm512_madd_epi16(_mm512_maddubs_epi16((__m512i)x, (__m512i)w), _mm512_set1_epi16(1));
}
INL vi ld_pairs_s8(const void *w) { return (vi)_mm512_cvtepi8_epi16(_mm256_loadu_si256(w)); }
#endif
#endif
