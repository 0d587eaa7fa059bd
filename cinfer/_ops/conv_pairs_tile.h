/* Register tiles of pairs of 16 bits: those of conv_tile.h with another step, in float32 behind it.
 *
 * All is said there but what an element of x and w is: a pair of neighbours of k (pairs.h), in the room of a float. So
 * the terms that sums are divided by (sums.h) are pairs. A kind of pairs (conv_bf16_tile.h, conv_s16_tile.h) has
 *
 *   DOT_kind(a, x, w)     the sums a, a vf whatever they are, and the products of a pair of x and those of w
 *   BEGIN_kind(OV, PX)    what comes before the pairs of a tile, and
 *   END_kind(OV, PX)      what makes float32 of its sums
 *
 * and PAIR_TILES(kind) makes tiles_kind and tiles_kind_half of it: pixels by list, fetching or not. */
#ifndef CONV_PAIRS_TILE_H
#define CONV_PAIRS_TILE_H
#include "conv_tile.h"
#include "pairs.h"
#define PAIR_STEP(OV, PX, KIND) \
    vi q[OV]; \
    FOR(o, OV) q[o] = ldi(w + o * VW); \
    FOR(p, PX) { const vi s = bc_pair(v + BY_LIST(p)); FOR(o, OV) a[o][p] = DOT_##KIND(a[o][p], s, q[o]); }
#define FETCHING_PAIR_STEP(OV, PX, KIND) FETCH_AHEAD(OV) PAIR_STEP(OV, PX, KIND)
#define PAIR_TILE(PX, KIND, OV) \
static __attribute__((noinline, noclone)) void tile_##KIND##_##OV##_##PX(TILE_ARGS, int form) \
{ \
    OFFSETS(PX) \
    TILE_BEGINS(OV, PX) \
    BEGIN_##KIND(OV, PX) \
    if (form == FORM_LIST_FETCHING) { \
        const char *ahead = T->ahead; \
        LOOPS_OF(OV, PX, KIND, FETCHING_PAIR_STEP) \
    } else { LOOPS_OF(OV, PX, KIND, PAIR_STEP) } \
    END_##KIND(OV, PX) \
    TILE_ENDS(OV, PX) \
}
#define PAIR_TILES_OF(KIND, OV, EACH, TABLE, MOST) \
    EACH(PAIR_TILE, KIND, OV) \
    EACH(TILE_OF_FORM, KIND, OV, LIST) \
    EACH(TILE_OF_FORM, KIND, OV, LIST_FETCHING) \
    static const tile_run TABLE[FORM_LIST_FETCHING + 1][MOST + 1] = { \
        [FORM_LIST] = {0, EACH(TILE_OF_FORM_REF, KIND, OV, LIST)}, \
        [FORM_LIST_FETCHING] = {0, EACH(TILE_OF_FORM_REF, KIND, OV, LIST_FETCHING)}};
#if OCT > CB                            /* channels come by blocks: one of two */
# define PAIR_TILES(KIND) \
    PAIR_TILES_OF(KIND, OCV, EACH_PX, tiles_##KIND, PM) \
    PAIR_TILES_OF(KIND, OV_HALF, EACH_PX_HALF, tiles_##KIND##_half, PM_HALF)
#else                                   /* half of one is never asked for */
# define PAIR_TILES(KIND) \
    PAIR_TILES_OF(KIND, OCV, EACH_PX, tiles_##KIND, PM) \
    static const tile_run tiles_##KIND##_half[1][1];
#endif
#endif
