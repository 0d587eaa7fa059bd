"""Inputs of operators that resample pictures or look for boxes in them; `c` as in drawn_inputs.py."""
from __future__ import annotations

import numpy as np

from drawn_common import F32, F64, by_name, ints, picture


# ---- resampling

def resize(c):
    n = c.whole(1, 2)
    mode = c.maybe("mode", "nearest", "linear", "cubic")
    shape = c.pick((1, 2), (), (2, 1)) + tuple(c.whole(2, 5) for _ in range(n if mode != "cubic" else 2))
    x, rank = c.x(shape=shape), len(shape)
    kept = rank - (2 if mode == "cubic" else n)
    way = c.maybe("coordinate_transformation_mode", "half_pixel", "align_corners", "asymmetric",
                  "pytorch_half_pixel", *["half_pixel_symmetric"] * (c.since >= 19), "tf_crop_and_resize")
    c.maybe("nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    c.maybe("antialias", 0, *[1] * (mode != "nearest" and way != "tf_crop_and_resize"))
    c.maybe("exclude_outside", 0, *[1] * (mode == "cubic"))
    c.maybe("cubic_coeff_a", -.75, -.5)
    c.set(extrapolation_value=1.5 if way == "tf_crop_and_resize" else None)
    axes = None
    if c.since >= 18 and c.chance(.3):
        axes = list(range(kept, rank))
        c.set(axes=axes)
    c.decided.add("axes")
    count = rank if axes is None else len(axes)
    lead = rank - kept if axes is not None else 0
    same, scaled = count - (rank - kept), rank - kept
    factors = np.array([1.] * same + [c.pick(.5, 1, 1.5, 2, .75, 2.5) for _ in range(scaled)], F32)
    if c.since < 11:
        return x, factors
    roi = None
    if way == "tf_crop_and_resize":
        roi = np.array([0.] * same + [.25] * scaled + [1.] * same + [.75] * scaled, c.type_of("roi"))
    elif c.since < 13:
        roi = np.zeros(0, c.type_of("roi"))
    c.decided.add("keep_aspect_ratio_policy")
    if c.chance():
        return x, roi, factors
    if way != "tf_crop_and_resize" and lead:
        c.maybe("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
    sizes = [int(max(1, d * f)) for d, f in zip(shape[rank - count:], factors)]
    return x, roi, None if c.since >= 13 else np.zeros(0, F32), ints(*sizes)


def upsample(c):
    c.maybe("mode", "nearest", "linear" if c.since >= 7 else "bilinear")
    x = c.x(shape=(1, c.whole(1, 3), c.whole(1, 4), c.whole(1, 4)))
    factors = [1., 1., float(c.pick(1, 2, 3, 1.5)), float(c.pick(1, 2, 3))]
    if c.since >= 9:
        return x, np.array(factors, F32)
    c.set(scales=factors, height_scale=factors[2], width_scale=factors[3])
    return x,


def grid_sample(c):
    n = c.pick(2, 2, 3) if c.since >= 20 else 2
    x = c.x(shape=(c.whole(1, 2), c.whole(1, 3), *(c.whole(2, 5) for _ in range(n))))
    c.maybe("mode", *(("linear", "nearest", *["cubic"] * (n == 2)) if c.since >= 20
                      else ("bilinear", "nearest", "bicubic")))
    c.maybe("padding_mode", "zeros", "border", "reflection")
    # no place is halfway between two elements
    grid = c.make("grid", (len(x), *(c.whole(1, 4) for _ in range(n)), n), -1, 1)
    return x, (grid * grid.dtype.type(1.09)).astype(grid.dtype)


def affine_grid(c):
    n = c.pick(2, 2, 3)
    theta = c.x(shape=(c.whole(1, 2), n, n + 1))
    # where corners are aligned and there is one place, nobody agrees
    least = 1 + c.maybe("align_corners", 0, 1)
    return theta, ints(len(theta), c.whole(1, 3), *(c.whole(least, 4) for _ in range(n)))


# ---- detection

def corners(c, count, dtype, limit=6):
    low = c.numbers.integers(0, 4 * limit, (count, 2)) / 4
    return np.concatenate([low, low + c.numbers.integers(1, 4 * limit, (count, 2)) / 4], 1).astype(dtype)


def non_max_suppression(c):
    batch, classes, boxes = c.whole(1, 2), c.whole(1, 3), c.whole(1, 8)
    scores = np.array(c.rng.sample(range(100), boxes), F32) / 100        # no two are equal
    limits = ints(c.whole(1, 5)), np.array([c.pick(.3, .5)], F32), np.array([c.pick(.1, .4)], F32)
    each = [[c.rng.sample(scores.tolist(), boxes) for _ in range(classes)] for _ in range(batch)]
    return (np.stack([corners(c, boxes, F32) for _ in range(batch)]), np.array(each, F32),
            *limits[:c.whole(0, 3)])


def roi_align(c):
    x = picture(c, 2, 2, 4, 8)
    count = c.whole(0, 3)
    c.maybe("mode", "avg", "max")
    c.maybe("coordinate_transformation_mode", "half_pixel", "output_half_pixel")
    c.maybe("output_height", 1, 2, 3)
    c.maybe("output_width", 1, 2)
    c.maybe("sampling_ratio", 0, 1, 2)
    return x, corners(c, count, x.dtype), c.numbers.integers(0, len(x), count)


def max_roi_pool(c):
    x = picture(c, 2, 2, 4, 8)
    count = c.whole(1, 3)
    c.set(pooled_shape=[c.whole(1, 3), c.whole(1, 3)])
    batches = c.numbers.integers(0, len(x), (count, 1))
    return x, np.concatenate([batches, np.floor(corners(c, count, F64))], 1).astype(x.dtype)


INPUTS = by_name({
    affine_grid: "AffineGrid", grid_sample: "GridSample", max_roi_pool: "MaxRoiPool",
    non_max_suppression: "NonMaxSuppression", resize: "Resize", roi_align: "RoiAlign", upsample: "Upsample",
})
