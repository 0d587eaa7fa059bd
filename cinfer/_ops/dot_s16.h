/* Products of int16, summed in int32, wrapping: one step of the sums of VW channels over KG neighbours of k.
 *
 * w     packed [k/KG][channel][KG]: the KG weights of a channel side by side
 * x     KG neighbours of k, broadcast to all channels
 * x86 multiplies and adds pairs (vpmaddwd, exact unless all four numbers are -2^15), with VNNI in one instruction with
 * the sum; NEON multiplies and adds one by one (smlal). gcc takes sums out of registers where a loop is long: the empty
 * asm holds them there. */
#ifndef DOT_S16_H
#define DOT_S16_H
#include "vec.h"
typedef uint32_t vu __attribute__((vector_size(VW * 4), may_alias));     /* sums: wrapping is no fault */
#if defined(__SSE2__)
# define KG 2
typedef vi w_s16, x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { return ldi(w); }
INL x_s16 bc_x_s16(const int16_t *x) { return bci(x); }
INL vu dot_s16(vu a, w_s16 w, x_s16 x)
{
# if VW == 16 && defined(__AVX512VNNI__)
    __asm__("vpdpwssd %2, %1, %0" : "+v"(a) : "v"(w), "v"(x));
# elif VW == 8 && defined(__AVXVNNI__)
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(a) : "x"(w), "x"(x));
# elif VW == 16
    a += (vu)_mm512_madd_epi16((__m512i)w, (__m512i)x);
    __asm__("" : "+v"(a));
# elif VW == 8
    a += (vu)_mm256_madd_epi16((__m256i)w, (__m256i)x);
    __asm__("" : "+x"(a));
# else
    a += (vu)_mm_madd_epi16((__m128i)w, (__m128i)x);
    __asm__("" : "+x"(a));
# endif
    return a;
}
#elif defined(__ARM_NEON)
# include <arm_neon.h>
# define KG 1
typedef int16x4_t w_s16, x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { return vld1_s16(w); }
INL x_s16 bc_x_s16(const int16_t *x)
{
# if defined(__aarch64__)                /* gcc would go by way of a general register */
    x_s16 v;
    __asm__("ld1r {%0.4h}, %1" : "=w"(v) : "Q"(*x));
    return v;
# else
    return vld1_dup_s16(x);
# endif
}
INL vu dot_s16(vu a, w_s16 w, x_s16 x) { return (vu)vmlal_s16((int32x4_t)a, w, x); }
#else
# define KG 1
typedef int16_t w_s16 __attribute__((vector_size(VW * 2)));
typedef int32_t x_s16;
INL w_s16 ld_w_s16(const int16_t *w) { w_s16 v; memcpy(&v, w, sizeof v); return v; }
INL x_s16 bc_x_s16(const int16_t *x) { return *x; }
INL vu dot_s16(vu a, w_s16 w, x_s16 x) { return a + (vu)(__builtin_convertvector(w, vi) * x); }
#endif

/* Both products of a pair of neighbours, in the 4 bytes of a float32, added to each of VW sums, which lie in the room
 * of floats: the step of conv_s16_tile.h. S16_RATE: such multiply-adds in the time of one of float32, 0 where there are
 * no more of them: an instruction of its own for the sum halves it (on Intel's CPUs, which have 3 ports for both). */
#if defined(__AVX512VNNI__) && VW == 16 || defined(__AVXVNNI__) && VW == 8
# define S16_RATE 2
#elif defined(__SSE2__) && VW < 16
# define S16_RATE 1.5
#else
# define S16_RATE 0
#endif
#define RATE_OF_S16 S16_RATE
#if defined(__SSE2__)
# define DOT_PAIR(a, x, w) ((a) = (vf)dot_s16((vu)(a), w, x))
#elif defined(__aarch64__)
# define DOT_PAIR(a, x, w) \
    ((a) = (vf)dot_pairs_s16((int32x4_t)(a), (int16x8_t)(x), (int16x8_t)(w)))
INL int32x4_t dot_pairs_s16(int32x4_t a, int16x8_t x, int16x8_t w)
{
    return vaddq_s32(a, vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(w)), vmull_high_s16(x, w)));
}
#else
# define DOT_PAIR(a, x, w) \
    ((a) = (vf)((vu)(a) + (vu)(((x) << 16 >> 16) * ((w) << 16 >> 16)) + (vu)(((x) >> 16) * ((w) >> 16))))
#endif

/* CB lanes of int32 as int16, cut where that is no more instructions. */
INL void st_s16(int16_t *y, const vi *v)
{
#if VW == 16 && defined(__AVX512F__)
    _mm256_storeu_si256((__m256i *)y, _mm512_cvtsepi32_epi16((__m512i)v[0]));
#elif VW == 8 && defined(__AVX2__)
    _mm256_storeu_si256((__m256i *)y, _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)v[0], (__m256i)v[1]), 0xd8));
#elif VW == 4 && defined(__SSE2__)
    FOR(i, 2) _mm_storeu_si128((__m128i *)y + i, _mm_packs_epi32((__m128i)v[2 * i], (__m128i)v[2 * i + 1]));
#else
    FOR(i, CB) y[i] = (int16_t)v[i / VW][i % VW];
#endif
}

/* n runs of 2 CB floats, each a whole number of steps of 1 / inverse -> as many int16 each: those numbers, and `zero`
 * more. Run i is [CB] at x + i*step and [CB] xb behind that; in y runs are `each` pairs apart. From lane `have` on they
 * are anything, from there to the end of its part of CB; what is behind that is not read. have 0: all are `zero`. */
static __attribute__((noinline, unused)) void step_runs(const float *x, int64_t xb, int64_t step, int64_t n,
                                                        int64_t have, float inverse, int32_t zero, float *y,
                                                        int64_t each)
{
    const vi z = zero - (vi){0};
    const vf s = bc(inverse);
    vi first[NV], second[NV];
    FOR(v, NV) first[v] = second[v] = z;
    for (; n > 0; n--, x += step, y += each) {
        if (have > 0) FOR(v, NV) first[v] = nearest_int(ld(x + v * VW) * s) + z;
        if (have > CB) FOR(v, NV) second[v] = nearest_int(ld(x + xb + v * VW) * s) + z;
        st_s16((int16_t *)y, first);
        st_s16((int16_t *)y + CB, second);
    }
}
#endif
