/* Softmax and LogSoftmax along one axis of a plain tensor seen as [outer][n][inner].
 *
 * y = exp(scale*x - m) / sum, or scale*x - m - log(sum) where `log` is set; m is the largest scale*x
 *
 * xo, xs (yo, ys): floats between outer indices and along the axis; inner elements lie side by side. y may
 * be x. Kernel tile: `rows` outer indices, of each `columns` of the inner elements. Order of the sums: along
 * a contiguous axis VW or 2 VW lanes side by side, then the lanes pairwise; else along the axis. A piece is
 * ROW_PIECE or COLUMN_PIECE terms, the sums of several are added in float64 (sums.h): good to 1.6e-5 at any
 * length. The logarithm of one class, or of one beside which the others vanish, is exactly 0. */
#ifndef SOFTMAX_H
#define SOFTMAX_H
#include "activation.h"
#include "sums.h"
#define SOFTMAX_FIELDS(B, I, F, A) B(x) B(y) I(outer) I(n) I(inner) I(xo) I(xs) I(yo) I(ys) I(log) \
    F(scale) I(rows) I(columns)
PARAMS(softmax_t, SOFTMAX_FIELDS)

/* Along a contiguous axis. exp() of a NaN is a NaN in the sum, so that one NaN makes the whole row NaN. */
static __attribute__((noinline)) void softmax_row(const float *x, float *y, int64_t n, int logarithm,
                                                  float scale)
{
    int64_t i = 0, whole = n / VW * VW, end;
    double total = 0;                   /* of the pieces before this one */
    const vf s = bc(scale);
    vf top = bc(-INF_), top2 = top, rest = top, sum = {0}, sum2 = {0};
    /* the lanes beyond n are -inf, whose exp() adds nothing */
    if (whole < n) top = rest = first_of(ld_part(x + whole, n - whole, 0) * s, n - whole, -INF_);
    for (; i + 2 * VW <= whole; i += 2 * VW) {
        top = vmax(top, s * ld(x + i));
        top2 = vmax(top2, s * ld(x + i + VW));
    }
    for (; i < whole; i += VW) top = vmax(top, s * ld(x + i));
    const vf m = bc(max_of_lanes(vmax(top, top2)));
    if (logarithm) {
        for (i = 0, end = 0; i < whole; ) {
            if (end) { total += (double)sum_of_lanes(sum); sum = (vf){0}; }
            end = whole - i < ROW_PIECE ? whole : i + ROW_PIECE;
            for (; i < end; i += VW) sum += vexp_near_unit(s * ld(x + i) - m);
        }
        if (whole < n) sum += vexp_near_unit(rest - m);
        const vf l = vlog(bc((float)(total + (double)sum_of_lanes(sum))));
        for (i = 0; i < whole; i += VW) st(y + i, s * ld(x + i) - m - l);
        if (whole < n) st_part(y + whole, rest - m - l, n - whole);
        return;
    }
    for (i = 0, end = 0; i < whole; ) {
        if (end) { total += (double)sum_of_lanes(sum + sum2); sum = sum2 = (vf){0}; }
        end = whole - i < ROW_PIECE ? whole : i + ROW_PIECE;
        for (; i + 2 * VW <= end; i += 2 * VW) {
            vf a = vexp_near(s * ld(x + i) - m, 1), b = vexp_near(s * ld(x + i + VW) - m, 1);
            st(y + i, a);
            st(y + i + VW, b);
            sum += a;
            sum2 += b;
        }
        if (i < end) { vf a = vexp_near(s * ld(x + i) - m, 1); st(y + i, a); sum += a; i += VW; }
    }
    if (whole < n) sum2 += rest = vexp_near(rest - m, 1);
    const vf k = bc(1.f / (float)(total + (double)sum_of_lanes(sum + sum2)));
    for (i = 0; i < whole; i += VW) st(y + i, ld(y + i) * k);
    if (whole < n) st_part(y + whole, rest * k, n - whole);
}

/* total += sum, which becomes 0. */
static __attribute__((noinline)) vf softmax_piece(vf sum, double *total)
{
    float part[VW];
    st(part, sum);
    add_to_total(total, part, VW, 0);
    return (vf){0};
}
static __attribute__((noinline)) vf softmax_total(vf sum, double *total)
{
    float part[VW];
    softmax_piece(sum, total);
    rounded_total(total, part, VW);
    return ld(part);
}
/* Along a strided axis, for `lanes` neighbours at once. */
INL void softmax_columns(const float *x, int64_t xs, float *y, int64_t ys, int64_t n, int64_t lanes,
                         int logarithm, float scale)
{
#define LD(p)    (lanes == VW ? ld(p) : ld_part(p, lanes, 0))
#define ST(p, v) do { if (lanes == VW) st(p, v); else st_part(p, v, lanes); } while (0)
    const vf s = bc(scale);
    vf top = bc(-INF_), sum = {0};
    double total[VW] = {0};
    int64_t i = 0, end = 0;
#define NEXT_PIECE \
    if (end) sum = softmax_piece(sum, total); \
    end = n - i < COLUMN_PIECE ? n : i + COLUMN_PIECE
    for (int64_t j = 0; j < n; j++) top = vmax(top, s * LD(x + j * xs));
    if (logarithm) {
        while (i < n) {
            NEXT_PIECE;
            for (; i < end; i++) sum += vexp_near_unit(s * LD(x + i * xs) - top);
        }
        if (n > COLUMN_PIECE) sum = softmax_total(sum, total);
        sum = vlog(sum);
        for (i = 0; i < n; i++) ST(y + i * ys, s * LD(x + i * xs) - top - sum);
        return;
    }
    while (i < n) {
        NEXT_PIECE;
        for (; i < end; i++) {
            vf e = vexp_near(s * LD(x + i * xs) - top, 1);
            ST(y + i * ys, e);
            sum += e;
        }
    }
    if (n > COLUMN_PIECE) sum = softmax_total(sum, total);
#undef NEXT_PIECE
    sum = 1 / sum;
    for (i = 0; i < n; i++) ST(y + i * ys, LD(y + i * ys) * sum);
#undef LD
#undef ST
}
static __attribute__((noinline)) void softmax_plane(const float *x, int64_t xs, float *y, int64_t ys,
                                                    int64_t n, int64_t inner, int logarithm, float scale)
{
    int64_t j = 0;
    for (; j + VW <= inner; j += VW) softmax_columns(x + j, xs, y + j, ys, n, VW, logarithm, scale);
    if (j < inner) softmax_columns(x + j, xs, y + j, ys, n, inner - j, logarithm, scale);
}
#endif
