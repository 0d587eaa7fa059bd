/* One of two: y = c ? a : b over strided tensors of up to 6 axes; c bool, the others elements of `size` bytes (1, 2,
 * 4, 8).
 *
 * Strides are in elements, may be 0 or negative; dims[5] is the innermost axis. The outer indices, the
 * product of dims[0..4] in row-major order, are cut into tiles of `outer` each. y overlaps no input. */
#ifndef CHOOSE_H
#define CHOOSE_H
#include "strided.h"

typedef void (*choose_fn)(const uint8_t *c, const void *a, const void *b, void *y, int64_t n);
/* by masks, which compilers vectorise everywhere */
#define WHERE(size, type) \
static void where_##size(const uint8_t *c, const void *a_, const void *b_, void *y_, int64_t n) \
{ \
    const type *a = a_, *b = b_; \
    type *y = y_; \
    for (int64_t i = 0; i < n; i++) y[i] = b[i] ^ ((a[i] ^ b[i]) & (type)-(type)(c[i] != 0)); \
}
WHERE(1, uint8_t)
WHERE(2, uint16_t)
WHERE(4, uint32_t)
WHERE(8, uint64_t)
static const choose_fn where[] = {[1] = where_1, [2] = where_2, [4] = where_4, [8] = where_8};

/* One row of any strides, in pieces. */
static void choose_row(choose_fn f, const uint8_t *c, int64_t cs, const char *a, int64_t as, const char *b,
                       int64_t bs, char *y, int64_t ys, int64_t n, int size)
{
    char s[8 * PIECE] __attribute__((aligned(64))), t[8 * PIECE] __attribute__((aligned(64)));
    uint8_t w[PIECE];
    for (int64_t m; n > 0; n -= m, c += m * cs, a += m * as * size, b += m * bs * size, y += m * ys * size) {
        m = n < PIECE ? n : PIECE;
        const void *u = beside(a, as, s, m, size), *v = beside(b, bs, t, m, size);
        f(beside(c, cs, w, m, 1), u, v, ys == 1 ? (void *)y : s, m);
        if (ys != 1) row_move(s, 1, y, ys, m, size);
    }
}

/* A plane: rows cr, ar, br, yr elements apart. */
static void choose_plane(choose_fn f, const uint8_t *c, int64_t cr, int64_t cs, const char *a, int64_t ar,
                         int64_t as, const char *b, int64_t br, int64_t bs, char *y, int64_t yr, int64_t ys,
                         int64_t rows, int64_t n, int size)
{
    if (SHORT_ROWS(n, rows)) SWAP_AXES(SWAP(cr, cs) SWAP(ar, as) SWAP(br, bs) SWAP(yr, ys))
    for (int64_t r = 0; r < rows; r++)
        choose_row(f, c + r * cr, cs, a + r * ar * size, as, b + r * br * size, bs,
                   y + r * yr * size, ys, n, size);
}
#endif
