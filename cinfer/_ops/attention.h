/* attention: y = softmax(scale * q k + mask) v, all of it for some rows at a time: the scores, as many as rows
 * of q times columns of k, are never in memory, those of a tile lie in the thread's scratch, in L2. (They are in
 * one piece: a running maximum, as in T. Dao and others, FlashAttention, 2022, is for caches that hold no rows.)
 *
 * q     [b][m][d], rows ldq floats apart; batches b = (b0, b1) q0 q1 apart, 0: the same for all; so are
 * y     [b][m][dv], by ldy, y0, y1, and
 * mask  absent, or [b][m][n] by ldm, m0, m1; ldm may be 0. Nothing is read beyond n columns
 * k, v  [b][d][n] and [b][n][dv], packed by pack_gemm, batches k0 k1 and v0 v1 apart; or, where `pack`, as
 *       they are, by strides kd kn and vn vd, and each tile packs its own: for few rows, for which they are
 *       hardly read again, or small matrices, which then are in cache
 * Kernel tile = (b0*batch1 + b1)*row_tiles + r: rows r*rows ..
 * scratch of a tile (attention_scratch):
 *     scores  ceil(n/16) * rows * 16, blocked [n/16][row][16], as a convolution writes and reads its
 *             channels: neither product has strides that fall on the same cache sets
 *     q       ceil(d/16) * rows * 16, its rows in such blocks
 *     sums    rows * 3 * VW
 *     packed  where `pack`, the larger of d * ceil(n/16) * 16 and n * ceil(dv/16) * 16
 * A row whose scores are all -inf is NaN, as is one with a NaN or +inf among them: as of Softmax.
 * Order of sums: those of gemm (matmul.h); along a row of scores one sum a lane of the block, pieces of
 * SCORES_PIECE blocks, whose sums are added in float64. The bits do not depend on the tiles. */
#ifndef ATTENTION_H
#define ATTENTION_H
#include "matmul.h"
enum { SCORES_PIECE = ROW_PIECE / CB };

/* Softmax of each of `rows` rows of n scores s[n/16][rows][16], in place: rows side by side, as they lie in
 * memory. room: for rows * 3 * VW floats. The lanes beyond n become 0. */
static __attribute__((noinline)) void softmax_blocks(float *s, int64_t rows, int64_t n, float *room)
{
    const int64_t blocks = (n + CB - 1) / CB, size = rows * CB;
    float *top = room, *sum = top + rows * VW;
    double *total = (double *)(sum + rows * VW);
    if (n % CB)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = n % CB; i < CB; i++) s[(blocks - 1) * size + r * CB + i] = -INF_;
    for (int64_t r = 0; r < rows; r++) { st(top + r * VW, bc(-INF_)); total[r] = 0; }
    for (const float *x = s; x < s + blocks * size; )
        for (int64_t r = 0; r < rows; r++, x += CB) {
            vf t = ld(top + r * VW);
            FOR(v, NV) t = vmax(t, ld(x + v * VW));
            st(top + r * VW, t);
        }
    for (int64_t r = 0; r < rows; r++) st(top + r * VW, bc(max_of_lanes(ld(top + r * VW))));
    for (int64_t b = 0, end; b < blocks; ) {
        for (int64_t r = 0; r < rows; r++) st(sum + r * VW, (vf){0});
        for (end = blocks - b < SCORES_PIECE ? blocks : b + SCORES_PIECE; b < end; b++) {
            float *x = s + b * size;
            for (int64_t r = 0; r < rows; r++, x += CB) {
                const vf m = ld(top + r * VW);
                vf t = {0};
                FOR(v, NV) {
                    vf e = vexp_near(ld(x + v * VW) - m, 1);
                    st(x + v * VW, e);
                    t += e;
                }
                st(sum + r * VW, ld(sum + r * VW) + t);
            }
        }
        for (int64_t r = 0; r < rows; r++) total[r] += (double)sum_of_lanes(ld(sum + r * VW));
    }
    for (int64_t r = 0; r < rows; r++) st(sum + r * VW, bc(1.f / (float)total[r]));
    for (float *x = s; x < s + blocks * size; )
        for (int64_t r = 0; r < rows; r++, x += CB)
            FOR(v, NV) st(x + v * VW, ld(x + v * VW) * ld(sum + r * VW));
}
#endif
