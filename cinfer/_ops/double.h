/* float64: products and convolutions, pools, functions of one number, softmax. For models that are float64
 * throughout: plain values, no blocks of channels, no epilogues; vectors where the time goes, in products.
 *
 * product64  y = alpha a b + beta c, for each of some batches of batch1: a [m][k] and b [k][n] with any strides
 *            (ar, ak; bk, bn) and those of their batches (a0, a1; b0, b1), c with strides cr, cn and c1 over
 *            batch1, 0 where it is broadcast; y contiguous. With `conv`, b is not in memory: its column is a window
 *            of the picture [channels][id][ih][iw] at b, its rows are channel, tap z, y, x; n is od * oh * ow
 * pool64     of planes [id][ih][iw] to [od][oh][ow]: the largest (mode 0), the mean of what is there (1) or of that and
 *            the padding pf, pt, pl before and pe, pb, pr behind (2)
 * map64      y[i] = op(x[i]), n numbers, codes of activation.h
 * softmax64  as softmax.h
 *
 * A tile of a product is `rows` x `cols`; it takes COLUMNS columns and TERMS rows of b at a time, packed into scratch
 * (not where few rows of a would read them, and they lie side by side), and LANES columns of 6 rows of a in registers.
 *
 * Error: sums of products in pieces of TERMS terms, which are added one after another, other sums in two levels of
 * RUN terms or along one axis of a window after another; so 1e-12 of the sum of the magnitudes at 2^20 terms.
 *
 * Scratch: product64 8 * TERMS * COLUMNS bytes. */
#ifndef DOUBLE_H
#define DOUBLE_H
#include <math.h>
#include "activation.h"
#include "sums.h"
#define WINDOW64(I) I(id) I(ih) I(iw) I(od) I(oh) I(ow) I(kd) I(kh) I(kw) I(sd) I(sh) I(sw) I(dd) I(dh) I(dw) \
    I(pf) I(pt) I(pl)
#define PRODUCT64_FIELDS(B, I, F, A) B(a) B(b) B(c) B(y) I(batch1) I(m) I(n) I(k) I(a0) I(a1) I(ar) I(ak) \
    I(b0) I(b1) I(bk) I(bn) I(c1) I(cr) I(cn) I(rows) I(row_tiles) I(cols) I(col_tiles) I(conv) F(alpha) F(beta) \
    WINDOW64(I)
PARAMS(product64_t, PRODUCT64_FIELDS)
#define POOL64_FIELDS(B, I, F, A) B(x) B(y) I(planes) I(outer) I(mode) WINDOW64(I) I(pe) I(pb) I(pr)
PARAMS(pool64_t, POOL64_FIELDS)

typedef double vd __attribute__((vector_size(VW * 4), may_alias));
typedef double vdu __attribute__((vector_size(VW * 4), may_alias, aligned(8)));
enum { DW = VW / 2, LANES = 2 * DW, COLUMNS = 64, TERMS = 256, TALL = 6 };

/* Terms first..first+terms of `n` columns from j on, in rows of COLUMNS; columns behind the last are 0. */
static void pack64(const product64_t *A, const double *b, int64_t j, int64_t n, int64_t first, int64_t terms,
                   double *to)
{
    if (n % LANES) memset(to, 0, 8 * COLUMNS * terms);
    if (!A->conv && A->bn == 1) {
        for (int64_t p = 0; p < terms; p++) memcpy(to + p * COLUMNS, b + (first + p) * A->bk + j, 8 * n);
    } else if (!A->conv) {
        for (int64_t i = 0; i < n; i++)
            for (int64_t p = 0; p < terms; p++) to[p * COLUMNS + i] = b[(first + p) * A->bk + (j + i) * A->bn];
    } else {
        struct { int64_t i, n, z, y, x; } run[COLUMNS];     /* columns i..i+n are windows of one row */
        int64_t runs = 0;
        for (int64_t i = 0; i < n; i += run[runs++].n) {
            const int64_t row = (j + i) / A->ow, w = (j + i) % A->ow, rest = A->ow - w;
            run[runs].i = i, run[runs].n = rest < n - i ? rest : n - i;
            run[runs].z = row / A->oh * A->sd - A->pf, run[runs].y = row % A->oh * A->sh - A->pt;
            run[runs].x = w * A->sw - A->pl;
        }
        for (int64_t p = 0; p < terms; p++, to += COLUMNS) {
            const int64_t row = (first + p) / A->kw, dx = (first + p) % A->kw * A->dw, dy = row % A->kh * A->dh;
            const int64_t dz = row / A->kh % A->kd * A->dd, channel = row / (A->kh * A->kd), sw = A->sw;
            for (int64_t r = 0; r < runs; r++) {
                const int64_t z = run[r].z + dz, y = run[r].y + dy, x = run[r].x + dx, m = run[r].n;
                const double *in = b + ((channel * A->id + z) * A->ih + y) * A->iw + x;
                double *t = to + run[r].i;
                if (z < 0 || z >= A->id || y < 0 || y >= A->ih) for (int64_t i = 0; i < m; i++) t[i] = 0;
                else if (x < 0 || x + (m - 1) * sw >= A->iw)
                    for (int64_t i = 0; i < m; i++) t[i] = (uint64_t)(x + i * sw) < (uint64_t)A->iw ? in[i * sw] : 0;
                else if (sw == 1) for (int64_t i = 0; i < m; i++) t[i] = in[i];
                else for (int64_t i = 0; i < m; i++) t[i] = in[i * sw];
            }
        }
    }
}

