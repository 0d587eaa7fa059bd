/* DynamicQuantizeLinear: y = rint(x / scale) + zero, limited to 0..255, by the range of x itself, which holds 0.
 *
 * range_of          tile t: the least and the largest of 0 and of x[t*per ..] -> parts[2t], parts[2t + 1]
 * dynamic_quantize  scale = (high - low) / 255, or 1 where that is no normal number, as if all were 0; zero =
 *                   rint(-low / scale); tile t: y[t*per ..]; the first one writes scale (float32) and zero (a byte),
 *                   too
 * range_of_blocked  range_of of blocks, strides xn xb xr in floats; tile = (image*row_tiles + r)*blocks + b, rows
 *                   r*rows ..
 * dynamic_scale     scale and zero alone; one tile
 * n floats, `count` tiles of range_of. A NaN gives NaN as range; as a number, it becomes 0. Bits as onnxruntime's. */
#ifndef DYNAMIC_QUANTIZE_H
#define DYNAMIC_QUANTIZE_H
#include <float.h>
#include "api.h"
#include "layout_u8.h"
#include "range.h"
#define DYNAMIC_QUANTIZE_FIELDS(B, I, F, A) B(x) B(parts) B(y) B(scale) B(zero) I(n) I(per) I(count)
PARAMS(dynamic_quantize_t, DYNAMIC_QUANTIZE_FIELDS)
#define DYNAMIC_SCALE_FIELDS(B, I, F, A) B(parts) B(scale) B(zero) I(count)
PARAMS(dynamic_scale_t, DYNAMIC_SCALE_FIELDS)

INL void wider(float *range, const float *part)
{
    range[0] = part[0] < range[0] || part[0] != part[0] ? part[0] : range[0];
    range[1] = part[1] > range[1] || part[1] != part[1] ? part[1] : range[1];
}
static void scale_of_range(const float *part, int64_t count, float *scale, float *zero)
{
    float range[2] = {0, 0};
    for (int64_t i = 0; i < count; i++) wider(range, part + 2 * i);
    float width = range[1] - range[0], step = width < 255 * FLT_MIN ? 1 : width / 255, z = -range[0] / step;
    *scale = step;
    *zero = vrint(bc(z < 0 ? 0 : z > 255 ? 255 : z != z ? 0 : z))[0];
}
static void dynamic_quantize(const dynamic_quantize_t *A, char *const *base, int64_t tile)
{
    const float *x = (const float *)at(base, A->x) + tile * A->per;
    float scale, zero;
    int64_t n = A->n - tile * A->per;
    scale_of_range(at(base, A->parts), A->count, &scale, &zero);
    if (tile == 0) {
        *(float *)at(base, A->scale) = scale;
        *(uint8_t *)at(base, A->zero) = (uint8_t)zero;
    }
    const quant_t q = quant_of(scale, (int64_t)zero, 0, 255, 0);
    quantise_bytes(x, n < A->per ? n : A->per, &q, (uint8_t *)at(base, A->y) + tile * A->per);
}
static void dynamic_scale(const dynamic_scale_t *A, char *const *base)
{
    float scale, zero;
    scale_of_range(at(base, A->parts), A->count, &scale, &zero);
    *(float *)at(base, A->scale) = scale;
    *(uint8_t *)at(base, A->zero) = (uint8_t)zero;
}
#endif
