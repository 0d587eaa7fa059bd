/* 3x3 convolution, stride 1, by Winograd's F(m x m, 3x3), m = 4 (points 0, +-3/4, +-3/2,
 * infinity) or 2 (0, +-1, infinity).
 *
 * A patch of m x m outputs is made from t x t inputs, t = m + 2: transform the inputs, multiply with the
 * transformed weights over the input channels (t*t products of matrices, [patches][ic] x [ic][oc]), transform
 * the sums back; bias, residual and activation are done there. F(4,3) needs 4 times fewer multiply-adds than
 * the direct sum, F(2,3) 2.25 times.
 *
 * x     points at pixel (0, 0) of a picture of ih x iw; no halo is needed, what lies outside counts as zero
 * kd .. as depth.h says: a 3-D convolution is a sum of 3x3 convolutions of slices, and those of one output
 *       slice are added before the transform back, as if they were more input channels
 * w     packed by pack_winograd, float32 of transforms in float64: [t*t][oc tile][kd][ic][width], ic the real
 *       number of channels, width = WINO_OC, in the last tile what is left of the ob*16 channels; t*t * kd *
 *       ic * ob*16 floats
 * last  real channels in the last of the ib input blocks; bias, slope padded to whole blocks; res (may be
 *       absent) as y
 * y     pixel (0, 0) of oh x ow
 * Kernel tile = ((volume*slice_tiles + s)*patch_tiles + p)*oc_tiles + c: output slices s*slices .. (pictures
 * have one), patches p*patches .. (row by row), output blocks c*blocks ..; blocks is a multiple of
 * WINO_OC / 16 unless oc_tiles is 1. The inputs are transformed again for every c, and for every s that takes them.
 * scratch: 64 * t*t * ((r*ib*patches | 1) + (slices*blocks*patches | 1)) bytes, r the input slices of so many
 * output slices: V [t*t][r][ib][patches][16], M [t*t][slices][blocks][patches][16]; an odd number of cache
 * lines in each of the t*t parts, that they do not fall on the same cache sets.
 * patches: near-equal parts of the patches of a picture, of about 2 * WINO_PX: the weights are read once for
 * each part. With few patches split the output blocks instead, when there are too few tiles for the threads.
 * Order of sums: over the slices of the window and the input channels, whatever the tile; more than
 * WINO_WHOLE of them in pieces of WINO_PIECE, whose sums are added one after another. The transforms cancel,
 * which makes the rounding errors
 * about twice as large as those of the direct sum over as many channels: where all products are alike 1.6e-5
 * of the sum at most.
 * A number that is not finite would become NaN in every sum of its patch. Such patches are done again, by the
 * definition and with weights transformed back: what the number does not reach is finite, as from any other
 * kernel, if slowly. Where it meets a weight of 0, +-inf may stand for NaN.
 * pack_winograd: source [oc][ic][kd][3][3] with strides so si sz sy sx in floats; tile = slice*ob + block. */
#ifndef WINOGRAD_H
#define WINOGRAD_H
#include "activation.h"
#include "depth.h"
#include "vec_math.h"
#include "winograd_tile.h"
#define WINOGRAD_FIELDS(B, I, F, A) B(x) B(w) B(bias) B(slope) B(res) B(y) I(n) I(ib) I(last) I(ob) I(ih) \
    I(iw) I(oh) I(ow) I(pt) I(pl) I(xn) I(xb) I(xr) I(yn) I(yb) I(yr) I(rn) I(rb) I(rr) I(m) I(act) \
    F(alpha) F(beta) I(patches) I(patch_tiles) I(oc_tiles) I(blocks) I(slices) I(slice_tiles) \
    DEPTH_FIELDS(B, I, F, A)
PARAMS(winograd_t, WINOGRAD_FIELDS)

enum { WINO_WHOLE = 384, WINO_PIECE = 256 };

