/* Register tiles of bfloat16: those of conv_tile.h with another step, in float32 all around.
 *
 * All is said there but what an element of x and w is: a pair of neighbours of k (dot_bf16.h), in the room of a float.
 * So the terms that sums are divided by (sums.h) are pairs. */
#ifndef CONV_BF16_TILE_H
#define CONV_BF16_TILE_H
#include "conv_tile.h"
#include "dot_bf16.h"
#define BF16_STEP(OV, PX, X) \
    vi q[OV]; \
    FOR(o, OV) q[o] = ldi(w + o * VW); \
    FOR(p, PX) { const vi s = bc_pair(v + X(p)); FOR(o, OV) a[o][p] = dot_bf16(a[o][p], s, q[o]); }
#define BF16_FETCHING_STEP(OV, PX, X) FETCH_AHEAD(OV) BF16_STEP(OV, PX, X)
#define BF16_LOOPS(OV, PX, X) LOOPS_OF(OV, PX, X, BF16_STEP)
#define BF16_FETCHING_LOOPS(OV, PX, X) \
    const char *ahead = T->ahead; \
    LOOPS_OF(OV, PX, X, BF16_FETCHING_STEP)
#define BF16_TILES(EACH, OV) \
    EACH(TILE, bf16, OV, BF16_LOOPS, BY_LIST) \
    EACH(TILE, bf16_fetching, OV, BF16_FETCHING_LOOPS, BY_LIST)
#define BF16_TABLE(EACH, OV) { \
    [FORM_LIST] = {0, EACH(TILE_REF, bf16, OV, BF16_LOOPS, BY_LIST)}, \
    [FORM_LIST_FETCHING] = {0, EACH(TILE_REF, bf16_fetching, OV, BF16_FETCHING_LOOPS, BY_LIST)}}
BF16_TILES(EACH_PX, OCV)
static const tile_run tiles_bf16[FORM_LIST_FETCHING + 1][PM + 1] = BF16_TABLE(EACH_PX, OCV);
#if OCT > CB                            /* channels come by blocks: one of two */
BF16_TILES(EACH_PX_HALF, OV_HALF)
static const tile_run tiles_bf16_half[FORM_LIST_FETCHING + 1][PM_HALF + 1] = BF16_TABLE(EACH_PX_HALF, OV_HALF);
#else
static const tile_run tiles_bf16_half[1][1];                    /* never asked for */
#endif
#endif
