/* Elements picked and put by indices, whatever their type: all of Gather and Scatter, over up to 6 axes.
 *
 * gather   y[p] = x[p, at(p)]
 * scatter  y[p, at(p)] = u[p], or what is there + * max min u[p]
 *
 * p walks dims; each tensor has its strides over it, 0 where it does not depend on an axis. The indices of p
 * are `count` numbers, ks apart, from i[p] on, int64 where `wide` is set, else int32; number j is 0 to
 * sizes[j] - 1, or from -sizes[j] on counts from the end, and at(p) is the sum of index times steps[j]. Strides and
 * steps are in elements of `size` bytes (1, 2, 4, 8), those of i in indices. No size is 0. Where an index is beyond
 * its axis, nothing is read or written, and the job refuses (api.h).
 *
 * Kernel tile of gather: `outer` of the outer indices dims[0..4] in row-major order. Of scatter, where many p may
 * mean one place: all happens in the order of dims[2..3]; along the other axes places always differ. A tile is
 * `outer` of dims[0..1] and `columns` of dims[5]. op, element: NumPy's operation in the type (strided.h), one of
 * float32, float64, int32, int64; for op none none is asked. */
#ifndef INDEXED_H
#define INDEXED_H
#include "strided.h"
enum { PUT_none, PUT_add, PUT_mul, PUT_max, PUT_min };

static const int64_t BEYOND = INT64_MIN;
typedef struct { int64_t count, ks, wide; const int64_t *sizes, *steps; int refused; } indices_t;
/* n places -> o[]; BEYOND for what is none */
#define PLACES(type) \
INL void places_of_##type(indices_t *f, const type *i, int64_t is, int64_t n, int64_t *o, int64_t count) \
{ \
    int any = 0; \
    for (int64_t k = 0; k < n; k++) { \
        uint64_t sum = 0; \
        int wrong = 0; \
        for (int64_t j = 0; j < count; j++) { \
            int64_t v = i[k * is + j * f->ks]; \
            v += v < 0 ? f->sizes[j] : 0; \
            wrong |= (uint64_t)v >= (uint64_t)f->sizes[j]; \
            sum += (uint64_t)v * (uint64_t)f->steps[j]; \
        } \
        o[k] = wrong ? BEYOND : (int64_t)sum; \
        any |= wrong; \
    } \
    f->refused |= any; \
} \
static __attribute__((noinline)) void places_##type(indices_t *f, const type *i, int64_t is, int64_t n, int64_t *o) \
{ \
    if (f->count == 1) places_of_##type(f, i, is, n, o, 1); \
    else places_of_##type(f, i, is, n, o, f->count); \
}
PLACES(int64_t)
PLACES(int32_t)
INL void places(indices_t *f, const char *i, int64_t is, int64_t n, int64_t *o)
{
    if (f->wide) places_int64_t(f, (const int64_t *)i, is, n, o);
    else places_int32_t(f, (const int32_t *)i, is, n, o);
}

/* y[k] = x[o[k]] and y[o[k]] = u[k] */
#define PICK_PUT(type) \
static void pick_##type(const type *x, int64_t xs, const int64_t *o, type *y, int64_t ys, int64_t n) \
{ \
    for (int64_t k = 0; k < n; k++) if (o[k] != BEYOND) y[k * ys] = x[o[k] + k * xs]; \
} \
static void put_##type(const type *u, int64_t us, const int64_t *o, type *y, int64_t ys, int64_t n) \
{ \
    for (int64_t k = 0; k < n; k++) if (o[k] != BEYOND) y[o[k] + k * ys] = u[k * us]; \
}
PICK_PUT(uint8_t)
PICK_PUT(uint16_t)
PICK_PUT(uint32_t)
PICK_PUT(uint64_t)
#define BY_SIZE(size, call) \
    switch (size) { \
    case 1: call(uint8_t); break; \
    case 2: call(uint16_t); break; \
    case 4: call(uint32_t); break; \
    default: call(uint64_t); \
    }

static void pick_row(indices_t *f, const char *x, int64_t xs, const char *i, int64_t is, char *y, int64_t ys,
                       int64_t n, int size)
{
    int64_t o[PIECE];
    if (is == 0) {
        places(f, i, 0, 1, o);
        if (*o != BEYOND) row_move(x + *o * size, xs, y, ys, n, size);
        return;
    }
    for (int64_t m; n > 0; n -= m, x += m * xs * size, i += m * is * (f->wide ? 8 : 4), y += m * ys * size) {
        m = n < PIECE ? n : PIECE;
        places(f, i, is, m, o);
#define PICK(type) pick_##type((const type *)x, xs, o, (type *)y, ys, m)
        BY_SIZE(size, PICK)
    }
}
static void pick_plane(indices_t *f, const char *x, int64_t xr, int64_t xs, const char *i, int64_t ir, int64_t is,
                         char *y, int64_t yr, int64_t ys, int64_t rows, int64_t n, int size)
{
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(xr, xs) SWAP(ir, is) SWAP(yr, ys))
    for (int64_t r = 0; r < rows; r++)
        pick_row(f, x + r * xr * size, xs, i + r * ir * (f->wide ? 8 : 4), is, y + r * yr * size, ys, n, size);
}

/* as NumPy: integers wrap, NaN wins */
#define JOINS(type, add, mul) \
static void join_##type(int64_t op, const type *u, int64_t us, const int64_t *o, type *y, int64_t ys, int64_t n) \
{ \
    for (int64_t k = 0; k < n; k++) { \
        if (o[k] == BEYOND) continue; \
        type *to = y + o[k] + k * ys, a = *to, b = u[k * us]; \
        *to = op == PUT_add ? (type)(add) : op == PUT_mul ? (type)(mul) \
            : op == PUT_max ? (a > b || a != a ? a : b) : (a < b || a != a ? a : b); \
    } \
}
JOINS(float, a + b, a * b)
JOINS(double, a + b, a * b)
JOINS(int32_t, (uint32_t)a + (uint32_t)b, (uint32_t)a * (uint32_t)b)
JOINS(int64_t, (uint64_t)a + (uint64_t)b, (uint64_t)a * (uint64_t)b)

static void put_row(indices_t *f, const char *u, int64_t us, const char *i, int64_t is, char *y, int64_t ys,
                        int64_t n, int size, int64_t op, int64_t element)
{
    int64_t o[PIECE];
    if (is == 0 && op == PUT_none) {
        places(f, i, 0, 1, o);
        if (*o != BEYOND) row_move(u, us, y + *o * size, ys, n, size);
        return;
    }
    for (int64_t m; n > 0; n -= m, u += m * us * size, i += m * is * (f->wide ? 8 : 4), y += m * ys * size) {
        m = n < PIECE ? n : PIECE;
        places(f, i, is, m, o);
#define PUT(type) put_##type((const type *)u, us, o, (type *)y, ys, m)
#define JOIN(type) join_##type(op, (const type *)u, us, o, (type *)y, ys, m)
        if (op == PUT_none) BY_SIZE(size, PUT)
        else if (element == E_float32) JOIN(float);
        else if (element == E_float64) JOIN(double);
        else if (element == E_int32) JOIN(int32_t);
        else JOIN(int64_t);
    }
}
#endif
