/* AVX2 with FMA and F16C: vectors of 8 lanes. */
#ifndef AVX2_H
#define AVX2_H
#define VW 8
#define REGISTERS 16
#include "lanes.h"
#include "masks.h"
#include "x86.h"
#include "bytes_32.h"
INL vf  vmax(vf a, vf b)            { return _mm256_max_ps(a, b); }
INL vf  vmin(vf a, vf b)            { return _mm256_min_ps(a, b); }
INL vf  vsqrt(vf x)                 { return _mm256_sqrt_ps(x); }
INL vf  vrint(vf x)                 { return _mm256_round_ps(x, 8); }
INL vf  vfloor(vf x)                { return _mm256_round_ps(x, 9); }
INL vf  vceil(vf x)                 { return _mm256_round_ps(x, 10); }
INL vi  nearest_int(vf v)           { return (vi)_mm256_cvtps_epi32(v); }
INL vi  nearest_16(vf v)            { return nearest_int(vmin(bc(32767.f), v)); }
INL vf  times_plus(vf x, vf s, vf t) { return _mm256_fmadd_ps(x, s, t); }

INL vf pick(vm m, vf a, vf b) { return _mm256_blendv_ps(b, a, (__m256)m); }
INL int any(vm m) { return _mm256_movemask_ps((__m256)m) != 0; }

INL __m256i first_lanes(int64_t n)
{
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return _mm256_loadu_si256((const __m256i *)(ones + 8 - n));
}
INL vf ld_part(const float *p, int64_t n, float rest)
{
    __m256i m = first_lanes(n);
    return _mm256_blendv_ps(bc(rest), _mm256_maskload_ps(p, m), (__m256)m);
}
INL void st_part(float *p, vf v, int64_t n) { _mm256_maskstore_ps(p, first_lanes(n), v); }

INL vi ld_u8(const uint8_t *p)     { return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
INL vi ld_s8(const int8_t *p)      { return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
INL vi ld_u16(const uint16_t *p)   { return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)); }
INL vf from_bfloat(const uint16_t *p) { return (vf)(ld_u16(p) << 16); }
INL vf from_half(const uint16_t *p)   { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
INL void to_half(uint16_t *p, vf v)   { _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(v, 8)); }
INL void st_u8(uint8_t *p, vi v)
{
    __m128i h = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(h, h));
}
/* Packing works in halves of 128 bits: 4 numbers stay together, and one permutation sorts them. */
INL __m256i sorted(__m256i v) { return _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)); }
INL void st_upper(uint16_t *p, const vi *v)             /* with their signs, nothing is cut */
{
    __m256i h = _mm256_packs_epi32(_mm256_srai_epi32((__m256i)v[0], 16), _mm256_srai_epi32((__m256i)v[1], 16));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(h, 0xd8));
}
INL ub narrow_ub(const vi *v)
{
    __m256i a = _mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]), b = _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]);
    return (ub)sorted(_mm256_packus_epi16(a, b));
}
INL void st_cut(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, int zero, int lo, int hi,
                 int plain)
{
    const __m256i z = _mm256_set1_epi16((short)zero);
    const __m256i s = _mm256_packs_epi32((__m256i)a[0], (__m256i)a[1]);
    const __m256i t = _mm256_packs_epi32((__m256i)b[0], (__m256i)b[1]);
    __m256i v = plain ? _mm256_packus_epi16(s, t)
                      : _mm256_packus_epi16(_mm256_adds_epi16(s, z), _mm256_adds_epi16(t, z));
    if (!plain) v = _mm256_min_epu8(_mm256_max_epu8(v, _mm256_set1_epi8((char)lo)), _mm256_set1_epi8((char)hi));
    const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
    _mm_storeu_si128((__m128i *)y1, _mm_unpackhi_epi32(low, high));             /* 4 channels of each in turns */
    _mm_storeu_si128((__m128i *)y0, _mm_unpacklo_epi32(low, high));
}
INL void st_s16(int16_t *y, const vi *v)
{
    _mm256_storeu_si256((__m256i *)y, _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]), 0xd8));
}

INL vi mul_pairs(vi x, vi w) { return (vi)_mm256_madd_epi16((__m256i)w, (__m256i)x); }
#ifndef HAS_QUADS                       /* unless avxvnni.h is upon this */
# define HAS_QUADS 1
# define QUADS_SATURATE 1
# define S16_RATE 1.5
INL vi dot_quads(vi a, vi x, vi w)
{
    return a + (vi)_mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)x, (__m256i)w), _mm256_set1_epi16(1));
}
INL vi ld_pairs_s8(const void *w) { return (vi)_mm256_cvtepi8_epi16(_mm_loadu_si128(w)); }
#endif
#endif
