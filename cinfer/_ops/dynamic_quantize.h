/* DynamicQuantizeLinear: y = rint(x / scale) + zero, limited to 0..255, by the range of x itself, which holds 0.
 *
 * range_of          tile t: the least and the largest of 0 and of x[t*per ..] -> parts[2t], parts[2t + 1]
 * dynamic_quantize  scale = (high - low) / 255, or 1 where all is 0; zero = rint(-low / scale); tile t: y[t*per ..];
 *                   the first one writes scale (float32) and zero (a byte), too
 * n floats, `parts` tiles of range_of. A NaN gives NaN as range; as a number, it becomes 0. Bits as onnxruntime's. */
#ifndef DYNAMIC_QUANTIZE_H
#define DYNAMIC_QUANTIZE_H
#include "api.h"
#include "vec_math.h"
#define RANGE_OF_FIELDS(B, I, F, A) B(x) B(parts) I(n) I(per)
PARAMS(range_of_t, RANGE_OF_FIELDS)
#define DYNAMIC_QUANTIZE_FIELDS(B, I, F, A) B(x) B(parts) B(y) B(scale) B(zero) I(n) I(per) I(count)
PARAMS(dynamic_quantize_t, DYNAMIC_QUANTIZE_FIELDS)

static __attribute__((noinline)) void range_of(const float *x, int64_t n, float *part)
{
    vf low[4] = {{0}}, high[4] = {{0}}, nan = {0};
    int64_t i = 0;
    for (; i + 4 * VW <= n; i += 4 * VW)
        FOR(k, 4) {
            vf v = ld(x + i + k * VW);
            low[k] = vmin(v, low[k]);                           /* NaN in v: the second */
            high[k] = vmax(v, high[k]);
            nan = (vf)((vi)nan | (vi)(v - v));                  /* NaN of a NaN or an infinity */
        }
    for (; i < n; i += VW) {
        vf v = n - i < VW ? ld_part(x + i, n - i, 0) : ld(x + i);
        low[0] = vmin(v, low[0]);
        high[0] = vmax(v, high[0]);
        nan = (vf)((vi)nan | (vi)(v - v));
    }
    FOR(k, 4) low[0] = vmin(low[k], low[0]), high[0] = vmax(high[k], high[0]);
    FOLD(low[0], vmin);
    FOLD(high[0], vmax);
    part[0] = low[0][0];
    part[1] = high[0][0];
    if (any(nan_of(nan)))
        for (i = 0; i < n; i++) if (x[i] != x[i]) part[0] = part[1] = x[i];
}
static __attribute__((noinline)) void quantise_bytes(const float *x, int64_t n, float scale, float zero, uint8_t *y)
{
    const vf s = bc(scale), z = bc(zero), hi = bc(255);
    int64_t i = 0;
    for (; i + VW <= n; i += VW) {
        vf v = vrint(ld(x + i) / s) + z;
        st_u8(y + i, to_int(vmin(hi, vmax(v, (vf){0}))));
    }
    if (i < n) {
        uint8_t rest[VW];
        vf v = vrint(ld_part(x + i, n - i, 0) / s) + z;
        st_u8(rest, to_int(vmin(hi, vmax(v, (vf){0}))));
        memcpy(y + i, rest, (size_t)(n - i));
    }
}
static void dynamic_quantize(const dynamic_quantize_t *A, char *const *base, int64_t tile)
{
    const float *x = (const float *)at(base, A->x) + tile * A->per, *part = at(base, A->parts);
    float low = 0, high = 0;
    for (int64_t i = 0; i < A->count; i++) {
        float a = part[2 * i], b = part[2 * i + 1];
        low = a < low || a != a ? a : low;
        high = b > high || b != b ? b : high;
    }
    float width = high - low, scale = width == 0 ? 1 : width / 255, zero = -low / scale;
    vf z = vrint(bc(zero < 0 ? 0 : zero > 255 ? 255 : zero != zero ? 0 : zero));
    int64_t n = A->n - tile * A->per;
    if (tile == 0) {
        *(float *)at(base, A->scale) = scale;
        *(uint8_t *)at(base, A->zero) = (uint8_t)z[0];
    }
    quantise_bytes(x, n < A->per ? n : A->per, scale, z[0], (uint8_t *)at(base, A->y) + tile * A->per);
}
#endif
