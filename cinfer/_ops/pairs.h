/* Pairs of 16 bits: two neighbours of k in the 4 bytes of a float32, the first in the lower half. One step (dot_bf16,
 * dot_pairs of vec.h) adds both products of a pair to each of VW sums. Here floats become pairs, of bfloat16 for
 * precision="bf16", or of int16.
 *
 * Of bfloat16 sums are float32. vdpbf16ps rounds each addition and flushes denormals, bfdot likewise. Elsewhere the
 * halves of a pair are made floats, whose product is exact, in two multiply-adds, which brings nothing over float32: it
 * is there for the tests.
 * RATE_OF_BF16: multiply-adds in the time of one of float32, 0 where they are emulated (table.bf16_rate).
 * GROUP_OF_BF16: neighbours of k of one step (table.bf16_group), a pair, or what a row of an AMX tile has
 * (amx_tile.h). */
#ifndef PAIRS_H
#define PAIRS_H
#include "vec.h"
enum { RATE_OF_BF16 = HAS_AMX ? 16 : BF16_RATE, GROUP_OF_BF16 = HAS_AMX ? 32 : 2 };

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
    for (int64_t o = 0; o < width; o += VW)
        st(y + o, (vf)pairs_bf16(ld(first + o), second ? ld(second + o) : (vf){0}));
}

/* n runs of 2 CB floats, each a whole number of steps of 1 / inverse -> as many int16 each: those numbers, and `zero`
 * more. Run i is [CB] at x + i*step and [CB] xb behind that; in y runs are `each` pairs apart. From lane `have` on they
 * are anything, from there to the end of its part of CB; what is behind that is not read. have 0: all are `zero`. */
static __attribute__((noinline, unused)) void step_runs(const float *x, int64_t xb, int64_t step, int64_t n,
                                                        int64_t have, float inverse, int32_t zero, float *y,
                                                        int64_t each)
{
    const vi z = zero - (vi){0};
    const vf s = bc(inverse);
    vi first[NV], second[NV];
    FOR(v, NV) first[v] = second[v] = z;
    for (; n > 0; n--, x += step, y += each) {
        if (have > 0) FOR(v, NV) first[v] = nearest_int(ld(x + v * VW) * s) + z;
        if (have > CB) FOR(v, NV) second[v] = nearest_int(ld(x + xb + v * VW) * s) + z;
        st_s16((int16_t *)y, first);
        st_s16((int16_t *)y + CB, second);
    }
}
#endif
