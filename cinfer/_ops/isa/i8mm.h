/* NEON with dot products of unsigned bytes and signed ones. */
#ifndef I8MM_H
#define I8MM_H
#define HAS_QUADS 1
#include "neon.h"
INL vi dot_quads(vi a, vi x, vi w) { return (vi)vusdotq_s32((int32x4_t)a, (uint8x16_t)x, (int8x16_t)w); }
#endif
