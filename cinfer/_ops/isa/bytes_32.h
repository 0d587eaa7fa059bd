/* Vectors of 32 bytes by AVX2, for AVX-512 too. */
#ifndef BYTES_32_H
#define BYTES_32_H
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
INL ub max_ub(ub a, ub b) { return (ub)_mm256_max_epu8((__m256i)a, (__m256i)b); }
INL ub min_ub(ub a, ub b) { return (ub)_mm256_min_epu8((__m256i)a, (__m256i)b); }
INL void st_wide_u8(int16_t *y, const uint8_t *x)
{
    _mm256_storeu_si256((__m256i *)y, _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)x)));
}
INL void st_wide_s8(int16_t *y, const int8_t *x)
{
    _mm256_storeu_si256((__m256i *)y, _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x)));
}
#endif
