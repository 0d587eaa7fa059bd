/* The vector set that the flags of the build allow, in one header each; kernels are written on the names that all of
 * them define, and ask for none. This is that list:
 *
 * VW                   floats in a vector: 4, 8, 16
 * vf, vi               VW floats or int32 (lanes.h: also how they are loaded, stored, broadcast)
 * ub, UB               16 or 32 bytes: one or two pixels of a block
 * vmax(a, b)           a > b ? a : b, so a NaN in b survives: relu(x) = vmax(0, x); vmin likewise
 * vm                   a mask: lt, eq, nan_of, bit_of make them, & | ~ combine them, pick(m, a, b) is m ? a : b, any(m)
 * vrint, vfloor, vceil to whole numbers; vrint to nearest, ties to even. The sign of zero is kept
 * vsqrt
 * nearest_int          to int32, ties to even; what is below its range is the lowest, or -65536
 * nearest_16           likewise, and what is beyond int16 is cut, NaN is the lowest: the same on every CPU, and small
 *                      enough that a zero point can be added
 * ld_part, st_part     the first n lanes at p, 0 <= n < VW, the others `rest`; nothing beyond is touched
 * times_exp2(p, n)     p * 2^n, -150 <= n <= 130; times_exp2_normal: -127 (gives 0) <= n <= 128 (inf)
 * times_plus           x * s + t: one rounding wherever there is an FMA; left to the compiler, whole vectors and ends
 *                      of rows may differ
 * rounded              a product that no addition takes into a multiply-add: so bits are the same with and without FMA
 * HELD(v)              v is in its register here, whatever becomes of it later, where compilers need to be told
 * ld_u8, ld_s8, ld_u16 VW numbers as lanes; st_u8: lanes 0..255 to bytes
 * from_half, to_half   VW floats of 16 bits; from_bfloat: those with the exponent of a float32
 * st_upper             the upper halves of CB lanes, of NV vectors
 * max_ub, min_ub       of unsigned bytes
 * ld_two, st_two       two pixels that need not be neighbours; the second one is not there where UB is one
 * narrow_ub            UB / VW vectors of integers to bytes, cut to 0..255
 * st_cut               NV vectors of each of two pixels as bytes, to y0 and y1, which may be one: zero is added, what
 *                      is beyond lo..hi is cut; plain: these are 0, 0 and 255 */
#ifndef VEC_H
#define VEC_H
#if defined(__AVX512F__)
# include "avx512.h"
#elif defined(__AVX2__)
# include "avx2.h"
#elif defined(__SSE2__)
# include "sse2.h"
#elif defined(__aarch64__)
# include "neon.h"
#else
# include "plain.h"
#endif
#endif
