/* NonMaxSuppression: which of overlapping boxes stay, greedily, from the best score downwards.
 *
 * Lists of boxes: list t is of batch t / labels; boxes[batch][count][4] are corners in any order, y before x, or
 * `centered` x, y, width, height; scores[t][count]. Of those above `least` (of `all` where that is 1) the best comes
 * first, of equal scores the first, NaN last. `least` is the bits of a float32, which as one might be flushed to 0. A
 * box stays that overlaps none before it by more than `overlap` (shared area over joint area; a box without area
 * overlaps nothing), up to `limit` boxes. Their numbers go to chosen[t][most], how many there are to counts[t].
 *
 * Sorting: keys of 64 bits, a number's bits in such an order as integers have, and the box's number below; by digits
 * of 8 bits, from the lowest (LSD radix sort). Long lists of which the limit asks for a good part are divided: between
 * boxes of which none reaches over a line x = const to the others nothing is shared. So lie the classes where a model
 * has moved each to a place of its own. A box is compared with VW kept ones at once; their rows are padded with boxes
 * without area.
 *
 * Kernel tile: a list. Scratch: suppress_room. */
#ifndef DETECTION_H
#define DETECTION_H
#include "order.h"
#include "vec.h"
#define SUPPRESS_FIELDS(B, I, F, A) B(boxes) B(scores) B(chosen) B(counts) \
    I(labels) I(count) I(most) I(limit) I(centered) I(all) I(least) F(overlap)
PARAMS(suppress_t, SUPPRESS_FIELDS)
enum { LONG_LIST = 512,                 /* boxes of a list that it pays to divide */
       FEW_KEYS = 48 };                 /* that are sorted by insertion */

/* In such an order as the numbers have, both zeros alike, whether or not small numbers count as zeros. */
INL uint32_t ordered_bits(uint32_t u) { return (uint32_t)number_key32((int32_t)u) ^ 0x80000000u; }
INL uint32_t ordered(float x)
{
    uint32_t u;
    memcpy(&u, &x, 4);
    return ordered_bits(u);
}

/* Keys a, by their upper halves; of equal ones in the order they have. b: as much room. Where the result lies. */
static uint64_t *sort_keys(uint64_t *a, uint64_t *b, int64_t n)
{
    if (n <= FEW_KEYS) {
        for (int64_t i = 1; i < n; i++) {
            const uint64_t key = a[i];
            int64_t j = i;
            for (; j > 0 && a[j - 1] >> 32 > key >> 32; j--) a[j] = a[j - 1];
            a[j] = key;
        }
        return a;
    }
    int64_t number[4][256];
    memset(number, 0, sizeof number);
    for (int64_t i = 0; i < n; i++) for (int d = 0; d < 4; d++) number[d][a[i] >> (32 + 8 * d) & 255]++;
    for (int d = 0; d < 4; d++) {
        const int shift = 32 + 8 * d;
        if (number[d][a[0] >> shift & 255] == n) continue;
        int64_t at = 0;
        for (int k = 0; k < 256; k++) { const int64_t m = number[d][k]; number[d][k] = at; at += m; }
        for (int64_t i = 0; i < n; i++) b[number[d][a[i] >> shift & 255]++] = a[i];
        uint64_t *swap = a; a = b; b = swap;
    }
    return a;
}

INL int any_lane(vi mask)
{
    int32_t lanes[VW], any = 0;
    memcpy(lanes, &mask, sizeof lanes);
    for (int i = 0; i < VW; i++) any |= lanes[i];
    return any != 0;
}

/* kept[i] = 1 for those of n boxes that stay, up to `limit`. x: rows x_min, y_min, x_max, y_max of `total` floats */
static void suppress_list(const float *x, int64_t total, int64_t n, int64_t limit, float overlap, float *rows,
                          int64_t row, uint8_t *kept)
{
    float *left = rows, *top = rows + row, *right = rows + 2 * row, *bottom = rows + 3 * row, *areas = rows + 4 * row;
    const vf zero = {0}, most = bc(overlap);
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) kept[i] = 0;
    for (int64_t i = 0; i < n && count < limit; i++) {
        const float x0 = x[i], y0 = x[total + i], x1 = x[2 * total + i], y1 = x[3 * total + i];
        const float area = (x1 - x0) * (y1 - y0);
        const vf a = bc(x0), b = bc(y0), c = bc(x1), d = bc(y1), own = bc(area);
        int hit = 0;
        if (area > 0)
            for (int64_t k = 0; k < count && !hit; k += VW) {
                const vf w = vmin(c, ld(right + k)) - vmax(a, ld(left + k));
                const vf h = vmin(d, ld(bottom + k)) - vmax(b, ld(top + k));
                const vf shared = w * h, other = ld(areas + k);
                const vi real = (w > zero) & (h > zero) & (other > zero);
                hit = any_lane(real & (shared / (own + other - shared) > most));
            }
        if (hit) continue;
        if (count % VW == 0) {
            st(left + count, zero), st(top + count, zero), st(right + count, zero), st(bottom + count, zero);
            st(areas + count, zero);
        }
        left[count] = x0, top[count] = y0, right[count] = x1, bottom[count] = y1, areas[count] = area;
        kept[i] = 1;
        count++;
    }
}

