/* The largest along an axis: its place (ArgMax, ArgMin), or the k first with their places (TopK).
 *
 * extreme  y[kept] = the place of the largest x[kept, :], int64; of equals the first, or the last where
 *          `last` is set; a NaN is beyond all others. smallest: the place of the smallest
 * top      the k first of x[kept, :] in descending order (smallest: ascending) -> values v and places i,
 *          int64; of equals the lower place first; a NaN is the largest
 *
 * dims are the kept axes, dims[3] the innermost; xs, ys their strides, v and i alike; n is the size of the
 * axis, rs its stride in x, ks that in v and i; all in elements. element: code of the type (strided.h), one
 * of those that are or widen to int32 or float32. n < 2^31; top needs 8 k bytes of scratch.
 * Kernel tile of extreme: `outer` of the outer kept indices dims[0..2] in row-major order, of each `columns`
 * neighbours along dims[3]. Of top: `outer` of all kept indices.
 *
 * Values are compared as int32 keys of the same order: -0 equals 0, subnormal numbers differ. */
#ifndef ORDER_H
#define ORDER_H
#include "strided.h"
#define EXTREME_FIELDS(B, I, F, A) B(x) B(y) A(dims, 4) A(xs, 4) A(ys, 4) I(n) I(rs) I(element) I(smallest) \
    I(last) I(outer) I(columns)
PARAMS(extreme_t, EXTREME_FIELDS)
#define TOP_FIELDS(B, I, F, A) B(x) B(v) B(i) A(dims, 4) A(xs, 4) A(ys, 4) I(n) I(rs) I(k) I(ks) I(element) \
    I(smallest) I(outer)
PARAMS(top_t, TOP_FIELDS)

/* flip: 0, or -1 to turn the order round; nan: the key of a NaN */
typedef struct { int64_t element; int32_t flip, nan; } keys_t;
INL keys_t keys_of(int64_t element, int64_t smallest, int nan_first)
{
    return (keys_t){element, smallest ? -1 : 0, nan_first || !smallest ? INT32_MAX : INT32_MIN};
}
/* n <= PIECE elements -> keys t */
static __attribute__((noinline)) void to_keys(const keys_t *f, const char *x, int64_t xs, int64_t n,
                                              int32_t *t)
{
    int32_t raw[PIECE], wide[PIECE];
    int size = element_size[f->element];
    stage_fn first = widen[f->element];
    const int32_t *b = beside(x, xs, raw, n, size);
    if (first) { first(b, wide, n, NULL); b = wide; }
    if (element_wide[f->element] == W_i32) {
        for (int64_t i = 0; i < n; i++) t[i] = b[i] ^ f->flip;
        return;
    }
    const int32_t flip = f->flip, nan = f->nan;
    for (int64_t i = 0; i < n; i++) {
        int32_t v = b[i], sign = v >> 31, key = ((v ^ (sign & 0x7fffffff)) - sign) ^ flip;
        t[i] = (v & 0x7fffffff) > 0x7f800000 ? nan : key;
    }
}

/* The place of the largest in one row, or in each of `width` columns side by side. */
static int64_t extreme_row(const keys_t *f, const char *x, int64_t rs, int64_t n, int last)
{
    int32_t t[PIECE], best = INT32_MIN;
    int64_t at = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PIECE ? n - i : PIECE;
        to_keys(f, x + i * rs * element_size[f->element], rs, m, t);
        int32_t top = INT32_MIN;
        for (int64_t k = 0; k < m; k++) top = t[k] > top ? t[k] : top;
        if (last ? top < best : i && top <= best) continue;
        best = top;
        at = last ? m - 1 : 0;
        while (t[at] != top) at += last ? -1 : 1;
        at += i;
    }
    return at;
}
static void extreme_columns(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t width, int last,
                            int64_t *y, int64_t ys)
{
    int32_t t[PIECE], best[PIECE], at[PIECE];
    int size = element_size[f->element];
    const int32_t tie = last ? 1 : 0;
    for (int64_t m; width > 0; width -= m, x += m * size, y += m * ys) {
        m = width < PIECE ? width : PIECE;
        to_keys(f, x, 1, m, best);
        memset(at, 0, m * sizeof *at);
        for (int64_t i = 1; i < n; i++) {
            const int32_t here = (int32_t)i;
            to_keys(f, x + i * rs * size, 1, m, t);
            for (int64_t k = 0; k < m; k++) {
                int32_t better = (t[k] > best[k]) | ((t[k] == best[k]) & tie);
                best[k] = better ? t[k] : best[k];
                at[k] = better ? here : at[k];
            }
        }
        for (int64_t k = 0; k < m; k++) y[k * ys] = at[k];
    }
}

/* The k first: a heap whose root is the last of them. An entry is the key above the place counted backwards,
 * so that no two are equal and the lower place is the larger entry. */
INL uint64_t entry(int32_t key, int64_t place)
{
    return (uint64_t)((uint32_t)key ^ 0x80000000u) << 32 | (0xffffffffu - (uint32_t)place);
}
INL int64_t entry_place(uint64_t e) { return 0xffffffffu - (uint32_t)e; }
INL int32_t entry_key(uint64_t e) { return (int32_t)((uint32_t)(e >> 32) ^ 0x80000000u); }
/* e to its place at or below `at` */
static void sift(uint64_t *heap, int64_t k, int64_t at, uint64_t e)
{
    int64_t child = 2 * at + 1;
    for (; child + 1 < k; child = 2 * at + 1) {
        uint64_t left = heap[child], right = heap[child + 1], least = left < right ? left : right;
        child += right < left;          /* no branch: nobody can predict it */
        if (e <= least) break;
        heap[at] = least;
        at = child;
    }
    if (child + 1 == k && heap[child] < e) { heap[at] = heap[child]; at = child; }
    heap[at] = e;
}
static void top_row(const keys_t *f, const char *x, int64_t rs, int64_t n, int64_t k, void *scratch, char *v,
                    int64_t *places, int64_t ks)
{
    enum { SOME = 64 };
    uint64_t *heap = scratch;
    int32_t t[PIECE];
    int size = element_size[f->element];
    int64_t held = 0;
    for (int64_t i = 0, m; i < n; i += m) {
        m = n - i < PIECE ? n - i : PIECE;
        to_keys(f, x + i * rs * size, rs, m, t);
        int64_t j = 0;
        for (; j < m && held < k; j++) heap[held++] = entry(t[j], i + j);
        if (i + j == k) for (int64_t h = k / 2 - 1; h >= 0; h--) sift(heap, k, h, heap[h]);
        for (int64_t end; j < m; j = end) {
            end = m - j < SOME ? m : j + SOME;
            int32_t root = entry_key(heap[0]), top = INT32_MIN;
            for (int64_t h = j; h < end; h++) top = t[h] > top ? t[h] : top;
            if (top <= root) continue;
            for (int64_t h = j; h < end; h++)
                if (t[h] > entry_key(heap[0])) sift(heap, k, 0, entry(t[h], i + h));
        }
    }
    for (int64_t h = k - 1; h > 0; h--) {
        uint64_t least = heap[0];
        sift(heap, h, 0, heap[h]);
        heap[h] = least;
    }
    for (int64_t h = 0; h < k; h++) {
        int64_t place = entry_place(heap[h]);
        memcpy(v + h * ks * size, x + place * rs * size, size);
        places[h * ks] = place;
    }
}
#endif
