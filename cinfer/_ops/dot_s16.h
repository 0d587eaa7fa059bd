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
#endif
