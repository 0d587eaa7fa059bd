/* Products of bfloat16, summed in float32: the step of the kernels for precision="bf16", and how floats are rounded.
 *
 * A pair is two neighbours of k in the 4 bytes of a float32, the first in the lower half: one step adds both products
 * of a pair to each of VW sums. Numbers are rounded to nearest, ties to even; a NaN stays one.
 *
 * vdpbf16ps rounds each addition and flushes denormals, bfdot likewise. Elsewhere the halves of a pair are made floats,
 * whose product is exact, in two multiply-adds, which brings nothing over float32: it is there for the tests.
 * BF16_RATE: multiply-adds in the time of one of float32, 0 where they are emulated (table.bf16_rate). BF16_GROUP:
 * neighbours of k of one step (table.bf16_group), a pair, or what a row of an AMX tile has (amx_tile.h).
 * DOT_BF16 holds the sum in its register, as DOT_ADD of dot_u8.h does. */
#ifndef DOT_BF16_H
#define DOT_BF16_H
#include "vec.h"
typedef uint32_t vu __attribute__((vector_size(VW * 4), may_alias));
#if defined(__AMX_BF16__) || defined(AMX_IN_C)
# define BF16_RATE 16
# define BF16_GROUP 32
#elif defined(__AVX512BF16__) && VW == 16
# define BF16_RATE 2
# define DOT_BF16(a, x, w) __asm__("vdpbf16ps %2, %1, %0" : "+v"(a) : "v"(x), "v"(w))
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC) && VW == 4
# include <arm_neon.h>
# define BF16_RATE 2
# define DOT_BF16(a, x, w) \
    ((a) = (vf)vbfdotq_f32((float32x4_t)(a), (bfloat16x8_t)(x), (bfloat16x8_t)(w)))
# define BC_PAIR(p) pair_in_all(p)
INL vi pair_in_all(const float *p)      /* GCC would go by way of general registers and the stack */
{
    vi v;
    __asm__("ld1r {%0.4s}, %1" : "=w"(v) : "Q"(*p));
    return v;
}
#else
# define BF16_RATE 0
# define DOT_BF16(a, x, w) \
    ((a) += (vf)((vu)(x) << 16) * (vf)((vu)(w) << 16), \
     (a) += (vf)((vu)(x) & 0xffff0000u) * (vf)((vu)(w) & 0xffff0000u))
#endif
#ifndef BC_PAIR
# define BC_PAIR(p) bci(p)              /* a pair in all lanes */
#endif
#ifndef BF16_GROUP
# define BF16_GROUP 2
#endif
enum { RATE_OF_BF16 = BF16_RATE, GROUP_OF_BF16 = BF16_GROUP };

/* A bfloat16 in the upper half of each lane, anything in the lower one. */
INL vi to_bf16(vf x)
{
    const vu u = (vu)x;
    return (vi)pick(nan_of(x), (vf)(u | 0x400000u), (vf)(u + 0x7fffu + (u >> 16 & 1u)));
}

#if defined(__AVX512BF16__) && VW == 16
INL __m512i bf16_lanes(vf x)            /* VW bfloat16 in the lower half, anything in the upper one */
{
    return _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh((__m512)x));
}
#endif
/* CB floats, as CB bfloat16 one after another. */
INL void st_bf16(uint16_t *y, const vf *x)
{
#if defined(__AVX512BF16__) && VW == 16
    _mm256_storeu_si256((__m256i *)y, _mm512_castsi512_si256(bf16_lanes(x[0])));
#else
    vi v[NV];
    FOR(i, NV) v[i] = to_bf16(x[i]);
    st_upper(y, v);
#endif
}

/* n runs of PAIR_LANES floats -> as many bfloat16 each. Run i is [CB] at x + i*step and [CB] xb behind that; in y runs
 * are `each` pairs apart. Lanes from `have` on are zero, and not read where that is a whole part of CB. */
enum { PAIR_LANES = 2 * CB };
static __attribute__((noinline, unused)) void round_runs(const float *x, int64_t xb, int64_t step, int64_t n,
                                                         int64_t have, float *y, int64_t each)
{
    int32_t lanes[PAIR_LANES];
    for (int i = 0; i < PAIR_LANES; i++) lanes[i] = -(i < have);
    vi keep[2 * NV];
    FOR(v, 2 * NV) keep[v] = ldi(lanes + v * VW);
    const float *second = have > CB ? x + xb : x;
    for (; n > 0; n--, x += step, second += step, y += each) {
        vf r[2 * NV];
        FOR(v, NV) r[v] = (vf)((vi)ld(x + v * VW) & keep[v]);
        FOR(v, NV) r[NV + v] = (vf)((vi)ld(second + v * VW) & keep[NV + v]);
        st_bf16((uint16_t *)y, r);
        st_bf16((uint16_t *)y + CB, r + NV);
    }
}

/* The first n of a row of floats, as round_runs: rows of matrices end anywhere. */
static inline void round_part(const float *x, int64_t n, float *y)
{
    float part[PAIR_LANES] = {0};
    memcpy(part, x, n * sizeof *part);
    round_runs(part, CB, 0, 1, PAIR_LANES, y, 0);
}

/* A row of k channels and the next: `width` pairs. second may be NULL, which is zeros. */
INL void join_rows(const float *first, const float *second, int64_t width, float *y)
{
#if defined(__AVX512BF16__) && VW == 16
    uint16_t place[2 * VW];             /* of each bfloat16 of y, in those of first and of second */
    FOR(i, 2 * VW) place[i] = i / 2 + i % 2 * 2 * VW;
    for (int64_t o = 0; o < width; o += VW) {
        const __m512i low = bf16_lanes(ld(first + o)), high = bf16_lanes(second ? ld(second + o) : (vf){0});
        st(y + o, (vf)_mm512_permutex2var_epi16(low, _mm512_loadu_si512(place), high));
    }
#else
    for (int64_t o = 0; o < width; o += VW) {
        vu pair = (vu)to_bf16(ld(first + o)) >> 16;
        if (second) pair |= (vu)to_bf16(ld(second + o)) & 0xffff0000u;
        st(y + o, (vf)pair);
    }
#endif
}
#endif
