/* Weights as a file has them, at most as wide as float32, widened in registers as they are read.
 *
 * A weight is w = q in float32, or w = (q - zero) * scale, the difference and the product rounded to float32 in this
 * order: the bits that the same arithmetic in NumPy gives. Whoever multiplies by these reads a half, a quarter or an
 * eighth of the bytes, which is what a product with few rows waits for.
 *
 *   float32, float16, bfloat16   w = q
 *   int8, uint8                  scaled
 *   uint4                        scaled; two in a byte, the first in its low half; only rows of one n
 *
 * w    [n][k], an n in one piece, `ld` bytes apart (rows), or [k][n] (columns). No alignment is asked for, nothing is
 *      read beyond what is needed
 * s, z scales and zero points of runs of 2^shift and 2^zero_shift k, at least LEAST_RUN: of rows
 *      s[n * ss + (k >> shift)], of columns s[(k >> shift) * ss + n]; likewise z by zs. What is not scaled has none
 *
 * two_TYPE, one_TYPE  the next 2 * VW, VW weights, not scaled, as float32 */
#ifndef NARROW_H
#define NARROW_H
#include "strided.h"
enum { LEAST_RUN = 32 };                /* 2 * VW at most */

/* X(type, bits, whether it is scaled) */
#define NARROW_COLUMN_TYPES(X) X(float16, 16, 0) X(bfloat16, 16, 0) X(int8, 8, 1) X(uint8, 8, 1)
#define COLUMN_TYPES(X) X(float32, 32, 0) NARROW_COLUMN_TYPES(X)
#define NARROW_ROW_TYPES(X) NARROW_COLUMN_TYPES(X) X(uint4, 4, 1)
#define ROW_TYPES(X) X(float32, 32, 0) NARROW_ROW_TYPES(X)
#define NARROW_ENUM(type, bits, scaled) NARROW_##type,
enum { ROW_TYPES(NARROW_ENUM) NARROW_TYPES };
#define NARROW_BITS(type, bits, scaled) bits,
static const int64_t narrow_bits[] = {ROW_TYPES(NARROW_BITS)};

typedef struct {
    const char *w;
    const float *s, *z;
    int64_t ld, ss, zs, shift, zero_shift;
} weights_t;

INL vf one_float32(const char *p) { vf v; memcpy(&v, p, sizeof v); return v; }
INL vf one_float16(const char *p) { return from_half((const uint16_t *)p); }
INL vf one_bfloat16(const char *p) { return from_bfloat((const uint16_t *)p); }
INL vf one_int8(const char *p) { return to_float(ld_s8((const int8_t *)p)); }
INL vf one_uint8(const char *p) { return to_float(ld_u8((const uint8_t *)p)); }
#define TWO(type, bits) \
INL void two_##type(const char *p, vf *v) { v[0] = one_##type(p); v[1] = one_##type(p + VW * bits / 8); }
TWO(float32, 32)
TWO(float16, 16)
TWO(bfloat16, 16)
TWO(int8, 8)
TWO(uint8, 8)
INL vf one_uint4(const char *p)
{
    int32_t b[VW / 8 + (VW < 8)] = {0};                         /* 8 to a word, each lane takes its own */
    memcpy(b, p, VW / 2);
    vi v = b[0] - (vi){0};
    FOR(i, VW) if (i >= 8) v[i] = b[i / 8];
    vi shift_ = {0};
    FOR(i, VW) shift_[i] = 4 * (i % 8);
    return to_float((v >> shift_) & 15);
}
TWO(uint4, 4)

/* scales and zero points of the k'th weights of row n and those behind it, as far as their runs go */
#define SCALE_OF(W, n, k) bc((W)->s[(n) * (W)->ss + ((k) >> (W)->shift)])
#define ZERO_OF(W, n, k) bc((W)->z[(n) * (W)->zs + ((k) >> (W)->zero_shift)])
/* m < 2 * VW weights, the rest 0 */
#define PART_OF_TWO(type, bits, scaled) \
INL void part_of_two_##type(const weights_t *W, int64_t n, int64_t k, int64_t m, vf *v) \
{ \
    char rest[2 * VW * bits / 8] = {0}; \
    memcpy(rest, W->w + n * W->ld + k * bits / 8, (m * bits + 7) / 8); \
    two_##type(rest, v); \
    if (scaled) FOR(h, 2) v[h] = (v[h] - ZERO_OF(W, n, k)) * SCALE_OF(W, n, k); \
    FOR(h, 2) v[h] = first_of(v[h], m - h * VW < 0 ? 0 : m - h * VW > VW ? VW : m - h * VW, 0); \
}
INL void part_of_two_float32(const weights_t *W, int64_t n, int64_t k, int64_t m, vf *v)
{
    const float *p = (const float *)(W->w + n * W->ld) + k;
    v[0] = m >= VW ? ld(p) : ld_part(p, m, 0);
    v[1] = m > VW ? ld_part(p + VW, m - VW, 0) : (vf){0};
}
NARROW_ROW_TYPES(PART_OF_TWO)
/* m <= VW weights of row k of columns, from n on, the rest 0 */
#define COLUMN_PART(type, bits, scaled) \
INL vf column_part_##type(const weights_t *W, int64_t k, int64_t n, int64_t m) \
{ \
    char rest[VW * bits / 8] = {0}; \
    memcpy(rest, W->w + k * W->ld + n * bits / 8, m * bits / 8); \
    vf v = one_##type(rest); \
    if (scaled) \
        v = (v - ld_part(W->z + (k >> W->zero_shift) * W->zs + n, m, 0)) \
            * ld_part(W->s + (k >> W->shift) * W->ss + n, m, 0); \
    return v; \
}
INL vf column_part_float32(const weights_t *W, int64_t k, int64_t n, int64_t m)
{
    return ld_part((const float *)(W->w + k * W->ld) + n, m, 0);
}
NARROW_COLUMN_TYPES(COLUMN_PART)
#endif
