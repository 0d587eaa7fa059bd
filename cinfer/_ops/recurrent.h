/* RNN, GRU and LSTM, one direction: everything behind the products of the inputs, which a gemm does at once.
 *
 * recurrent  for each step t and sample b: sums = h R, gates by x[t, b] + sums, the new h (and c) by the gates
 *   kind     RNN, GRU, GRU_BEFORE (linear_before_reset), LSTM; n of them have 1, 3, 3, 4 gates of `hidden` each
 *   x        W x with all biases; xt floats from step to step, xb from sample to sample, gates side by side.
 *            GRU_BEFORE: but for the candidate's recurrent bias, which is rb
 *   r        R by pack_gemm, k = hidden, columns are the gates; GRU: r has z and r, r2 the candidate. They are read
 *            once a step for all rows of a tile, and are what a step costs: forwards and backwards in turn, so that
 *            what was read last is read first, and still in cache
 *   p        peepholes i, o, f of LSTM, or absent; lens: int32 lengths within `steps`, or absent
 *   h0 c0 yh yc  first and last state, sb floats from sample to sample; y: yt, yb floats apart; all may be absent
 *   state    h of [batch][hidden], behind it c, between tiles of begin .. end-1, pieces of the steps in turn
 *   f g h    codes of the activations (activation.h) in the order of the standard; what goes into them is clamped to
 *            -clip .. clip, but what goes into LSTM's h to -c_clip .. c_clip
 *   round    h is rounded to uint8 by the range of all samples before it is multiplied; then a tile has all samples
 *   Kernel tile: `rows` samples. scratch: rows * (packed columns of r and of r2, hidden) floats
 *   Beyond the length of a sample its y is 0 and its state stays; `backwards` begins at its end.
 * few_RxN    sums of R rows and N column tiles of OCT: 8 accumulators, where the product's tile has 2 a row
 * Order of the sums: k = 0, 1, ..., whatever the tile, as in conv_tile.h; more than PRODUCT_WHOLE terms as there. */
#ifndef RECURRENT_H
#define RECURRENT_H
#include "conv_tile.h"
enum { RNN, GRU, GRU_BEFORE, LSTM };

enum { FEW_ROWS = 2, FEW_TILES = 8 / OCV };     /* column tiles of one row; of two, half as many */
#define FEW(R, N) \
static __attribute__((noinline, unused)) void few_##R##x##N(const float *w, const float *x, int64_t k, float *y, \
                                                            int64_t ldy) \
{ \
    const size_t next = (size_t)k * OCT, ldx = (size_t)k; \
    vf a[R][N * OCV]; \
    FOR(r, R) FOR(o, N * OCV) a[r][o] = (vf){0}; \
    UNROLL(2) for (int64_t i = 0; i < k; i++, w += OCT) { \
        vf s[R]; \
        FOR(r, R) s[r] = bc(x[r * ldx + i]); \
        FOR(n, N) FOR(o, OCV) { \
            vf q = ld(w + n * next + o * VW); \
            FOR(r, R) a[r][n * OCV + o] += q * s[r]; \
        } \
    } \
    FOR(r, R) FOR(o, N * OCV) st(y + r * ldy + o * VW, a[r][o]); \
}
typedef void (*few_fn)(const float *w, const float *x, int64_t k, float *y, int64_t ldy);
FEW(1, 1)
FEW(1, 2)
FEW(2, 1)
#if OCV == 2
FEW(1, 3)
FEW(1, 4)
FEW(2, 2)
static const few_fn few[FEW_ROWS + 1][FEW_TILES + 1] = {
    {0}, {0, few_1x1, few_1x2, few_1x3, few_1x4}, {0, few_2x1, few_2x2}};
#else
static const few_fn few[FEW_ROWS + 1][FEW_TILES + 1] = {{0}, {0, few_1x1, few_1x2}, {0, few_2x1}};
#endif

typedef struct {
    int64_t kind, hidden;
    int input_forget;
    const float *rb, *p;
    epilogue_t f, g, h;
    float clip, c_clip;
} cell_t;

