/* Reductions over any axes of a strided tensor.
 *
 * y[kept] = op over all `reduced` of x[kept, reduced]
 *
 * op    0 sum, 1 mean, 2 maximum, 3 minimum, 4 product, 5 sum of squares, 6 of magnitudes, 7 logarithm of the sum of
 *       exp(x), less the maximum where that is finite: two passes; NaN wins over 2 and 3
 * dims  the kept axes, dims[3] the innermost, and their strides xs, ys in floats; missing axes are 1
 * rdims the reduced axes and their strides rs
 * Kernel tile: `outer` of the outer kept indices dims[0..2] in row-major order, each with its whole
 * innermost axis. Order where the kept elements are neighbours: RUN terms along rdims[3] one after another
 * into a partial result; else 2*ROW_PIECE terms along rdims[3], side by side in 4 vectors, or ROW_PIECE in
 * one where they are not neighbours, then the lanes pairwise. RUN partial results are joined one after
 * another; what they give is added in float64 where it is a sum (sums.h). So sums are good to 2e-5 of the sum
 * of the magnitudes at any length, to half of that where all terms are alike; RUN * RUN neighbours or one
 * piece of a row are float32 throughout. A product is off by up to 6e-8 for each of its factors. */
#ifndef REDUCE_H
#define REDUCE_H
#include "activation.h"
#include "sums.h"
enum { R_sum, R_mean, R_max, R_min, R_prod, R_sumsq, R_abs, R_logsumexp };

#define JOIN_add(a, b) ((a) + (b))
#define JOIN_mul(a, b) ((a) * (b))
#define JOIN_max(a, b) vmax_nan(a, b)
#define JOIN_min(a, b) vmin_nan(a, b)
#define JOIN_square(a, b) ((a) + (b))
#define JOIN_abs(a, b) ((a) + (b))
#define JOIN_exp(a, b) ((a) + (b))
/* of x, less c where it is an exponent */
#define TERM_add(x, c) (x)
#define TERM_mul(x, c) (x)
#define TERM_max(x, c) (x)
#define TERM_min(x, c) (x)
#define TERM_square(x, c) ((x) * (x))
#define TERM_abs(x, c) vabs(x)
#define TERM_exp(x, c) vexp((x) - (c))
#define START_add 0.f                   /* a term, too, that changes nothing */
#define START_mul 1.f
#define START_max -INF_
#define START_min INF_
#define START_square 0.f
#define START_abs 0.f
#define START_exp 0.f

/* n rows, rs apart, of `lanes` neighbours -> joined into the accumulators at t. Up to 4 vectors at once. c: a number
 * for each neighbour. */
#define REDUCE_FORMS(op) \
INL void columns_##op(const float *x, int64_t rs, int64_t n, float *t, const float *c, int64_t lanes, int vectors) \
{ \
    vf total[4]; \
    FOR(v, vectors) total[v] = lanes >= VW ? ld(t + v * VW) : ld_part(t, lanes, START_##op); \
    while (n > 0) { \
        int64_t m = n < RUN ? n : RUN; \
        vf a[4]; \
        FOR(v, vectors) a[v] = bc(START_##op); \
        for (int64_t i = 0; i < m; i++, x += rs) \
            FOR(v, vectors) { \
                vf e = lanes >= VW ? ld(x + v * VW) : ld_part(x, lanes, 0); \
                a[v] = JOIN_##op(a[v], TERM_##op(e, lanes >= VW ? ld(c + v * VW) : ld_part(c, lanes, 0))); \
            } \
        FOR(v, vectors) total[v] = JOIN_##op(total[v], a[v]); \
        n -= m; \
    } \
    FOR(v, vectors) { if (lanes >= VW) st(t + v * VW, total[v]); else st_part(t, total[v], lanes); } \
} \
static __attribute__((noinline)) void reduce_columns_##op(const float *x, int64_t rs, int64_t n, float *t, \
                                                          const float *c, int64_t width) \
{ \
    int64_t j = 0; \
    for (; j + 4 * VW <= width; j += 4 * VW) columns_##op(x + j, rs, n, t + j, c + j, VW, 4); \
    for (; j + VW <= width; j += VW) columns_##op(x + j, rs, n, t + j, c + j, VW, 1); \
    if (j < width) columns_##op(x + j, rs, n, t + j, c + j, width - j, 1); \
} \
static __attribute__((noinline)) float reduce_row_##op(const float *x, int64_t rs, int64_t n, float c) \
{ \
    vf a[4]; \
    FOR(k, 4) a[k] = bc(START_##op); \
    int64_t i = 0; \
    if (rs == 1) { \
        for (; i + 4 * VW <= n; i += 4 * VW) \
            FOR(k, 4) { vf e = ld(x + i + k * VW); a[k] = JOIN_##op(a[k], TERM_##op(e, c)); } \
        for (; i + VW <= n; i += VW) { vf e = ld(x + i); a[0] = JOIN_##op(a[0], TERM_##op(e, c)); } \
    } \
    for (; i < n; i += VW) { \
        int64_t m = n - i < VW ? n - i : VW; \
        float t[VW]; \
        if (rs != 1) for (int64_t k = 0; k < m; k++) t[k] = x[(i + k) * rs]; \
        vf e = rs == 1 ? ld_part(x + i, m, START_##op) : m < VW ? ld_part(t, m, START_##op) : ld(t); \
        e = TERM_##op(e, c); \
        a[1] = JOIN_##op(a[1], m < VW ? first_of(e, m, START_##op) : e); \
    } \
    a[0] = JOIN_##op(JOIN_##op(a[0], a[1]), JOIN_##op(a[2], a[3])); \
    FOLD(a[0], JOIN_##op); \
    return a[0][0]; \
} \
static float join_##op(float a, float b) { vf r = JOIN_##op(bc(a), bc(b)); return r[0]; }
REDUCE_FORMS(add)
REDUCE_FORMS(mul)
REDUCE_FORMS(max)
REDUCE_FORMS(min)
REDUCE_FORMS(square)
REDUCE_FORMS(abs)
REDUCE_FORMS(exp)

typedef struct {
    float start;
    void (*columns)(const float *x, int64_t rs, int64_t n, float *t, const float *c, int64_t width);
    float (*row)(const float *x, int64_t rs, int64_t n, float c);
    float (*join)(float, float);
} reducer_t;
#define REDUCER(op) {START_##op, reduce_columns_##op, reduce_row_##op, join_##op}
static const reducer_t reducers[] = {
    REDUCER(add), REDUCER(add), REDUCER(max), REDUCER(min), REDUCER(mul), REDUCER(square), REDUCER(abs), REDUCER(exp)};

/* What is taken from exponents of a largest t[k]: that, unless it is not finite. */
static __attribute__((noinline)) void centres(const float *t, float *c, int64_t n)
{
    for (int64_t k = 0; k < n; k++) c[k] = __builtin_fabsf(t[k]) < INF_ ? t[k] : 0;
}
static __attribute__((noinline)) void logarithms(float *t, const float *c, int64_t n)
{
    for (int64_t k = 0; k < n; k += VW) {
        if (n - k < VW) st_part(t + k, vlog(ld_part(t + k, n - k, 1)) + ld_part(c + k, n - k, 0), n - k);
        else st(t + k, vlog(ld(t + k)) + ld(c + k));
    }
}
#endif
