/* Register tiles of bfloat16 (conv_pairs_tile.h): all is in float32 but x and w. */
#ifndef CONV_BF16_TILE_H
#define CONV_BF16_TILE_H
#include "conv_pairs_tile.h"
#define DOT_bf16 dot_bf16
#define BEGIN_bf16(OV, PX)
#define END_bf16(OV, PX)
PAIR_TILES(bf16)
#endif
