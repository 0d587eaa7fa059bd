/* Products of row-major matrices.
 *
 * gemm       y[b, m, n] = act(scale * sum_k a[b, m, k] w[b, k, n] + bias[n] + res[b, m, n]), b = (b0, b1)
 *   a        rows lda floats apart, columns side by side; batches a0 a1 floats apart, 0: the same for all;
 *            likewise y by ldy, y0, y1 and res by ldr, r0, r1. Nothing is read beyond k columns of a or n of
 *            res, nothing written beyond n of y
 *   w        packed by pack_gemm; batches w0 w1 floats apart, 0: the same for all
 *   bias     absent, or padded to whole blocks of 16, as slope; res may be absent
 *   Where there are many columns to use it, a chunk of rows is copied to blocks of 16 columns in scratch: the rows
 *   of a tile are 14 streams of reads, and fall on the same cache sets if lda is unlucky
 *   Kernel tile = ((b0*batch1 + b1)*row_tiles + r)*col_tiles + c: rows r*rows .., columns c*cols ..; cols is
 *   a multiple of OCT = table.gemm_n unless col_tiles is 1.
 * pack_gemm  w[b][k][n] of any strides (sk, sn; w0 w1 of the batch) -> y[b][n tile][k][OCT]; what is left of
 *            packed_n, n rounded up to 16, is the width of the last tile; columns beyond n are zero.
 *            k * packed_n floats a batch. Kernel tile = batch*tiles + n tile, tiles = ceil(n / OCT).
 * Order of sums: k = 0, 1, ... (conv_tile.h has what becomes of a long k). The bits do not depend on the tiles. */
#ifndef MATMUL_H
#define MATMUL_H
#include "conv_tile.h"
#include "sums.h"
#include "activation.h"
#include "transpose.h"
INL vf ld_up_to(const float *p, int64_t n) { return n >= VW ? ld(p) : ld_part(p, n > 0 ? n : 0, 0); }

/* n columns of k rows into a tile `width` wide: source columns sn apart, rows sk. */
static __attribute__((noinline, unused)) void pack_columns(const float *w, int64_t sk, int64_t sn, int64_t k,
                                                   int64_t n, int64_t width, float *y)
{
    int64_t i = 0;
    if (sk == 1 && sn != 1)
        for (; i + VW <= k; i += VW)
            for (int64_t o = 0; o < width; o += VW) {
                vf r[VW];
                FOR(j, VW) r[j] = o + j < n ? ld(w + (o + j) * sn + i) : (vf){0};
                transpose(r);
                FOR(j, VW) st(y + (i + j) * width + o, r[j]);
            }
    else if (sn == 1)
        for (; i < k; i++)
            for (int64_t o = 0; o < width; o += VW) st(y + i * width + o, ld_up_to(w + i * sk + o, n - o));
    for (; i < k; i++)
        for (int64_t o = 0; o < width; o++) y[i * width + o] = o < n ? w[i * sk + o * sn] : 0;
}
#endif
