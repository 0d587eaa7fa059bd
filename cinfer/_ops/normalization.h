/* Normalisations. Means and variances are formed in two passes in float32, in pieces (sums.h): good
 * to 1e-5 at any length.
 *
 * layer_norm     y = (x - mean) / sqrt(variance + eps) * scale[col] + bias[col] over each of `rows` rows of
 *                `cols` neighbours, rows xr, yr floats apart; y may be x; bias may be absent. Where `raw`,
 *                the mean is taken for 0: x is divided by its root mean square. range: as range.h has it. Kernel tile:
 *                `chunk` rows
 * group_norm     blocked: the same over each picture and group of `each` of the c channels, then act. scale,
 *                bias: per channel, padded to whole blocks. Strides n b r in floats; a picture is d slices.
 *                mean, var: absent, if a block has whole groups and d is 1; else of each channel,
 *                [slice][cb*16]. Those of a group follow: the mean of the means, and the mean of the
 *                variances and of the squares of (mean - mean of the group). Kernel tile = slice*cb + block
 * channel_moments  mean and variance of each channel of a slice, tiles as those of group_norm
 * lrn            y = x / (bias + alpha/size * sum of x^2 over `size` channels around)^beta, plain
 *                [n][c][hw]. Squares one after another, more than RUN of them in pieces of RUN (sums.h).
 *                Kernel tile = image*chunks + chunk, `chunk` pixels each */
#ifndef NORMALIZATION_H
#define NORMALIZATION_H
#include "activation.h"
#include "sums.h"
#define GROUP_NORM_FIELDS(B, I, F, A) B(x) B(scale) B(bias) B(mean) B(var) B(y) I(n) I(cb) I(h) I(w) I(c) \
    I(d) I(each) I(xn) I(xb) I(xr) I(yn) I(yb) I(yr) F(eps) I(act) F(alpha) F(beta)
PARAMS(group_norm_t, GROUP_NORM_FIELDS)
#define LRN_FIELDS(B, I, F, A) B(x) B(y) I(n) I(c) I(hw) I(size) F(alpha) F(beta) F(bias) I(chunk)
PARAMS(lrn_t, LRN_FIELDS)

INL void layer_norm_by(float (*sum)(const float *, int64_t, float, int), const float *x, const float *scale,
                       const float *bias, float *y, int64_t n, float eps, int raw)
{
    float mean = raw ? 0 : sum(x, n, 0, 0) / (float)n;
    float variance = sum(x, n, mean, 1) / (float)n;
    vf m = bc(mean), k = 1 / vsqrt(bc(variance + eps));
    int64_t i = 0;
    for (; i + VW <= n; i += VW) {
        vf b = bias ? ld(bias + i) : (vf){0};
        st(y + i, (ld(x + i) - m) * k * ld(scale + i) + b);
    }
    if (i < n) {
        vf b = bias ? ld_part(bias + i, n - i, 0) : (vf){0};
        st_part(y + i, (ld_part(x + i, n - i, 0) - m) * k * ld_part(scale + i, n - i, 0) + b, n - i);
    }
}

static __attribute__((noinline)) void long_layer_norm_row(const float *x, const float *scale,
                                                          const float *bias, float *y, int64_t n, float eps,
                                                          int raw)
{
    layer_norm_by(long_row_sum, x, scale, bias, y, n, eps, raw);
}
static __attribute__((noinline)) void layer_norm_row(const float *x, const float *scale, const float *bias,
                                                     float *y, int64_t n, float eps, int raw)
{
    if (n > ROW_PIECE) long_layer_norm_row(x, scale, bias, y, n, eps, raw);
    else layer_norm_by(row_piece_sum, x, scale, bias, y, n, eps, raw);
}

static __attribute__((noinline)) void block_moments(const float *x, int64_t h, int64_t w, int64_t xr,
                                                    float *mean, float *var)
{
    vf m[NV] = {{0}}, s[NV];
    const float count = (float)(h * w);
    block_sum(x, h, w, xr, m, 0, s);
    FOR(v, NV) { m[v] = s[v] / count; st(mean + v * VW, m[v]); }
    block_sum(x, h, w, xr, m, 1, s);
    FOR(v, NV) st(var + v * VW, s[v] / count);
}

/* mean, var: of c channels, in `d` slices `apart` floats from each other -> of the groups of the 16 channels
 * from `first` on. */
