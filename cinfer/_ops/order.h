/* The largest along an axis: its place (ArgMax, ArgMin), or the k first with their places (TopK).
 *
 * extreme  y[kept] = the place of the largest x[kept, :], int64; of equals the first, or the last where
 *          `last` is set; a NaN is beyond all others. smallest: the place of the smallest
 * top      the k first of x[kept, :] in descending order (smallest: ascending) -> values v and places i,
 *          int64; of equals the lower place first; a NaN is the largest
 *
 * dims are the kept axes, dims[3] the innermost; xs, ys their strides, v and i alike; n is the size of the
 * axis, rs its stride in x, ks that in v and i; all in elements. element: code of the type (strided.h), of uint32 and
 * uint64 that of int32 and int64 with `no_sign` set. n < 2^31; top needs 8 k bytes of scratch, of 8-byte types 16 k.
 * Kernel tile of extreme: `outer` of the outer kept indices dims[0..2] in row-major order, of each `columns`
 * neighbours along dims[3]. Of top: `outer` of all kept indices.
 *
 * Values are compared as int32 or int64 keys of the same order: -0 equals 0, subnormal numbers differ. */
#ifndef ORDER_H
#define ORDER_H
#include "strided.h"

/* flip: 0, or -1 to turn the order round, the sign with it where it is none; smallest: whether a NaN is last */
typedef struct { int64_t element, flip, nan_last; } keys_t;
static keys_t keys_of(int64_t element, int64_t no_sign, int64_t smallest, int nan_first)
{
    const int64_t sign = no_sign ? INT64_MIN >> (element_size[element] == 4 ? 32 : 0) : 0;
    return (keys_t){element, (smallest ? -1 : 0) ^ sign, !nan_first && smallest};
}
INL int is_wide(const keys_t *f) { return element_size[f->element] == 8; }

/* An entry of TopK is the key above the place counted backwards, so that no two are equal and the lower place is the
 * larger entry. */
typedef uint64_t entry32_t;
INL entry32_t entry32(int32_t key, int64_t place)
{
    return (uint64_t)((uint32_t)key ^ 0x80000000u) << 32 | (0xffffffffu - (uint32_t)place);
}
INL int64_t place32(entry32_t e) { return 0xffffffffu - (uint32_t)e; }
INL int32_t key32(entry32_t e) { return (int32_t)((uint32_t)(e >> 32) ^ 0x80000000u); }
INL int below32(entry32_t a, entry32_t b) { return a < b; }
typedef struct { int64_t key, place; } entry64_t;
INL entry64_t entry64(int64_t key, int64_t place) { return (entry64_t){key, place}; }
INL int64_t place64(entry64_t e) { return e.place; }
INL int64_t key64(entry64_t e) { return e.key; }
INL int below64(entry64_t a, entry64_t b) { return (a.key < b.key) | ((a.key == b.key) & (a.place > b.place)); }

#define BITS 32
#include "order_keys.h"
#undef BITS
#define BITS 64
#include "order_keys.h"
#undef BITS

static int64_t extreme_row(const keys_t *f, const char *x, int64_t rs, int64_t n, int last)
{
    return is_wide(f) ? extreme_row64(f, x, rs, n, last) : extreme_row32(f, x, rs, n, last);
}
static void extreme_columns(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t width, int last, int64_t *y,
                            int64_t ys)
{
    (is_wide(f) ? extreme_columns64 : extreme_columns32)(f, x, rs, n, width, last, y, ys);
}
static void top_row(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t k, void *scratch, char *v,
                    int64_t *places, int64_t ks)
{
    (is_wide(f) ? top_row64 : top_row32)(f, x, rs, n, k, scratch, v, places, ks);
}
#endif
