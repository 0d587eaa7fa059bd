/* AVX2 with AVX-VNNI: quads of bytes, or pairs of int16, in one instruction with the sum. */
#ifndef AVXVNNI_H
#define AVXVNNI_H
#define HAS_QUADS 1
#define S16_RATE 2
#define HAS_DOT_PAIRS 1
#include "avx2.h"
INL vi dot_quads(vi a, vi x, vi w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(a) : "x"(x), "x"(w));
    return a;
}
INL vi dot_pairs(vi a, vi x, vi w)
{
    vu sum = (vu)a;
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(x));
    return (vi)sum;
}
#endif
