/* Vectors of bytes beside those of floats: UB bytes are one or two pixels of a block of 16 channels.
 *
 * widen, narrow     UB bytes <-> UB/VW vectors of integers; narrow cuts to 0..255 what is beyond
 * nearest           to whole numbers, ties to even; what is beyond int16 is cut, NaN is the lowest: the same on every
 *                   CPU, and small enough that a zero point can be added
 * to_pixels         16 planes of 16 pixels -> 16 pixels of 16 channels, and back by to_planes. As planes vector k has
 *                   channel k, and of 32 bytes channel k + 8 in its upper half; as pixels they lie in their order.
 *                   A round of unpacking (`interleave`) turns the bits of a byte's number: 4 channel bits and 4 pixel
 *                   bits change places in 4 rounds. Of 32 bytes the channel's highest bit is the half of the vector,
 *                   which one permutation of quarters moves, so that 3 are enough and 8 vectors stay in registers. */
#ifndef VEC_U8_H
#define VEC_U8_H
#include "vec_math.h"
#if defined(__ARM_NEON)
# include <arm_neon.h>
#endif
#if VW >= 8
# define UB 32
#else
# define UB 16
#endif
enum { UB_VECTORS = UB / VW, UB_PIXELS = UB / CB, PLANES = CB * CB / UB };
typedef uint8_t ub __attribute__((vector_size(UB), may_alias));
INL ub   ld_ub(const uint8_t *p)     { ub v; memcpy(&v, p, UB); return v; }
INL void st_ub(uint8_t *p, ub v)     { memcpy(p, &v, UB); }
INL ub   bc_ub(int x)                { return (uint8_t)x - (ub){0}; }
/* Two pixels that need not be neighbours; the second one is not there where UB is one. The first of two. */
#if UB == 32
INL ub ld_two(const uint8_t *p, const uint8_t *q)
{
    __m256i low = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)p));
    return (ub)_mm256_inserti128_si256(low, _mm_loadu_si128((const __m128i *)q), 1);
}
INL void st_two(uint8_t *p, uint8_t *q, ub v)
{
    _mm_storeu_si128((__m128i *)p, _mm256_castsi256_si128((__m256i)v));
    _mm_storeu_si128((__m128i *)q, _mm256_extracti128_si256((__m256i)v, 1));
}
#else
INL ub ld_two(const uint8_t *p, const uint8_t *q)             { (void)q; return ld_ub(p); }
INL void st_two(uint8_t *p, uint8_t *q, ub v)                 { (void)q; st_ub(p, v); }
#endif
INL void st_one(uint8_t *p, ub v)                             { memcpy(p, &v, CB); }
#if UB == 32
INL ub max_ub(ub a, ub b) { return (ub)_mm256_max_epu8((__m256i)a, (__m256i)b); }
INL ub min_ub(ub a, ub b) { return (ub)_mm256_min_epu8((__m256i)a, (__m256i)b); }
#elif defined(__SSE2__)
INL ub max_ub(ub a, ub b) { return (ub)_mm_max_epu8((__m128i)a, (__m128i)b); }
INL ub min_ub(ub a, ub b) { return (ub)_mm_min_epu8((__m128i)a, (__m128i)b); }
#else
INL ub max_ub(ub a, ub b) { ub m = (ub)(a > b); return (a & m) | (b & ~m); }
INL ub min_ub(ub a, ub b) { ub m = (ub)(a < b); return (a & m) | (b & ~m); }
#endif

INL void widen_ub(const uint8_t *p, vi *v) { FOR(k, UB_VECTORS) v[k] = ld_u8(p + k * VW); }
INL ub narrow_ub(const vi *v)
{
#if VW == 16
    __m512i none = _mm512_setzero_si512();
    __m128i low = _mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)v[0], none));
    __m128i high = _mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)v[1], none));
    return (ub)_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
#elif VW == 8
    __m256i a = _mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]), b = _mm256_packs_epi32((__m256i)v[2], (__m256i)v[3]);
    return (ub)_mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
#elif defined(__SSE2__)
    return (ub)_mm_packus_epi16(_mm_packs_epi32((__m128i)v[0], (__m128i)v[1]),
                                _mm_packs_epi32((__m128i)v[2], (__m128i)v[3]));
#elif defined(__ARM_NEON)
    int16x8_t a = vcombine_s16(vqmovn_s32((int32x4_t)v[0]), vqmovn_s32((int32x4_t)v[1]));
    int16x8_t b = vcombine_s16(vqmovn_s32((int32x4_t)v[2]), vqmovn_s32((int32x4_t)v[3]));
    return (ub)vcombine_u8(vqmovun_s16(a), vqmovun_s16(b));
#else
    ub r;
    FOR(i, UB) { int32_t x = v[i / VW][i % VW]; r[i] = (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }
    return r;
#endif
}
INL vi nearest(vf v)
{
    v = vmin(bc(32767.f), v);           /* x86: below the range, and of a NaN, the answer is the lowest integer */
#if VW == 16
    return (vi)_mm512_cvtps_epi32(v);
#elif VW == 8
    return (vi)_mm256_cvtps_epi32(v);
#elif defined(__SSE2__)
    return (vi)_mm_cvtps_epi32(v);
#else
    return to_int(vrint(vmax(v, bc(-32768.f))));
#endif
}

#if defined(__clang__)
# define MIX_UB(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
# define MIX_UB(a, b, ...) __builtin_shuffle(a, b, (ub){__VA_ARGS__})
#endif
#define PAIRS4(a, b) a, b, a + 1, b + 1, a + 2, b + 2, a + 3, b + 3
#define PAIRS8(a, b) PAIRS4(a, b), PAIRS4(a + 4, b + 4)
#if UB == 32
# define UNPACK_UB(a, b, k) MIX_UB(a, b, PAIRS8(k, 32 + k), PAIRS8(16 + k, 48 + k))
/* within each vector the two quarters in the middle change places */
INL void swap_quarters(ub *v) { FOR(k, PLANES) v[k] = (ub)_mm256_permute4x64_epi64((__m256i)v[k], 0xd8); }
#else
# define UNPACK_UB(a, b, k) MIX_UB(a, b, PAIRS8(k, 16 + k))
#endif
INL void interleave(ub *v)
{
    ub t[PLANES];
    FOR(i, PLANES / 2) {
        t[2 * i] = UNPACK_UB(v[i], v[i + PLANES / 2], 0);
        t[2 * i + 1] = UNPACK_UB(v[i], v[i + PLANES / 2], 8);
    }
    FOR(i, PLANES) v[i] = t[i];
}
INL void to_pixels(ub *v)
{
#if UB == 32
    FOR(k, 3) interleave(v);
    swap_quarters(v);
#else
    FOR(k, 4) interleave(v);
#endif
}
INL void to_planes(ub *v)
{
#if UB == 32
    swap_quarters(v);
#endif
    FOR(k, 4) interleave(v);
}
#endif
