/* y = a op b of any element type, over strided tensors of up to 6 axes, as NumPy's meanings in ops/ have it.
 *
 * add sub mul     integers wrap; bool is no number
 * div             integers are truncated towards zero, by 0 give 0, and the least by -1 is itself
 * fmod, mod       the sign of a, of b; integers by 0 give 0
 * min max         NaN wins
 * equal, greater, greater_equal       y is bool; less is greater with a and b exchanged
 * and or xor      bits of integers, bool too
 * abs sign        of a; b is not looked at
 *
 * element: code of the type of a and b (strided.h). Narrow types are computed in int32 and float32, and rounded or
 * cut once. Strides are in elements, may be 0 or negative; dims[5] is the innermost axis. The outer indices, the
 * product of dims[0..4] in row-major order, are cut into tiles of `outer` each. y overlaps an input only where it
 * is that input. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H
#include "strided.h"
#define ARITHMETIC_OPS(X) X(add) X(sub) X(mul) X(div) X(fmod) X(mod) X(min) X(max) X(abs) X(sign) X(equal) \
    X(greater) X(greater_equal)
#define BIT_OPS(X) X(and) X(or) X(xor)
#define ARITHMETIC_ENUM(name) N_##name,
enum { ARITHMETIC_OPS(ARITHMETIC_ENUM) BIT_OPS(ARITHMETIC_ENUM) N_COUNT };
#define ARITHMETIC_NAME(name) #name " "
static const char arithmetic_names[] __attribute__((unused)) = ARITHMETIC_OPS(ARITHMETIC_NAME) BIT_OPS(ARITHMETIC_NAME);

/* of integers: u is the unsigned type */
#define INT_add(type, u, a, b)  ((type)((u)(a) + (u)(b)))
#define INT_sub(type, u, a, b)  ((type)((u)(a) - (u)(b)))
#define INT_mul(type, u, a, b)  ((type)((u)(a) * (u)(b)))
#define INT_div(type, u, a, b)  ((b) == 0 ? 0 : (b) == -1 ? (type)(0 - (u)(a)) : (a) / (b))
#define INT_fmod(type, u, a, b) ((b) == 0 || (b) == -1 ? 0 : (a) % (b))
#define INT_mod(type, u, a, b)  mod_##u(a, b)
#define INT_min(type, u, a, b)  ((a) < (b) ? (a) : (b))
#define INT_max(type, u, a, b)  ((a) > (b) ? (a) : (b))
#define INT_abs(type, u, a, b)  ((a) < 0 ? (type)(0 - (u)(a)) : (a))
#define INT_sign(type, u, a, b) (((a) > 0) - ((a) < 0))
#define INT_and(type, u, a, b)  ((a) & (b))
#define INT_or(type, u, a, b)   ((a) | (b))
#define INT_xor(type, u, a, b)  ((a) ^ (b))
/* of floats: u is the suffix of their functions */
#define FLOAT_add(type, u, a, b)  ((a) + (b))
#define FLOAT_sub(type, u, a, b)  ((a) - (b))
#define FLOAT_mul(type, u, a, b)  ((a) * (b))
#define FLOAT_div(type, u, a, b)  ((a) / (b))
#define FLOAT_fmod(type, u, a, b) __builtin_fmod##u(a, b)
#define FLOAT_mod(type, u, a, b)  python_mod##u(a, b)
#define FLOAT_min(type, u, a, b)  ((a) < (b) || (a) != (a) ? (a) : (b))
#define FLOAT_max(type, u, a, b)  ((a) > (b) || (a) != (a) ? (a) : (b))
#define FLOAT_abs(type, u, a, b)  __builtin_fabs##u(a)
#define FLOAT_sign(type, u, a, b) ((a) != (a) ? (a) : (type)(((a) > 0) - ((a) < 0)))
#define COMPARE_equal(a, b)         ((a) == (b))
#define COMPARE_greater(a, b)       ((a) > (b))
#define COMPARE_greater_equal(a, b) ((a) >= (b))
#define MOD(type, u) \
static inline type mod_##u(type a, type b) \
{ \
    type r = INT_fmod(type, u, a, b); \
    return r && (r < 0) != (b < 0) ? r + b : r; \
}
MOD(int32_t, uint32_t)
MOD(int64_t, uint64_t)
#define PYTHON_MOD(type, u) \
static inline type python_mod##u(type a, type b) \
{ \
    type r = __builtin_fmod##u(a, b); \
    if (b == 0 || r != r) return r; \
    if (r == 0) return __builtin_copysign##u(0, b); \
    return (b < 0) != (r < 0) ? r + b : r; \
}
PYTHON_MOD(float, f)
PYTHON_MOD(double, )