INL vf part(const float *p, int64_t n) { return n >= VW ? ld(p) : ld_part(p, n, 0); }
INL void st_up_to(float *p, vf v, int64_t n) { if (n >= VW) st(p, v); else st_part(p, v, n); }
#define EACH(i, n) for (int64_t i = 0; i < (n); i += VW)
INL vf clamped(vf v, float clip) { return vmin(bc(clip), vmax(bc(-clip), v)); }
INL void activated(float *s, int64_t n, const epilogue_t *e)
{
    activate_rows(s, n, 1, 0, (int)e->act, e->alpha, e->beta);
}
/* y = x rounded to uint8 by its range and that of 0, and back: DynamicQuantizeLinear, DequantizeLinear */
static __attribute__((noinline)) void round_by_range(const float *x, float *y, int64_t n)
{
    vf low = {0}, high = {0};
    EACH(i, n) { vf v = part(x + i, n - i); low = vmin(v, low); high = vmax(v, high); }
    const float least = -max_of_lanes(-low), width = max_of_lanes(high) - least;
    const float scale = width > 0 ? width / 255 : 1;
    const float zero = vrint(vmin(bc(255), vmax((vf){0}, bc(-least / scale))))[0];
    EACH(i, n) st_up_to(y + i, quantised(part(x + i, n - i), scale, zero, 0, 255), n - i);
}
/* s = clamped(s + x + p c); p may be NULL */
static __attribute__((noinline)) void add_gates(float *s, const float *x, const float *p, const float *c,
                                                int64_t n, float clip)
{
    EACH(i, n) {
        vf v = part(s + i, n - i) + part(x + i, n - i);
        if (p) v += part(p + i, n - i) * part(c + i, n - i);
        st_up_to(s + i, clamped(v, clip), n - i);
    }
}

/* The new h and c of one sample, from what comes in, x, and h R, in s, which is overwritten. */
static __attribute__((noinline)) void lstm_cell(const cell_t *A, const float *x, float *s, float *h, float *c)
{
    const int64_t n = A->hidden;
    const float *p = A->p;
    float *const o = s + n, *const f = s + 2 * n, *const g = s + 3 * n;
    if (p) {
        add_gates(s, x, p, c, n, A->clip);
        add_gates(f, x + 2 * n, p + 2 * n, c, n, A->clip);
        add_gates(g, x + 3 * n, NULL, NULL, n, A->clip);
        activated(s, n, &A->f);
        activated(f, n, &A->f);
    } else {
        add_gates(s, x, NULL, NULL, 4 * n, A->clip);
        activated(s, 3 * n, &A->f);
    }
    activated(g, n, &A->g);
    EACH(i, n) {
        const int64_t m = n - i;
        vf in = part(s + i, m), keep = part(f + i, m);
        if (A->input_forget) keep = 1 - in;
        vf v = keep * part(c + i, m) + in * part(g + i, m);
        st_up_to(c + i, v, m);
        st_up_to(h + i, clamped(v, A->c_clip), m);
    }
    if (p) {
        add_gates(o, x + n, p + n, c, n, A->clip);
        activated(o, n, &A->f);
    }
    activated(h, n, &A->h);
    EACH(i, n) st_up_to(h + i, part(o + i, n - i) * part(h + i, n - i), n - i);
}

/* z and r, in s, and r h */
static __attribute__((noinline)) void gru_reset(const cell_t *A, const float *x, float *s, const float *h, float *rh)
{
    const int64_t n = A->hidden;
    add_gates(s, x, NULL, NULL, 2 * n, A->clip);
    activated(s, 2 * n, &A->f);
    if (rh) EACH(i, n) st_up_to(rh + i, part(s + n + i, n - i) * part(h + i, n - i), n - i);
}
/* The new h by z and r, in s, and what of the candidate comes from the state, in t */
static __attribute__((noinline)) void gru_cell(const cell_t *A, const float *x, float *s, float *t, float *h)
{
    const int64_t n = A->hidden;
    if (A->kind == GRU_BEFORE) {
        gru_reset(A, x, s, h, NULL);
        EACH(i, n) {
            vf v = part(t + i, n - i);
            if (A->rb) v += part(A->rb + i, n - i);
            st_up_to(t + i, part(s + n + i, n - i) * v, n - i);
        }
    }
    add_gates(t, x + 2 * n, NULL, NULL, n, A->clip);
    activated(t, n, &A->g);
    EACH(i, n) {
        vf z = part(s + i, n - i);
        st_up_to(h + i, (1 - z) * part(t + i, n - i) + z * part(h + i, n - i), n - i);
    }
}

static __attribute__((noinline)) void rnn_cell(const cell_t *A, const float *x, float *s, float *h)
{
    add_gates(s, x, NULL, NULL, A->hidden, A->clip);
    activated(s, A->hidden, &A->f);
    memcpy(h, s, sizeof(float) * (size_t)A->hidden);
}
#undef EACH
#endif