#define WINO_A 0.5625f                  /* squares of the points */
#define WINO_B 2.25f
INL void wino_in1_6(const vf *d, vf *t)
{
    vf e = d[4] - WINO_B * d[2], o = .75f * (d[3] - WINO_B * d[1]);
    vf f = d[4] - WINO_A * d[2], g = 1.5f * (d[3] - WINO_A * d[1]);
    t[0] = WINO_A * WINO_B * d[0] - (WINO_A + WINO_B) * d[2] + d[4];
    t[1] = e + o; t[2] = e - o; t[3] = f + g; t[4] = f - g;
    t[5] = d[5] - (WINO_A + WINO_B) * d[3] + WINO_A * WINO_B * d[1];
}
INL void wino_in1_4(const vf *d, vf *t)
{
    t[0] = d[2] - d[0]; t[1] = d[1] + d[2]; t[2] = d[2] - d[1]; t[3] = d[3] - d[1];
}
INL void wino_out1_6(const vf *m, vf *y)
{
    vf s = m[1] + m[2], d = m[1] - m[2], S = m[3] + m[4], D = m[3] - m[4];
    y[0] = m[0] + s + S; y[1] = .75f * d + 1.5f * D; y[2] = WINO_A * s + WINO_B * S;
    y[3] = .75f * WINO_A * d + 1.5f * WINO_B * D + m[5];
}
INL void wino_out1_4(const vf *m, vf *y) { y[0] = m[0] + m[1] + m[2]; y[1] = m[1] - m[2] + m[3]; }

/* One block of T x T pixels at x -> T*T vectors, vs floats apart. Only rows r0 .. r1-1 and columns c0 .. c1-1
 * are in the picture. */
#define WINO_IN(T) \
static __attribute__((noinline)) void wino_in_##T(const float *x, size_t xr, int r0, int r1, int c0, int c1, \
                                                  float *v, size_t vs) \
{ \
    static const float zeros[T * CB]; \
    const float *r[T]; \
    FOR(i, T) r[i] = i >= r0 && i < r1 ? x + i * xr : zeros; \
    for (int h = 0; h < CB; h += VW) { \
        vf t[T][T]; \
        if (c1 - c0 < T) FOR(j, T) if (j < c0 || j >= c1) FOR(i, T) t[i][j] = (vf){0}; \
        for (int j = c0; j < c1; j++) { \
            vf d[T], q[T]; \
            FOR(i, T) d[i] = ld(r[i] + j * CB + h); \
            wino_in1_##T(d, q); \
            FOR(i, T) t[i][j] = q[i]; \
        } \
        for (int i = 0; i < T; i++) { \
            vf q[T]; \
            wino_in1_##T(t[i], q); \
            FOR(j, T) st(v + (i * T + j) * vs + h, q[j]); \
        } \
    } \
}
WINO_IN(6)
WINO_IN(4)

/* A number that is not finite becomes NaN in all sums of its patch, which so have to be formed directly. */
typedef struct {
    const winograd_t *A;
    const float *x, *w;                 /* of the first slice, all packed weights */
    slices_t s;
    int64_t block, top, left;           /* output block, first row and column of the patch's inputs */
} wino_source_t;

/* Three taps back from what wino_w1 made of them at the points 0, the next two and infinity. */
INL void wino_taps_6(const vf *u, vf *g)
{
    g[0] = u[0] * (WINO_A * WINO_B);
    g[1] = (u[1] - u[2]) * (2 * WINO_A * (WINO_A - WINO_B) / 1.5f);
    g[2] = u[3];
}
INL void wino_taps_4(const vf *u, vf *g) { g[0] = -u[0]; g[1] = u[1] - u[2]; g[2] = u[3]; }