typedef void (*arithmetic_fn)(const void *a, const void *b, void *y, int64_t n);
#define ROW_OF(name, type, result, expression) \
static void name(const void *a_, const void *b_, void *y_, int64_t n) \
{ \
    const type *a = a_, *b = b_; \
    result *y = y_; \
    (void)b; \
    for (int64_t i = 0; i < n; i++) y[i] = (expression); \
}
#define INT_ROWS(name) \
    ROW_OF(name##_i32, int32_t, int32_t, INT_##name(int32_t, uint32_t, a[i], b[i])) \
    ROW_OF(name##_i64, int64_t, int64_t, INT_##name(int64_t, uint64_t, a[i], b[i]))
#define FLOAT_ROWS(name) \
    ROW_OF(name##_f32, float, float, FLOAT_##name(float, f, a[i], b[i])) \
    ROW_OF(name##_f64, double, double, FLOAT_##name(double, , a[i], b[i]))
#define NUMBERS(X) X(add) X(sub) X(mul) X(div) X(fmod) X(mod) X(min) X(max) X(abs) X(sign)
#define COMPARED(X) X(equal) X(greater) X(greater_equal)
#define COMPARE_ROWS(name) \
    ROW_OF(name##_u8, uint8_t, uint8_t, COMPARE_##name(a[i], b[i])) \
    ROW_OF(name##_i32, int32_t, uint8_t, COMPARE_##name(a[i], b[i])) \
    ROW_OF(name##_i64, int64_t, uint8_t, COMPARE_##name(a[i], b[i])) \
    ROW_OF(name##_f32, float, uint8_t, COMPARE_##name(a[i], b[i])) \
    ROW_OF(name##_f64, double, uint8_t, COMPARE_##name(a[i], b[i]))
#define BIT_ROWS(name) ROW_OF(name##_u8, uint8_t, uint8_t, INT_##name(, , a[i], b[i])) INT_ROWS(name)
NUMBERS(INT_ROWS)
NUMBERS(FLOAT_ROWS)
COMPARED(COMPARE_ROWS)
BIT_OPS(BIT_ROWS)

#define NUMBER_ROW(name) [N_##name] = {NULL, name##_i32, name##_i64, name##_f32, name##_f64},
#define COMPARE_ROW(name) [N_##name] = {name##_u8, name##_i32, name##_i64, name##_f32, name##_f64},
#define BIT_ROW(name) [N_##name] = {name##_u8, name##_i32, name##_i64, NULL, NULL},
/* of bytes without a sign as they are, and of the wide types */
static const arithmetic_fn arithmetic_rows[N_COUNT][1 + W_COUNT] = {
    NUMBERS(NUMBER_ROW) COMPARED(COMPARE_ROW) BIT_OPS(BIT_ROW)};

typedef struct { arithmetic_fn f; stage_fn widen, narrow; int size, result; } calculation_t;
static calculation_t calculation(int64_t op, int64_t element)
{
    calculation_t c = {.size = element_size[element]};
    const int compares = op >= N_equal && op <= N_greater_equal;
    c.result = compares ? 1 : c.size;
    if (element == E_bool || element == E_uint8) c.f = arithmetic_rows[op][0];
    if (c.f) return c;
    c.f = arithmetic_rows[op][1 + element_wide[element]];
    c.widen = widen[element];
    if (!compares) c.narrow = narrow[element];
    return c;
}

/* One row of any strides, in pieces. */
static void arithmetic_row(const calculation_t *c, const char *a, int64_t as, const char *b, int64_t bs, char *y,
                           int64_t ys, int64_t n)
{
    char s[8 * PIECE] __attribute__((aligned(64))), t[8 * PIECE] __attribute__((aligned(64)));
    char v[4 * PIECE] __attribute__((aligned(64))), w[4 * PIECE] __attribute__((aligned(64)));
    for (int64_t m; n > 0; n -= m, a += m * as * c->size, b += m * bs * c->size, y += m * ys * c->result) {
        m = n < PIECE ? n : PIECE;
        const void *p = beside(a, as, s, m, c->size), *q = beside(b, bs, t, m, c->size);
        if (c->widen) {
            c->widen(p, v, m, NULL), c->widen(q, w, m, NULL);
            p = v, q = w;
        }
        void *to = ys == 1 ? (void *)y : s;
        if (c->narrow) c->f(p, q, v, m), c->narrow(v, to, m, NULL);
        else c->f(p, q, to, m);
        if (ys != 1) row_move(to, 1, y, ys, m, c->result);
    }
}
static void arithmetic_plane(const calculation_t *c, const char *a, int64_t ar, int64_t as, const char *b, int64_t br,
                             int64_t bs, char *y, int64_t yr, int64_t ys, int64_t rows, int64_t n)
{
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(ar, as) SWAP(br, bs) SWAP(yr, ys))
    for (int64_t r = 0; r < rows; r++)
        arithmetic_row(c, a + r * ar * c->size, as, b + r * br * c->size, bs, y + r * yr * c->result, ys, n);
}
#endif
