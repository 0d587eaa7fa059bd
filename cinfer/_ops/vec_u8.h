/* Vectors of bytes beside those of floats: UB bytes are one or two pixels of a block of 16 channels.
 *
 * widen_ub          UB bytes to UB/VW vectors of integers
 * to_pixels         16 planes of 16 pixels -> 16 pixels of 16 channels, and back by to_planes. As planes vector k has
 *                   channel k, and of 32 bytes channel k + 8 in its upper half; as pixels they lie in their order.
 *                   A round of unpacking (`interleave`) turns the bits of a byte's number: 4 channel bits and 4 pixel
 *                   bits change places in 4 rounds. Of 32 bytes the channel's highest bit is the half of the vector,
 *                   which one permutation of quarters moves, so that 3 are enough and 8 vectors stay in registers.
 * few_to_pixels     of 4 planes: 16 pixels whose lanes beyond the 4th hold anything
 * low_bytes ...     the bytes or halves of two vectors by turns, of 16 bytes whatever UB is */
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

typedef uint8_t b16_t __attribute__((vector_size(16), may_alias));
typedef int32_t i4_t __attribute__((vector_size(16), may_alias));
typedef int16_t s8_t __attribute__((vector_size(16), may_alias));
#if defined(__clang__)
# define MIX_OF(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
# define MIX_OF(type, a, b, ...) __builtin_shuffle(a, b, (type){__VA_ARGS__})
#endif
INL b16_t low_bytes(b16_t a, b16_t b)
{
    return MIX_OF(b16_t, a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INL b16_t high_bytes(b16_t a, b16_t b)
{
    return MIX_OF(b16_t, a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
INL s8_t low_halves(b16_t a, b16_t b) { return MIX_OF(s8_t, (s8_t)a, (s8_t)b, 0, 8, 1, 9, 2, 10, 3, 11); }
INL s8_t high_halves(b16_t a, b16_t b) { return MIX_OF(s8_t, (s8_t)a, (s8_t)b, 4, 12, 5, 13, 6, 14, 7, 15); }
INL b16_t ld_b16(const uint8_t *p) { b16_t v; memcpy(&v, p, sizeof v); return v; }
INL void st_b16(void *p, b16_t v) { memcpy(p, &v, sizeof v); }
/* lane i of v in all lanes */
#define IN_ALL(v, i) ((b16_t)MIX_OF(i4_t, (i4_t)(v), (i4_t)(v), i, i, i, i))
/* pixels 4 k .. of 4 planes */
INL b16_t four_of_planes(const b16_t *plane, int k)
{
    const b16_t *p = plane;
    return k < 2 ? (b16_t)(k == 0 ? low_halves : high_halves)(low_bytes(p[0], p[1]), low_bytes(p[2], p[3]))
        : (b16_t)(k == 2 ? low_halves : high_halves)(high_bytes(p[0], p[1]), high_bytes(p[2], p[3]));
}
/* planes: 16 bytes each, one after the other */
INL void few_to_pixels(const uint8_t *planes, uint8_t *y)
{
    b16_t plane[4];
    FOR(k, 4) plane[k] = ld_b16(planes + k * CB);
    FOR(k, 4) {
        const b16_t four = four_of_planes(plane, k);
        uint8_t *to = y + 4 * k * CB;
        st_b16(to, IN_ALL(four, 0));
        st_b16(to + CB, IN_ALL(four, 1));
        st_b16(to + 2 * CB, IN_ALL(four, 2));
        st_b16(to + 3 * CB, IN_ALL(four, 3));
    }
}
#endif
