/* Reductions of other element types than float32 over any axes of a strided tensor, as NumPy's meanings in ops/ have
 * them: integers wrap.
 *
 * y[kept] = op over all `reduced` of x[kept, reduced]
 *
 * op    as in reduce.h, but for the logarithm of a sum of exponents; the mean of integers is cut towards zero
 * then  1 the square root of it, 2 its logarithm, of float64
 * dims, xs, ys, rdims, rs as in reduce.h, in elements. element: code of the type (strided.h), one of FOLD_TYPES.
 * Kernel tile: as in reduce.h. Each type is joined in itself, for a mean in int64. Order: one after another where the
 * kept elements are neighbours, else in FLOAT_LANES beside each other, in pieces of PIECE: float64 needs no shorter
 * sums. */
#ifndef FOLD_H
#define FOLD_H
#include "arithmetic.h"
#include "reduce.h"
/* X(name, type, u as arithmetic.h has it, least, most) */
#define FOLD_INTS(X) X(bool, uint8_t, uint32_t, 0, 1) X(uint8, uint8_t, uint32_t, 0, UINT8_MAX) \
    X(int8, int8_t, uint32_t, INT8_MIN, INT8_MAX) X(uint16, uint16_t, uint32_t, 0, UINT16_MAX) \
    X(int16, int16_t, uint32_t, INT16_MIN, INT16_MAX) X(int32, int32_t, uint32_t, INT32_MIN, INT32_MAX) \
    X(int64, int64_t, uint64_t, INT64_MIN, INT64_MAX)
#define FOLD_TYPES(X) FOLD_INTS(X) X(float64, double, , -INF_, INF_)
enum { INT_LANES = 1, FLOAT_LANES = 16 };          /* compilers see to integers: any order gives the same */

/* start t[0..n-1]; x[j] joined into t[j]; all of x joined into *t */
typedef void (*fold_fn)(const void *x, void *t, int64_t n);
#define FOLD_OF(name, type, wide, lanes, start, join, term) \
static void start_##name(const void *x_, void *t_, int64_t n) \
{ \
    wide *t = t_; \
    (void)x_; \
    for (int64_t j = 0; j < n; j++) t[j] = start; \
} \
static void beside_##name(const void *x_, void *t_, int64_t n) \
{ \
    const type *x = x_; \
    wide *t = t_; \
    for (int64_t j = 0; j < n; j++) { const wide v = x[j], a = t[j], b = (term); t[j] = (join); } \
} \
static void along_##name(const void *x_, void *t_, int64_t n) \
{ \
    const type *x = x_; \
    wide *t = t_, s[lanes]; \
    int64_t i = 0; \
    FOR(k, lanes) s[k] = start; \
    for (; i + lanes <= n; i += lanes) \
        FOR(k, lanes) { const wide v = x[i + k], a = s[k], b = (term); s[k] = (join); } \
    for (int64_t k = 0; i < n; i++, k++) { const wide v = x[i], a = s[k], b = (term); s[k] = (join); } \
    for (int h = lanes / 2; h > 0; h /= 2) \
        for (int k = 0; k < h; k++) { const wide a = s[k], b = s[k + h]; s[k] = (join); } \
    { const wide a = *t, b = *s; *t = (join); } \
}
#define FOLDS(KIND, name, type, u, least, most) \
    FOLD_OF(add_##name, type, type, KIND##_LANES, 0, KIND##_add(type, u, a, b), v) \
    FOLD_OF(mul_##name, type, type, KIND##_LANES, 1, KIND##_mul(type, u, a, b), v) \
    FOLD_OF(max_##name, type, type, KIND##_LANES, least, KIND##_max(type, u, a, b), v) \
    FOLD_OF(min_##name, type, type, KIND##_LANES, most, KIND##_min(type, u, a, b), v) \
    FOLD_OF(square_##name, type, type, KIND##_LANES, 0, KIND##_add(type, u, a, b), KIND##_mul(type, u, v, v)) \
    FOLD_OF(abs_##name, type, type, KIND##_LANES, 0, KIND##_add(type, u, a, b), KIND##_abs(type, u, v, ))
/* and n totals t of `count` terms each -> means y */
#define INT_FOLDS(name, type, u, least, most) \
FOLDS(INT, name, type, u, least, most) \
FOLD_OF(mean_##name, type, int64_t, INT_LANES, 0, INT_add(int64_t, uint64_t, a, b), v) \
static void divide_##name(const void *t_, void *y_, int64_t n, int64_t count) \
{ \
    const int64_t *t = t_; \
    type *y = y_; \
    for (int64_t k = 0; k < n; k++) y[k] = (type)(t[k] / count); \
}
FOLD_INTS(INT_FOLDS)
FOLDS(FLOAT, float64, double, , -INF_, INF_)
FOLD_OF(mean_float64, double, double, FLOAT_LANES, 0, a + b, v)
static void divide_float64(const void *t_, void *y_, int64_t n, int64_t count)
{
    const double *t = t_;
    double *y = y_;
    for (int64_t k = 0; k < n; k++) y[k] = t[k] / (double)count;
}

typedef struct { fold_fn start, beside, along; } joins_t;
#define JOINED(name) {start_##name, beside_##name, along_##name}
#define FOLDED(name, type, u, least, most) [E_##name] = { \
    [R_sum] = JOINED(add_##name), [R_mean] = JOINED(mean_##name), [R_max] = JOINED(max_##name), \
    [R_min] = JOINED(min_##name), [R_prod] = JOINED(mul_##name), [R_sumsq] = JOINED(square_##name), \
    [R_abs] = JOINED(abs_##name)},
#define DIVIDED(name, type, u, least, most) [E_##name] = divide_##name,
typedef struct { joins_t joins; int64_t op, then, element; int size, wide; } folder_t;
/* size: of an element; wide: of what it is joined to */
static folder_t folder(int64_t op, int64_t then, int64_t element)
{
    static const joins_t folds[E_COUNT][R_logsumexp] = {FOLD_TYPES(FOLDED)};
    const int size = element_size[element];
    return (folder_t){folds[element][op], op, then, element, size, op == R_mean ? 8 : size};
}
/* n <= PIECE elements, by one of the functions of joins */
static void fold_piece(const folder_t *f, fold_fn fn, const char *x, int64_t xs, int64_t n, void *t)
{
    int64_t raw[PIECE];
    fn(beside(x, xs, raw, n, f->size), t, n);
}
/* n <= PIECE results t of `count` terms each -> y */
static void fold_end(const folder_t *f, void *t, int64_t n, int64_t count, char *y, int64_t ys)
{
    static void (*const divide[E_COUNT])(const void *, void *, int64_t, int64_t) = {FOLD_TYPES(DIVIDED)};
    int64_t raw[PIECE];
    double *d = t;
    if (f->op == R_mean) { divide[f->element](t, raw, n, count); t = raw; }
    if (f->then == 1) for (int64_t k = 0; k < n; k++) d[k] = __builtin_sqrt(d[k]);
    if (f->then == 2) for (int64_t k = 0; k < n; k++) d[k] = __builtin_log(d[k]);
    row_move(t, 1, y, ys, n, f->size);
}
#endif
