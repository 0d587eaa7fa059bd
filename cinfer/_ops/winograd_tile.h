/* Sizes of the register tiles of Winograd's products: WINO_OV vectors of output channels x up to WINO_PX patches, in
 * float32 (winograd.h) and in integers (winograd_u8.h). */
#ifndef WINOGRAD_TILE_H
#define WINOGRAD_TILE_H
#include "up_to.h"
#include "vec.h"
#if VW == 16
# define WINO_OV 2
# define WINO_PX 14
# define EACH_PATCH UP_TO_14
#elif REGISTERS == 32
# define WINO_OV 4
# define WINO_PX 5
# define EACH_PATCH UP_TO_5
#else
# define WINO_OV 2
# define WINO_PX 6
# define EACH_PATCH UP_TO_6
#endif
#define WINO_OC (WINO_OV * VW)
#endif