/* n <= LANES columns of `rows` rows of y; a, b: the first of `terms` terms; first: or else y has those before */
INL void rows64(const int rows, const product64_t *A, const double *a, const double *b, int64_t step, int64_t terms,
                const double *c, double *y, int64_t n, int first)
{
    vd s[TALL][2];
    FOR(i, rows) s[i][0] = s[i][1] = (vd){0};
    for (int64_t p = 0; p < terms; p++, b += step) {
        const vd b0 = *(const vdu *)b, b1 = *(const vdu *)(b + DW);
        FOR(i, rows) {
            const double v = a[i * A->ar + p * A->ak];
            s[i][0] += v * b0;
            s[i][1] += v * b1;
        }
    }
    FOR(i, rows) {
        double sum[LANES];
        memcpy(sum, s[i], sizeof sum);
        for (int64_t j = 0; j < n; j++) {
            double *to = y + i * A->n + j;
            *to = (!first ? *to : A->beta == 0 ? 0 : A->beta * c[i * A->cr + j * A->cn]) + A->alpha * sum[j];
        }
    }
}
#define ROWS64(rows) \
static __attribute__((noinline)) void rows64_##rows(const product64_t *A, const double *a, const double *b, \
    int64_t step, int64_t terms, const double *c, double *y, int64_t n, int first) \
{ \
    rows64(rows, A, a, b, step, terms, c, y, n, first); \
}
ROWS64(6)
ROWS64(2)
ROWS64(1)

static void product64_tile(const product64_t *A, const double *a, const double *b, const double *c, double *y,
                           int64_t row, int64_t last_row, int64_t column, int64_t last_column, double *scratch)
{
    for (int64_t j = column, n; j < last_column; j += n) {
        n = last_column - j < COLUMNS ? last_column - j : COLUMNS;
        const int in_place = !A->conv && A->bn == 1 && last_row - row <= TALL && n >= LANES;
        if (in_place) n -= n % LANES;
        for (int64_t p = 0, terms; p < A->k; p += terms) {
            terms = A->k - p < TERMS ? A->k - p : TERMS;
            const double *from = in_place ? b + p * A->bk + j : scratch;
            if (!in_place) pack64(A, b, j, n, p, terms, scratch);
            const int64_t step = in_place ? A->bk : COLUMNS;
            for (int64_t i = row, rows; i < last_row; i += rows) {
                rows = last_row - i >= 6 ? 6 : last_row - i >= 2 ? 2 : 1;
                for (int64_t l = 0; l < n; l += LANES)
                    (rows == 6 ? rows64_6 : rows == 2 ? rows64_2 : rows64_1)(
                        A, a + i * A->ar + p * A->ak, from + l, step, terms,
                        c + i * A->cr + (j + l) * A->cn, y + i * A->n + j + l,
                        n - l < LANES ? n - l : LANES, !p);
            }
        }
    }
}

