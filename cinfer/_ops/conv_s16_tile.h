/* Register tiles of int16: those of conv_tile.h with another step, sums in int32, exact modulo 2^32, and in float32
 * from there on.
 *
 * All is said there but what an element of x and w is: a pair of neighbours of k (dot_s16.h), in the room of a float;
 * and before the pairs of a tile w has, for each of its channels, what the sums begin with (int32), then what a sum is
 * multiplied by (float32): a product that is rounded by itself, so that bits are the same at all levels. */
#ifndef CONV_S16_TILE_H
#define CONV_S16_TILE_H
#include "conv_tile.h"
#include "dot_s16.h"
enum { HEAD_OF_S16 = 2 };               /* floats of a channel before its pairs */
#define S16_STEP(OV, PX, X) \
    vi q[OV]; \
    FOR(o, OV) q[o] = ldi(w + o * VW); \
    FOR(p, PX) { const vi s = bci(v + X(p)); FOR(o, OV) a[o][p] = (vf)dot_pairs((vi)a[o][p], s, q[o]); }
#define S16_FETCHING_STEP(OV, PX, X) FETCH_AHEAD(OV) S16_STEP(OV, PX, X)
#define S16_SUMS(OV, PX, X, STEP) \
    const float *begins = w, *each = w + OV * VW; \
    FOR(o, OV) FOR(p, PX) a[o][p] = ld(begins + o * VW); \
    w += HEAD_OF_S16 * OV * VW; \
    LOOPS_OF(OV, PX, X, STEP) \
    FOR(o, OV) { const vf by = ld(each + o * VW); FOR(p, PX) a[o][p] = rounded(to_float((vi)a[o][p]) * by); }
#define S16_LOOPS(OV, PX, X) S16_SUMS(OV, PX, X, S16_STEP)
#define S16_FETCHING_LOOPS(OV, PX, X) \
    const char *ahead = T->ahead; \
    S16_SUMS(OV, PX, X, S16_FETCHING_STEP)
#define S16_TILES(EACH, OV) \
    EACH(TILE, s16, OV, S16_LOOPS, BY_LIST) \
    EACH(TILE, s16_fetching, OV, S16_FETCHING_LOOPS, BY_LIST)
#define S16_TABLE(EACH, OV) { \
    [FORM_LIST] = {0, EACH(TILE_REF, s16, OV, S16_LOOPS, BY_LIST)}, \
    [FORM_LIST_FETCHING] = {0, EACH(TILE_REF, s16_fetching, OV, S16_FETCHING_LOOPS, BY_LIST)}}
S16_TILES(EACH_PX, OCV)
static const tile_run tiles_s16[FORM_LIST_FETCHING + 1][PM + 1] = S16_TABLE(EACH_PX, OCV);
#if OCT > CB                            /* channels come by blocks: one of two */
S16_TILES(EACH_PX_HALF, OV_HALF)
static const tile_run tiles_s16_half[FORM_LIST_FETCHING + 1][PM_HALF + 1] = S16_TABLE(EACH_PX_HALF, OV_HALF);
#else
static const tile_run tiles_s16_half[1][1];                     /* never asked for */
#endif
#endif
