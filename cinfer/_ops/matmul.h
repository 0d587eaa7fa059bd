/* Products of row-major matrices.
 *
 * gemm       y[b, m, n] = act(scale * sum_k a[b, m, k] w[b, k, n] + bias[n] + res[b, m, n]), b = (b0, b1)
 *   a        rows lda floats apart, columns side by side; batches a0 a1 floats apart, 0: the same for all;
 *            likewise y by ldy, y0, y1 and res by ldr, r0, r1. Nothing is read beyond k columns of a or n of
 *            res, nothing written beyond n of y
 *   w        packed by pack_gemm; batches w0 w1 floats apart, 0: the same for all
 *   bias     absent, or padded to whole blocks of 16, as slope; res may be absent
 *   scratch_bytes  what the step asked for, or 0. With max(256 KB, 896 * ceil(k / 16)) a chunk of rows is
 *            copied to blocks of 16 columns where there are many columns to use it: the rows of a tile are 14
 *            streams of reads, and fall on the same cache sets if lda is unlucky
 *   Kernel tile = ((b0*batch1 + b1)*row_tiles + r)*col_tiles + c: rows r*rows .., columns c*cols ..; cols is
 *   a multiple of OCT = table.gemm_n unless col_tiles is 1.
 * pack_gemm  w[b][k][n] of any strides (sk, sn; w0 w1 of the batch) -> y[b][n tile][k][OCT]; what is left of
 *            packed_n, n rounded up to 16, is the width of the last tile; columns beyond n are zero.
 *            k * packed_n floats a batch. Kernel tile = batch*tiles + n tile, tiles = ceil(n / OCT).
 * gemv       y[m, n] = act(scale * sum_k x[m, k] w[k, n] + bias[n]) for a few rows m, w in its place, read
 *            once. Strides sk, sn, one of them 1; rows of x and y ldx and ldy apart, columns side by side. y
 *            overlaps neither x nor w. Kernel tile: columns t*cols .. ; cols is a multiple of 16.
 * Order of sums: gemm: k = 0, 1, ... (conv_tile.h has what becomes of a long k); gemv with sk = 1: 2*VW
 * interleaved partial sums, then the lanes, more than DOT_PIECE terms in pieces; with sn = 1: k = 0, 1, ...,
 * more than PRODUCT_WHOLE in pieces; the sums of the pieces are added in float64 (sums.h). The bits do not
 * depend on the tiles. */
#ifndef MATMUL_H
#define MATMUL_H
#include "conv_tile.h"
#include "sums.h"
#include "activation.h"
#include "transpose.h"
#define GEMM_FIELDS(B, I, F, A) B(a) B(w) B(bias) B(slope) B(res) B(y) I(batch0) I(batch1) I(m) I(n) I(k) \
    I(lda) I(ldy) I(ldr) I(a0) I(a1) I(w0) I(w1) I(y0) I(y1) I(r0) I(r1) F(scale) I(act) F(alpha) F(beta) \
    I(row_tiles) I(rows) I(col_tiles) I(cols) I(scratch_bytes)
PARAMS(gemm_t, GEMM_FIELDS)
#define PACK_GEMM_FIELDS(B, I, F, A) B(w) B(y) I(batch0) I(batch1) I(k) I(n) I(sk) I(sn) I(w0) I(w1)
PARAMS(pack_gemm_t, PACK_GEMM_FIELDS)
#define GEMV_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(y) I(m) I(n) I(k) I(ldx) I(ldy) I(sk) I(sn) \
    F(scale) I(act) F(alpha) F(beta) I(cols)
PARAMS(gemv_t, GEMV_FIELDS)

enum { DOT_PIECE = 512 * VW };          /* terms of a dot product that are summed at once */

/* R dot products of k terms: rows of w, ldw floats apart, with x. Two sums a row: even, odd vectors. */
#define GEMV_ROWS(R) \
static __attribute__((noinline)) void gemv_rows_##R(const float *w, size_t ldw, const float *x, int64_t k, \
                                                    float *y) \
{ \
    vf a[R][2]; \
    FOR(r, R) FOR(h, 2) a[r][h] = (vf){0}; \
    int64_t i = 0; \
    for (; i + 2 * VW <= k; i += 2 * VW) \
        FOR(h, 2) { \
            vf v = ld(x + i + h * VW); \
            FOR(r, R) a[r][h] += ld(w + r * ldw + i + h * VW) * v; \
        } \
    if (i + VW <= k) { vf v = ld(x + i); FOR(r, R) a[r][0] += ld(w + r * ldw + i) * v; i += VW; } \
    if (i < k) { \
        vf v = ld_part(x + i, k - i, 0); \
        FOR(r, R) a[r][1] += ld_part(w + r * ldw + i, k - i, 0) * v; \
    } \
    FOR(r, R) y[r] = sum_of_lanes(a[r][0] + a[r][1]); \
}
GEMV_ROWS(1)
GEMV_ROWS(4)

/* y[j] += x[0] w[0][j] + x[1] w[1][j] + ... for R rows of w, in this order; first: from zero. */
#define GEMV_COLUMNS(R) \
static __attribute__((noinline)) void gemv_columns_##R(const float *w, size_t ldw, const float *x, \
                                                       int64_t n, int first, float *y) \
{ \
    vf s[R]; \
    FOR(r, R) s[r] = bc(x[r]); \
    int64_t j = 0; \
    for (; j + VW <= n; j += VW) { \
        vf a = first ? (vf){0} : ld(y + j); \
        FOR(r, R) a += ld(w + r * ldw + j) * s[r]; \
        st(y + j, a); \
    } \
    if (j < n) { \
        vf a = first ? (vf){0} : ld_part(y + j, n - j, 0); \
        FOR(r, R) a += ld_part(w + r * ldw + j, n - j, 0) * s[r]; \
        st_part(y + j, a, n - j); \
    } \
}
GEMV_COLUMNS(1)
GEMV_COLUMNS(8)

INL vf ld_up_to(const float *p, int64_t n) { return n >= VW ? ld(p) : ld_part(p, n > 0 ? n : 0, 0); }

/* y = act(scale * y + bias) over n columns; bias may be NULL; slope is read for prelu only. */
INL void finish_row(float *y, int64_t n, float scale, const float *bias, const float *slope,
                    const epilogue_t *e)
{
    for (int64_t j = 0; j < n; j += VW) {
        vf v = ld_up_to(y + j, n - j) * scale;
        if (bias) v += ld(bias + j);                            /* padded to whole blocks */
        activate_sums(&v, 1, e, slope + j);
        if (n - j >= VW) st(y + j, v);
        else st_part(y + j, v, n - j);
    }
    if (acts_later(e->act)) activate_rows(y, n, 1, 0, (int)e->act, e->alpha, e->beta);
}

/* n columns of k rows into a tile `width` wide: source columns sn apart, rows sk. */
static __attribute__((noinline)) void pack_columns(const float *w, int64_t sk, int64_t sn, int64_t k,
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
