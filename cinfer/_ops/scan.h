/* Running sums and products along one axis of a strided tensor.
 *
 * y[kept, i] = op of x[kept, 0 ... i], or where `exclusive` is set of those before i, 0 or 1 where there are none
 *
 * op: 0 sum, 1 product. element: code of float32, float64, int32 or int64 (strided.h); float32 in float64, of which
 * each y is rounded once; integers wrap. One after another, so long sums are as good as ops/ has them.
 *
 * dims are the kept axes, dims[3] the innermost; xs, ys their strides; n is the size of the axis, rs and rt its
 * strides in x and y, negative to run backwards; all in elements. y does not overlap x.
 * Kernel tile: `outer` of the outer kept indices dims[0..2] in row-major order, of each `columns` along dims[3].
 * Where these are neighbours, PIECE of them run side by side, else ABREAST. */
#ifndef SCAN_H
#define SCAN_H
#include "arithmetic.h"
enum { ABREAST = 8 };

typedef void (*scan_fn)(const void *x, int64_t xs, int64_t rs, void *y, int64_t ys, int64_t rt, int64_t n,
                        int64_t width, int exclusive);
/* sum: what total and v join to */
#define SCAN(name, type, wide, start, sum) \
INL void some_##name(const type *x, int64_t xs, int64_t rs, type *y, int64_t ys, int64_t rt, int64_t n, \
                     int64_t width, int exclusive, wide *t) \
{ \
    for (int64_t k = 0; k < width; k++) t[k] = start; \
    for (int64_t i = 0; i < n; i++, x += rs, y += rt) \
        for (int64_t k = 0; k < width; k++) { \
            const wide total = t[k], v = (wide)x[k * xs], next = (wide)(sum); \
            y[k * ys] = (type)(exclusive ? total : next); \
            t[k] = next; \
        } \
} \
static void name(const void *x_, int64_t xs, int64_t rs, void *y_, int64_t ys, int64_t rt, int64_t n, \
                 int64_t width, int exclusive) \
{ \
    const type *x = x_; \
    type *y = y_; \
    wide t[PIECE]; \
    for (int64_t m; width > 0; width -= m, x += m * xs, y += m * ys) { \
        if (xs == 1 && ys == 1 && width > 1) { \
            m = width < PIECE ? width : PIECE; \
            if (exclusive) some_##name(x, 1, rs, y, 1, rt, n, m, 1, t); \
            else some_##name(x, 1, rs, y, 1, rt, n, m, 0, t); \
        } else if (width >= ABREAST) { \
            m = ABREAST; \
            some_##name(x, xs, rs, y, ys, rt, n, ABREAST, exclusive, t); \
        } else { \
            m = 1; \
            some_##name(x, xs, rs, y, ys, rt, n, 1, exclusive, t); \
        } \
    } \
}
#define SCANS(how, START, FLOAT, INT) \
    SCAN(how##_f32, float, double, START, FLOAT(double, , total, v)) \
    SCAN(how##_f64, double, double, START, FLOAT(double, , total, v)) \
    SCAN(how##_i32, int32_t, int32_t, START, INT(int32_t, uint32_t, total, v)) \
    SCAN(how##_i64, int64_t, int64_t, START, INT(int64_t, uint64_t, total, v))
SCANS(running_sum, 0, FLOAT_add, INT_add)
SCANS(running_product, 1, FLOAT_mul, INT_mul)
static scan_fn scan_of(int64_t op, int64_t element)
{
    static const scan_fn scans[][W_COUNT] = {
        {running_sum_i32, running_sum_i64, running_sum_f32, running_sum_f64},
        {running_product_i32, running_product_i64, running_product_f32, running_product_f64}};
    return scans[op][element_wide[element]];
}
#endif
