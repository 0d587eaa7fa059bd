/* One of two, and whether: Where, comparisons and logic over strided tensors of up to 6 axes.
 *
 * choose, op
 *   0 where             y = c ? a : b; c bool, the others of one type
 *   1 equal  2 greater  3 greater or equal   y = a op b, y bool; less is greater with a and b exchanged
 *   4 and  5 or  6 xor  y = a op b, all bool
 *
 * element: code of the type of a and b (strided.h); comparisons know bool, uint8, int32, int64 and float32.
 * Strides are in elements, may be 0 or negative; dims[5] is the innermost axis. The outer indices, the
 * product of dims[0..4] in row-major order, are cut into tiles of `outer` each. y overlaps no input. */
#ifndef CHOOSE_H
#define CHOOSE_H
#include "strided.h"
#define CHOOSE_FIELDS(B, I, F, A) B(c) B(a) B(b) B(y) A(dims, 6) A(cs, 6) A(as, 6) A(bs, 6) A(ys, 6) I(op) \
    I(element) I(outer)
PARAMS(choose_t, CHOOSE_FIELDS)
enum { CHOOSE_where, CHOOSE_equal, CHOOSE_greater, CHOOSE_greater_equal, CHOOSE_and, CHOOSE_or, CHOOSE_xor };

typedef void (*choose_fn)(const uint8_t *c, const void *a, const void *b, void *y, int64_t n);
#define CHOICE(name, type, result, expression) \
static void name(const uint8_t *c, const void *a_, const void *b_, void *y_, int64_t n) \
{ \
    const type *a = a_, *b = b_; \
    result *y = y_; \
    (void)c; \
    for (int64_t i = 0; i < n; i++) y[i] = (expression); \
}
/* by masks, which compilers vectorise everywhere */
CHOICE(where_1, uint8_t, uint8_t, b[i] ^ ((a[i] ^ b[i]) & (uint8_t)-(uint8_t)(c[i] != 0)))
CHOICE(where_2, uint16_t, uint16_t, b[i] ^ ((a[i] ^ b[i]) & (uint16_t)-(uint16_t)(c[i] != 0)))
CHOICE(where_4, uint32_t, uint32_t, b[i] ^ ((a[i] ^ b[i]) & (uint32_t)-(uint32_t)(c[i] != 0)))
CHOICE(where_8, uint64_t, uint64_t, b[i] ^ ((a[i] ^ b[i]) & (uint64_t)-(uint64_t)(c[i] != 0)))
#define COMPARISONS(type) \
    CHOICE(equal_##type, type, uint8_t, a[i] == b[i]) \
    CHOICE(greater_##type, type, uint8_t, a[i] > b[i]) \
    CHOICE(greater_equal_##type, type, uint8_t, a[i] >= b[i])
COMPARISONS(uint8_t)
COMPARISONS(int32_t)
COMPARISONS(int64_t)
COMPARISONS(float)
CHOICE(bool_and, uint8_t, uint8_t, a[i] & b[i])
CHOICE(bool_or, uint8_t, uint8_t, a[i] | b[i])
CHOICE(bool_xor, uint8_t, uint8_t, a[i] ^ b[i])

static choose_fn choice(int64_t op, int64_t element)
{
    static const choose_fn where[] = {[1] = where_1, [2] = where_2, [4] = where_4, [8] = where_8};
    static const choose_fn compare[][3] = {
        {equal_uint8_t, greater_uint8_t, greater_equal_uint8_t},
        {equal_int32_t, greater_int32_t, greater_equal_int32_t},
        {equal_int64_t, greater_int64_t, greater_equal_int64_t},
        {equal_float, greater_float, greater_equal_float}};
    static const choose_fn logic[] = {bool_and, bool_or, bool_xor};
    if (op == CHOOSE_where) return where[element_size[element]];
    if (op >= CHOOSE_and) return logic[op - CHOOSE_and];
    return compare[element == E_float32 ? 3 : element == E_int64 ? 2 : element == E_int32][op - CHOOSE_equal];
}

/* One row of any strides, in pieces. */
static void choose_row(choose_fn f, const uint8_t *c, int64_t cs, const char *a, int64_t as, const char *b,
                       int64_t bs, char *y, int64_t ys, int64_t n, int size, int result)
{
    char s[8 * PIECE] __attribute__((aligned(64))), t[8 * PIECE] __attribute__((aligned(64)));
    uint8_t w[PIECE];
    for (int64_t m; n > 0; n -= m, a += m * as * size, b += m * bs * size, y += m * ys * result) {
        m = n < PIECE ? n : PIECE;
        const void *u = beside(a, as, s, m, size), *v = beside(b, bs, t, m, size);
        const uint8_t *which = c ? beside(c, cs, w, m, 1) : NULL;
        f(which, u, v, ys == 1 ? (void *)y : s, m);
        if (ys != 1) row_move(s, 1, y, ys, m, result);
        if (c) c += m * cs;
    }
}

/* A plane: rows cr, ar, br, yr elements apart. */
static void choose_plane(choose_fn f, const uint8_t *c, int64_t cr, int64_t cs, const char *a, int64_t ar,
                         int64_t as, const char *b, int64_t br, int64_t bs, char *y, int64_t yr, int64_t ys,
                         int64_t rows, int64_t n, int size, int result)
{
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(cr, cs) SWAP(ar, as) SWAP(br, bs) SWAP(yr, ys))
    for (int64_t r = 0; r < rows; r++)
        choose_row(f, c ? c + r * cr : NULL, cs, a + r * ar * size, as, b + r * br * size, bs,
                   y + r * yr * result, ys, n, size, result);
}
#endif
