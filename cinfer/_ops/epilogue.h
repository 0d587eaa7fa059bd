/* What is done to sums before they are stored: the activations that are cheap enough are done in registers,
 * the others on what was just stored, while it is in L1 (activation.h). */
#ifndef EPILOGUE_H
#define EPILOGUE_H
#include "api.h"
#include "vec.h"
typedef struct { int64_t act; float alpha, beta; } epilogue_t;
/* n sums of the same channels; slope: of these channels, for prelu */
INL void activate_sums(vf *a, int n, const epilogue_t *f, const float *slope)
{
    if (f->act == U_clip) {
        vf lo = bc(f->alpha), hi = bc(f->beta);
        FOR(p, n) a[p] = vmax(lo, a[p]);
        if (f->beta < __builtin_inff()) FOR(p, n) a[p] = vmin(hi, a[p]);
    } else if (f->act == U_prelu || f->act == U_leaky_relu) {
        vf s = bc(f->alpha);
        if (f->act == U_prelu) s = ld(slope);
        FOR(p, n) a[p] = vmax((vf){0}, a[p]) + s * vmin((vf){0}, a[p]);
    } else if (f->act == U_hard_sigmoid || f->act == U_hard_swish) {
        vf k = bc(f->alpha), b = bc(f->beta);
        int times = f->act == U_hard_swish;
        FOR(p, n) { vf s = vmin(bc(1.f), vmax((vf){0}, a[p] * k + b)); if (times) s *= a[p]; a[p] = s; }
    }
}
/* Whether an activation is left to activate_rows(). */
INL int acts_later(int64_t act)
{
    return !(act == U_none || act == U_clip || act == U_prelu || act == U_leaky_relu ||
             act == U_hard_sigmoid || act == U_hard_swish);
}
#endif
