/* From exact sums to bytes:
 *
 * y = table[clamp(round((sum + bias[c]) * scale[c]) + zero, lo, hi)]
 *
 * Sums begin with the bias. They become float32, the product is float32, round is to nearest, ties to even: one order
 * of roundings for all levels, and no addition that could go into a multiply-add. Products too small for int32 saturate
 * when they are narrowed; those too large have to be cut before (requant_cut): scales of no more than 1/2 make none.
 * table: 256 bytes, or absent. */
#ifndef REQUANTISE_H
#define REQUANTISE_H
#include "look_up.h"
typedef struct { float high; int32_t zero, lo, hi, cut; } requant_t;

static inline requant_t requant_of(int64_t zero, int64_t lo, int64_t hi)
{
    return (requant_t){(float)(hi - zero), (int32_t)zero, (int32_t)lo, (int32_t)hi, 1};
}
/* Whether products by these scales have to be cut. */
static inline int32_t requant_cut(const float *scale, int64_t n)
{
    for (int64_t i = 0; i < n; i++) if (!(scale[i] <= .5f)) return 1;
    return 0;
}

INL vi requant_round(vf v)
{
#if VW == 16
    return (vi)_mm512_cvtps_epi32(v);
#elif VW == 8
    return (vi)_mm256_cvtps_epi32(v);
#elif defined(__SSE2__)
    return (vi)_mm_cvtps_epi32(v);
#elif defined(__aarch64__)
    vi y;
    __asm__("fcvtns %0.4s, %1.4s" : "=w"(y) : "w"(v));
    return y;
#else
    vi y;
    for (int i = 0; i < VW; i++) y[i] = (int32_t)__builtin_rintf(v[i] < -65536.f ? -65536.f : v[i]);
    return y;
#endif
}
/* round(sum * scale) of n sums of the same channels, in place */
INL void requant_lanes(vi *a, int n, vf scale, const requant_t *q)
{
    FOR(p, n) a[p] = (vi)(__builtin_convertvector(a[p], vf) * scale);
    if (__builtin_expect(q->cut, 0)) FOR(p, n) a[p] = (vi)vmin((vf)a[p], bc(q->high));
    FOR(p, n) a[p] = requant_round((vf)a[p]);
}

#if defined(__SSE2__) && VW <= 8
# if VW == 8
typedef __m256i requant_16;
#  define REQ(f) _mm256_##f
# else
typedef __m128i requant_16;
#  define REQ(f) _mm_##f
# endif
/* two vectors of int32 as int16 with the zero point, two of these as bytes from lo to hi */
INL requant_16 requant_halves(vi a, vi b, const requant_t *q)
{
    return REQ(adds_epi16)(REQ(packs_epi32)((requant_16)a, (requant_16)b), REQ(set1_epi16)((short)q->zero));
}
INL requant_16 requant_bytes(requant_16 a, requant_16 b, const requant_t *q)
{
# if VW == 8
    const __m256i y = _mm256_max_epu8(_mm256_packus_epi16(a, b), _mm256_set1_epi8((char)q->lo));
    return _mm256_min_epu8(y, _mm256_set1_epi8((char)q->hi));
# else
    const __m128i y = _mm_max_epu8(_mm_packus_epi16(a, b), _mm_set1_epi8((char)q->lo));
    return _mm_min_epu8(y, _mm_set1_epi8((char)q->hi));
# endif
}
# undef REQ
#endif

INL vi requant_clamp(vi a, const requant_t *q)
{
    const vi lo = q->lo - (vi){0}, hi = q->hi - (vi){0}, s = a + q->zero, low = s < lo, high = s > hi;
    return (lo & low) | (hi & high) | (s & ~(low | high));
}

/* A block of two pixels, NV vectors of rounded lanes each, to y0 and y1, which may be one. */
INL void requant_store(uint8_t *y0, uint8_t *y1, const vi *a, const vi *b, const requant_t *q)
{
#if VW == 8 && defined(__AVX2__)
    /* packing works in halves of 128 bits: 4 channels of a pixel stay together, and one permutation sorts them */
    const __m256i v = requant_bytes(requant_halves(a[0], a[1], q), requant_halves(b[0], b[1], q), q);
    const __m256i w = _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm_storeu_si128((__m128i *)y1, _mm256_extracti128_si256(w, 1));
    _mm_storeu_si128((__m128i *)y0, _mm256_castsi256_si128(w));
#elif defined(__SSE2__) && VW == 4
    _mm_storeu_si128((__m128i *)y1, requant_bytes(requant_halves(b[0], b[1], q), requant_halves(b[2], b[3], q), q));
    _mm_storeu_si128((__m128i *)y0, requant_bytes(requant_halves(a[0], a[1], q), requant_halves(a[2], a[3], q), q));
#else
    FOR(v, NV) { st_u8(y1 + v * VW, requant_clamp(b[v], q)); st_u8(y0 + v * VW, requant_clamp(a[v], q)); }
#endif
}
#endif