/* Corners of a box -> x_min, y_min, x_max, y_max, `total` floats apart. Whether none of them is NaN. */
INL int corners(const float *box, int centered, float *x, int64_t total)
{
    const float a = box[0], b = box[1], c = box[2], d = box[3];
    if (centered) {
        x[0] = a - c / 2, x[total] = b - d / 2, x[2 * total] = a + c / 2, x[3 * total] = b + d / 2;
    } else if (a != a || b != b || c != c || d != d) {      /* as of min and max with NaN */
        x[0] = x[2 * total] = b + d, x[total] = x[3 * total] = a + c;
        if (!(b != b || d != d)) x[0] = b < d ? b : d, x[2 * total] = b < d ? d : b;
        if (!(a != a || c != c)) x[total] = a < c ? a : c, x[3 * total] = a < c ? c : a;
    } else {
        x[0] = b < d ? b : d, x[total] = a < c ? a : c, x[2 * total] = b < d ? d : b, x[3 * total] = a < c ? c : a;
    }
    return x[0] == x[0] && x[total] == x[total] && x[2 * total] == x[2 * total] && x[3 * total] == x[3 * total];
}

INL char *carve(char **room, int64_t bytes)
{
    char *p = *room;
    *room += (bytes + 63) / 64 * 64;
    return p;
}

static int64_t suppress_room(int64_t count) { return 80 * count + 1024; }     /* pieces of whole cache lines */
static void suppress_one(const suppress_t *A, const float *boxes, const float *scores, char *room, int32_t *chosen,
                         int64_t *chosen_count)
{
    const int64_t count = A->count;
    uint64_t *keys = (uint64_t *)carve(&room, 8 * count), *other = (uint64_t *)carve(&room, 8 * count);
    int64_t n = 0, found = 0, i, g;
    int apart = 1;
    const uint32_t least = ordered_bits((uint32_t)A->least);
    for (i = 0; i < count; i++) {
        const int is_nan = scores[i] != scores[i];
        const uint32_t score = ordered(scores[i]);
        if (A->all || (score > least && !is_nan))
            keys[n++] = (uint64_t)(is_nan ? UINT32_MAX : ~score) << 32 | (uint32_t)i;
    }
    const int64_t row = (n + VW - 1) / VW * VW;
    float *x = (float *)carve(&room, 16 * n), *rows = (float *)carve(&room, 20 * row);
    int32_t *best = (int32_t *)carve(&room, 4 * n);
    uint8_t *kept = (uint8_t *)carve(&room, n);
    uint64_t *sorted = sort_keys(keys, other, n);
    for (i = 0; i < n; i++) {
        best[i] = (int32_t)sorted[i];
        apart &= corners(boxes + 4 * (int64_t)best[i], A->centered, x + i, n);
    }
    if (n < LONG_LIST || 4 * (double)A->limit < (double)n || !apart) {
        suppress_list(x, n, n, A->limit, (float)A->overlap, rows, row, kept);
    } else {
        /* group[i], of boxes that reach over to each other; they lie together in `moved`, `place` tells where */
        int32_t *group = (int32_t *)carve(&room, 4 * n), *place;
        uint8_t *stay;
        float reach = 0, *moved = (float *)carve(&room, 16 * n);
        for (i = 0; i < n; i++) keys[i] = (uint64_t)ordered(x[i]) << 32 | (uint32_t)i;
        sorted = sort_keys(keys, other, n);
        for (g = 0, i = 0; i < n; i++) {
            const int64_t at = (uint32_t)sorted[i];
            const float end = x[2 * n + at] > x[at] ? x[2 * n + at] : x[at];
            if (i > 0 && x[at] >= reach) g++;
            if (i == 0 || end > reach) reach = end;
            group[at] = (int32_t)g;
        }
        int32_t *begin = (int32_t *)keys;               /* g + 2 <= n + 1 of 2n numbers */
        place = (int32_t *)other, stay = (uint8_t *)(place + n);
        memset(begin, 0, 4 * (g + 2));
        for (i = 0; i < n; i++) begin[group[i] + 1]++;
        for (i = 0; i < g; i++) begin[i + 1] += begin[i];
        for (i = 0; i < n; i++) {
            const int64_t to = place[i] = begin[group[i]]++;
            for (int k = 0; k < 4; k++) moved[k * n + to] = x[k * n + i];
        }
        for (i = 0; i <= g; i++) {                      /* begin[i] is now where group i ends */
            const int64_t first = i ? begin[i - 1] : 0;
            suppress_list(moved + first, n, begin[i] - first, A->limit, (float)A->overlap, rows, row, stay + first);
        }
        for (i = 0; i < n; i++) kept[i] = stay[place[i]];
    }
    for (i = 0; i < n && found < A->limit; i++) if (kept[i]) chosen[found++] = best[i];
    *chosen_count = found;
}
#endif
