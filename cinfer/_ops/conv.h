/* Direct convolution.
 *
 * conv       y[n, oc, i, j] = act(sum over (ic, p, q) of w[oc, ic, p, q] * x[n, ic, i*sh + p*dh, j*sw + q*dw]
 *            + bias[oc] + res[n, oc, i, j]), blocked in and out
 *   x        points at pixel (-pad_t, -pad_l) of a picture with a halo, so that every read is legal; strides
 *            xn xb xr in floats
 *   kd ..    as depth.h says: windows over the slices of volumes; in y, these are yv floats apart
 *   ib, last blocks of input channels, channels in the last of them
 *   reads    absent, or what the output channels read of them, as product_t says (conv_tile.h): int64
 *            [ceil(ob*16 / HALF)][3], HALF = table.conv_half
 *   goc, gic channels of a group, out and in, where some tile reads those of others, with weights of 0; else 0.
 *            What is not finite there changes nothing
 *   w        packed by pack_conv: [oc tile][kd][ib][kh][kw][channel][OCT], OCT = table.conv_oc, or what is
 *            left of ob*16 in the last tile; with reads [oc tile][kd][blocks that it reads][kh][kw][channels
 *            of the block that it reads][OCT or HALF]
 *   y        pixel (0, 0); strides yn yb yr; pixels yp floats apart: 16, or more to write every second pixel
 *   res      absent, or strides rn rb rr, pixels 16 apart
 *   bias     absent, or padded to whole blocks, as slope
 *   Kernel tile = (image*row_tiles + r)*oc_tiles + c: output rows r*rows .., output blocks c*blocks ..;
 *   blocks is a multiple of OCT/16 unless oc_tiles is 1.
 * conv_stem  few input channels, from plain memory that holds its padding: x at k is koff[k] floats (int32)
 *            from the pixel's corner, pixels are i*sh*xr + j*sw*xp floats from x, slices xs floats apart;
 *            w packed by pack_gemm, [k][ob*16], k slice by slice of the window. Else like conv.
 * pack_conv  from any strides so (oc) si (ic) sz sy sx, in floats; taps kd x kh x kw. Channels beyond oc are
 *            zero. Kernel tile = oc tile of ceil(ceil(oc/16)*16 / OCT). With reads, groups of goc output
 *            channels read ic channels each; what a tile reads beside its channels' own group has weights of
 *            zero. Kernel tile = HALF channels of ceil(ceil(oc/16)*16 / HALF).
 * Order of sums: slices, blocks, kernel rows, taps, channels; then bias, res: the bits do not depend on the
 * tiles. */
#ifndef CONV_H
#define CONV_H
#include "conv_tile.h"
#include "depth.h"
#include "activation.h"
#include "transpose.h"
#define CONV_OUTPUT_FIELDS(B, I, F, A) I(yn) I(yb) I(yr) I(rn) I(rb) I(rr) I(act) F(alpha) F(beta) \
    I(row_tiles) I(rows) I(oc_tiles) I(blocks) DEPTH_FIELDS(B, I, F, A)
#define CONV_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(res) B(y) B(reads) I(n) I(ib) I(last) I(ob) \
    I(kh) I(kw) I(dh) I(dw) I(sh) I(sw) I(oh) I(ow) I(xn) I(xb) I(xr) I(yp) I(yv) I(goc) I(gic) \
    CONV_OUTPUT_FIELDS(B, I, F, A)

/* Channels 0 .. n-1 of a tile that is `width` wide. In the source channels are so floats apart, and the k of
 * each side by side: k = (ic, slice, tap) goes to row (slice, block, tap, channel) of the tile. Transposed in
 * registers. */
static __attribute__((noinline)) void pack_rows(const float *w, int64_t so, int64_t n, int64_t width,
                                                int64_t ic, int64_t slices, int64_t taps, float *y)
{
    const int64_t K = ic * slices * taps;
    for (int64_t o = 0; o < width; o += VW)
        for (int64_t k = 0; k < K; k += VW) {
            vf r[VW];
            const int64_t have = K - k < VW ? K - k : VW;
            if (have == VW) FOR(i, VW) r[i] = o + i < n ? ld(w + (o + i) * so + k) : (vf){0};
            else FOR(i, VW) r[i] = o + i < n ? ld_part(w + (o + i) * so + k, have, 0) : (vf){0};
            transpose(r);
            if (slices * taps == 1 && have == VW) FOR(i, VW) st(y + (k + i) * width + o, r[i]);
            else {
                vf t[VW];                                       /* memory: indexed by a variable below */
                FOR(i, VW) t[i] = r[i];
                int64_t c = k / taps / slices, slice = k / taps % slices, tap = k % taps;
                for (int64_t i = 0; i < have; i++) {
                    const int64_t b = c / CB, in = ic - b * CB < CB ? ic - b * CB : CB;
                    st(y + ((slice * ic + b * CB) * taps + tap * in + c % CB) * width + o, t[i]);
                    if (++tap == taps) { tap = 0; if (++slice == slices) { slice = 0; c++; } }
                }
            }
        }
}

/* Any strides: n channels of one k. */
INL void pack_channels(const float *w, int64_t so, int64_t n, int64_t width, float *y)
{
    int64_t o = 0;
    if (so == 1) {
        for (; o + VW <= n; o += VW) st(y + o, ld(w + o));
        for (; o < n; o++) y[o] = w[o];
    } else
        for (; o < n; o++) y[o] = w[o * so];
    for (; o < width; o++) y[o] = 0;
}
#endif