/* The sums of a patch straight from the definition, for VW channels from h on: slow. */
#define WINO_DIRECT(T) \
static __attribute__((noinline, cold)) void wino_direct_##T(const wino_source_t *S, int h, vf *a) \
{ \
    enum { P = T - 2 }; \
    static const int kept[4] = {0, 1, 2, T - 1}; \
    const winograd_t *A = S->A; \
    const int64_t ic = (A->ib - 1) * CB + A->last, oc = S->block * CB + h, tile = oc / WINO_OC * WINO_OC; \
    const int64_t width = A->ob * CB - tile < WINO_OC ? A->ob * CB - tile : WINO_OC; \
    const int64_t all = ic * (A->kd ? A->kd : 1), first = S->s.before * ic; \
    FOR(p, P * P) a[p] = (vf){0}; \
    for (int64_t k = 0; k < S->s.inside * ic; k++) { \
        const float *u = S->w + tile * all + (first + k) * width + oc % WINO_OC; \
        const float *x = S->x + k / ic * A->dd * A->xn + k % ic / CB * A->xb + k % ic % CB; \
        vf t[3][4], g[3][3]; \
        FOR(j, 4) { \
            vf column[4], taps[3]; \
            FOR(i, 4) column[i] = ld(u + (kept[i] * T + kept[j]) * A->ob * CB * all); \
            wino_taps_##T(column, taps); \
            FOR(i, 3) t[i][j] = taps[i]; \
        } \
        FOR(i, 3) wino_taps_##T(t[i], g[i]); \
        for (int i = 0; i < T; i++) \
            for (int j = 0; j < T; j++) { \
                const int64_t row = S->top + i, column = S->left + j; \
                if (row < 0 || row >= A->ih || column < 0 || column >= A->iw) continue; \
                const vf v = bc(x[row * A->xr + column * CB]); \
                FOR(r, 3) FOR(s, 3) \
                    if (i >= r && i - r < P && j >= s && j - s < P) a[(i - r) * P + j - s] += g[r][s] * v; \
            } \
    } \
}
WINO_DIRECT(6)
WINO_DIRECT(4)

/* P*P sums of one vector of channels, h of the block's, to nh x nw pixels. */
#define WINO_OUT_ARGS const float *bias, const float *slope, const epilogue_t *f, const float *res, \
    size_t rr, float *y, size_t yr, int nh, int nw
#define WINO_FINISH(P) \
    vf b = {0}; \
    if (bias) b = ld(bias + h); \
    FOR(i, P * P) a[i] += b; \
    if (nh == P && nw == P) { \
        if (res) FOR(i, P) FOR(j, P) a[i * P + j] += ld(res + i * rr + j * CB + h); \
        activate_sums(a, P * P, f, slope + h); \
        FOR(i, P) FOR(j, P) st(y + i * yr + j * CB + h, a[i * P + j]); \
    } else { \
        if (res) FOR(i, P) FOR(j, P) if (i < nh && j < nw) a[i * P + j] += ld(res + i * rr + j * CB + h); \
        activate_sums(a, P * P, f, slope + h); \
        FOR(i, P) FOR(j, P) if (i < nh && j < nw) st(y + i * yr + j * CB + h, a[i * P + j]); \
    }
/* T*T sums, ms floats apart -> nh x nw pixels of one block. */
#define WINO_OUT(T) \
static __attribute__((noinline)) void wino_out_##T(const float *m, size_t ms, WINO_OUT_ARGS) \
{ \
    enum { P = T - 2 }; \
    for (int h = 0; h < CB; h += VW) { \
        vf t[P][T], a[P * P]; \
        FOR(j, T) { \
            vf d[T], q[P]; \
            FOR(i, T) d[i] = ld(m + (i * T + j) * ms + h); \
            wino_out1_##T(d, q); \
            FOR(i, P) t[i][j] = q[i]; \
        } \
        FOR(i, P) wino_out1_##T(t[i], a + i * P); \
        WINO_FINISH(P) \
    } \
} \
/* Whether one of n patches has taken in a number that is not finite: but for the corners, which have a sum \
 * to themselves, it is in one of these five of every channel. */ \
static __attribute__((noinline)) int wino_odd_##T(const float *m, size_t ms, int64_t n) \
{ \
    int odd = 0; \
    for (; n > 0; n--, m += CB) { \
        float z = m[ms] + m[T * ms] + m[(T + 1) * ms] + m[(2 * T - 1) * ms] + m[((T - 1) * T + 1) * ms]; \
        odd |= z - z != 0; \
    } \
    return odd; \
} \
static __attribute__((noinline, cold)) void wino_out_odd_##T(const wino_source_t *S, WINO_OUT_ARGS) \
{ \
    enum { P = T - 2 }; \
    for (int h = 0; h < CB; h += VW) { \
        vf a[P * P]; \
        wino_direct_##T(S, h, a); \
        WINO_FINISH(P) \
    } \
}
WINO_OUT(6)
WINO_OUT(4)

/* Products: OV vectors of output channels x PX patches. v: [ic block][patch][16], bs floats from block to
 * block; w: [ic][OV*VW]; m: [oc block][patch][16], ms from block to block; k: input channels. With `more` the
 * sums are added to what is in m.
 * Weights come from memory, and hardware prefetching stops at each page: every step fetches some of the next
 * tile's, at ahead, `step` floats further each time, so that memory works as long as the tile takes. */
