/* AVX-512 with VNNI and BF16. */
#ifndef AVX512BF16_H
#define AVX512BF16_H
#include "avx512vnni.h"
#define BF16_RATE 2
INL vi bc_pair(const void *p) { return bci(p); }
INL vf dot_bf16(vf a, vi x, vi w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(w));
    return a;
}
#define ROUNDS_BF16 1
INL __m512i bf16_lanes(vf x)            /* VW bfloat16 in the lower half, anything in the upper one */
{
    return _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh((__m512)x));
}
INL void st_bf16(uint16_t *y, const vf *x)
{
    _mm256_storeu_si256((__m256i *)y, _mm512_castsi512_si256(bf16_lanes(x[0])));
}
INL vi pairs_bf16(vf low, vf high)
{
    static const uint16_t place[2 * VW] = {0, 32, 1, 33, 2, 34, 3, 35, 4, 36, 5, 37, 6, 38, 7, 39,
                                           8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    return (vi)_mm512_permutex2var_epi16(bf16_lanes(low), _mm512_loadu_si512(place), bf16_lanes(high));
}
#endif
