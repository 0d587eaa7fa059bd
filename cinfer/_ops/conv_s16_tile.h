/* Register tiles of int16 (conv_pairs_tile.h): sums in int32, exact modulo 2^32, and in float32 from there on.
 *
 * Before the pairs of a tile w has, for each of its channels, what the sums begin with (int32), then what a sum is
 * multiplied by (float32): a product that is rounded by itself, so that bits are the same at all levels. */
#ifndef CONV_S16_TILE_H
#define CONV_S16_TILE_H
#include "conv_pairs_tile.h"
enum { HEAD_OF_S16 = 2 };               /* floats of a channel before its pairs */
#define DOT_s16(a, x, w) (vf)dot_pairs((vi)a, x, w)
#define BEGIN_s16(OV, PX) \
    const float *begins = w, *each = w + OV * VW; \
    FOR(o, OV) FOR(p, PX) a[o][p] = ld(begins + o * VW); \
    w += HEAD_OF_S16 * OV * VW;
#define END_s16(OV, PX) \
    FOR(o, OV) { const vf by = ld(each + o * VW); FOR(p, PX) a[o][p] = rounded(to_float((vi)a[o][p]) * by); }
PAIR_TILES(s16)
#endif
