/* The vector set that the flags of the build allow, in one header each; kernels are written on the names that all of
 * them define, and ask for none. An instruction set that adds products has a header upon that of its vectors; what is
 * defined before that one is included takes the place of its own. This is the list:
 *
 * VW                   floats in a vector: 4, 8, 16
 * REGISTERS            how many vectors a CPU holds: 16, 32
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
 * KEEP(v)              likewise of sums of integers, which would be reordered till registers do not suffice
 * ld_u8, ld_s8, ld_u16 VW numbers as lanes; st_u8: lanes 0..255 to bytes
 * from_half, to_half   VW floats of 16 bits; from_bfloat: those with the exponent of a float32
 * st_upper             the upper halves of CB lanes, of NV vectors
 * max_ub, min_ub       of unsigned bytes
 * ld_two, st_two       two pixels that need not be neighbours; the second one is not there where UB is one
 * narrow_ub            UB / VW vectors of integers to bytes, cut to 0..255
 * st_cut               NV vectors of each of two pixels as bytes, to y0 and y1, which may be one: zero is added, what
 *                      is beyond lo..hi is cut; plain: these are 0, 0 and 255
 * st_wide_u8, _s8      CB bytes as int16
 * st_s16               CB lanes, of NV vectors, as int16; cut where that is no more instructions
 *
 * Products of integers, summed in int32, which wraps around. x and w have 4 bytes of neighbours of k in a lane: pairs
 * of int16, or quads of bytes, unsigned in x, signed in w.
 * mul_pairs(x, w)      the sum of both products of a pair, unless all four numbers are -2^15
 * dot_pairs(a, x, w)   a and that, in the register of a
 * S16_RATE             such multiply-adds in the time of one of float32, 0 where there are no more of them: an
 *                      instruction of its own for the sum halves it (on Intel's CPUs, which have 3 ports for both)
 * HAS_QUADS            1 where there is dot_quads(a, x, w), a and the products of quads;
 * QUADS_LESS_128       1 where that takes x less 128, which is x with the top bit of each byte flipped;
 * QUADS_SATURATE       1 where it saturates sums of two products at 16 bits: then dot_pairs alone is exact for any
 *                      weights, and ld_pairs_s8(w) has 2 VW of these from bytes
 * dot_s16(a, w, x)     a and the products of ld_w_s16(w), packed [channel][KG], and bc_x_s16(x), KG numbers for all
 * KG                   a pair, or 1 where products one by one are fewer instructions (smlal)
 * HAS_AMX              1 where there are tiles (amx.h)
 *
 * Products of bfloat16, two neighbours of k in a lane, the first in the lower half, summed in float32. Floats are
 * rounded to nearest, ties to even; a NaN stays one.
 * dot_bf16(a, x, w)    a and both products of a pair; BF16_RATE: as S16_RATE, 0 where it is emulated
 * bc_pair(p)           a pair in all lanes
 * st_bf16              CB floats, of NV vectors, as CB bfloat16 one after another
 * pairs_bf16(l, h)     pairs of floats of two vectors */
#ifndef VEC_H
#define VEC_H
#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)
# include "avx512bf16.h"
#elif defined(__AVX512VNNI__)
# include "avx512vnni.h"
#elif defined(__AVX512F__)
# include "avx512.h"
#elif defined(__AVXVNNI__)
# include "avxvnni.h"
#elif defined(__AVX2__)
# include "avx2.h"
#elif defined(__SSE2__)
# include "sse2.h"
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && defined(__ARM_FEATURE_MATMUL_INT8)
# include "bf16.h"
#elif defined(__ARM_FEATURE_MATMUL_INT8)
# include "i8mm.h"
#elif defined(__ARM_FEATURE_DOTPROD)
# include "dotprod.h"
#elif defined(__aarch64__)
# include "neon.h"
#else
# include "plain.h"
#endif
#if defined(__AMX_INT8__) || defined(AMX_IN_C)
# define HAS_AMX 1
#else
# define HAS_AMX 0
#endif
#include "products.h"
#endif
