/* Elements of any type at any stride: rows of them moved, their types widened and narrowed.
 *
 * row_move  y[i*ys] = x[i*xs], n elements of 1, 2, 4 or 8 bytes; their bits are not looked at
 * widen     the stage that makes a row of a narrow type wide, NULL where it is wide already; bool and
 *           integers below 4 bytes become int32, float16 becomes float32
 * narrow    the reverse: integers are cut to their low bits, float32 is rounded half to even
 *
 * Element codes follow ELEMENTS; names are NumPy's. float16 is converted by instructions from AVX2 on, else
 * in integers, and never flushed. Nothing beyond the n elements is read or written. */
#ifndef STRIDED_H
#define STRIDED_H
#include "elementwise.h"

/* X(name, bytes, wide type): the wide types are i32, i64, f32, f64 */
#define ELEMENTS(X) X(bool, 1, i32) X(uint8, 1, i32) X(int8, 1, i32) X(uint16, 2, i32) X(int16, 2, i32) \
    X(int32, 4, i32) X(int64, 8, i64) X(float16, 2, f32) X(float32, 4, f32) X(float64, 8, f64)
#define ELEMENT_ENUM(name, bytes, wide) E_##name,
#define ELEMENT_NAME(name, bytes, wide) #name " "
#define ELEMENT_SIZE(name, bytes, wide) bytes,
#define ELEMENT_WIDE(name, bytes, wide) W_##wide,
enum { ELEMENTS(ELEMENT_ENUM) E_COUNT };
enum { W_i32, W_i64, W_f32, W_f64, W_COUNT };
static const char element_names[] __attribute__((unused)) = ELEMENTS(ELEMENT_NAME);
static const int8_t element_size[] = {ELEMENTS(ELEMENT_SIZE)}, element_wide[] = {ELEMENTS(ELEMENT_WIDE)};

#define ROW_MOVE(type) \
static __attribute__((noinline)) void row_move_##type(const type *x, int64_t xs, type *y, int64_t ys, \
                                                      int64_t n) \
{ \
    if (ys != 1) for (int64_t i = 0; i < n; i++) y[i * ys] = x[i * xs]; \
    else if (xs == 1) memmove(y, x, n * sizeof(type)); \
    else if (xs == 0) for (int64_t i = 0; i < n; i++) y[i] = *x; \
    else if (xs == 3) for (int64_t i = 0; i < n; i++) y[i] = x[3 * i]; \
    else for (int64_t i = 0; i < n; i++) y[i] = x[i * xs]; \
}
ROW_MOVE(uint8_t)
ROW_MOVE(uint16_t)
ROW_MOVE(uint32_t)
ROW_MOVE(uint64_t)
static inline void row_move(const void *x, int64_t xs, void *y, int64_t ys, int64_t n, int size)
{
    switch (size) {
    case 1:  row_move_uint8_t(x, xs, y, ys, n); break;
    case 2:  row_move_uint16_t(x, xs, y, ys, n); break;
    case 4:  row_move_uint32_t(x, xs, y, ys, n); break;
    default: row_move_uint64_t(x, xs, y, ys, n);
    }
}
/* A row side by side: x itself, or its copy in t. */
static inline const void *beside(const void *x, int64_t xs, void *t, int64_t n, int size)
{
    if (xs == 1) return x;
    row_move(x, xs, t, 1, n, size);
    return t;
}

/* What a stage of quantisation needs beside its row: scales and zero points, step 0 (one for all) or 1. */
typedef struct { const float *s; const void *z; int64_t step; float lo, hi; } scale_t;
typedef void (*stage_fn)(const void *x, void *y, int64_t n, const scale_t *q);
#define STAGE(name, from, to, expression) \
static void name(const void *from_, void *to_, int64_t n, const scale_t *q) \
{ \
    const from *x = from_; \
    to *y = to_; \
    (void)q; \
    for (int64_t i = 0; i < n; i++) y[i] = (to)(expression); \
}
STAGE(widen_uint8, uint8_t, int32_t, x[i])
STAGE(widen_int8, int8_t, int32_t, x[i])
STAGE(widen_uint16, uint16_t, int32_t, x[i])
STAGE(widen_int16, int16_t, int32_t, x[i])
STAGE(narrow_8, int32_t, uint8_t, x[i])
STAGE(narrow_16, int32_t, uint16_t, x[i])

static void widen_float16(const void *from, void *to, int64_t n, const scale_t *q)
{
    const uint16_t *x = from;
    float *y = to;
    (void)q;
    for (; n >= VW; n -= VW, x += VW, y += VW) st(y, from_half(x));
    if (n > 0) {
        uint16_t h[VW] = {0};
        memcpy(h, x, n * sizeof *x);
        st_part(y, from_half(h), n);
    }
}
static void narrow_float16(const void *from, void *to, int64_t n, const scale_t *q)
{
    const float *x = from;
    uint16_t *y = to, h[VW];
    (void)q;
    for (; n >= VW; n -= VW, x += VW, y += VW) to_half(y, ld(x));
    if (n > 0) {
        to_half(h, ld_part(x, n, 0));
        memcpy(y, h, n * sizeof *y);
    }
}
static const stage_fn widen[E_COUNT] = {
    [E_bool] = widen_uint8, [E_uint8] = widen_uint8, [E_int8] = widen_int8, [E_uint16] = widen_uint16,
    [E_int16] = widen_int16, [E_float16] = widen_float16};
static const stage_fn narrow[E_COUNT] __attribute__((unused)) = {
    [E_bool] = narrow_8, [E_uint8] = narrow_8, [E_int8] = narrow_8, [E_uint16] = narrow_16,
    [E_int16] = narrow_16, [E_float16] = narrow_float16};
#endif
