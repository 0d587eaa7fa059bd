/* y[r, d, j] = v[d is the class i[r, j]], the new axis d of `depth` classes at any place.
 *
 * i contiguous [rows][n], of any element type (strided.h): a class below 0 counts from the end; floats are cut
 * behind that; what is no class (beyond the axis, NaN) is v[0] everywhere. v: v[0] off and v[1] on, vs elements
 * apart. y contiguous [rows][depth][n]. Elements of v and y are `size` bytes (1, 2, 4, 8); no size is 0.
 * Kernel tile: `outer` of rows, of each `columns` of n. */
#ifndef ONEHOT_H
#define ONEHOT_H
#include "indexed.h"

/* n classes -> o[k] = class * step, BEYOND for none */
#define CLASSES(name, type, number, cut) \
static void classes_##name(const void *i_, int64_t n, int64_t depth, int64_t step, int64_t *o) \
{ \
    const type *i = i_; \
    for (int64_t k = 0; k < n; k++) { \
        number v = (number)i[k]; \
        v = cut(v < 0 ? v + (number)depth : v); \
        o[k] = v >= 0 && v < (number)depth ? (int64_t)v * step : BEYOND; \
    } \
}
#define WHOLE(v) (v)
CLASSES(i32, int32_t, int64_t, WHOLE)
CLASSES(i64, int64_t, int64_t, WHOLE)
CLASSES(f32, float, double, __builtin_trunc)
CLASSES(f64, double, double, __builtin_trunc)
static void (*const classes[W_COUNT])(const void *, int64_t, int64_t, int64_t, int64_t *) = {
    classes_i32, classes_i64, classes_f32, classes_f64};

/* n neighbours of one row; y: those of class 0 */
static void onehot_row(const char *i, int64_t element, const char *on, char *y, int64_t step, int64_t depth, int64_t n,
                       int size)
{
    int64_t o[PIECE];
    int32_t wide[PIECE];
    for (int64_t m; n > 0; n -= m, i += m * element_size[element], y += m * size) {
        m = n < PIECE ? n : PIECE;
        const void *p = i;
        if (widen[element]) { widen[element](i, wide, m, NULL); p = wide; }
        classes[element_wide[element]](p, m, depth, step, o);
#define PUT_ON(type) put_##type((const type *)on, 0, o, (type *)y, 1, m)
        BY_SIZE(size, PUT_ON)
    }
}
#endif