#define WINO_ARGS const float *v, size_t bs, const float *w, int64_t k, float *m, size_t ms, \
    const float *ahead, size_t step, int more
#define WINO_STEP(OV, PX) \
    vf q[OV]; \
    FOR(o, OV) { q[o] = ld(w + o * VW); if (o * VW % CB == 0) __builtin_prefetch(ahead + o * VW); } \
    ahead += step; \
    FOR(p, PX) { vf s = bc(v[p * CB + c]); FOR(o, OV) a[o][p] += q[o] * s; }
#define WINO_TILE(PX, OV) \
static __attribute__((noinline)) void wino_tile_##OV##_##PX(WINO_ARGS) \
{ \
    vf a[OV][PX]; \
    FOR(o, OV) FOR(p, PX) a[o][p] = (vf){0}; \
    for (; k >= CB; k -= CB, v += bs) \
        UNROLL(4) for (int c = 0; c < CB; c++, w += OV * VW) { WINO_STEP(OV, PX) } \
    UNROLL(1) for (int64_t c = 0; c < k; c++, w += OV * VW) { WINO_STEP(OV, PX) } \
    if (more) FOR(o, OV) FOR(p, PX) a[o][p] += ld(m + (o / NV) * ms + p * CB + (o % NV) * VW); \
    FOR(o, OV) FOR(p, PX) st(m + (o / NV) * ms + p * CB + (o % NV) * VW, a[o][p]); \
}
typedef void (*wino_fn)(WINO_ARGS);
#define WINO_REF(PX, OV) wino_tile_##OV##_##PX,
EACH_PATCH(WINO_TILE, WINO_OV)
static const wino_fn wino_tiles[] = {0, EACH_PATCH(WINO_REF, WINO_OV)};
#if WINO_OC > CB
EACH_PATCH(WINO_TILE, 1)                /* the last block of an odd number */
static const wino_fn wino_half_tiles[] = {0, EACH_PATCH(WINO_REF, 1)};
#else
# define wino_half_tiles wino_tiles
#endif

/* Weights, in float64: VW/2 output channels side by side; g: 3 taps -> T values, `step` doubles apart. */
typedef double wd __attribute__((vector_size(VW * 4), may_alias));
typedef float wf __attribute__((vector_size(VW * 2), may_alias, aligned(4)));
INL void wino_w1_6(wd g0, wd g1, wd g2, wd *u)
{
    const double A = WINO_A, B = WINO_B, a = 1 / (2 * A * (A - B)), b = 1 / (2 * B * (B - A));
    wd e = g0 + A * g2, o = .75 * g1, f = g0 + B * g2, g = 1.5 * g1;
    u[0] = g0 * (1 / (A * B)); u[1] = (e + o) * a; u[2] = (e - o) * a;
    u[3] = (f + g) * b; u[4] = (f - g) * b; u[5] = g2;
}
INL void wino_w1_4(wd g0, wd g1, wd g2, wd *u)
{
    u[0] = -g0; u[1] = (g0 + g2 + g1) * .5; u[2] = (g0 + g2 - g1) * .5; u[3] = g2;
}
/* s: [9 taps][16 output channels] of one input channel -> u: T*T vectors of 16 channels, us floats apart. */
#define WINO_W(T) \
static __attribute__((noinline)) void wino_w_##T(const float *s, float *u, size_t us) \
{ \
    for (int h = 0; h < CB; h += VW / 2) { \
        wd t[T][3], q[T]; \
        FOR(j, 3) { \
            wd g[3]; \
            FOR(i, 3) g[i] = __builtin_convertvector(*(const wf *)(s + (i * 3 + j) * CB + h), wd); \
            wino_w1_##T(g[0], g[1], g[2], q); \
            FOR(i, T) t[i][j] = q[i]; \
        } \
        FOR(i, T) { \
            wino_w1_##T(t[i][0], t[i][1], t[i][2], q); \
            FOR(j, T) *(wf *)(u + (i * T + j) * us + h) = __builtin_convertvector(q[j], wf); \
        } \
    } \
}
WINO_W(6)
WINO_W(4)
#endif
