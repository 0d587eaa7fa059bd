/* Vectors of bytes beside those of floats: UB bytes are one or two pixels of a block of 16 channels.
 *
 * widen_ub          UB bytes to UB/VW vectors of integers
 * to_pixels         16 planes of 16 pixels -> 16 pixels of 16 channels, and back by to_planes. As planes vector k has
 *                   channel k, and of 32 bytes channel k + 8 in its upper half; as pixels they lie in their order.
 *                   A round of unpacking (`interleave`) turns the bits of a byte's number: 4 channel bits and 4 pixel
 *                   bits change places in 4 rounds. Of 32 bytes the channel's highest bit is the half of the vector,
 *                   which one permutation of quarters moves, so that 3 are enough and 8 vectors stay in registers. */
#ifndef VEC_U8_H
#define VEC_U8_H
#include "vec_math.h"
enum { UB_VECTORS = UB / VW, UB_PIXELS = UB / CB, PLANES = CB * CB / UB };
INL void widen_ub(const uint8_t *p, vi *v) { FOR(k, UB_VECTORS) v[k] = ld_u8(p + k * VW); }

#if defined(__clang__)
# define MIX_UB(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
# define MIX_UB(a, b, ...) __builtin_shuffle(a, b, (ub){__VA_ARGS__})
#endif
#define PAIRS4(a, b) a, b, a + 1, b + 1, a + 2, b + 2, a + 3, b + 3
#define PAIRS8(a, b) PAIRS4(a, b), PAIRS4(a + 4, b + 4)
#if UB == 32
# define UNPACK_UB(a, b, k) MIX_UB(a, b, PAIRS8(k, 32 + k), PAIRS8(16 + k, 48 + k))
/* within each vector the two quarters in the middle change places */
INL void swap_quarters(ub *v) { FOR(k, PLANES) v[k] = (ub)_mm256_permute4x64_epi64((__m256i)v[k], 0xd8); }
#else
# define UNPACK_UB(a, b, k) MIX_UB(a, b, PAIRS8(k, 16 + k))
#endif
INL void interleave(ub *v)
{
    ub t[PLANES];
    FOR(i, PLANES / 2) {
        t[2 * i] = UNPACK_UB(v[i], v[i + PLANES / 2], 0);
        t[2 * i + 1] = UNPACK_UB(v[i], v[i + PLANES / 2], 8);
    }
    FOR(i, PLANES) v[i] = t[i];
}
INL void to_pixels(ub *v)
{
#if UB == 32
    FOR(k, 3) interleave(v);
    swap_quarters(v);
#else
    FOR(k, 4) interleave(v);
#endif
}
INL void to_planes(ub *v)
{
#if UB == 32
    swap_quarters(v);
#endif
    FOR(k, 4) interleave(v);
}
#endif
