/* Resizing of blocked pictures, nearest or with two taps in each direction: lanes are channels, no halo.
 *
 * linear = 0: y[i, j] = x[iy0[i], ix0[j]]
 * linear = 1: y[i, j] = mix(mix(x[iy0[i], ix0[j]], x[iy1[i], ix0[j]], wy[i]),
 *                           mix(x[iy0[i], ix1[j]], x[iy1[i], ix1[j]], wy[i]), wx[j])
 *             where mix(a, b, w) = a * (1-w) + b * w
 *
 * iy0, iy1, wy  int32, int32, float of each output row; ix0, ix1, wx of each column; indices inside
 * x, y          point at pixel (0, 0); strides n b r in floats
 * Kernel tile = (image*row_tiles + r)*cb + block, rows r*rows .. of the output. */
#ifndef RESIZE_H
#define RESIZE_H
#include "api.h"
#include "vec.h"
#endif
