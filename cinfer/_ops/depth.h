/* Windows over the slices of a volume, which lie as so many pictures one after another.
 *
 * kd sd dd pf id od: size, stride, dilation of the window, padding before the first slice, slices of the
 * input and of the output. kd = 0: pictures, each a volume of one slice. No padding is read: windows are
 * clamped. */
#ifndef DEPTH_H
#define DEPTH_H
#include "api.h"
#define DEPTH_FIELDS(B, I, F, A) I(kd) I(sd) I(dd) I(pf) I(id) I(od)

/* Of the window of output slice `out` in volume `volume`: the first slice of the input, how many of its taps
 * are before that one, how many are inside. */
typedef struct { int64_t volume, out, first, before, inside; } slices_t;

/* How many of `most` positions first, first + step, ... lie below end. */
static inline int64_t taps_below(int64_t first, int64_t end, int64_t step, int64_t most)
{
    if (first >= end) return 0;
    const int64_t n = (end - first + step - 1) / step;
    return n < most ? n : most;
}
static inline slices_t slices_of(int64_t picture, int64_t kd, int64_t sd, int64_t dd, int64_t pf, int64_t id,
                                 int64_t od)
{
    if (kd == 0) return (slices_t){picture, 0, 0, 0, 1};
    slices_t s = {.volume = picture / od, .out = picture % od};
    const int64_t at = s.out * sd - pf;
    s.before = taps_below(at, 0, dd, kd);
    s.inside = taps_below(at, id, dd, kd) - s.before;
    s.first = at + s.before * dd;
    return s;
}
#endif
