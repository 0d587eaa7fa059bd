/* SSE2: vectors of 4 lanes. */
#ifndef SSE2_H
#define SSE2_H
#define VW 4
#define REGISTERS 16
#include "four.h"
#include "x86.h"
INL vf  vmax(vf a, vf b)            { return _mm_max_ps(a, b); }
INL vf  vmin(vf a, vf b)            { return _mm_min_ps(a, b); }
INL vf  vsqrt(vf x)                 { return _mm_sqrt_ps(x); }
INL int any(vm m)                   { return _mm_movemask_ps((__m128)m) != 0; }
INL vi  nearest_int(vf v)           { return (vi)_mm_cvtps_epi32(v); }
INL vi  nearest_16(vf v)            { return nearest_int(vmin(bc(32767.f), v)); }
INL vf  times_plus(vf x, vf s, vf t) { return x * s + t; }

INL vi ld_u8(const uint8_t *p)
{
    int x;
    memcpy(&x, p, 4);
    __m128i b = _mm_unpacklo_epi8(_mm_cvtsi32_si128(x), _mm_setzero_si128());
    return (vi)_mm_unpacklo_epi16(b, _mm_setzero_si128());
}
INL void st_u8(uint8_t *p, vi v)
{
    __m128i h = _mm_packs_epi32((__m128i)v, (__m128i)v);
    int x = _mm_cvtsi128_si32(_mm_packus_epi16(h, h));
    memcpy(p, &x, 4);
}
INL vi ld_u16(const uint16_t *p)
{
    return (vi)_mm_unpacklo_epi16(_mm_loadl_epi64((const __m128i *)p), _mm_setzero_si128());
}
INL vf from_bfloat(const uint16_t *p)
{
    return (vf)_mm_unpacklo_epi16(_mm_setzero_si128(), _mm_loadl_epi64((const __m128i *)p));
}
INL void st_upper(uint16_t *p, const vi *v)             /* with their signs, nothing is cut */
{
    FOR(i, 2) {
        __m128i low = _mm_srai_epi32((__m128i)v[2 * i], 16), high = _mm_srai_epi32((__m128i)v[2 * i + 1], 16);
        _mm_storeu_si128((__m128i *)p + i, _mm_packs_epi32(low, high));
    }
}
INL ub max_ub(ub a, ub b) { return (ub)_mm_max_epu8((__m128i)a, (__m128i)b); }
INL ub min_ub(ub a, ub b) { return (ub)_mm_min_epu8((__m128i)a, (__m128i)b); }
INL ub narrow_ub(const vi *v)
{
    return (ub)_mm_packus_epi16(_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),
                                _mm_packs_epi32((__m128i)v[2], (__m128i)v[3]));
}
INL void st_cut(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, int zero, int lo, int hi,
                 int plain)
{
    const __m128i z = _mm_set1_epi16((short)zero), low = _mm_set1_epi8((char)lo), high = _mm_set1_epi8((char)hi);
    const __m128i *pixel[2] = {(const __m128i *)b, (const __m128i *)a};
    uint8_t *y[2] = {y1, y0};
    FOR(i, 2) {
        const __m128i *v = pixel[i];
        __m128i s = _mm_packs_epi32(v[0], v[1]), t = _mm_packs_epi32(v[2], v[3]);
        __m128i r = plain ? _mm_packus_epi16(s, t) : _mm_packus_epi16(_mm_adds_epi16(s, z), _mm_adds_epi16(t, z));
        _mm_storeu_si128((__m128i *)y[i], plain ? r : _mm_min_epu8(_mm_max_epu8(r, low), high));
    }
}

INL void st_wide_u8(int16_t *y, const uint8_t *x)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)x), zero = _mm_setzero_si128();
    _mm_storeu_si128((__m128i *)y, _mm_unpacklo_epi8(v, zero));
    _mm_storeu_si128((__m128i *)y + 1, _mm_unpackhi_epi8(v, zero));
}
INL void st_wide_s8(int16_t *y, const int8_t *x)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)x);
    _mm_storeu_si128((__m128i *)y, _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8));
    _mm_storeu_si128((__m128i *)y + 1, _mm_srai_epi16(_mm_unpackhi_epi8(v, v), 8));
}
INL void st_s16(int16_t *y, const vi *v)
{
    FOR(i, 2) _mm_storeu_si128((__m128i *)y + i, _mm_packs_epi32((__m128i)v[2 * i], (__m128i)v[2 * i + 1]));
}

#define S16_RATE 1.5
INL vi mul_pairs(vi x, vi w) { return (vi)_mm_madd_epi16((__m128i)w, (__m128i)x); }
#endif
