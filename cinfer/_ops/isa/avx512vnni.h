/* AVX-512 with VNNI: quads of bytes, or pairs of int16, in one instruction with the sum. */
#ifndef AVX512VNNI_H
#define AVX512VNNI_H
#define HAS_QUADS 1
#define S16_RATE 2
#define HAS_DOT_PAIRS 1
#include "avx512.h"
INL vi dot_quads(vi a, vi x, vi w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(x), "v"(w));
    return a;
}
INL vi dot_pairs(vi a, vi x, vi w)
{
    vu sum = (vu)a;
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
    return (vi)sum;
}
#endif
