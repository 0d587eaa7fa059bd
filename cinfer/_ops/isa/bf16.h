/* NEON with dot products of bytes and of bfloat16. */
#ifndef BF16_H
#define BF16_H
#include "i8mm.h"
#define BF16_RATE 2
INL vf dot_bf16(vf a, vi x, vi w) { return (vf)vbfdotq_f32((float32x4_t)a, (bfloat16x8_t)x, (bfloat16x8_t)w); }
INL vi bc_pair(const void *p)           /* GCC would go by way of general registers and the stack */
{
    vi v;
    __asm__("ld1r {%0.4s}, %1" : "=w"(v) : "Q"(*(const float *)p));
    return v;
}
#endif
