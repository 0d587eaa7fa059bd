/* The places of what is not zero, in row-major order, as many as there turn out to be.
 *
 * x contiguous, n elements of `size` bytes (1, 2, 4, 8) over axes dims[0..rank), rank 1 to 8; floats have -0: of
 * `signless` ones the sign does not count. y: how many there are, m; then [rank][m] indices. So y has 1 + rank * n
 * elements, of which the first 1 + rank * m are written, and some of those behind it. n < 2^31.
 *
 * First all numbers of elements that are not zero, packed without a branch, then these in axes.
 * Kernel tile: all, for each place depends on how many are before it. */
#ifndef NONZERO_H
#define NONZERO_H
#include "api.h"
#include "vec.h"
#define NONZERO_FIELDS(B, I, F, A) B(x) B(y) A(dims, 8) I(rank) I(n) I(size) I(signless)
PARAMS(nonzero_t, NONZERO_FIELDS)

#define PACK_NONZERO(bits) \
static int64_t pack_nonzero##bits(const void *x_, int64_t n, int signless, int64_t *y) \
{ \
    const uint##bits##_t *x = x_, mask = (uint##bits##_t)~(uint##bits##_t)0 >> signless; \
    int64_t m = 0; \
    for (int64_t i = 0; i < n; i++) { y[m] = i; m += (x[i] & mask) != 0; } \
    return m; \
}
PACK_NONZERO(8)
PACK_NONZERO(16)
PACK_NONZERO(32)
PACK_NONZERO(64)

static void nonzero_all(const nonzero_t *A, const void *x, int64_t *y)
{
    int64_t *first = y + 1;
    const int64_t m = (A->size == 1 ? pack_nonzero8 : A->size == 2 ? pack_nonzero16 : A->size == 4 ? pack_nonzero32
                       : pack_nonzero64)(x, A->n, A->signless != 0, first);
    y[0] = m;
    for (int64_t axis = A->rank - 1; axis > 0; axis--) {
        const uint32_t d = (uint32_t)A->dims[axis];
        for (int64_t j = 0; j < m; j++) {
            const uint32_t at = (uint32_t)first[j], outer = at / d;
            first[axis * m + j] = at - outer * d;
            first[j] = outer;
        }
    }
}
#endif
