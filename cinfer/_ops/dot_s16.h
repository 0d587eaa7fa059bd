/* Floats as pairs of int16, whose products (dot_pairs of vec.h) are the step of conv_s16_tile.h. */
#ifndef DOT_S16_H
#define DOT_S16_H
#include "vec.h"

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
