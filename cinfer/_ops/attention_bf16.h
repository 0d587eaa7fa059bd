/* attention_bf16: attention (attention.h) whose products are of bfloat16 (pairs.h), what is between them of float32.
 *
 * The rows of a tile are taken some at a time, as many as two tiles of AMX have or whole register tiles: their scores
 * and what becomes of these stay in L1 or L2. Rows of q are rounded to a strip, multiplied by k and scaled, the mask is
 * added; e^(score - the largest of its row) is rounded to a strip again, of which v makes a row of y, which then is
 * divided by the sum of what was not yet rounded.
 *
 * k, v  packed by pack_bf16, outputs being columns, batches k0 k1 and v0 v1 apart, in floats (of two bfloat16 each);
 *       or, where `pack`, as they are
 * scratch of a tile, in floats (attention_bf16_scratch), for `rows` rows at a time:
 *     scores  rows * ld, row-major
 *     q, e    strips of rows, [row][groups of 32]
 *     room    of pack_pairs
 *     sums    rows
 *     k, v    where `pack`, packed
 * Order of sums: those of gemm_bf16; along a row of scores VW lanes side by side in pieces of ROW_PIECE, whose sums are
 * added in float64. The bits do not depend on the tiles. */
#ifndef ATTENTION_BF16_H
#define ATTENTION_BF16_H
#include "pairs.h"
#include "sums.h"

/* Rows of n scores, ld_s floats apart -> e^(score - the largest), n of them and zeros up to whole groups of PAIR_LANES,
 * in rows of a strip `each` pairs apart, and 1 / their sum. Rows have room for these groups, which is written over. */
static __attribute__((noinline)) void exp_to_bf16(float *s, int64_t ld_s, int64_t rows, int64_t n, float *y,
                                                  int64_t each, float *inverse)
{
    const int64_t groups = (n + PAIR_LANES - 1) / PAIR_LANES, last = n - (groups - 1) * PAIR_LANES;
    if (last < PAIR_LANES)              /* before any is read: a load would wait for a store of a part of it */
        for (int64_t r = 0; r < rows; r++) {
            float *x = s + r * ld_s + (groups - 1) * PAIR_LANES;
            FOR(v, 2 * NV) st(x + v * VW, first_of(ld(x + v * VW), last - v * VW, -INF_));
        }
    for (int64_t r = 0; r < rows; r++, s += ld_s, y += each) {
        const float *x = s;
        vf top[2 * NV];
        FOR(v, 2 * NV) top[v] = ld(x + v * VW);
        for (int64_t g = 1; g < groups; g++) FOR(v, 2 * NV) top[v] = vmax(top[v], ld(x + g * PAIR_LANES + v * VW));
        for (int v = 1; v < 2 * NV; v++) top[0] = vmax(top[0], top[v]);
        const vf m = bc(max_of_lanes(top[0]));
        double total = 0;
        uint16_t *to = (uint16_t *)y;
        for (int64_t left = groups; left > 0; ) {
            const int64_t piece = left < ROW_PIECE / PAIR_LANES ? left : ROW_PIECE / PAIR_LANES;
            vf sum = {0};
            for (int64_t g = 0; g < piece; g++, x += PAIR_LANES, to += PAIR_LANES) {
                vf e[2 * NV];
                FOR(v, 2 * NV) { e[v] = vexp_near_unit(ld(x + v * VW) - m); sum += e[v]; }
                st_bf16(to, e);
                st_bf16(to + CB, e + NV);
            }
            total += (double)sum_of_lanes(sum);
            left -= piece;
        }
        inverse[r] = 1.f / (float)total;
    }
}

/* Rows of n floats, ld_y apart, each times a factor of its own. */
static __attribute__((noinline)) void scale_rows(float *y, int64_t ld_y, int64_t rows, int64_t n, const float *factor)
{
    for (int64_t r = 0; r < rows; r++, y += ld_y) {
        const vf f = bc(factor[r]);
        int64_t i = 0;
        for (; i + VW <= n; i += VW) st(y + i, ld(y + i) * f);
        if (i < n) st_part(y + i, ld_part(y + i, n - i, 0) * f, n - i);
    }
}
#endif