static __attribute__((noinline)) void group_moments(const float *mean, const float *var, int64_t d,
                                                    int64_t apart, int64_t first, int64_t c, int64_t each,
                                                    float *group_mean, float *group_var)
{
    const int64_t end = first + CB < c ? first + CB : c;
    for (int64_t i = 0; i < CB; i++) group_mean[i] = group_var[i] = 0;
    for (int64_t at = first, next; at < end; at = next) {
        const int64_t from = at / each * each;
        const double count = (double)(each * d);
        double m = 0, v = 0;
        for (int64_t j = 0; j < d; j++) m += (double)long_row_sum(mean + j * apart + from, each, 0, 0);
        m /= count;
        for (int64_t j = 0; j < d; j++)
            v += (double)long_row_sum(var + j * apart + from, each, 0, 0)
                 + (double)long_row_sum(mean + j * apart + from, each, (float)m, 1);
        for (next = at; next < end && next < from + each; next++) {
            group_mean[next - first] = (float)m;
            group_var[next - first] = (float)(v / count);
        }
    }
}

static __attribute__((noinline)) void normalize_block(const group_norm_t *A, const float *x,
                                                      const float *means, const float *vars,
                                                      const float *scale, const float *bias, float *y)
{
    vf mean[NV], k[NV], b[NV];
    FOR(v, NV) {
        mean[v] = ld(means + v * VW);
        k[v] = ld(scale + v * VW) / vsqrt(ld(vars + v * VW) + (float)A->eps);
        b[v] = ld(bias + v * VW);
    }
    for (int64_t i = 0; i < A->h; i++, x += A->xr, y += A->yr) {
        for (int64_t j = 0; j < A->w * CB; j += CB)
            FOR(v, NV) st(y + j + v * VW, (ld(x + j + v * VW) - mean[v]) * k[v] + b[v]);
        activate_rows(y, A->w * CB, 1, 0, (int)A->act, (float)A->alpha, (float)A->beta);
    }
}

/* The squares of channels first .. last of `lanes` pixels, in pieces. */
static __attribute__((noinline)) vf lrn_long_sum(const float *x, int64_t hw, int64_t lanes, int64_t first,
                                                 int64_t last)
{
    double total[VW] = {0};
    float part[VW];
    while (first <= last) {
        vf s = {0};
        for (int64_t end = last - first < RUN ? last + 1 : first + RUN; first < end; first++) {
            vf v = lanes == VW ? ld(x + first * hw) : ld_part(x + first * hw, lanes, 0);
            s += v * v;
        }
        st(part, s);
        add_to_total(total, part, VW, 0);
    }
    rounded_total(total, part, VW);
    return ld(part);
}
/* `lanes` pixels through all channels. */
INL void lrn_pixels(const lrn_t *A, const float *x, float *y, int64_t lanes, int form, int far)
{
    const int64_t c = A->c, below = (A->size - 1) / 2, above = A->size - 1 - below;
    const vf k = bc((float)(A->alpha / (double)A->size)), b = bc((float)A->bias);
    for (int64_t i = 0; i < c; i++) {
        int64_t first = i > below ? i - below : 0, last = i + above < c ? i + above : c - 1;
        vf s = {0}, mid = {0};
        if (!far)
            for (int64_t j = first; j <= last; j++) {
                vf v = lanes == VW ? ld(x + j * A->hw) : ld_part(x + j * A->hw, lanes, 0);
                s += v * v;
                mid = j == i ? v : mid;
            }
        else {
            mid = lanes == VW ? ld(x + i * A->hw) : ld_part(x + i * A->hw, lanes, 0);
            s = lrn_long_sum(x, A->hw, lanes, first, last);
        }
        s = b + k * s;
        if (form == 3) { s = vsqrt(s); mid = mid / (s * vsqrt(s)); }            /* the usual beta = 3/4 */
        else mid = mid * vpow(s, bc(-(float)A->beta));
        if (lanes == VW) st(y + i * A->hw, mid); else st_part(y + i * A->hw, mid, lanes);
    }
}
static __attribute__((noinline)) void lrn_chunk(const lrn_t *A, const float *x, float *y, int64_t n)
{
    int form = A->beta == .75 ? 3 : 0;
    int64_t i = 0;
    if (A->size > RUN) {
        for (; i < n; i += VW) lrn_pixels(A, x + i, y + i, n - i < VW ? n - i : VW, form, 1);
        return;
    }
    if (form) for (; i + VW <= n; i += VW) lrn_pixels(A, x + i, y + i, VW, 3, 0);
    else for (; i + VW <= n; i += VW) lrn_pixels(A, x + i, y + i, VW, 0, 0);
    if (i < n) lrn_pixels(A, x + i, y + i, n - i, form, 0);
}
#endif
