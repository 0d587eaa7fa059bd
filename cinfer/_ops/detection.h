/* Which of overlapping boxes stay: greedily, from the best score downwards.
 *
 * Lists of boxes, each from best to worst: x[4][total], the rows x_min, y_min, x_max, y_max; list t is boxes
 * starts[t] to starts[t + 1] - 1. kept[i] = 1 where box i overlaps no kept box of its list before it by more than
 * `overlap` (shared area over joint area; a box without area overlaps nothing), up to `limit` boxes of a list.
 *
 * Kernel tile: a list. Scratch: 5 rows of `longest` floats and a vector each, the kept boxes and their areas; a
 * box is compared with VW of them at once. Rows are padded with boxes without area. */
#ifndef DETECTION_H
#define DETECTION_H
#include "api.h"
#include "vec.h"
#define SUPPRESS_FIELDS(B, I, F, A) B(x) B(starts) B(kept) I(total) I(longest) I(limit) F(overlap)
PARAMS(suppress_t, SUPPRESS_FIELDS)

INL int any_lane(vi mask)
{
    int32_t lanes[VW], any = 0;
    memcpy(lanes, &mask, sizeof lanes);
    for (int i = 0; i < VW; i++) any |= lanes[i];
    return any != 0;
}

static int64_t suppress_list(const float *x, int64_t total, int64_t n, int64_t limit, float overlap, float *rows,
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
    return count;
}
#endif