/* The taps of a window that begins at `at` which lie in [low, high): first and end */
typedef struct { int64_t first, end; } span64_t;
INL span64_t taps64(int64_t at, int64_t taps, int64_t step, int64_t low, int64_t high)
{
    span64_t t = {at >= low ? 0 : (low - at + step - 1) / step, at >= high ? 0 : (high - at + step - 1) / step};
    if (t.end > taps) t.end = taps;
    if (t.first > t.end) t.first = t.end;
    return t;
}
static void pool64_plane(const pool64_t *A, const double *x, double *y)
{
    const int64_t pad = A->mode == 2;
    for (int64_t d = 0; d < A->od; d++)
        for (int64_t h = 0; h < A->oh; h++)
            for (int64_t w = 0; w < A->ow; w++, y++) {
                const int64_t z0 = d * A->sd - A->pf, y0 = h * A->sh - A->pt, x0 = w * A->sw - A->pl;
                const span64_t tz = taps64(z0, A->kd, A->dd, 0, A->id), ty = taps64(y0, A->kh, A->dh, 0, A->ih);
                const span64_t tx = taps64(x0, A->kw, A->dw, 0, A->iw);
                double most = -INFINITY, sum = 0;
                for (int64_t k = tz.first; k < tz.end; k++) {
                    double plane = 0;
                    for (int64_t i = ty.first; i < ty.end; i++) {
                        const double *in = x + ((z0 + k * A->dd) * A->ih + y0 + i * A->dh) * A->iw + x0;
                        double line = 0;
                        if (A->mode) for (int64_t j = tx.first; j < tx.end; j++) line += in[j * A->dw];
                        else for (int64_t j = tx.first; j < tx.end; j++)
                            most = in[j * A->dw] > most || isnan(in[j * A->dw]) ? in[j * A->dw] : most;
                        plane += line;
                    }
                    sum += plane;
                }
                if (!A->mode) { *y = most; continue; }
                const span64_t cz = taps64(z0, A->kd, A->dd, -pad * A->pf, A->id + pad * A->pe);
                const span64_t cy = taps64(y0, A->kh, A->dh, -pad * A->pt, A->ih + pad * A->pb);
                const span64_t cx = taps64(x0, A->kw, A->dw, -pad * A->pl, A->iw + pad * A->pr);
                const int64_t count = (cz.end - cz.first) * (cy.end - cy.first) * (cx.end - cx.first);
                *y = sum / (double)(count > 1 ? count : 1);
            }
}

INL double between(double x, double low, double high)
{
    if (x < low) x = low;
    return x > high ? high : x;
}
static void map64_row(const double *from, double *y, int64_t n, int op, double alpha, double beta)
{
#define MAP64(name, value) \
    case U_##name: for (int64_t i = 0; i < n; i++) { const double x = from[i]; y[i] = (value); } break;
#define BELOW(x, value) ((x) < 0 ? (value) : (x))
#define SIGMOID(x) (1 / (1 + exp(-(x))))
#define SOFTPLUS(x) (((x) > 0 ? (x) : 0) + log1p(exp(-fabs(x))))
    switch (op) {
    MAP64(none, x)
    MAP64(clip, between(x, alpha, beta))
    MAP64(leaky_relu, BELOW(x, alpha * x))
    MAP64(hard_sigmoid, between(alpha * x + beta, 0, 1))
    MAP64(hard_swish, x * between(alpha * x + beta, 0, 1))
    MAP64(sigmoid, SIGMOID(x))
    MAP64(swish, x * SIGMOID(alpha * x))
    MAP64(tanh, tanh(x))
    MAP64(gelu, x / 2 * erfc(x * -0.70710678118654752440))
    MAP64(gelu_tanh, x * SIGMOID(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)))
    MAP64(elu, BELOW(x, alpha * expm1(x)))
    MAP64(celu, BELOW(x, alpha * expm1(x / alpha)))
    MAP64(selu, beta * BELOW(x, alpha * expm1(x)))
    MAP64(softplus, SOFTPLUS(x))
    MAP64(mish, x * tanh(SOFTPLUS(x)))
    MAP64(exp, exp(x))
    MAP64(log, log(x))
    MAP64(sqrt, sqrt(x))
    MAP64(abs, fabs(x))
    MAP64(neg, -x)
    MAP64(reciprocal, 1 / x)
    MAP64(erf, erf(x))
    MAP64(floor, floor(x))
    MAP64(ceil, ceil(x))
    MAP64(round, rint(x))
    MAP64(sign, isnan(x) ? x : (double)((x > 0) - (x < 0)))
    MAP64(softsign, x / (1 + fabs(x)))
    MAP64(sin, sin(x))
    MAP64(cos, cos(x))
    MAP64(thresholded_relu, x > alpha ? x : 0)
    }
}

/* One row of n numbers, `step` apart */
static void softmax64_row(const double *x, double *y, int64_t n, int64_t step, int logarithm)
{
    double most = -INFINITY, total = 0;
    for (int64_t i = 0; i < n; i++) most = x[i * step] > most || isnan(x[i * step]) ? x[i * step] : most;
    for (int64_t i = 0, end; i < n; i = end) {
        double sum = 0;
        end = n - i < COLUMN_PIECE ? n : i + COLUMN_PIECE;
        for (int64_t j = i; j < end; j++) {
            const double e = exp(x[j * step] - most);
            sum += e;
            if (!logarithm) y[j * step] = e;
        }
        total += sum;
    }
    if (logarithm) total = log(total);
    for (int64_t i = 0; i < n; i++)
        y[i * step] = logarithm ? x[i * step] - most - total : y[i * step] / total;
}
#endif
