/* NEON with dot products: of signed bytes only. */
#ifndef DOTPROD_H
#define DOTPROD_H
#define HAS_QUADS 1
#define QUADS_LESS_128 1
#include "neon.h"
INL vi dot_quads(vi a, vi x, vi w) { return (vi)vdotq_s32((int32x4_t)a, (int8x16_t)x, (int8x16_t)w); }
#endif
